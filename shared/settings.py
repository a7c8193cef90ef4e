"""Everything that the code reads from its environment, in one place; `.envrc` explains each variable."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import PermanentError

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
DEADLINE = "TIDEWHEEL_TRAINING_DEADLINE_SECONDS"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Names of a project's resources; the official clients read the emulators' addresses themselves.

    `lease_seconds` and `lock_seconds` are for the fault lab, which cannot wait as long as usual.
    """

    project: str
    dataset: str = "tidewheel"
    landing_bucket: str
    quarantine_bucket: str
    state_bucket: str
    mlflow_uri: str = ""
    predict_url: str = ""
    machines_dir: Path | None = None
    location: str = "US"
    bigquery_storage_host: str = ""
    machine_template: str = ""
    zones: tuple[str, ...] = ()
    most_machines: int = 2
    spot_starts: int = 2
    training_deadline_seconds: float = 3600.0
    compute_url: str = ""
    lease_seconds: float | None = None
    lock_seconds: float | None = None

    @property
    def has_machines(self) -> bool:
        """Whether there is anywhere to train."""
        return self.machines_dir is not None or bool(self.machine_template)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            PermanentError: GOOGLE_CLOUD_PROJECT is missing, a name cannot be one of BigQuery's, or a number is none.
        """
        project = env.get("GOOGLE_CLOUD_PROJECT", "")
        if not project:
            raise PermanentError(
                "GOOGLE_CLOUD_PROJECT is not set.",
                'On a laptop start the stack with "tidewheel up"; for Google Cloud fill in .envrc.',
            )
        dataset = env.get("TIDEWHEEL_DATASET", "tidewheel")
        if not IDENTIFIER.fullmatch(dataset):
            raise PermanentError(f'TIDEWHEEL_DATASET is "{dataset}", which is not a BigQuery name.', "Use a-z, 0-9, _.")
        machines_dir = env.get("TIDEWHEEL_MACHINES_DIR", "")
        return cls(
            project=project,
            dataset=dataset,
            landing_bucket=env.get("TIDEWHEEL_LANDING_BUCKET", f"{project}-landing"),
            quarantine_bucket=env.get("TIDEWHEEL_QUARANTINE_BUCKET", f"{project}-quarantine"),
            state_bucket=env.get("TIDEWHEEL_STATE_BUCKET", f"{project}-state"),
            mlflow_uri=env.get("MLFLOW_TRACKING_URI", ""),
            predict_url=env.get("TIDEWHEEL_PREDICT_URL", ""),
            machines_dir=Path(machines_dir) if machines_dir else None,
            location=env.get("TIDEWHEEL_LOCATION", "US"),
            bigquery_storage_host=env.get("BIGQUERY_STORAGE_EMULATOR_HOST", ""),
            machine_template=env.get("TIDEWHEEL_MACHINE_TEMPLATE", ""),
            zones=_names(env.get("TIDEWHEEL_ZONES", "")),
            most_machines=_count(env, "TIDEWHEEL_MOST_MACHINES", cls.most_machines),
            spot_starts=_count(env, "TIDEWHEEL_SPOT_STARTS", cls.spot_starts),
            training_deadline_seconds=_seconds(env, DEADLINE) or cls.training_deadline_seconds,
            compute_url=env.get("TIDEWHEEL_COMPUTE_URL", ""),
            lease_seconds=_seconds(env, "TIDEWHEEL_LEASE_SECONDS"),
            lock_seconds=_seconds(env, "TIDEWHEEL_LOCK_SECONDS"),
        )


def _seconds(env: Mapping[str, str], name: str) -> float | None:
    """A length of time, if the environment wants another than the usual one."""
    text = env.get(name, "")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise PermanentError(
            f'{name} is "{text}", which is no number of seconds.', "Leave it out, or write 60."
        ) from error


def _names(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(name for each in text.split(",") if (name := each.strip()))


def _count(env: Mapping[str, str], name: str, usual: int) -> int:
    """How many of something, 0 or more."""
    text = env.get(name, "") or str(usual)
    if not text.isdecimal():
        raise PermanentError(f'{name} is "{text}", which is no whole number.', f"Leave it out, or write {usual}.")
    return int(text)
