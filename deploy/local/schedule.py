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
        now = _month()
        try:
            bus.publish((topic, b"{}", {}) for topic in due(month, now))
            month = now
        except PassingError as error:
            log.warning("Pub/Sub is away, asking again later: %s", error)


def due(before: str, now: str) -> list[str]:
    """Where a message is due, if the last ones were sent in the month `before`."""
    return [ReconcileRequested.topic, *([RetrainingRequested.topic] if now != before else [])]


def _month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    main()
