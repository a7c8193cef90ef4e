"""The decision log: which version is in production, since when, and why. Append-only and numbered.

`decisions/<model>/000001.json` and so on in the state bucket; a number is taken by creating its object, so that of two
promoters one writes it, and the other reads it and decides again. The last record is the truth about production.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from shared.adapters.storage import Storage

PROMOTE, KEEP, ROLLBACK, BY_HAND = "promote", "keep", "rollback", "promote by hand"
NOT_ENOUGH = "not enough evidence"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One record: `version` was judged, and `champion` is in production from here on.

    `cause` is what asked for the decision, so that one that was taken is adopted and not taken twice; `metrics` are
    those of MLflow that it rests on, `policy` the rules, `data_version` the rows that the version was trained on.
    """

    model: str
    version: int | None
    champion: int | None
    verdict: str
    why: str
    cause: str = ""
    number: int = 0
    at: str = ""
    before: int | None = None
    run: str | None = None
    who: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    data_version: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        """Whether production is another one after it."""
        return self.champion != self.before


Judge = Callable[[int | None], Decision]


class Decisions:
    """Reads and appends; nothing is ever changed."""

    def __init__(self, storage: Storage, bucket: str) -> None:
        self._storage, self._bucket = storage, bucket

    def head(self, model: str) -> Decision | None:
        """The last decision, None before the first."""
        names = self._names(model)
        return self._read(names[-1]) if names else None

    def champion(self, model: str) -> int | None:
        """The version in production."""
        head = self.head(model)
        return head.champion if head else None

    def history(self, model: str) -> list[Decision]:
        """All decisions, oldest first."""
        return [self._read(name) for name in self._names(model)]

    def previous(self, model: str) -> int | None:
        """The champion before the one of today, without those that were rolled back; None if there was none."""
        standing: list[int | None] = []
        for decision in self.history(model):
            if decision.verdict == ROLLBACK and decision.champion in standing:
                del standing[standing.index(decision.champion) + 1 :]
            elif decision.is_change:
                standing.append(decision.champion)
        return standing[-2] if len(standing) > 1 else None

    def decide(self, model: str, cause: str, judge: Judge) -> Decision:
        """The decision that this cause has led to, or now leads to.

        Args:
            judge: says what to decide while the given version is in production; asked again if that has changed.
        """
        while True:
            history = self.history(model)
            for decision in history:
                if decision.cause == cause:
                    return decision
            champion = history[-1].champion if history else None
            wanted = judge(champion)
            at = datetime.now(UTC).isoformat()
            decision = replace(wanted, cause=cause, number=len(history) + 1, before=champion, at=at)
            if self._append(decision):
                return decision

    def _append(self, decision: Decision) -> bool:
        name = f"{_folder(decision.model)}{decision.number:06}.json"
        return self._storage.create(self._bucket, name, asdict(decision) | {"nonce": uuid.uuid4().hex}) is not None

    def _names(self, model: str) -> list[str]:
        return self._storage.names(self._bucket, _folder(model))

    def _read(self, name: str) -> Decision:
        there = self._storage.read(self._bucket, name)
        if there is None:
            raise RuntimeError(f"{name} has been deleted from the decision log, which only ever grows.")
        return Decision(**{key: value for key, value in there[0].items() if key != "nonce"})


def _folder(model: str) -> str:
    return f"decisions/{model}/"
