"""Exactly once in effect: who is doing a piece of work, what it will announce, and that it is done.

The protocol. A piece of work (a step and the identity of an event) has a folder of objects in the state bucket, each
created once, on the condition that it is not there:

    claim-<attempt>   the owner's nonce and the end of its lease; its owner's heartbeat moves the end on, and whoever
                      takes over from it writes once that it has ended
    outbox            the events that the work announces; whoever created it has done the work
    done              they are published, and confirmed by the broker
    repeat-<message>  a delivery that came after that, and was acknowledged
    asked-<nonce>     the reconciler asked for it once more, since nobody was at it any more

    claim -> run -> outbox -> publish -> done

A delivery that finds `done` is acknowledged and counted; one that finds a living lease comes back later; one that finds
an expired lease ends it and claims the next attempt, and publishes the outbox if there is one instead of doing the work
again. It ends exactly the claim that it has read, so that either this or a late heartbeat is refused. An owner whose
lease has run out looks for the next claim, and stops if there is one. The outbox has one author, so that two owners who
both finished announce the same thing.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.adapters.storage import Storage
from shared.errors import LostLease, PassingError, PermanentError
from shared.lifecycle import crash
from shared.lifecycle.events import EVENTS, Event, StepFailed
from shared.lifecycle.lease import Lease, mine
from shared.lifecycle.messages import from_dict, to_dict

LEASE_SECONDS = 60.0
DONE, REPEATED = "done", "repeated"
Work = Callable[[], Sequence[Event]]
Publish = Callable[[Sequence[Event]], None]


class Ledger:
    """The only way to have a step's work done."""

    def __init__(
        self,
        storage: Storage,
        bucket: str,
        clock: Callable[[], float] = time.time,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._storage, self._bucket, self._clock = storage, bucket, clock
        self._lease_seconds = lease_seconds

    def run(
        self,
        step: str,
        event: Event,
        work: Work,
        publish: Publish,
        *,
        message_id: str = "",
        lease_seconds: float | None = None,
    ) -> str:
        """Do the work that an event asks for, unless it is done: `done` or `repeated`.

        Raises:
            PassingError: somebody else is at it, or the work failed in a way that passes.
        """
        folder = folder_of(step, event)
        lease = self._claim(folder, lease_seconds or self._lease_seconds)
        if lease is None:
            self._create(f"{folder}/repeat-{_slug(message_id or uuid.uuid4().hex)}", {"at": self._clock()})
            return REPEATED
        with lease:
            mine(lease)
            crash.point(f"{step}.claimed")
            announced = self._adopt(folder, lease)
            if announced is None:
                announced = self._do(step, event, work, lease, folder)
            crash.point(f"{step}.outbox")
            _announce(step, announced, publish)
            crash.point(f"{step}.announced")
            self._create(f"{folder}/done", {"at": self._clock(), "attempt": lease.attempt})
            crash.point(f"{step}.done")
        return DONE

    def is_done(self, step: str, event: Event) -> bool:
        """Whether the work that an event asks for is done."""
        return self._storage.read(self._bucket, f"{folder_of(step, event)}/done") is not None

    def last_error(self, step: str, event: Event) -> str | None:
        """Why the work has failed when it was last tried and failed."""
        claims = self._claims(folder_of(step, event))
        found = (self._storage.read(self._bucket, name) for name in reversed(claims))
        return next((claim[0]["error"] for claim in found if claim and "error" in claim[0]), None)

    def last_sign(self, step: str, event: Event) -> datetime | None:
        """When somebody was last at the work or asked for it; None if nobody ever was."""
        signs = self._storage.objects(self._bucket, f"{folder_of(step, event)}/")
        return max((updated for _, _, updated in signs), default=None)

    def announced(self, step: str, event: Event) -> Sequence[Event]:
        """What the work had to announce, if it is known."""
        there = self._storage.read(self._bucket, f"{folder_of(step, event)}/outbox")
        return [_unpack(each) for each in there[0]["events"]] if there else []

    def ask_again(self, step: str, event: Event) -> None:
        """Write down that the work is asked for once more."""
        self._create(f"{folder_of(step, event)}/asked-{uuid.uuid4().hex}", {"at": self._clock()})

    def unbegun(self, step: str, event: Event) -> Event:
        """The event in the first epoch in which nobody has begun the work: so that it is done again."""
        # Not only claims: they may have been tidied away, and what is done stays done.
        while self._storage.names(self._bucket, f"{folder_of(step, event)}/"):
            event = replace(event, epoch=event.epoch + 1)
        return event

    def decided(self) -> list[str]:
        """The folders of work that has an outbox and is not done."""
        parts: dict[str, set[str]] = {}
        for name in self._storage.names(self._bucket, "ledger/"):
            folder, _, part = name.rpartition("/")
            parts.setdefault(folder, set()).add(part)
        return [folder for folder, there in parts.items() if "outbox" in there and "done" not in there]

    def finish(self, folder: str, publish: Publish) -> bool:
        """Publish what an attempt had decided to announce before it died; whether that was still to be done.

        Raises:
            PassingError: the attempt lives.
        """
        lease = self._claim(folder, self._lease_seconds)
        if lease is None:
            return False
        with lease:
            publish(self._adopt(folder, lease) or [])
            self._create(f"{folder}/done", {"at": self._clock(), "attempt": lease.attempt})
        return True

    def _claims(self, folder: str) -> list[str]:
        """The claims of a piece of work, the first attempt's first."""
        claims = self._storage.names(self._bucket, f"{folder}/claim-")
        return sorted(claims, key=lambda name: int(name.rpartition("-")[2]))

    def _claim(self, folder: str, seconds: float) -> Lease | None:
        """A lease on the work; None if it is done."""
        lease = Lease(self._storage, self._bucket, folder, seconds, self._clock)
        # Nearly always nobody was here before: one question less.
        if lease.take(1):
            return lease
        there = {name.rpartition("/")[2] for name in self._storage.names(self._bucket, f"{folder}/")}
        if "done" in there:
            return None
        attempt = max(int(name.split("-")[1]) for name in there if name.startswith("claim-"))
        self._end_lease(f"{folder}/claim-{attempt}", lease.nonce)
        if not lease.take(attempt + 1):
            raise PassingError(f"somebody else has just taken over {folder}.")
        return lease

    def _end_lease(self, name: str, taker: str) -> None:
        """Make sure that a lease which has run out stays so, whatever its owner has sent before it fell asleep."""
        claim, generation = self._storage.read(self._bucket, name) or ({"until": 0}, 0)
        if (left := claim["until"] - self._clock()) > 0:
            raise PassingError(f"somebody else is at {name}, for up to {left:.0f} s more.")
        if claim["until"] and not self._storage.replace(
            self._bucket, name, claim | {"until": 0.0, "taker": taker}, generation=generation
        ):
            raise PassingError(f"the owner of {name} has come back, or somebody else is taking over.")

    def _adopt(self, folder: str, lease: Lease) -> Sequence[Event] | None:
        """What an earlier attempt had decided to announce."""
        there = self._storage.read(self._bucket, f"{folder}/outbox") if lease.attempt > 1 else None
        return [_unpack(each) for each in there[0]["events"]] if there else None

    def _do(self, step: str, event: Event, work: Work, lease: Lease, folder: str) -> Sequence[Event]:
        try:
            events = [_inherit(each, event) for each in work()]
        except PermanentError as error:
            events = [_inherit(failure(step, event, error), event)]
        crash.point(f"{step}.worked")
        lease.check()
        body = {"owner": lease.nonce, "events": [_pack(each) for each in events]}
        if self._create(f"{folder}/outbox", body) is None:
            raise LostLease(f"another attempt at {folder} has finished first.")
        return events

    def _create(self, name: str, body: dict[str, Any]) -> int | None:
        return self._storage.create(self._bucket, name, body)


def failure(step: str, event: Event, error: PermanentError) -> StepFailed:
    """What people are told when a step gives up for good."""
    model = getattr(event, "model", None)
    return StepFailed(step=step, about=event.subject, error=error.error, remedy=error.remedy, model=model)


def folder_of(step: str, event: Event) -> str:
    """Where the ledger keeps what it knows of a piece of work."""
    return f"ledger/{step}/{_slug(f'{type(event).__name__}-{event.identity}')}"


def _announce(step: str, events: Sequence[Event], publish: Publish) -> None:
    """One after the other, in the order of the outbox, each confirmed before the next is sent."""
    for number, event in enumerate(events):
        if number:
            crash.point(f"{step}.between")
        publish([event])


def _inherit(event: Event, cause: Event) -> Event:
    return replace(event, epoch=event.epoch or cause.epoch, story=event.story or cause.story)


def _pack(event: Event) -> dict[str, Any]:
    return {"kind": type(event).__name__, "story": event.story, "fields": to_dict(event)}


def _unpack(raw: dict[str, Any]) -> Event:
    kind: type[Event] = EVENTS[raw["kind"]]
    return replace(from_dict(kind, raw["fields"]), story=raw["story"])


def _slug(identity: str) -> str:
    """A readable name that is safe in any path; a hash tells apart what it makes alike."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", identity)[:80]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
