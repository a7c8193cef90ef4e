"""One request's training as a piece of work in the ledger: begun once, waited for, ended or left to the next start."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import Event, TrainingRequested
from shared.lifecycle.ledger import failure
from shared.lifecycle.logs import log_to_stdout
from shared.lifecycle.messages import from_dict
from shared.lifecycle.services import Services
from training_vm.patience import deadline, patiently
from training_vm.training import train

log = logging.getLogger(__name__)
STEP = "train"
# Of a machine that dies, the next one has to wait for this long; the heart beats three times as often.
LEASE_SECONDS = 30.0
DEADLINE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Trains one request. On the last start nothing is left to a next one: whatever fails then has failed for good."""

    services: Services
    deadline_seconds: float = DEADLINE_SECONDS
    is_last_start: bool = False
    lease_seconds: float = LEASE_SECONDS

    def run(self, event: TrainingRequested) -> str:
        """Have it trained and announced, unless that is done: `done` or `repeated`.

        Raises:
            PassingError: somebody else is at it, or a store was away for longer than one waits.
        """
        return patiently(
            lambda: self.services.ledger.run(
                STEP,
                event,
                lambda: self._work(event),
                self.services.publish,
                message_id=event.machine,
                lease_seconds=self.lease_seconds,
            )
        )

    def _work(self, event: TrainingRequested) -> Sequence[Event]:
        """The training; if it fails for good, the request is closed in the same breath, so that nothing stays open."""
        try:
            with deadline(self.deadline_seconds):
                return train(event, self.services)
        except PermanentError as error:
            return self._give_up(event, error)
        except Exception as error:
            if not self.is_last_start:
                raise
            log.exception("The last attempt has failed")
            what = f"the last attempt at the training failed: {type(error).__name__}: {error}"
            return self._give_up(event, PermanentError(what[:1000], "Ask for it again once that is mended."))

    def _give_up(self, event: TrainingRequested, error: PermanentError) -> Sequence[Event]:
        log.error("Gave up for good: %s", error)
        return [failure(STEP, event, error), *self.services.desk.close(event.model, event.request)]


def main(task: Path, *, lease_seconds: float | None = None) -> int:
    """Train what the task file asks for: 0 when it is done or has failed for good, 1 to be started again."""
    log_to_stdout()
    # The lease is given back on the way out, so that the next start need not wait for its end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raw = json.loads(task.read_text())
    event = read_task(raw)
    services = Services()
    worker = Worker(
        services=services,
        deadline_seconds=services.settings.training_deadline_seconds,
        # The laptop's supervisor counts by itself; on Google Cloud whoever launched the machine has counted.
        is_last_start=os.environ.get("TIDEWHEEL_MACHINE_STARTS_LEFT", str(raw.get("starts_left", ""))) == "0",
        lease_seconds=lease_seconds or services.settings.lease_seconds or LEASE_SECONDS,
    )
    try:
        outcome = worker.run(event)
    except PassingError as error:
        log.error("Request %s has to be started again: %s", event.request, error)
        return 1
    log.info("Request %s is %s", event.request, outcome)
    return 0


def read_task(raw: dict[str, Any]) -> TrainingRequested:
    """The request that a machine was started with."""
    event = from_dict(TrainingRequested, raw["event"])
    assert isinstance(event, TrainingRequested)
    return replace(event, story=raw["story"])
