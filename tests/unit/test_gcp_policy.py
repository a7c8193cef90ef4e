"""How the policies of the deployment's files are read, and how a value is held against one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from deploy.gcp.checks import known, promises, rules
from deploy.gcp.checks.__main__ import FOLDER
from deploy.gcp.checks.order import Order
from deploy.gcp.checks.plan import Plan
from deploy.gcp.checks.rules import AT_LEAST, AT_MOST, CONTAINS
from deploy.gcp.checks.subjects import subjects
from deploy.gcp.checks.values import Unknown
from shared.errors import PermanentError

CLOSED = """
["It is closed".google_storage_bucket]
public_access_prevention = "enforced"

["It is closed"."google_storage_bucket.open"]
public_access_prevention = "inherited"
"""
BUCKETS = """
resource "google_storage_bucket" "open" { public_access_prevention = "inherited" }
resource "google_storage_bucket" "closed" { public_access_prevention = "inherited" }
variable "project" { type = string }
"""


@pytest.mark.parametrize(
    ("how", "said", "wanted", "holds"),
    [
        ("", ["b", "a"], ["a", "b"], True),
        ("", ["a", "b", "c"], ["a", "b"], False),
        ("", "a  &&\n b", "a && b", True),
        ("", {"age": 1, "in": ["x"]}, {"in": ["x"], "age": "1"}, True),
        ("", Unknown("google_x.y.id"), "${google_x.y.id}", True),
        ("", False, True, False),
        (AT_LEAST, "2Gi", "512Mi", True),
        (AT_LEAST, "256Mi", "1Gi", False),
        (AT_LEAST, "60s", "60s", True),
        (AT_LEAST, Unknown("google_x.y.size"), 1, False),
        (AT_MOST, 3, 2, False),
        (AT_MOST, Unknown("google_x.y.size"), 1, False),
        (CONTAINS, {"google_x.y", "google_x.z"}, ["google_x.y"], True),
        (CONTAINS, "one two", ["two", "three"], False),
    ],
)
def test_values_are_compared_by_what_they_mean(how: str, said: Any, wanted: Any, holds: bool) -> None:
    assert promises._holds(how, said, wanted) is holds


def policy(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    monkeypatch.setattr(rules, "FOLDER", folder)
    found = rules.rules.__wrapped__()
    monkeypatch.setattr(rules, "rules", lambda: found)
    monkeypatch.setattr(promises, "rules", lambda: found)


def test_the_rule_about_one_resource_holds_before_that_about_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(tmp_path, monkeypatch, closed=CLOSED)
    (tmp_path / "main.tf").write_text(BUCKETS)
    (found,) = promises.check(Plan.of(tmp_path))
    assert str(found) == (
        "main.tf:3: google_storage_bucket.closed: public_access_prevention is inherited, and should be enforced, or "
        'this would not hold: "It is closed". If that is meant, change deploy/gcp/checks/policy/closed.toml [promises]'
    )


def test_two_policies_about_the_same_place_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        PermanentError, match=r"two.toml and one.toml say twice what public_access_prevention of google_"
    ):
        policy(tmp_path, monkeypatch, one=CLOSED, two=CLOSED)


def test_nothing_is_free_that_nobody_says() -> None:
    said = {(each.names[0], ".".join(path)) for each in subjects(Plan.of(FOLDER)) for path in each.paths()}
    for kind, arguments in known._free().items():
        there = [argument for each, argument in said if fnmatchcase(each, kind)]
        assert there or not arguments, kind
        assert [each for each in arguments if not any(fnmatchcase(argument, each) for argument in there)] == [], kind


def test_what_waits_for_something_by_way_of_another_waits_for_it() -> None:
    before = Order(Plan.of(FOLDER)).before('google_pubsub_subscription.push["drop-received"]')
    assert {"google_cloudfunctions2_function.functions", "google_project_service.apis"} <= before
    assert "google_pubsub_subscription.push" not in before
