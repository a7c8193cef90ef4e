"""Every event, in the order in which they happen. Facts are in the past tense; requests say that they are requests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from shared.contract.spec import ROWS
from shared.errors import PermanentError

REQUEST = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
# Whoever asks by hand may mistake days for something else.
LEAST_SNAPSHOT_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, or that somebody asks for; its identity is what makes two deliveries the same.

    `epoch` counts how often a person, or a request that came in between, has had the same work done again; `story` is
    the drop or request that began it all. An event inherits both from the one that caused it.
    """

    topic: ClassVar[str]
    epoch: int = 0
    story: str = field(default="", compare=False)

    @property
    def identity(self) -> str:
        """Two messages with the same identity ask for the same piece of work."""
        return f"{self.subject}.{self.epoch}"

    @property
    def subject(self) -> str:
        """The drop, request or model that it is about."""
        return self.story


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
    """Champion, predecessor and pending challenger were scored on a drop, and the policy was asked whether to train."""

    topic: ClassVar[str] = "model-evaluated"
    rows: int
    champion: int | None
    champion_before: int | None = None
    challenger: int | None = None
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
    generation: int | None = None

    def __post_init__(self) -> None:
        if self.rows not in ROWS:
            raise PermanentError(f'rows is "{self.rows}"; known: {", ".join(ROWS)}.')
        if self.window and not _is_window(self.window):
            raise PermanentError("window takes two ISO dates, from and to.", 'Example: ["2013-01-01", "2013-04-01"].')
        _check_request(self.request)

    @property
    def subject(self) -> str:
        return self.request

    @property
    def machine(self) -> str:
        """The name of the one machine that trains it; asking twice for the same name starts one machine."""
        return f"train-{self.request}" + (f"-{self.epoch}" if self.epoch else "")


@dataclass(frozen=True, kw_only=True)
class RetrainingRequested(Event):
    """The calendar asks for a challenger of every model; asking twice in a month asks once."""

    topic: ClassVar[str] = "retraining-requested"
    month: str = ""
    request: str = ""

    def __post_init__(self) -> None:
        if self.month and not MONTH.fullmatch(self.month):
            raise PermanentError(f'month is "{self.month[:80]}".', "Write it as 2026-11, or leave it out.")

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class RequestEvent(Event):
    """What all that is said about one training request has in common."""

    model: str
    request: str

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class TrainingScheduled(RequestEvent):
    """What became of a request: launched, postponed for want of a machine, joined, in line, asked again, or planned."""

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
    """What a person may ask for; `who` is a claim: Pub/Sub logs no publisher."""

    model: str
    reason: str
    who: str = "unknown"
    request: str = ""

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class VersionRequest(PersonRequest):
    """Which version a person wants in production."""

    needs_version: ClassVar[bool] = False
    version: int | None = None

    def __post_init__(self) -> None:
        if self.needs_version and self.version is None:
            raise PermanentError(f"{type(self).__name__} names its version.", 'Add "version": 3.')


@dataclass(frozen=True, kw_only=True)
class RollbackRequested(VersionRequest):
    """Put an earlier champion back; without a version, the one before. With `champion` only if that one serves."""

    topic: ClassVar[str] = "rollback-requested"
    champion: int | None = None


@dataclass(frozen=True, kw_only=True)
class PromotionRequested(VersionRequest):
    """Put this version into production because a person says so."""

    topic: ClassVar[str] = "promotion-requested"
    needs_version: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class ApprovalGiven(VersionRequest):
    """A person agrees with a verdict that was waiting for that."""

    topic: ClassVar[str] = "approval-given"
    needs_version: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class PauseRequested(PersonRequest):
    """Train nothing and promote nothing on your own."""

    topic: ClassVar[str] = "pause-requested"


@dataclass(frozen=True, kw_only=True)
class ResumeRequested(PersonRequest):
    """Go on as before the pause."""

    topic: ClassVar[str] = "resume-requested"


@dataclass(frozen=True, kw_only=True)
class WithdrawalRequested(PersonRequest):
    """Take a drop out of training and scoring, or put it back; as it was swapped in so far, or one generation of it."""

    topic: ClassVar[str] = "withdrawal-requested"
    drop: str
    undo: bool = False
    drop_generation: int | None = None

    def __post_init__(self) -> None:
        if not self.drop.startswith(f"{self.model}/"):
            raise PermanentError(f'"{self.drop[:80]}" is no drop of {self.model}.', f"Name it {self.model}/<file>.")


