"""What is measured of a challenger: on which rows, beside whom, and under which names promote finds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from shared.contract.metrics import AUC, MAE
from shared.contract.spec import BOOL
from shared.evaluation.comparison import ALL
from shared.evaluation.judging import OVERLAP, Rival, Rows, evidence_of, judged_metrics
from shared.evaluation.verdicts import judge
from tests.unit.rides import DECEMBER, JANUARY, Recorder, always, frame_of, spec_of

NUMBERS = ("rows", "groups", "challenger", "rival", "gain", "error")


def two_months(count: int = 30) -> pd.DataFrame:
    """So many days of January, then as many of December, whose fares are twice as high; slice b is in December."""
    january = frame_of(np.full(count, 2.0), days=np.arange(count))
    december = frame_of(np.full(count, 4.0), kinds="b" * count, days=np.arange(count) - 31, drop=DECEMBER)
    return pd.concat([january, december], ignore_index=True)


ROWS = Rows(judged=two_months(), drops=[JANUARY, DECEMBER])


def measured(rows: Rows = ROWS, **rivals: Rival) -> dict[str, float]:
    """A challenger that always says 2, beside a baseline of 0 and rivals."""
    return judged_metrics(spec_of(), rows, always(2.0), 0.0, {int(name[1:]): each for name, each in rivals.items()})


def test_promote_finds_the_whole_and_its_parts_under_these_names() -> None:
    metrics = measured(v3=Rival(pipeline=always(3.0), news=[JANUARY]))
    plain = {"holdout_rows", "holdout_mae", "baseline_holdout_mae", "holdout_skill"}
    parts = {"all", "slice_a", "slice_b", "drop_1", "drop_2"}
    baseline = {f"vs_baseline/{name}/{number}" for name in parts for number in NUMBERS}
    rival = {f"vs_3/{name}/{number}" for name in parts | {"alike"} for number in NUMBERS}
    assert set(metrics) == plain | baseline | rival
    assert metrics["holdout_rows"] == 60 and metrics["holdout_mae"] == 1.0 and metrics["baseline_holdout_mae"] == 3.0
    assert metrics["holdout_skill"] == pytest.approx(2 / 3)


def test_each_part_is_of_its_own_rows() -> None:
    metrics = measured(v3=Rival(pipeline=always(3.0), news=[JANUARY]))
    gains = {name: metrics[f"vs_3/{name}/gain"] for name in ("all", "alike", "slice_a", "slice_b", "drop_1", "drop_2")}
    # Right in January by one dollar more, wrong in December by one.
    assert gains == {"all": 0.0, "alike": -1.0, "slice_a": 1.0, "slice_b": -1.0, "drop_1": 1.0, "drop_2": -1.0}
    assert metrics["vs_3/drop_1/groups"] == 30 and metrics["vs_3/all/groups"] == 60


def test_the_baseline_is_judged_on_the_same_parts() -> None:
    metrics = measured()
    assert (metrics["vs_baseline/drop_1/gain"], metrics["vs_baseline/drop_2/rival"]) == (2.0, 4.0)


def test_older_rows_are_a_part_that_the_whole_leaves_out() -> None:
    older = frame_of(np.full(25, 10.0), days=np.arange(25) - 90, drop="rides/2012-10.csv")
    metrics = measured(Rows(judged=two_months(), drops=[JANUARY], older=older), v3=Rival(pipeline=always(3.0)))
    assert metrics["holdout_rows"] == metrics["vs_3/all/rows"] == 60
    assert (metrics["vs_3/older/rows"], metrics["vs_3/older/gain"]) == (25, -1.0)
    assert "vs_3/drop_2/gain" not in metrics


def test_no_older_rows_are_no_part() -> None:
    nothing = two_months().head(0)
    assert not [name for name in measured(Rows(judged=two_months(), older=nothing)) if "older" in name]


def test_every_version_predicts_the_judged_rows_once() -> None:
    pipeline = Recorder()
    rivals = {1: Rival(pipeline=pipeline, news=[JANUARY]), 2: Rival(pipeline=pipeline)}
    judged_metrics(spec_of(), ROWS, pipeline, 0.0, rivals)
    assert len(pipeline.shown) == 3


def test_without_rows_only_that_is_said_and_the_champion_is_kept() -> None:
    metrics = measured(Rows(judged=two_months().head(0)), v3=Rival(pipeline=always(3.0)))
    assert metrics == {"holdout_rows": 0.0}
    for rival in (None, 3):
        assert judge(spec_of(), evidence_of(metrics | {OVERLAP: 0.0}, rival, level=0.05)).outcome == "keep"


def test_a_verdict_reads_the_numbers_against_one_rival_and_no_other() -> None:
    metrics = measured(v3=Rival(pipeline=always(3.0)), v30=Rival(pipeline=always(9.0))) | {OVERLAP: 0.0}
    found = evidence_of(metrics, 3, level=0.05, drops=[JANUARY], news=[JANUARY], fault="a fault")
    assert found.parts[ALL].rival == 1.0 and found.rival == 3 and found.overlap_rows == 0.0
    assert (found.drops, found.news, found.fault) == ([JANUARY], [JANUARY], "a fault")
    assert evidence_of(metrics, 4, level=0.05).parts == {}


def test_nothing_said_of_an_overlap_is_not_taken_for_none() -> None:
    metrics = measured(v3=Rival(pipeline=always(3.0)))
    assert evidence_of(metrics, 3, level=0.05).overlap_rows is None
    assert judge(spec_of(), evidence_of(metrics, 3, level=0.05)).outcome == "keep"


def test_a_missing_number_of_the_whole_keeps_the_champion() -> None:
    better: dict[str, Any] = {"v3": Rival(pipeline=always(9.0))}
    metrics = measured(**better) | {OVERLAP: 0.0}
    spec = spec_of(policy={"min_holdout_rows": 60})
    assert judge(spec, evidence_of(metrics, 3, level=0.05)).outcome == "promote"
    for number in NUMBERS:
        partial = {name: value for name, value in metrics.items() if name != f"vs_3/all/{number}"}
        assert judge(spec, evidence_of(partial, 3, level=0.05)).outcome == "keep", number


def test_probabilities_are_compared_where_the_metric_wants_them() -> None:
    frame = frame_of(np.arange(40) % 2 == 0, days=np.arange(40))
    knows_nothing = DummyClassifier().fit(frame[["km"]], frame["fare"])
    metrics = judged_metrics(spec_of(metric=AUC, target=BOOL), Rows(judged=frame), knows_nothing, 0.5, {})
    assert metrics["holdout_auc"] == metrics["baseline_holdout_auc"] == 0.5
    assert MAE.name not in "".join(metrics)
