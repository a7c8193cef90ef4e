"""On which drops versions are compared: the newest ones, and as many before them as a comparison takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account

# A drop that spans more days than any policy asks for need not be counted out.
MOST_DAYS = 400
# So many drops are named, and have a part of their own; a tag in MLflow holds no more.
MOST_NAMED = 5
# MLflow cuts off what is longer, and half a JSON object is none.
MOST_LETTERS = 7_500
JUDGED_ON = "tidewheel.judged_on"
# A drop and its generation.
Seen = tuple[str, int]
GroupsOf = Callable[[Sequence["Account"]], Mapping[str, Collection[Any]]]
# As many as the days that a policy usually wants, for drops of a day.
ASKED_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a verdict has to know of a comparison besides its numbers; it travels as a tag of the run.

    Attributes:
        holdout: a digest of the drops that were judged on, by which another comparison on the same rows is seen.
        drops: their names, newest first, and `generations` which ones.
        news: of each version that it was compared with, the drops that only the challenger has learned from.
        odd: drops that the challenger has learned from, and that no change of the world explains; and why.
        faults: why a version could not be compared with.
    """

    holdout: str = ""
    drops: list[str] = field(default_factory=list)
    generations: list[int] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    news: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def to_tag(self) -> str:
        """As JSON that fits a tag: of long names there are fewer, the newest drops' at least."""
        tags = (self._with(most) for most in range(MOST_NAMED, 1, -1))
        return next((tag for tag in tags if len(tag) <= MOST_LETTERS), self._with(1))

    def _with(self, most: int) -> str:
        named = replace(
            self,
            drops=self.drops[:most],
            generations=self.generations[:most],
            odd=dict(list(self.odd.items())[:most]),
            news={rival: drops[:most] for rival, drops in self.news.items()},
        )
        return json.dumps(asdict(named), ensure_ascii=False)

    @classmethod
    def from_tag(cls, tag: str | None) -> Judged:
        """What `to_tag` wrote.

        Raises:
            PermanentError: somebody has written something else there.
        """
        try:
            raw: dict[str, Any] = {**json.loads(tag or "{}")}
        except (ValueError, TypeError) as error:
            wrong = f"the tag {JUDGED_ON} of a run in MLflow says nothing that can be read: {str(tag)[:100]!r}"
            raise PermanentError(wrong, "Only the worker and evaluate write it; train again.") from error
        return cls(**{name: raw[name] for name in cls.__dataclass_fields__ if name in raw})


def judged_on(
    accounts: Sequence[Account],
    mine: Collection[Seen],
    theirs: Mapping[int, Collection[Seen]],
    *,
    odd: Mapping[str, str],
    faults: Mapping[int, str] | None = None,
) -> Judged:
    """What is said of a comparison on these drops.

    Args:
        mine: the drops that the challenger has learned from; `theirs` those of each version that it is compared with.
        odd: of those that it has learned from, those that are odd; not held against it where the others know them, too.
    """
    known, generations = set.intersection(*map(set, theirs.values())) if theirs else set(), dict(mine)
    odd = {drop: why for drop, why in odd.items() if (drop, generations.get(drop)) not in known}
    drops = [account.drop for account in accounts]
    named = "\n".join(sorted(f"{account.drop}#{account.generation}" for account in accounts))
    own = {str(rival): news(accounts, mine, seen) for rival, seen in theirs.items()}
    return Judged(
        holdout=hashlib.sha256(named.encode()).hexdigest()[:16],
        drops=drops[:MOST_NAMED],
        generations=[account.generation for account in accounts[:MOST_NAMED]],
        odd={drop: why[:300] for drop, why in list(odd.items())[:MOST_NAMED]},
        news={rival: drops[:MOST_NAMED] for rival, drops in own.items()},
        faults={str(rival): fault[:500] for rival, fault in (faults or {}).items()},
    )


def news(accounts: Sequence[Account], mine: Collection[Seen], theirs: Collection[Seen]) -> list[str]:
    """The drops that only one of two versions has learned from; written again, a drop is another one."""
    named = [(account.drop, account.generation) for account in accounts]
    return [drop for drop, generation in named if (drop, generation) in mine and (drop, generation) not in theirs]


def judged(spec: ModelSpec, accounts: Sequence[Account], groups_of: GroupsOf) -> list[Account]:
    """The newest drops by data time: as many as the policy says, or more until they have its least number of groups.

    Args:
        accounts: of the drops that may be judged on, newest data first.
        groups_of: of some drops the groups of each one's rows.
    """
    found: list[Account] = []
    met: set[Any] = set()
    known: dict[str, Collection[Any]] = {}
    there = _each_once(accounts)
    for place, account in enumerate(there):
        if len(found) >= spec.policy.judge_drops and len(met) >= spec.policy.min_groups:
            break
        if account.drop not in known:
            asked = there[place : place + ASKED_AT_ONCE]
            known |= {each.drop: () for each in asked} | dict(groups_of(asked))
        found.append(account)
        met |= set(known[account.drop])
    return found


def days_spanned(spec: ModelSpec, accounts: Iterable[Account]) -> int:
    """How many event days lie between the first and the last row of each of these drops."""
    return len({day for account in accounts for day in _days(spec, account)})


def older(spec: ModelSpec, accounts: Sequence[Account], newest: Sequence[Account]) -> list[Account]:
    """The drops before those judged, as many as the policy looks back to."""
    taken = {account.drop for account in newest}
    rest = [account for account in _each_once(accounts) if account.drop not in taken]
    return rest[: spec.policy.older_drops]


def standing(accounts: Iterable[Account]) -> list[Account]:
    """Those whose rows are there: of a drop that was written again only the newest generation."""
    prepared = [account for account in accounts if account.outcome == "prepared"]
    newest: dict[str, int] = {}
    for account in prepared:
        newest[account.drop] = max(account.generation, newest.get(account.drop, 0))
    return [account for account in prepared if account.generation == newest[account.drop]]


def _each_once(accounts: Iterable[Account]) -> list[Account]:
    """Without copies: the same bytes under other names take no place among the newest."""
    kept: dict[str | None, Account] = {}
    for account in standing(accounts):
        if not account.withdrawn:
            kept.setdefault(account.digest or account.drop, account)
    return list(kept.values())


def _days(spec: ModelSpec, account: Account) -> Iterable[date]:
    """The event days between a drop's first and last row, by the clocks of its event time."""
    if account.first_event is None or account.last_event is None:
        return ()
    zone = ZoneInfo(spec.event_time.zone)
    first, last = (moment.astimezone(zone).date() for moment in (account.first_event, account.last_event))
    return (first + timedelta(days=day) for day in range(min((last - first).days + 1, MOST_DAYS)))
