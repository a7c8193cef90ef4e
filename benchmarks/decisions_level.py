"""The gate on few event days: two predictions that err by the same law, on days that differ and with errors far out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared.contract.metrics import AUC, MAE, Metric
from shared.contract.spec import BOOL, FLOAT64, TIMESTAMP, Column, ModelSpec
from shared.evaluation.judging import OVERLAP, Rival, Rows, evidence_of, judged_metrics
from shared.evaluation.policy import PROMOTE
from shared.evaluation.verdicts import judge

TIMES_PER_SEED = 10
ROWS_PER_DAY = 40
# Of Student's t: the variance of errors is only just finite.
FAR_OUT = 2.5


@dataclass(frozen=True)
class Teller:
    """A version that tells what stands in a column."""

    name: str

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(frame[self.name])

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return np.column_stack([1 - frame[self.name], frame[self.name]])


def promoted(metric: Metric, days: int, seed: int) -> tuple[int, int]:
    """How often of some times the one was promoted over the other, at the level of a first look."""
    rng = np.random.default_rng([seed, days])
    return TIMES_PER_SEED, sum(_is_promoted(_spec(metric), _rows(metric, days, rng)) for _ in range(TIMES_PER_SEED))


def _is_promoted(spec: ModelSpec, rows: pd.DataFrame) -> bool:
    rows_judged = Rows(judged=rows, drops=["the only one"])
    metrics = judged_metrics(spec, rows_judged, Teller("mine"), 0.5, {1: Rival(pipeline=Teller("theirs"))})
    evidence = evidence_of(metrics | {OVERLAP: 0.0}, 1, level=spec.policy.level / 2, drops=["the only one"])
    return judge(spec, evidence).outcome == PROMOTE


def _spec(metric: Metric) -> ModelSpec:
    told = [Column("mine", FLOAT64), Column("theirs", FLOAT64)]
    target = Column("y", BOOL if metric is AUC else FLOAT64, target=True)
    return ModelSpec(
        title="Twins",
        columns=[Column("at", TIMESTAMP, event_time=True), target, *told],
        pipeline=lambda _: None,
        metric=metric,
    )


def _rows(metric: Metric, days: int, rng: np.random.Generator) -> pd.DataFrame:
    """Days of very different length, each with a mood of its own, and with an error of its own for either version."""
    day = np.repeat(np.arange(days), 1 + rng.poisson(ROWS_PER_DAY * rng.gamma(1.5, 1 / 1.5, days)))
    known = rng.normal(0, 2, len(day)) + rng.normal(0, 1, days)[day]
    told = {name: known + _errors(rng, day, days) for name in ("mine", "theirs")}
    true = known + rng.standard_t(FAR_OUT, len(day))
    if metric is AUC:
        true = (true > 1).astype(float)
        told = {name: 1 / (1 + np.exp(-each)) for name, each in told.items()}
    rows = pd.DataFrame({"y": true, "_drop": "the only one", **told})
    return rows.assign(at=pd.Timestamp("2013-01-01 12:00", tz="UTC") + pd.to_timedelta(day, unit="D"))


def _errors(rng: np.random.Generator, day: np.ndarray, days: int) -> np.ndarray:
    return np.asarray(rng.standard_t(FAR_OUT, days)[day] + rng.normal(0, 1, len(day)))


CASES = {f"{days}_days_{metric.name}": (metric, days) for metric in (MAE, AUC) for days in (20, 30)}
