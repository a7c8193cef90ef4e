"""A world in which owners race for one piece of work, and what must hold in it whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import DropIgnored, DropReceived, Event
from shared.lifecycle.ledger import REPEATED, Ledger, folder_of
from shared.lifecycle.messages import to_dict
from tests.unit.actors import Actor, here
from tests.unit.bucket import STATE, Bucket, Fate, Write, storage_of

LEASE_SECONDS = 60.0
STEP = "preprocess"
ASKED = DropReceived(bucket="l", name="taxi_fare/may.csv", generation=1, story="taxi_fare/may.csv")
FOLDER = folder_of(STEP, ASKED)
WRONG, AWAY = "permanent", "passing"


@dataclass(eq=False)
class Owner:
    """One delivery: its process, its claim, and what it has got to."""

    number: int
    actor: Actor = field(init=False)
    attempt: int = 0
    claimed: int = 0
    is_working: bool = False
    ended: int | None = None


class World:
    """Deliveries of one event, the clock, the bucket and the broker; `broken` are promises that did not hold."""

    failures: ClassVar = {"work": [WRONG, AWAY], "publish": [AWAY]}

    def __init__(self, unguarded: str | None = None) -> None:
        self.now = 1_000_000.0
        self.bucket = Bucket(unguarded, on_write=self._judge_write)
        self.owners: list[Owner] = []
        self.published: list[dict[str, Any]] = []
        self.broken: list[str] = []

    # What happens.

    def deliver(self) -> Owner:
        """Another delivery of the same event."""
        owner = Owner(len(self.owners) + 1)
        self.owners.append(owner)
        owner.actor = Actor(lambda: self._run(owner), f"owner {owner.number}")
        owner.actor.start()
        return owner

    @property
    def processes(self) -> list[Actor]:
        """All that ever were."""
        return [owner.actor for owner in self.owners]

    def finish(self) -> None:
        """Let everybody come to an end without further faults, then deliver again until it is done."""
        for owner in self.owners:
            owner.actor.finish()
        for _ in range(5):
            self.now += LEASE_SECONDS + 1
            owner = self.deliver()
            owner.actor.finish()
            if owner.actor.outcome:
                break
        self._judge_end()

    def _run(self, owner: Owner) -> str:
        storage = storage_of(self.bucket, lambda what: here().pause(what) or Fate.FINE, owner)
        ledger = Ledger(storage, STATE, lambda: self.now)
        work, publish = lambda: self._work(owner), self._publish
        return ledger.run(STEP, ASKED, work, publish, message_id=str(owner.number), lease_seconds=LEASE_SECONDS)

    def _work(self, owner: Owner) -> Sequence[Event]:
        self._judge_beginning(owner)
        owner.is_working = True
        fate = here().pause("work")
        owner.is_working, owner.ended = False, len(self.bucket.writes)
        if fate == WRONG:
            raise PermanentError(f"owner {owner.number} says no.")
        if fate == AWAY:
            raise OSError("away")
        why = f"of owner {owner.number}"
        return [DropIgnored(model="taxi_fare", drop="taxi_fare/may.csv", generation=n, why=why) for n in (1, 2)]

    def _publish(self, events: Sequence[Event]) -> None:
        for event in events:
            if here().pause("publish") == AWAY:
                raise PassingError("the broker is away.")
            self._demand(to_dict(event) in self._outbox(), f"{event} was published, but is not in the outbox")
            self.published.append(to_dict(event))

    # What must hold.

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    def _outbox(self) -> list[dict[str, Any]]:
        body = self.bucket.body(f"{FOLDER}/outbox") or {"events": []}
        return [each["fields"] for each in body["events"]]

    def _claim(self, attempt: int) -> Write | None:
        return self.bucket.objects.get(f"{FOLDER}/claim-{attempt}")

    def _is_expired(self, attempt: int) -> bool:
        claim = self._claim(attempt)
        return claim is not None and claim.body["until"] <= self.now

    def _judge_beginning(self, owner: Owner) -> None:
        outbox = self.bucket.objects.get(f"{FOLDER}/outbox")
        is_late = outbox is not None and owner.claimed > outbox.generation
        self._demand(not is_late, f"owner {owner.number} claimed after the outbox was written, and works")
        for other in self.owners:
            if other.is_working and not other.actor.is_killed:
                both = f"owners {other.number} and {owner.number} are at work"
                self._demand(self._is_expired(other.attempt), f"{both}, under a lease that lives")

    def _judge_write(self, write: Write) -> None:
        name = write.name.rpartition("/")[2]
        if name.startswith("claim-"):
            self._judge_claim(write, int(name.removeprefix("claim-")))
        else:
            self._demand(write.is_first, f"{name} was written a second time")
        if name == "outbox":
            self._judge_author(write.by)
        if name == "done":
            missing = [each for each in self._outbox() if each not in self.published]
            self._demand(not missing, f"done before {missing} was published")

    def _judge_claim(self, write: Write, attempt: int) -> None:
        owner: Any = write.by
        if write.is_first:
            self._demand(attempt == 1 or self._is_expired(attempt - 1), f"attempt {attempt} overtook a living lease")
            owner.attempt, owner.claimed = attempt, write.generation
        elif owner.attempt != attempt:
            self._demand(self._is_expired(attempt), f"owner {owner.number} changed a living claim of somebody else")
            self._demand(write.body["until"] <= self.now, f"owner {owner.number} took a claim that is not its own")

    def _judge_author(self, owner: Any) -> None:
        following = self._claim(owner.attempt + 1)
        is_lost = following is not None and following.generation <= owner.ended
        self._demand(not is_lost, f"owner {owner.number} lost its lease while it worked, and wrote an outbox")

    def _judge_end(self) -> None:
        self._demand(f"{FOLDER}/done" in self.bucket.objects, "it never came to an end")
        outbox = self._outbox()
        self._demand(bool(outbox) and all(each in self.published for each in outbox), "not all was published")
        authors = {each.get("why") or each["error"] for each in self.published}
        self._demand(len(authors) <= 1, f"{authors} were announced, not one")
        for owner in self.owners:
            known = owner.actor.error is None or isinstance(owner.actor.error, PassingError | OSError)
            self._demand(known, f"owner {owner.number}: {owner.actor.error!r}")
        if not self.broken:
            last = self.deliver()
            last.actor.finish()
            self._demand(last.actor.outcome == REPEATED and not last.attempt, "the last delivery was no repetition")
