"""Follows a story in the lifecycle log until nothing more is awaited, and tells each event as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cli.output import say
from cli.place import is_laptop
from cli.telling import line
from shared.errors import PassingError, TidewheelError
from shared.lifecycle.story import Told, awaited, told

if TYPE_CHECKING:
    from shared.lifecycle.services import Services

# On Google Cloud every look is a query that is paid for.
LOOK_EVERY_SECONDS, LOOK_EVERY_SECONDS_IN_CLOUD = 0.25, 3.0
# The broker's clock is another one.
CLOCKS_APART = timedelta(minutes=1)
Pick = Callable[[Sequence[Told]], list[Told]]


@dataclass
class Story:
    """A story that is followed: when it began, what has happened, and what is still awaited."""

    id: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    events: list[Told] = field(default_factory=list)
    missing: list[str] = field(default_factory=lambda: ["the first event"])

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return (datetime.now(UTC) - self.began).total_seconds()

    def report(self) -> list[Told]:
        """Its events, each with how long after the beginning it came."""
        return [{**event, "after_seconds": round(self._after(event), 3)} for event in self.events]

    def refuse_unended(self) -> None:
        """Say what did not happen.

        Raises:
            TidewheelError: something is still awaited.
        """
        if self.missing:
            raise TidewheelError(
                f"after {self.seconds:.0f} s {self.id} still waits for {'; '.join(self.missing)}.",
                'See "tidewheel status", and "tidewheel logs" with the name of a function.',
            )

    def _after(self, event: Told) -> float:
        return (datetime.fromisoformat(event["time"]) - self.began).total_seconds()


def follow(services: Services, story: Story, pick: Pick = list, *, timeout_seconds: float) -> Story:
    """Tell a story on standard error until it has ended, or time is up: then `missing` says what is awaited.

    Args:
        pick: those of the log's events that are meant.
    """
    known: set[str] = set()
    while True:
        story.events = pick(_read(services, story)) or story.events
        for event in story.events:
            if event["message_id"] not in known:
                known.add(event["message_id"])
                say(line(event, story.began))
        if story.events:
            story.missing = awaited(story.events)
        if not story.missing or story.seconds > timeout_seconds:
            return story
        time.sleep(LOOK_EVERY_SECONDS if is_laptop() else LOOK_EVERY_SECONDS_IN_CLOUD)


def _read(services: Services, story: Story) -> list[Told]:
    try:
        rows = services.warehouse.log(story=story.id, since=story.began - CLOCKS_APART)
    except PassingError:
        # The log is away; it will say later what happened meanwhile.
        return []
    return [told(row) for row in rows]
