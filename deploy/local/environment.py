"""What the code and any official client need to know to talk to this stack."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.local.layout import Layout

PROJECT = "tidewheel-local"
DATASET = "tidewheel"
LANDING, QUARANTINE, STATE, ARTIFACTS = (f"{PROJECT}-{use}" for use in ("landing", "quarantine", "state", "artifacts"))
BUCKETS = (LANDING, QUARANTINE, STATE, ARTIFACTS)


def stack_env(layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    """The official variables, then ours."""
    env = {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{ports['pubsub']}",
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{ports['storage']}",
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{ports['bigquery']}",
        "BIGQUERY_STORAGE_EMULATOR_HOST": f"127.0.0.1:{ports['bigquery_storage']}",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['mlflow']}",
        "TIDEWHEEL_DATASET": DATASET,
        "TIDEWHEEL_LANDING_BUCKET": LANDING,
        "TIDEWHEEL_QUARANTINE_BUCKET": QUARANTINE,
        "TIDEWHEEL_STATE_BUCKET": STATE,
        "TIDEWHEEL_MACHINES_DIR": str(layout.machines.absolute()),
    }
    if "predict" in ports:
        env["TIDEWHEEL_PREDICT_URL"] = f"http://127.0.0.1:{ports['predict']}"
    return env
