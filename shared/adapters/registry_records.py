"""What the registry tells about a version, and what a loaded version brings with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.contract.spec import Column
from shared.errors import PermanentError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

ABANDONED, UNFINISHED = "abandoned", "unfinished"
REQUEST, STORY, CHAMPION, DATA_VERSION = (
    f"tidewheel.{tag}" for tag in ("request", "story", "champion", "data_version")
)
KIND, KEY, STATUS, VERSION, ATTEMPT = (f"tidewheel.{tag}" for tag in ("kind", "key", "status", "version", "attempt"))
TRAINING, EVALUATION = "training", "evaluation"
# Beside a run: its data version with every drop. The tag has their number: MLflow cuts tags off at 8,000 letters.
DATA_FILE = "data_version.json"
# Beside it: every drop that a version was judged on.
JUDGED_FILE = "judged_on.json"


class NoSuchVersion(PermanentError):
    """There is no version of that number, or it does not count."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a model; it counts if its status is empty.

    `abandoned`: another attempt of the same request took its place. `unfinished`: its training has not ended well.
    `data_version` is what the tag says, with the number of the `drops`; the registry's `data_version` has them all.
    """

    model: str
    version: int
    run: str
    request: str
    status: str
    created: datetime
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    data_version: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it may serve, and be compared."""
        return not self.status

    @property
    def is_sampled(self) -> bool:
        """Whether it was trained on a sample of its rows, which is what a person tries things out with."""
        return self.data_version.get("selection", "all") != "all"

    @property
    def trained_until(self) -> datetime | None:
        """The last event time that it has learned from."""
        last = self.data_version.get("last_event")
        return datetime.fromisoformat(last) if last else None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a version did on a drop, as its run says."""

    run: str
    metrics: dict[str, float]
    tags: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class OwnColumns:
    """A version's pipeline, which sees the columns that it was trained on, also where a contract has more by now."""

    pipeline: Pipeline
    names: tuple[str, ...]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Values, an array of shape (rows,)."""
        return self.pipeline.predict(frame[list(self.names)])

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities, an array of shape (rows, classes)."""
        return self.pipeline.predict_proba(frame[list(self.names)])


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A version that can predict: its pipeline, with its own contract, package versions and drift profile."""

    version: int
    pipeline: OwnColumns
    columns: tuple[Column, ...]
    packages: dict[str, str]
    profile: dict[str, Any]
    run: str
    metrics: dict[str, float]
    on: str = "prediction"

    def predictions(self, frame: pd.DataFrame) -> np.ndarray:
        """What its metric was taken of: values, or probabilities of the positive class; an array of shape (rows,)."""
        if self.on == "probability":
            return self.pipeline.predict_proba(frame)[:, 1]
        return self.pipeline.predict(frame)


def columns_to_json(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """A contract as JSON can hold it."""
    return [asdict(column) for column in columns]


def columns_from_json(raw: list[dict[str, Any]]) -> tuple[Column, ...]:
    """What `columns_to_json` wrote."""
    return tuple(Column(**{**column, "allowed": tuple(column["allowed"])}) for column in raw)
