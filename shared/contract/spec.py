"""What a model's file may say: its columns are its contract, its pipeline is its code, its policy its patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.contract.metrics import Metric
from shared.errors import PermanentError
from shared.settings import IDENTIFIER

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

STRING: Final = "STRING"
INT64: Final = "INT64"
FLOAT64: Final = "FLOAT64"
BOOL: Final = "BOOL"
TIMESTAMP: Final = "TIMESTAMP"
Type = Literal["STRING", "INT64", "FLOAT64", "BOOL", "TIMESTAMP"]
ROWS = {"1k": 1_000, "200k": 200_000, "all": None}


@dataclass(frozen=True)
class Column:
    """One column of a drop: its type, and what its values may be.

    A TIMESTAMP is read in ISO form, with an offset or in `zone` (an IANA name, default UTC), or in the one `format`
    (strptime letters) that is declared; nothing is guessed. `min` and `max` are inclusive; those of a TIMESTAMP are
    ISO dates. A column is a feature unless it is the target or says `feature=False`.
    """

    name: str
    type: Type
    _: KW_ONLY
    nullable: bool = False
    min: float | str | None = None
    max: float | str | None = None
    allowed: tuple[str | int, ...] = ()
    row_key: bool = False
    event_time: bool = False
    target: bool = False
    feature: bool = True
    zone: str = "UTC"
    format: str | None = None

    @property
    def is_feature(self) -> bool:
        """Whether the pipeline sees it, in training and in a request for a prediction."""
        return self.feature and not self.target


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When a challenger is trained, what it has to show before it serves, and who has the last word.

    The newest training is too old after `max_age_days` of data time: less than a month has, so that each monthly drop
    is learned from.
    A challenger is judged on the held-out rows of the newest `judge_drops` drops, and of as many before them as it
    takes to cover `min_groups` event days. `level` is the chance, one-sided, that one that is no better is promoted.
    Margins bound a loss on a part of the rows: relative ones as a share of what the champion lacks to a perfect score
    there, absolute ones, which go first, in the metric's unit. `older_margin_relative` is for the `older_drops` before
    those judged. With `approval` a person has to approve each promotion. The champion's predecessor has to be better by
    `regret_margin_relative` on `regret_drops` drops in a row, then it is proposed to a person to roll back, or done.
    A drop is odd, and what has learned from it serves only by a person's will, if a version's skill was lower there by
    `odd_skill` than on a later drop, or a challenger's gain larger by `odd_gain_relative` than on later ones. Such
    a drop is withdrawn, so that what is trained next goes without it, or a person is told to withdraw it.
    """

    max_age_days: float = 27
    cooldown_minutes: float = 0
    decline_skill: float = 0.05
    decline_drops: int = 2
    decline_of_drops: int = 3
    drift_psi: float = 0.25
    judge_drops: int = 3
    level: float = 0.05
    min_groups: int = 20
    min_holdout_rows: int = 100
    min_gain_relative: float = 0.0
    slice_margin_relative: float = 0.10
    slice_margin_absolute: float | None = None
    min_slice_rows: int = 100
    drop_margin_relative: float = 0.10
    drop_margin_absolute: float | None = None
    older_drops: int = 12
    older_margin_relative: float = 0.20
    approval: bool = False
    regret_drops: int = 2
    regret_margin_relative: float = 0.05
    regret: Literal["propose", "roll back"] = "propose"
    odd_skill: float = 0.25
    odd_gain_relative: float = 0.25
    odd_drops: Literal["withdraw", "propose"] = "withdraw"

    def __post_init__(self) -> None:
        if not 0 < self.level <= 0.5:
            raise PermanentError(f"a policy's level is a chance over 0 and up to 0.5, not {self.level}.")
        if self.min_groups < 2 or self.judge_drops < 1 or self.regret_drops < 1:
            raise PermanentError("a policy needs at least 2 groups, 1 drop to judge on, and 1 drop to regret on.")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model of the user's: one file in `shared/models/`, whose variable and file have the model's name.

    A dropped file is refused whole when it has fewer good rows than `min_rows`, when more than `max_rejected_share` of
    its rows are bad, when one row's content (all but its key and its time) makes up more than `max_repeated_share` of
    the good ones, or when it is larger than `max_unpacked_bytes`. `nulls` are texts that mean null in its files, beside
    the empty one.
    """

    title: str
    columns: Sequence[Column]
    pipeline: Callable[[Mapping[str, Any]], Pipeline]
    metric: Metric
    params: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: str = "in the pipeline"
    baseline: Literal["mean", "median", "prior"] = "mean"
    slices: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    min_rows: int = 100
    max_rejected_share: float = 0.30
    max_repeated_share: float = 0.50
    nulls: tuple[str, ...] = ()
    max_unpacked_bytes: int = 4 * 2**30
    group: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for name in names:
            if not IDENTIFIER.fullmatch(name):
                raise PermanentError(f'"{name}" cannot be a column.', "Use a-z, 0-9 and _, starting with a letter.")
        if len(set(names)) < len(names):
            raise PermanentError(f"a column of {self.title} is declared twice: {', '.join(names)}.")
        for role in ("target", "event_time"):
            if sum(getattr(column, role) for column in self.columns) != 1:
                raise PermanentError(f"{self.title} needs exactly one column with {role}=True.")
        if self.event_time.type != TIMESTAMP or self.event_time.nullable:
            raise PermanentError(f"the event time of {self.title} must be a TIMESTAMP that is never null.")
        if self.target.type not in (INT64, FLOAT64, BOOL) or self.target.nullable:
            raise PermanentError(f"the target of {self.title} must be INT64, FLOAT64 or BOOL, and never null.")
        if self.group is not None and self.group not in names:
            raise PermanentError(f'"{self.group}" cannot group rows of {self.title}.', f"Columns: {', '.join(names)}.")

    @property
    def target(self) -> Column:
        """What is to be predicted."""
        return next(column for column in self.columns if column.target)

    @property
    def event_time(self) -> Column:
        """When it happened: the day that a row is filed under."""
        return next(column for column in self.columns if column.event_time)

    @property
    def row_key(self) -> list[Column]:
        """The columns that identify a row; empty: the row's own digest does."""
        return [column for column in self.columns if column.row_key]

    @property
    def identity(self) -> str:
        """The warehouse's column that tells rows apart: `_row_key`, unless a text of the file is the key already."""
        only = self.row_key[0] if len(self.row_key) == 1 else None
        return only.name if only and only.type == STRING else "_row_key"

    @property
    def features(self) -> list[Column]:
        """What the pipeline sees."""
        return [column for column in self.columns if column.is_feature]
