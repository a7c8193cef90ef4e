"""The decision log: which version is in production, since when, and why. Append-only and numbered.

`decisions/<model>/000001.json` and so on in the state bucket; a number is taken by creating its object, so that of two
promoters one writes it, and the other reads it and decides again. The last record is the truth about production.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from shared.adapters.storage import Storage
from shared.lifecycle.standing import JUDGED, Standing


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One record: `version` was judged, and `champion` is in production from here on.

    `cause` is what asked for the decision, so that one that was taken is adopted and not taken twice.

    Attributes:
        rival: the version that it was compared with; None is the baseline, or nobody.
        metrics: those of MLflow's run that it cites.
        evidence: of each part of the rows both scores, the gain, its standard error and its interval, in the metric's
            unit.
        level: the chance, one-sided, that an interval is wrong: the policy's, divided by what was tried before.
        holdout: digest of the drops judged, which are `drops`, newest first; `news` only the version was trained on.
        odd: drops, as `<name>#<generation>`, that were found odd on this occasion, and why.
        policy: the rules and their digest. `data_version`: the rows that the version was trained on.
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
    rival: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    level: float | None = None
    holdout: str = ""
    drops: Sequence[str] = field(default_factory=list)
    news: Sequence[str] = field(default_factory=list)
    odd: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    data_version: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        """Whether production is another one after it."""
        return self.champion != self.before

    @property
    def is_look(self) -> bool:
        """Whether it could have ended in a promotion: where rows or groups were too few, chance had no chance."""
        whole = self.evidence.get("all", {})
        wanted = {"rows": self.policy.get("min_holdout_rows", 0), "groups": self.policy.get("min_groups", 0)}
        return self.verdict in JUDGED and all(whole.get(name, 0) >= least for name, least in wanted.items())


READERS = 16
Judge = Callable[[Standing], Decision]
_FIELDS = {each.name for each in fields(Decision)}


class Decisions:
    """Reads and appends; nothing is ever changed."""

    def __init__(self, storage: Storage, bucket: str) -> None:
        self._storage, self._bucket = storage, bucket
        # What was written once never changes, and a log of years is asked for at every drop.
        self._known: dict[str, Decision] = {}

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
        names = self._names(model)
        if len({*names} - {*self._known}) > READERS:
            # A process that has just begun does not wait for one after the other.
            with ThreadPoolExecutor(READERS) as threads:
                return list(threads.map(self._read, names))
        return [self._read(name) for name in names]

    def standing(self, model: str) -> Standing:
        """What all decisions add up to."""
        return Standing(self.history(model))

    def decide(self, model: str, cause: str, judge: Judge) -> Decision:
        """The decision that this cause has led to, or now leads to.

        Args:
            judge: says what to decide as things stand; asked again if somebody else has decided meanwhile.
        """
        while True:
            standing = self.standing(model)
            for decision in standing.history:
                if decision.cause == cause:
                    return decision
            number, at = len(standing.history) + 1, datetime.now(UTC).isoformat()
            decision = replace(judge(standing), cause=cause, number=number, before=standing.champion, at=at)
            if self._append(decision):
                return decision

    def _append(self, decision: Decision) -> bool:
        name = f"{_folder(decision.model)}{decision.number:06}.json"
        return self._storage.create(self._bucket, name, asdict(decision) | {"nonce": uuid.uuid4().hex}) is not None

    def _names(self, model: str) -> list[str]:
        return self._storage.names(self._bucket, _folder(model))

    def _read(self, name: str) -> Decision:
        if name not in self._known:
            there = self._storage.read(self._bucket, name)
            if there is None:
                raise RuntimeError(f"{name} has been deleted from the decision log, which only ever grows.")
            # What other code has written there besides is left out, not stumbled over.
            self._known[name] = Decision(**{key: value for key, value in there[0].items() if key in _FIELDS})
        return self._known[name]


def _folder(model: str) -> str:
    return f"decisions/{model}/"
