"""The report draws what was measured where it belongs, says it in words, and needs nothing besides itself."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.metrics import ACCURACY, AUC, RMSE, Metric
from shared.contract.spec import BOOL
from shared.evaluation import captions, plots
from shared.evaluation.comparison import Part, to_metrics
from shared.evaluation.judging import OVERLAP
from shared.evaluation.page import render
from shared.evaluation.plots import Bar, Scale, Series
from shared.evaluation.report import Drop, Past, Report, to_json, verdict
from shared.evaluation.residuals import BINS, MOST_ROWS, residuals
from tests.unit.rides import DECEMBER, JANUARY, always, day, frame_of, part, spec_of

ROOT = Path(__file__).parents[2]
GOOD = part(1.90, 2.00, error=0.02)
VALUES = st.floats(-1e6, 1e6)


def drop(name: str = JANUARY, last: int = 31) -> Drop:
    return Drop(name=name, generation=17, first=day(last - 30), last=day(last))


def past(name: str, last: int, skill: float | None = 0.6) -> Past:
    return Past(drop=name, last=day(last), version=1, rows=900, score=2.2, baseline=6.0, skill=skill)


def report(parts: Mapping[str, Part] | None = None, **given: Any) -> Report:
    """Version 4 beside version 3, and the baseline."""
    told = {"all": GOOD, "slice_a": GOOD, "slice_b": part(2.5, 2.0), "drop_1": GOOD, "drop_2": GOOD, **(parts or {})}
    floor = {name: replace(each, rival=6.0, gain=6.0 - each.challenger) for name, each in told.items()}
    metrics = {"holdout_rows": 5012.0, OVERLAP: 0.0, **to_metrics("vs_3", told), **to_metrics("vs_baseline", floor)}
    said: dict[str, Any] = {
        "spec": spec_of(), "version": 4, "run": "a run", "metrics": metrics, "champion": 3, "rivals": [3],
        "drops": [drop(), drop(DECEMBER, 0)], "past": [past("rides/2012-11.csv", -31), past(DECEMBER, 0)],
    }  # fmt: skip
    return Report(**said | given)


def pictures(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def bar_of(page: str, label: str) -> ElementTree.Element:
    """The row of the plot of gains that has this label."""
    (found,) = [each for each in pictures(page)[0].iter("g") if label in [text.text for text in each.iter("text")]]
    return found


def at(group: ElementTree.Element, path: str, name: str) -> float:
    found = group.find(path)
    assert found is not None, path
    return float(found.attrib[name])


def test_it_has_no_script_and_nothing_from_elsewhere() -> None:
    page = render(report())
    assert not re.search(r"<script|<link|<img|src=|href=|https?:|url\(|@import|onload", page)
    assert page.startswith("<!DOCTYPE html>") and page.count("<svg") == 3


def test_no_plotting_library_is_imported() -> None:
    code = "import sys, shared.evaluation.page, jinja2; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"matplotlib", "sklearn", "PIL"} & set(loaded.split())


def test_what_people_have_named_is_text_and_no_markup() -> None:
    facts = {"<i>": {"<b>reason</b>": "<script>alert(1)</script>"}}
    page = render(report(facts=facts, faults={2: "<img src=x>"}, drops=[drop("rides/<svg>.csv"), drop(DECEMBER, 0)]))
    assert not re.search(r"<script|<img|<i>|<b>|<svg>", page) and "&lt;script&gt;alert(1)" in page


def test_the_verdict_on_top_is_the_policys_on_these_numbers() -> None:
    found = report()
    assert verdict(found).outcome == "keep" and 'the slice "b"' in verdict(found).why
    assert "By these numbers alone: keep." in render(found)
    fine = report({"slice_b": GOOD})
    assert verdict(fine).outcome == "promote" and "95 % interval" in verdict(fine).why


@pytest.mark.parametrize(
    "given",
    [{"news": {3: [JANUARY]}}, {"odd": {JANUARY: "it was over in February"}}, {"metrics": {"holdout_rows": 0.0}}],
)
def test_what_makes_promote_doubt_makes_the_report_doubt(given: dict[str, Any]) -> None:
    assert verdict(report({"slice_b": GOOD}, **given)).outcome != "promote"


def test_a_gain_is_right_of_zero_with_its_interval_around_it_and_its_margin_to_the_left() -> None:
    page = render(report())
    zero = at(pictures(page)[0], "line[@class='zero']", "x1")
    fine, poor = bar_of(page, "slice a"), bar_of(page, "slice b")
    for group in (fine, poor):
        low, high = (at(group, "line[@class='interval']", end) for end in ("x1", "x2"))
        assert low <= at(group, "circle", "cx") <= high
    assert at(fine, "circle", "cx") > zero > at(fine, "line[@class='margin']", "x1")
    # Version 3 was off by 2 dollars, 25 % less than version 4; the margin is 10 %.
    assert at(poor, "circle", "cx") < at(poor, "line[@class='margin']", "x1") < zero
    assert (fine.attrib["class"], poor.attrib["class"]) == ("better", "worse")
    assert bar_of(page, "all rows").find("line[@class='margin']") is None


def test_a_greater_area_is_a_gain_to_the_right() -> None:
    better = {name: part(0.9, 0.8, gain=0.1) for name in ("all", "slice_a", "slice_b", "drop_1", "drop_2")}
    page = render(report(better, spec=spec_of(metric=AUC, target=BOOL)))
    assert at(bar_of(page, "all rows"), "circle", "cx") > at(pictures(page)[0], "line[@class='zero']", "x1")
    assert "auc, from 0 to 1" in page


def test_both_scores_are_beside_the_gain() -> None:
    assert "2.50 after 2.00" in [text.text for text in bar_of(render(report()), "slice b").iter("text")]


def test_a_part_of_one_day_has_a_dot_and_no_interval() -> None:
    group = bar_of(render(report({"slice_b": part(2.5, 2.0, groups=1.0, error=math.nan)})), "slice b")
    assert group.attrib["class"] == "few" and group.find("line[@class='interval']") is None


def test_a_small_part_does_not_squeeze_the_others() -> None:
    wide = part(9.0, 2.0, rows=12.0, error=5.0)
    narrow, squeezed = (at(bar_of(render(report(each)), "slice a"), "circle", "cx") for each in ({}, {"slice_b": wide}))
    zero = at(pictures(render(report()))[0], "line[@class='zero']", "x1")
    assert squeezed - zero >= narrow - zero


def test_the_words_name_what_the_plot_shows() -> None:
    page = render(report())
    assert "On all rows it is 5 % better than version 3: better beyond chance." in page
    assert "Worse: slice b." in page and "Better beyond chance: slice a, 2013-01.csv and 2012-12.csv." in page


@pytest.mark.parametrize(
    ("name", "measured", "kind"),
    [
        ("all", GOOD, "better"),
        ("all", part(2.0, 2.0, error=0.1), "unclear"),
        ("all", part(1.9, 2.0, error=0.1), "unclear"),
        ("slice_a", part(1.95, 2.0, error=0.05), "holds"),
        ("all", part(2.5, 2.0, error=0.1), "worse"),
        ("all", part(1.0, 2.0, rows=99.0), "few"),
        ("slice_a", part(2.0, 2.0, error=0.01), "holds"),
        ("slice_a", part(2.1, 2.0, error=0.2), "doubtful"),
        ("slice_a", part(2.3, 2.0, error=0.01), "worse"),
        ("slice_a", part(9.0, 2.0, groups=19.0), "few"),
        ("slice_a", part(math.nan, 2.0), "few"),
        ("older", part(2.3, 2.0, error=0.01), "holds"),
        ("older", part(2.5, 2.0, error=0.01), "worse"),
    ],
)
def test_a_part_is_called_what_the_policy_makes_of_it(name: str, measured: Part, kind: str) -> None:
    assert captions.kind_of(spec_of(), name, measured) == kind


@pytest.mark.parametrize(("overlap", "is_said"), [(0.0, True), (3.0, False), (math.nan, False), (None, False)])
def test_that_it_was_trained_on_none_of_the_rows_is_said_where_that_is_known(
    overlap: float | None, is_said: bool
) -> None:
    metrics = {**report().metrics, OVERLAP: overlap} if overlap is not None else {"holdout_rows": 5012.0}
    assert ("It was trained on none of these rows." in render(report(metrics=metrics))) == is_said


def test_without_a_champion_the_baseline_takes_its_place() -> None:
    page = render(report(champion=None, rivals=[], past=[]))
    assert "compared with the baseline on" in page and "champion (version" not in page
    assert "1.90 after 6.00" in page


def test_a_champion_that_cannot_be_scored_is_named_and_the_baseline_drawn() -> None:
    page = render(report(rivals=[], faults={3: "it was made with scikit-learn 0.1."}))
    assert "could not be compared with version 3: it was made with scikit-learn 0.1." in page
    assert "compared with the baseline on" in page and "By these numbers alone: keep" in page


def test_without_rows_it_says_so_and_draws_nothing() -> None:
    empty = report(metrics={"holdout_rows": 0.0}, drops=[], past=[], rivals=[], champion=None)
    page = render(empty)
    assert "<svg" not in page and "There are no scores of the challenger and the baseline" in page
    assert to_json(empty)["comparisons"] == [{"rival": "baseline", "news": [], "parts": {}}]


def test_challenger_champion_baseline_and_production_are_drawn_over_the_datas_time() -> None:
    error, skill = pictures(render(report()))[1:]
    drawn = {group.attrib["class"].split()[-1]: len(group.findall("circle")) for group in error.iter("g")}
    assert drawn == {"production": 2, "baseline": 3, "challenger": 2, "champion": 2}
    # The smaller an error, the lower: 1.90, 2.00, 2.20 and 6.00 dollars.
    heights = {group.attrib["class"].split()[-1]: at(group, "circle[last()]", "cy") for group in error.iter("g")}
    assert sorted(heights, key=heights.__getitem__) == ["baseline", "production", "champion", "challenger"]
    assert "baseline" not in {group.attrib["class"].split()[-1] for group in skill.iter("g")}
    dates = [text.text for text in error.iter("text") if text.text and "-" in text.text]
    assert dates == [f"{day(last):%Y-%m-%d}" for last in (-31, 0, 31)]


def test_a_skill_that_is_not_known_is_a_gap() -> None:
    skills = [0.6, 0.6, None, 0.6]
    history = [past(f"rides/{number}.csv", 30 * number - 90, skill) for number, skill in enumerate(skills)]
    skill = pictures(render(report(past=history)))[2]
    (production,) = [group for group in skill.iter("g") if group.attrib["class"].endswith("production")]
    assert len(production.findall("polyline")) == 2 and len(production.findall("circle")) == 3


def test_json_has_every_part_with_its_interval_at_the_policys_level_and_all_drops() -> None:
    drops = [drop(f"rides/{number}.csv", 400 - 31 * number) for number in range(9)]
    told = json.loads(json.dumps(to_json(report(drops=drops, older=[drop(DECEMBER, 0)])), allow_nan=False))
    assert [each["name"] for each in told["drops"]] == [each.name for each in drops]
    assert told["older_drops"][0] == {
        "name": DECEMBER, "generation": 17, "first": day(-30).isoformat(), "last": day(0).isoformat()
    }  # fmt: skip
    (champion,) = [each for each in told["comparisons"] if each["rival"] == 3]
    low, high = GOOD.bounds(0.05)
    whole = {"rows": 5012.0, "groups": 60.0, "challenger": 1.9, "rival": 2.0, "gain": GOOD.gain, "error": 0.02}
    assert champion["parts"]["all"] == {**whole, "low": low, "high": high}
    assert set(champion["parts"]) == {"all", "slice_a", "slice_b", "drop_1", "drop_2"}
    assert (told["level"], told["interval"], told["metric"]["unit"]) == (0.05, "90 %", "the unit of fare")


def test_json_has_null_for_what_is_no_number() -> None:
    told = to_json(report({"slice_b": part(math.nan, 2.0, groups=1.0, error=math.nan)}))
    (champion,) = [each for each in told["comparisons"] if each["rival"] == 3]
    odd = champion["parts"]["slice_b"]
    assert odd["challenger"] is None and odd["error"] is None and odd["low"] is None and odd["rival"] == 2.0
    json.dumps(told, allow_nan=False)


@given(st.lists(VALUES, min_size=2, max_size=2, unique=True), st.lists(VALUES, max_size=9))
def test_an_axis_keeps_order_and_never_leaves_its_ends(ends: list[float], values: list[float]) -> None:
    low, high = sorted(ends)
    if high - low < 1e-6:
        return
    scale = Scale(low, high, 100.0, 500.0)
    placed = [scale.at(value) for value in sorted(values)]
    assert placed == sorted(placed) and all(100 <= each <= 500 for each in placed)
    ticks = scale.ticks(6)
    spare = 1e-6 * (high - low)
    assert len(ticks) <= 7 and all(low - spare <= each <= high + spare for each in ticks)


@given(st.lists(st.tuples(VALUES, VALUES | st.none()), max_size=9))
def test_whatever_was_measured_can_be_drawn(points: list[tuple[float, float | None]]) -> None:
    drawn = plots.over_values([Series(name="a", kind="challenger", points=points)])
    dots = [dot for line in drawn.lines for dot in line.dots]
    assert len(dots) == sum(y is not None for _, y in points)
    assert all(0 <= x <= plots.WIDTH and 0 <= y <= plots.HEIGHT for x, y in dots)


@given(st.lists(st.tuples(VALUES, st.floats(0, 1e6)), max_size=9))
def test_whatever_was_gained_can_be_drawn(measured: list[tuple[float, float]]) -> None:
    bars = [
        Bar(label="a", note="", told="", kind="holds", gain=gain, low=gain - error, high=gain + error, margin=0.1)
        for gain, error in measured
    ]
    drawn = plots.gains(bars)
    for each in drawn.bars:
        assert each.low is not None and each.high is not None
        assert plots.LEFT <= each.low <= each.gain <= each.high <= plots.RIGHT
        assert (each.gain > drawn.zero) <= (each.bar.gain > 0) and drawn.bottom > each.y


def test_residuals_are_predicted_minus_true_with_what_half_and_nine_in_ten_are_off_by() -> None:
    frame = frame_of(np.arange(100.0))
    found = residuals(spec_of(metric=RMSE), frame, {"version 4": always(100.0), "version 3": always(0.0)})
    assert found and found.rows == 100 and len(found.edges) == BINS + 1
    assert found.edges[0] < -90 and found.edges[-1] > 90
    assert all(sum(shares) == pytest.approx(1) for shares in found.shares.values())
    assert found.median == {"version 4": pytest.approx(50.5), "version 3": pytest.approx(49.5)}
    assert found.tenth["version 3"] == pytest.approx(89.1)
    too_much = residuals(spec_of(), frame, {"version 4": always(100.0)})
    assert too_much and too_much.edges[0] > 0
    page = render(report(residuals=found))
    assert page.count("<svg") == 4 and "of those of version 4 half are off by no more than 50.50" in page


def test_residuals_of_many_rows_are_those_of_a_sample() -> None:
    frame = frame_of(np.zeros(MOST_ROWS + 5))
    found = residuals(spec_of(), frame, {"version 4": always(1.0)})
    assert found and found.rows == MOST_ROWS


@pytest.mark.parametrize(("metric", "target"), [(ACCURACY, BOOL), (AUC, BOOL)])
def test_of_classes_there_are_no_residuals(metric: Metric, target: Any) -> None:
    assert residuals(spec_of(metric=metric, target=target), frame_of([True, False]), {"version 4": always(1.0)}) is None


def test_without_rows_there_are_no_residuals() -> None:
    assert residuals(spec_of(), frame_of([1.0]).head(0), {"version 4": always(1.0)}) is None
