"""Everything that the code reads from its environment, in one place; `.envrc` explains each variable."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import PermanentError

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


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
    lease_seconds: float | None = None
    lock_seconds: float | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            PermanentError: GOOGLE_CLOUD_PROJECT is missing, a name cannot be one of BigQuery's, or a time is no number.
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
