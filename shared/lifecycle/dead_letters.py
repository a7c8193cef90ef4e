"""What is the matter with a dead letter: what it asked for, where it failed, and the last error of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.adapters import stories
from shared.adapters.dead_letters import Letter
from shared.adapters.stories import FIRST_ID
from shared.errors import PassingError, PermanentError
from shared.lifecycle import messages
from shared.lifecycle.events import CONSUMERS, TOPICS, Event
from shared.lifecycle.services import Services

MOST_LOG_ROWS = 100_000
STRAY = PermanentError(
    "it does not say at which subscription it failed; somebody put it there by hand.", "Publish it to its own topic."
)
NOTHING = "the step wrote no error down: its function did not answer, or was ended."


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A dead letter, understood as far as it can be; `first_id` is the id that its message had at first."""

    letter: Letter
    topic: str
    event: str
    subject: str
    story: str
    first_id: str
    error: str

    def resent(self) -> tuple[str, bytes, dict[str, str]]:
        """The message for another round: with the id that it had at first, so that it asks for the same work."""
        return self.topic, self.letter.data, {**self.letter.attributes, FIRST_ID: self.first_id}


def diagnose(letters: Sequence[Letter], services: Services) -> list[Diagnosis]:
    """What is the matter with each."""
    first_ids = _first_ids(letters, services)
    return [_diagnosed(letter, first_ids.get(_print(letter)) or letter.id, services) for letter in letters]


def topic_of(subscription: str) -> str:
    """The topic of a push subscription `<function>-<topic>`, "" if its name says none."""
    names = {f"{function}-{topic}": topic for topic, function in CONSUMERS.items()}
    ends = [topic for topic in TOPICS if subscription.endswith(f"-{topic}")]
    return names.get(subscription) or max(ends, key=len, default="")


def _diagnosed(letter: Letter, found: str, services: Services) -> Diagnosis:
    topic, first_id = topic_of(letter.subscription), stories.first_id(letter.attributes, found)
    about: dict[str, Any] = {"letter": letter, "topic": topic, "first_id": first_id}
    try:
        if not topic:
            raise STRAY
        event = messages.decode(topic, letter.data, letter.attributes, first_id)
    except PermanentError as fault:
        named = letter.attributes.get("ce-type", "")
        story = stories.story_of(topic, letter.data, letter.attributes, first_id)
        return Diagnosis(**about, event=named, subject=f"message {first_id}", story=story, error=str(fault))
    error = _last_error(topic, event, services) or NOTHING
    return Diagnosis(**about, event=type(event).__name__, subject=event.subject, story=event.story, error=error)


def _last_error(topic: str, event: Event, services: Services) -> str | None:
    return services.ledger.last_error(CONSUMERS[topic], event) if topic in CONSUMERS else None


def _first_ids(letters: Sequence[Letter], services: Services) -> dict[tuple[str, int, str], str]:
    """The ids that the messages had at first: Pub/Sub forgets them, the lifecycle log does not."""
    times = [letter.sent_at for letter in letters if letter.sent_at]
    if not times:
        return {}
    try:
        rows = services.warehouse.log(since=min(times) - timedelta(seconds=1), limit=MOST_LOG_ROWS)
    except PassingError:
        return {}
    topics = [stories.topic_of(row["subscription_name"]) for row in rows]
    return {
        (topic, _milliseconds(row["publish_time"]), row["data"]): row["message_id"]
        for topic, row in zip(topics, rows, strict=True)
    }


def _print(letter: Letter) -> tuple[str, int, str]:
    """By what a message is known again."""
    at = _milliseconds(letter.sent_at) if letter.sent_at else 0
    return topic_of(letter.subscription), at, letter.data.decode(errors="replace")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