@dataclass(frozen=True, kw_only=True)
class Withdrawal(Event):
    """Whether a drop counts has changed; `versions` are those that were trained on it."""

    topic: ClassVar[str] = "drop-withdrawn"
    model: str
    drop: str
    reason: str
    who: str
    request: str
    versions: tuple[int, ...] = ()

    @property
    def identity(self) -> str:
        return f"{self.drop}~{self.request}.{self.epoch}"

    @property
    def subject(self) -> str:
        return self.drop


@dataclass(frozen=True, kw_only=True)
class DropWithdrawn(Withdrawal):
    """Its rows are left out from here on; the same rows in another drop stay."""


@dataclass(frozen=True, kw_only=True)
class DropRestored(Withdrawal):
    """Its rows count again."""


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
class ModelPaused(Decided):
    """Nothing is trained or promoted by itself from here on."""


@dataclass(frozen=True, kw_only=True)
class ModelResumed(Decided):
    """It goes on by itself."""


@dataclass(frozen=True, kw_only=True)
class RollbackProposed(DropEvent):
    """The champion before does better on drop after drop: a person should look, and perhaps roll back."""

    topic: ClassVar[str] = "rollback-proposed"
    champion: int
    version: int
    why: str


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


@dataclass(frozen=True, kw_only=True)
class ReconcileRequested(Event):
    """The schedule asks whether anything has got stuck; with `snapshot_days`, also which old snapshots nobody needs."""

    topic: ClassVar[str] = "reconcile-requested"
    request: str = ""
    snapshot_days: int | None = None

    def __post_init__(self) -> None:
        if self.snapshot_days is not None and self.snapshot_days < LEAST_SNAPSHOT_DAYS:
            raise PermanentError(f"snapshot_days is {self.snapshot_days}; the least is {LEAST_SNAPSHOT_DAYS}.")

    @property
    def subject(self) -> str:
        return self.request


@dataclass(frozen=True, kw_only=True)
class Reconciled(Event):
    """Something had got stuck, and goes on now; or was orphaned, and is gone."""

    topic: ClassVar[str] = "reconciled"
    request: str
    mended: tuple[str, ...]

    @property
    def subject(self) -> str:
        return self.request


# Who reacts to what; the laptop's stack and Google Cloud make their push subscriptions from this table alone.
CONSUMERS: dict[str, str] = {
    "drop-received": "preprocess",
    "data-prepared": "evaluate",
    "training-requested": "launch_training",
    "retraining-requested": "launch_training",
    "model-trained": "promote",
    "model-evaluated": "promote",
    "rollback-requested": "promote",
    "promotion-requested": "promote",
    "approval-given": "promote",
    "pause-requested": "promote",
    "resume-requested": "promote",
    "withdrawal-requested": "preprocess",
    "reconcile-requested": "reconcile",
}
EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        DropReceived,
        DropIgnored,
        DataPrepared,
        ModelEvaluated,
        TrainingRequested,
        RetrainingRequested,
        TrainingScheduled,
        ModelTrained,
        RollbackRequested,
        PromotionRequested,
        ApprovalGiven,
        PauseRequested,
        ResumeRequested,
        WithdrawalRequested,
        DropWithdrawn,
        DropRestored,
        ModelPromoted,
        ModelKept,
        ModelPaused,
        ModelResumed,
        RollbackProposed,
        StepFailed,
        ReconcileRequested,
        Reconciled,
    )
}
TOPICS: list[str] = list(dict.fromkeys(kind.topic for kind in EVENTS.values()))
# A clock's every tick would bury what happened.
LOGGED_TOPICS: list[str] = [topic for topic in TOPICS if topic != ReconcileRequested.topic]
DEAD_LETTERS = "dead-letters"


def _is_window(window: tuple[str, ...]) -> bool:
    try:
        start, end = map(datetime.fromisoformat, window)
    except ValueError:
        return False
    return start.replace(tzinfo=None) < end.replace(tzinfo=None)


def _check_request(request: str) -> None:
    """A request names a machine, a snapshot and a folder."""
    if request and not REQUEST.fullmatch(request):
        raise PermanentError(
            f'"{request[:80]}" cannot name a request.', "Use up to 40 of a-z, 0-9 and, inside, -, or leave it out."
        )


def request_id(*parts: object) -> str:
    """A name for a request that is the same whenever it is derived from the same cause, and fits a machine's name."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
