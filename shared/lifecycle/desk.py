"""The desk where training is asked for: at most one request of a model is open, the others join it or wait in line.

`requests/<model>.json` in the state bucket, written by compare-and-set. A request is open from the moment it is placed
until its verdict; its as-of time is fixed when its training starts. What asks before that joins it. A drop that asks
later marks it `again`, and is evaluated once more at its end; requests by hand for other rows, params or dates wait.
Whoever dies before saying what the desk answered asks once more, perhaps when other requests have come and gone: the
page therefore keeps what it answered of late.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from shared.adapters.storage import Storage
from shared.adapters.warehouse import Account
from shared.errors import PermanentError
from shared.lifecycle.events import Event, TrainingRequested
from shared.lifecycle.lineage import prepared
from shared.lifecycle.messages import from_dict, to_dict

# So many trainings in a row may be set off by drops that came during the one before; then a new drop has to ask.
MOST_IN_A_ROW = 3
# So many answers are kept, for those who ask once more.
REMEMBERED = 50
LAUNCHED, JOINED, AGAIN, WAITING = "launched", "joined", "again", "waiting"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the desk knows of one model: what is open, who waits, which drop asks again, what it answered of late."""

    open: dict[str, Any] | None = None
    started: bool = False
    waiting: list[dict[str, Any]] = field(default_factory=list)
    again: dict[str, Any] | None = None
    placed: list[list[Any]] = field(default_factory=list)
    closings: list[dict[str, Any]] = field(default_factory=list)
    in_a_row: int = 0
    nonce: str = ""

    @property
    def request(self) -> str | None:
        """The open request."""
        return self.open["fields"]["request"] if self.open else None

    @property
    def event(self) -> TrainingRequested | None:
        """What the open request asks for."""
        return _unpack(self.open) if self.open else None

    @property
    def closed(self) -> dict[str, Any] | None:
        """What was closed last."""
        return self.closings[-1] if self.closings else None


class Desk:
    """Takes requests for training, and says what becomes of each."""

    def __init__(
        self,
        storage: Storage,
        bucket: str,
        account: Callable[[str, str, int], Account | None],
        unbegun: Callable[[str, Event], Event] = lambda _, event: event,
    ) -> None:
        """A desk; `unbegun` finds the epoch in which nobody has begun a step of an event: `Ledger.unbegun`."""
        self._storage, self._bucket, self._account, self._unbegun = storage, bucket, account, unbegun

    def read(self, model: str) -> Page:
        """What is open and who waits."""
        return self._read(model)[0]

    def open_request(self, model: str) -> TrainingRequested | None:
        """The request that is open."""
        return self.read(model).event

    def place(self, event: TrainingRequested) -> tuple[str, str | None]:
        """Hand a request in: what becomes of it, and the open request that it joins or waits for."""
        answer: tuple[str, str | None] = ("", None)

        def change(page: Page) -> Page:
            nonlocal answer
            answer, changed = _answered(page, event)
            return changed

        self._change(event.model, change)
        return answer

    def start(self, model: str, request: str) -> None:
        """Fix the as-of time of the open request: what comes from now on is not in its rows.

        Raises:
            PermanentError: the request is not open any more.
        """

        def change(page: Page) -> Page:
            if page.request != request:
                raise PermanentError(f"request {request} of {model} is not open any more.", "Ask for a new training.")
            return replace(page, started=True)

        self._change(model, change)

    def close(self, model: str, request: str) -> list[Event]:
        """End the open request: the events that go on, namely who was first in line, and a drop that asked again.

        Closing it twice gives the same events, in case the first one who did it could not publish them; a drop that
        asked again and is at work already is evaluated once more.
        """
        page = self._change(model, lambda page: _closed(page, request))
        closed = next((each for each in reversed(page.closings) if each["request"] == request), None)
        return [*map(_unpack, closed["next"]), *self._asked_again(model, closed["again"])] if closed else []

    def _asked_again(self, model: str, again: dict[str, Any] | None) -> list[Event]:
        account = self._account(model, again["drop"], again["generation"]) if again else None
        if again is None or account is None or account.outcome != "prepared":
            return []
        # It may have been evaluated again since, for another reason.
        event = self._unbegun("evaluate", replace(prepared(account), epoch=again["epoch"] + 1))
        return [replace(event, story=account.drop)]

    def _change(self, model: str, change: Callable[[Page], Page]) -> Page:
        while True:
            page, generation = self._read(model)
            wanted = change(page)
            if wanted == page:
                return page
            body = vars(wanted) | {"nonce": uuid.uuid4().hex}
            if self._storage.replace(self._bucket, _name(model), body, generation=generation) is not None:
                return wanted

    def _read(self, model: str) -> tuple[Page, int]:
        there = self._storage.read(self._bucket, _name(model))
        if there is None:
            return Page(), 0
        # What other code has written there besides is left out, not stumbled over.
        known = {each.name for each in fields(Page)}
        return Page(**{name: value for name, value in there[0].items() if name in known}), there[1]


