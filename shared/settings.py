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
    """Names of a project's resources; the official clients read the emulators' addresses themselves."""

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

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            PermanentError: GOOGLE_CLOUD_PROJECT is missing, or a name cannot be one of BigQuery's.
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
        )
