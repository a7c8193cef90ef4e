"""`python -m deploy.local.schedule`: asks now and then whether anything is stuck, as Cloud Scheduler does."""

from __future__ import annotations

import logging
import os
import signal
import time

from shared.adapters.bus import Bus
from shared.errors import PassingError
from shared.lifecycle.events import ReconcileRequested
from shared.settings import Settings

log = logging.getLogger(__name__)
EVERY_SECONDS = 60.0


def main() -> None:
    """Ask until the process is ended."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    bus = Bus(Settings.from_env())
    every = float(os.environ.get("TIDEWHEEL_RECONCILE_SECONDS", EVERY_SECONDS))
    while True:
        time.sleep(every)
        try:
            bus.publish([(ReconcileRequested.topic, b"{}", {})])
        except PassingError as error:
            log.warning("Pub/Sub is away, asking again later: %s", error)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    main()
