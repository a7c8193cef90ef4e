"""What all that is asked about a drop rests on: the drop, its model, and all drops of that model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from functions.evaluate.turn import account_of, last_event
from shared.contract.spec import ModelSpec
from shared.lifecycle.events import DataPrepared
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing

if TYPE_CHECKING:
    from shared.adapters.registry import Version
    from shared.adapters.warehouse import Account

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One drop that is evaluated; `accounts` are of all drops, newest data first."""

    event: DataPrepared
    spec: ModelSpec
    accounts: list[Account]
    standing: Standing
    services: Services

    @property
    def until(self) -> datetime:
        """Up to when the drop's rows reach; what is of later, is of a future that it cannot know."""
        return last_event(account_of(self.event, self.accounts))

    def groups_of(self, drops: Sequence[Account]) -> dict[str, Collection[Any]]:
        """The groups of each drop's rows; the warehouse is asked once for each drop."""
        if new := [each for each in drops if each.drop not in self._known]:
            found = self.services.warehouse.groups(self.spec.name, self.spec, new)
            self._known.update({each.drop: found.get(each.drop, ()) for each in new})
        return {each.drop: self._known[each.drop] for each in drops}

    @cached_property
    def _known(self) -> dict[str, Collection[Any]]:
        return {}

    @cached_property
    def newest(self) -> Version | None:
        """The training that has learned from the newest rows, whether it serves or not; a trial on a sample is none.

        One that has learned from what was withdrawn since counts only if there is no other.
        """
        by_rows = sorted(self._trainings, key=lambda each: (each.trained_until or _NEVER, each.version), reverse=True)
        sound = (each for each in by_rows if not self.withdrawn_from(each))
        return next(sound, by_rows[0] if by_rows else None)

    @property
    def latest(self) -> Version | None:
        """The training that ended last, whatever it has learned from."""
        return self._trainings[-1] if self._trainings else None

    def withdrawn_from(self, version: Version) -> list[str]:
        """The drops that were withdrawn after a version had learned from them."""
        gone = {(each.drop, each.generation) for each in self.accounts if each.withdrawn}
        if gone and version.version not in self._learned:
            self._learned[version.version] = self.services.registry.drops([version])[0]
        return sorted(drop for drop, _ in gone.intersection(self._learned.get(version.version, {}).items()))

    @cached_property
    def _learned(self) -> dict[int, dict[str, int]]:
        """What versions have learned from, as far as that was asked."""
        return {}

    @cached_property
    def _trainings(self) -> list[Version]:
        """Oldest first, as the registry tells them."""
        versions = self.services.registry.versions(self.spec.name)
        return [each for each in versions if each.counts and not each.is_sampled]
