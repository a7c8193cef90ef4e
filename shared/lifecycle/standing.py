"""What a model's decisions add up to: who serves, who served before, who waits for a drop or for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.lifecycle.decisions import Decision

PROMOTE, KEEP, NOT_ENOUGH, AWAITING = "promote", "keep", "not enough evidence", "awaiting approval"
BY_HAND, APPROVED, ROLLBACK, PAUSE, RESUME = "promote by hand", "approved", "rollback", "pause", "resume"
JUDGED = (PROMOTE, KEEP, NOT_ENOUGH, AWAITING)


@dataclass(frozen=True)
class Standing:
    """All decisions about a model, oldest first, and what follows from them."""

    history: Sequence[Decision] = ()

    @property
    def champion(self) -> int | None:
        """The version in production."""
        return self.history[-1].champion if self.history else None

    @property
    def before(self) -> int | None:
        """The champion before the one of today, without those that were rolled back; None if there was none."""
        return self._served[0][-2] if len(self._served[0]) > 1 else None

    @property
    def rolled_back(self) -> set[int]:
        """The versions that a rollback took out of production, and that nobody has put back since."""
        return self._served[1]

    @cached_property
    def pending(self) -> int | None:
        """The challenger for which there was not enough evidence, and that the next drop may decide."""
        pending = None
        for decision in self.history:
            if decision.verdict == NOT_ENOUGH:
                pending = decision.version
            elif decision.verdict in (PROMOTE, AWAITING) or decision.version == pending:
                pending = None
        return pending

    @cached_property
    def awaiting(self) -> Decision | None:
        """The verdict that a person still has to approve; another champion since makes it void, or a later verdict."""
        later: set[int | None] = set()
        for decision in reversed(self.history):
            if decision.is_change:
                return None
            if decision.verdict == AWAITING and decision.version not in later:
                return decision
            if decision.verdict in JUDGED:
                later.add(decision.version)
        return None

    @cached_property
    def pause(self) -> Decision | None:
        """Who has stopped what goes on by itself, and why; None while nothing is stopped."""
        latest = [decision for decision in self.history if decision.verdict in (PAUSE, RESUME)][-1:]
        return latest[0] if latest and latest[0].verdict == PAUSE else None

    @cached_property
    def odd(self) -> dict[str, str]:
        """The drops, as `<name>#<generation>`, that a decision has found odd, and why."""
        return {drop: why for decision in self.history for drop, why in decision.odd.items()}

    def looks(self, version: int) -> list[Decision]:
        """The verdicts on a version so far, on rows enough to end otherwise."""
        return [decision for decision in self.history if decision.version == version and decision.is_look]

    def tries(self, version: int, holdout: str) -> int:
        """How many other versions were judged on the same rows so far."""
        judged = {each.version for each in self.history if each.is_look and each.holdout == holdout}
        return len(judged - {version})

    @cached_property
    def _served(self) -> tuple[list[int], set[int]]:
        """Those that a rollback would go back through, the champion last; and those that were taken out."""
        served: list[int] = []
        out: set[int] = set()
        for decision in self.history:
            if not decision.is_change or decision.champion is None:
                continue
            if decision.verdict == ROLLBACK:
                place = served.index(decision.champion) + 1 if decision.champion in served else len(served) - 1
                out |= set(served[place:])
                # Who has served twice is gone from both places: nothing leads back to what was taken out.
                served = [each for each in served[:place] if each not in out]
            if decision.champion not in served[-1:]:
                served.append(decision.champion)
            out.discard(decision.champion)
        return served, out
