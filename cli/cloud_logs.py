"""Logs of trainings on Google Cloud: each machine ships its own to the state bucket, where it outlives the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import TidewheelError
from shared.lifecycle.events import CONSUMERS

if TYPE_CHECKING:
    from shared.lifecycle.services import Services

FOLDER = "logs/"
FUNCTIONS = {*CONSUMERS.values(), "predict"}


@dataclass(frozen=True)
class BucketLog:
    """The log of one machine."""

    name: str
    services: Services

    @property
    def path(self) -> str:
        """Where it is."""
        return f"gs://{self.services.settings.state_bucket}/{FOLDER}{self.name}.log"

    def read(self) -> str:
        """What has been said so far."""
        bucket, name = self.services.settings.state_bucket, f"{FOLDER}{self.name}.log"
        found = self.services.storage.content(bucket, name)
        # Its time may be over.
        return found[0].decode(errors="replace") if found else ""


def known(services: Services) -> list[BucketLog]:
    """Every log that is kept."""
    names = services.storage.names(services.settings.state_bucket, FOLDER)
    return [BucketLog(name.removeprefix(FOLDER).removesuffix(".log"), services) for name in names]


def refuse_part(name: str) -> None:
    """Say where the log of a function is, which is none of ours."""
    if name in FUNCTIONS:
        service = name.replace("_", "-")
        remedy = f"gcloud functions logs read {service} --gen2 --region=REGION"
        raise TidewheelError(f"{name} is a function, and its log is in Cloud Logging.", remedy)
