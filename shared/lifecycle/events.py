"""Every event, in the order in which they happen. Facts are in the past tense; requests say that they are requests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

from shared.contract.spec import ROWS
from shared.errors import PermanentError


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, or that somebody asks for; its identity is what makes two deliveries the same."""

    topic: ClassVar[str]
    epoch: int = 0

    @property
    def identity(self) -> str:
        """Two messages with the same identity ask for the same piece of work."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The drop, request or model that it is about."""
        return self.identity


@dataclass(frozen=True, kw_only=True)
class DropReceived(Event):
    """A file has landed in the bucket. Its folder says for which model."""

    topic: ClassVar[str] = "drop-received"
    bucket: str
    name: str
    generation: int

    @property
    def identity(self) -> str:
        return f"{self.bucket}/{self.name}#{self.generation}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.name

    @property
    def model(self) -> str:
        return self.name.split("/", 1)[0]


@dataclass(frozen=True, kw_only=True)
class DropEvent(Event):
    """What all that is said about one generation of a drop has in common."""

    model: str
    drop: str
    generation: int

    @property
    def identity(self) -> str:
        return f"{self.drop}#{self.generation}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.drop


@dataclass(frozen=True, kw_only=True)
class DropIgnored(DropEvent):
    """An older generation came late: the newer one's rows stand."""

    topic: ClassVar[str] = "drop-ignored"
    why: str


@dataclass(frozen=True, kw_only=True)
class DataPrepared(DropEvent):
    """A drop's clean rows are in the warehouse; accepted + rejected + duplicate = rows in the file."""

    topic: ClassVar[str] = "data-prepared"
    accepted: int
    rejected: int
    duplicate: int
    first_event_time: str
    last_event_time: str
    ignored_columns: tuple[str, ...] = ()
    same_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelEvaluated(DropEvent):
    """The champion was scored on a drop, and the policy asked whether a challenger is worth training."""

    topic: ClassVar[str] = "model-evaluated"
    rows: int
    champion: int | None
    scores: dict[str, float] = field(default_factory=dict)
    drift: dict[str, float] = field(default_factory=dict)
    verdict: str
    why: str


@dataclass(frozen=True, kw_only=True)
class TrainingRequested(Event):
    """Somebody (a person, a schedule, evaluate) asks for a challenger."""

    topic: ClassVar[str] = "training-requested"
    model: str
    reason: str = "by hand"
    rows: str = "all"
    params: dict[str, Any] = field(default_factory=dict)
    window: tuple[str, ...] = ()
    dry_run: bool = False
    request: str = ""
    drop: str | None = None

    def __post_init__(self) -> None:
        if self.rows not in ROWS:
            raise PermanentError(f'rows is "{self.rows}"; known: {", ".join(ROWS)}.')
        if len(self.window) not in (0, 2):
            raise PermanentError("window takes two ISO dates, from and to.", 'Example: ["2013-01-01", "2013-04-01"].')

    @property
    def identity(self) -> str:
        return f"{self.request}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class RequestEvent(Event):
    """What all that is said about one training request has in common."""

    model: str
    request: str

    @property
    def identity(self) -> str:
        return f"{self.request}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class TrainingScheduled(RequestEvent):
    """What became of a request: launched, joined to an open one, put in line, to be asked again, or only planned."""

    topic: ClassVar[str] = "training-scheduled"
    outcome: str
    why: str
    joined: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelTrained(RequestEvent):
    """A challenger is registered, and scored beside the champion on the same held-out rows."""

    topic: ClassVar[str] = "model-trained"
    version: int
    run: str
    data_version: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PersonRequest(Event):
    """What a person may ask for; `who` is a claim, the audit log is the proof."""

    model: str
    version: int | None = None
    reason: str
    who: str = "unknown"
    request: str = ""

    @property
    def identity(self) -> str:
        return f"{self.request}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.model


@dataclass(frozen=True, kw_only=True)
class RollbackRequested(PersonRequest):
    """Put an earlier champion back; without a version, the one before."""

    topic: ClassVar[str] = "rollback-requested"


@dataclass(frozen=True, kw_only=True)
class PromotionRequested(PersonRequest):
    """Put this version into production because a person says so."""

    topic: ClassVar[str] = "promotion-requested"

    def __post_init__(self) -> None:
        if self.version is None:
            raise PermanentError("a promotion by hand names its version.", 'Add "version": 3.')


@dataclass(frozen=True, kw_only=True)
class Decided(Event):
    """A decision about production, as it stands in the decision log."""

    topic: ClassVar[str] = "model-decided"
    model: str
    version: int
    champion: int | None
    verdict: str
    why: str
    decision: int

    @property
    def identity(self) -> str:
        return f"{self.model}@{self.decision}"

    @property
    def subject(self) -> str:
        return self.model


@dataclass(frozen=True, kw_only=True)
class ModelPromoted(Decided):
    """This version is in production now."""


@dataclass(frozen=True, kw_only=True)
class ModelKept(Decided):
    """The champion stays."""


@dataclass(frozen=True, kw_only=True)
class StepFailed(Event):
    """A step gave up for good: what is wrong, and what to do."""

    topic: ClassVar[str] = "step-failed"
    step: str
    about: str
    error: str
    remedy: str = ""
    model: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.step}:{self.about}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.about


# Who reacts to what; the laptop's stack and Google Cloud make their push subscriptions from this table alone.
CONSUMERS: dict[str, str] = {
    "drop-received": "preprocess",
    "data-prepared": "evaluate",
    "training-requested": "launch_training",
    "model-trained": "promote",
    "rollback-requested": "promote",
    "promotion-requested": "promote",
}
EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        DropReceived,
        DropIgnored,
        DataPrepared,
        ModelEvaluated,
        TrainingRequested,
        TrainingScheduled,
        ModelTrained,
        RollbackRequested,
        PromotionRequested,
        ModelPromoted,
        ModelKept,
        StepFailed,
    )
}
TOPICS: list[str] = list(dict.fromkeys(kind.topic for kind in EVENTS.values()))
DEAD_LETTERS = "dead-letters"


def request_id(*parts: object) -> str:
    """A name for a request that is the same whenever it is derived from the same cause, and fits a machine's name."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
