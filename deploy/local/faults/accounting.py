"""Promises about messages: each that was sent is accounted for, and each that the ledger announces was published."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from deploy.local.faults.lab import Lab, Message
from shared.adapters.stories import first_id
from shared.errors import PermanentError
from shared.lifecycle.edge import Unreadable
from shared.lifecycle.events import CONSUMERS, LOGGED_TOPICS, Event, StepFailed
from shared.lifecycle.ledger import folder_of
from shared.lifecycle.messages import decode

NOT_IN_OUTBOX = {StepFailed.__name__}


@dataclass
class Folder:
    """What the ledger holds about one piece of work."""

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def claims(self) -> list[str]:
        """The names of its claims."""
        return [name for name in self.parts if name.startswith("claim-")]

    @property
    def announced(self) -> list[dict[str, Any]]:
        """What its outbox announces."""
        return list(self.parts.get("outbox", {}).get("events", []))


def ledger(lab: Lab) -> list[str]:
    """All work is claimed attempt by attempt, announced by the owner of a claim, and done."""
    return [f"{name} {what}" for name, folder in _folders(lab).items() for what in _faults(folder)]


def announcements(lab: Lab) -> list[str]:
    """What the ledger announces was published, and whatever bears the same name says the same."""
    said: dict[str, set[str]] = defaultdict(set)
    for message in lab.logged():
        if message.attributes.get("ce-source") == "tidewheel":
            said[message.attributes["ce-id"]].add(json.dumps(json.loads(message.data), sort_keys=True))
    broken = [f"{name} was announced with different contents" for name, texts in said.items() if _differ(name, texts)]
    for name, folder in _folders(lab).items():
        for event in folder.announced:
            if not any(_says(text, event) for texts in said.values() for text in texts):
                broken.append(f"{event['kind']} of {name} was never published")
    return broken


def messages(lab: Lab) -> list[str]:
    """Each message that was sent is on the log, and whoever consumes its topic is done with it."""
    logged, folders = lab.logged(), _folders(lab)
    there = {message.id for message in logged}
    lost = [each for each in lab.confirmed if each.topic in LOGGED_TOPICS and each.id not in there]
    broken = [f"message {each.id} on {each.topic} is not on the log" for each in lost]
    for message in {each.id: each for each in [*logged, *lab.confirmed]}.values():
        if message.topic in CONSUMERS and "done" not in folders.get(_folder(message), Folder()).parts:
            broken.append(f"message {message.id} on {message.topic} was lost")
    return broken


def refusals(lab: Lab) -> list[str]:
    """What nobody can understand has been refused with a sentence."""
    folders = _folders(lab)
    return [
        f"message {message.id} on {message.topic} was not refused with a sentence: {message.data.decode()}"
        for message in lab.refused
        if not _is_refused(folders.get(_folder(message), Folder()))
    ]


def _is_refused(folder: Folder) -> bool:
    return any(each["kind"] == StepFailed.__name__ and each["fields"]["error"] for each in folder.announced)


def _folders(lab: Lab) -> dict[str, Folder]:
    storage, bucket = lab.services.storage, lab.services.settings.state_bucket
    found: dict[str, Folder] = defaultdict(Folder)
    for name in storage.names(bucket, "ledger/"):
        folder, _, part = name.rpartition("/")
        there = storage.read(bucket, name)
        found[folder].parts[part] = there[0] if there else {}
    return found


def _faults(folder: Folder) -> list[str]:
    found = [f"has no {part}" for part in ("outbox", "done") if part not in folder.parts]
    attempts = sorted(int(name.rpartition("-")[2]) for name in folder.claims)
    if attempts != list(range(1, len(attempts) + 1)) or not attempts:
        found.append(f"has the claims {attempts}")
    owners = {folder.parts[name]["owner"] for name in folder.claims}
    if folder.parts.get("outbox", {}).get("owner", "") not in owners:
        found.append("was announced by somebody who had no claim")
    return found


def _folder(message: Message) -> str:
    """Where the ledger keeps what became of a message."""
    event: Event
    try:
        event = decode(message.topic, message.data, message.attributes, message.id)
    except PermanentError:
        event = Unreadable(of_topic=message.topic, message=first_id(message.attributes, message.id))
    return folder_of(CONSUMERS[message.topic], event)


def _differ(name: str, texts: set[str]) -> bool:
    # A step may fail twice about one subject, for different reasons.
    return len(texts) > 1 and name.partition(":")[0] not in NOT_IN_OUTBOX


def _says(text: str, event: dict[str, Any]) -> bool:
    return bool(json.loads(text) == event["fields"])