def _answered(page: Page, event: TrainingRequested) -> tuple[tuple[str, str | None], Page]:
    """What becomes of a request: the same as the first time, whatever has been closed since."""
    for identity, outcome, other in page.placed:
        if identity == event.identity:
            return (outcome, other), page
    outcome, changed = _placed(page, event)
    other = None if changed.request == event.request else changed.request
    # Who joins changes nothing; if it asks later, it may be told `again`, and its drop is evaluated once more.
    placed = [*page.placed, [event.identity, outcome, other]][-REMEMBERED:]
    return (outcome, other), page if changed == page else replace(changed, placed=placed)


def _placed(page: Page, event: TrainingRequested) -> tuple[str, Page]:
    if page.open is None:
        return LAUNCHED, replace(page, open=_pack(event), started=False)
    if page.request == event.request:
        return LAUNCHED, page
    if not page.started and _is_plain(event) and _is_plain(_unpack(page.open)):
        return JOINED, page
    if event.drop is not None and event.generation is not None:
        return AGAIN, replace(page, again=_newest(page.again, event))
    return WAITING, _in_line(page, event)


def _in_line(page: Page, event: TrainingRequested) -> Page:
    if any(each["fields"]["request"] == event.request for each in page.waiting):
        return page
    return replace(page, waiting=[*page.waiting, _pack(event)])


def _newest(again: dict[str, Any] | None, event: TrainingRequested) -> dict[str, Any]:
    """One drop speaks for all that came meanwhile: the one that was finished last."""
    mine = {"drop": event.drop, "generation": event.generation, "epoch": event.epoch}
    return again if again and again["generation"] > (event.generation or 0) else mine


def _closed(page: Page, request: str) -> Page:
    if page.request != request:
        return page
    first, rest = page.waiting[:1], page.waiting[1:]
    # Its message was handled when it was put in line: it comes once more, in the next epoch.
    again = [{**each, "fields": {**each["fields"], "epoch": each["fields"].get("epoch", 0) + 1}} for each in first]
    asks = page.again if page.in_a_row < MOST_IN_A_ROW else None
    closed = {"request": request, "next": again, "again": asks, "at": datetime.now(UTC).isoformat()}
    return Page(
        waiting=rest,
        placed=page.placed,
        closings=[*page.closings, closed][-REMEMBERED:],
        in_a_row=page.in_a_row + 1 if asks else 0,
    )


def _is_plain(event: TrainingRequested) -> bool:
    """All rows, the usual params, no dates: such a training serves everybody who asks for one."""
    return event.rows == "all" and not event.params and not event.window


def _pack(event: TrainingRequested) -> dict[str, Any]:
    return {"story": event.story, "fields": to_dict(event)}


def _unpack(raw: dict[str, Any]) -> TrainingRequested:
    event = from_dict(TrainingRequested, raw["fields"])
    assert isinstance(event, TrainingRequested)
    return replace(event, story=raw["story"])


def _name(model: str) -> str:
    return f"requests/{model}.json"
