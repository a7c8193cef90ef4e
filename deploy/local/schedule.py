"""`python -m deploy.local.schedule`: asks now and then whether anything is stuck, as Cloud Scheduler does.

At the turn of a month it asks for a challenger of every model; a stack that sleeps over the turn asks for none.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from datetime import UTC, datetime

from shared.adapters.bus import Bus
from shared.errors import PassingError
from shared.lifecycle.events import ReconcileRequested, RetrainingRequested
from shared.settings import Settings

log = logging.getLogger(__name__)
EVERY_SECONDS = 60.0


def main() -> None:
    """Ask until the process is ended."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    bus = Bus(Settings.from_env())
    every = float(os.environ.get("TIDEWHEEL_RECONCILE_SECONDS", EVERY_SECONDS))
    month = _month()
    while True:
        time.sleep(every)
        due = [ReconcileRequested.topic] + [RetrainingRequested.topic] * (month != _month())
        try:
            bus.publish((topic, b"{}", {}) for topic in due)
            month = _month()
        except PassingError as error:
            log.warning("Pub/Sub is away, asking again later: %s", error)


def _month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    main()
