"""What a step may use, each made when it is first asked for: a cold start pays for nothing that its function leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from shared.lifecycle import messages
from shared.lifecycle.events import DEAD_LETTERS, Event
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.adapters.bus import Bus
    from shared.adapters.dead_letters import DeadLetters
    from shared.adapters.machines import Machines
    from shared.adapters.registry import Registry
    from shared.adapters.storage import Storage
    from shared.adapters.warehouse import Warehouse
    from shared.lifecycle.decisions import Decisions
    from shared.lifecycle.desk import Desk
    from shared.lifecycle.ledger import Ledger
    from shared.lifecycle.lock import Locks


class Services:
    """The adapters of one project, and what is built on them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings

    @cached_property
    def settings(self) -> Settings:
        """Of the environment, unless others were given."""
        return self._given or Settings.from_env()

    @cached_property
    def storage(self) -> Storage:
        """Buckets and the objects in them."""
        from shared.adapters.storage import Storage

        return Storage(self.settings)

    @cached_property
    def bus(self) -> Bus:
        """Where events are published."""
        from shared.adapters.bus import Bus

        return Bus(self.settings)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """What no attempt could handle."""
        from shared.adapters.dead_letters import DeadLetters

        return DeadLetters(self.settings, DEAD_LETTERS)

    @cached_property
    def warehouse(self) -> Warehouse:
        """Rows, accounts and evaluations."""
        from shared.adapters.warehouse import Warehouse

        return Warehouse(self.settings)

    @cached_property
    def registry(self) -> Registry:
        """Experiments and versions."""
        from shared.adapters.registry import Registry

        return Registry(self.settings)

    @cached_property
    def machines(self) -> Machines:
        """Who trains."""
        from shared.adapters.machines import machines

        return machines(self.settings, self.storage)

    @cached_property
    def ledger(self) -> Ledger:
        """Who is doing what, and what is done."""
        from shared.lifecycle.ledger import LEASE_SECONDS, Ledger

        seconds = self.settings.lease_seconds or LEASE_SECONDS
        return Ledger(self.storage, self.settings.state_bucket, lease_seconds=seconds)

    @cached_property
    def locks(self) -> Locks:
        """Who may swap rows now."""
        from shared.lifecycle.lock import LEASE_SECONDS, Locks

        seconds = self.settings.lock_seconds or LEASE_SECONDS
        return Locks(self.storage, self.settings.state_bucket, lease_seconds=seconds)

    @cached_property
    def decisions(self) -> Decisions:
        """What is in production, and why."""
        from shared.lifecycle.decisions import Decisions

        return Decisions(self.storage, self.settings.state_bucket)

    @cached_property
    def desk(self) -> Desk:
        """Which training is open, and who waits."""
        from shared.lifecycle.desk import Desk

        return Desk(self.storage, self.settings.state_bucket, self.warehouse.account, self.ledger.unbegun)

    def publish(self, events: Sequence[Event]) -> None:
        """Publish events; returns when the broker has confirmed them all."""
        if events:
            self.bus.publish(messages.encode(event) for event in events)
