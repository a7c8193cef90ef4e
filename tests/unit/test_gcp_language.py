"""Our reading of Terraform's language, against Terraform itself where that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.gcp.checks.parser import Parser
from deploy.gcp.checks.plan import GIVEN, Plan
from deploy.gcp.checks.values import Unknown
from shared.errors import PermanentError

# Whatever the files use: each is evaluated by Terraform, too.
EXPRESSIONS = [
    "1 + 2 * 3 - 4 / 2",
    "!(1 > 2) && (3 >= 3 || false)",
    "-(-3) + 7 % 4",
    '"a" == "a" ? "yes" : "no"',
    '"a ${"b ${"c"}"} \\"d\\" ${1 + 1}"',
    '[for each in ["x", "y"] : "${each}-1" if each != "y"]',
    '{ for at, each in ["x", "y"] : each => at }',
    '{ for key, value in { a = 1, b = 2 } : "${key}!" => value * 2 if value > 1 }',
    'merge([for a in ["x"] : { for b in ["y", "z"] : "${a}/${b}" => b }]...)',
    '{ a = 1, "b" = [2, 3], (join("", ["c", "d"])) = { e = null } }',
    '{ a = 1, "b" = [2, 3] }["b"][1]',
    "{ a = { b = true } }.a.b",
    'setproduct(["a"], ["b", "c"])',
    'tolist(setsubtract(["b", "a", "c"], ["b"]))',
    'keys({ b = 1, a = 2 }) == ["a", "b"] ? values({ b = 1, a = 2 }) : []',
    'replace("launch_training", "_", "-")',
    'substr("0123456789", 2, 4)',
    'contains(["a"], "a") && startswith("us-a", "us-") && endswith("x:latest", ":latest")',
    'base64encode("{}")',
    'jsonencode([{ name = "a", mode = "B" }])',
    'trimprefix("https://host", "https://")',
    'flatten([["a"], [["b"]]])',
    '[lookup({ a = 1 }, "a", 2), lookup({ a = 1 }, "b", 2)]',
    'length(concat(["a"], ["b", "c"]))',
    "[\n  1, # one\n  2, // two\n  /* three */ 3,\n]",
    'tostring(600 - 30)',
]  # fmt: skip


def value(text: str, **scope: Any) -> Any:
    return Parser(text).expression().value(scope)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_every_expression_means_what_terraform_says(tmp_path: Path) -> None:
    locals_ = "\n".join(f"  x{at} = {each}" for at, each in enumerate(EXPRESSIONS))
    (tmp_path / "main.tf").write_text(f"locals {{\n{locals_}\n}}\n")
    asked = f"jsonencode([{', '.join(f'jsonencode(local.x{at})' for at in range(len(EXPRESSIONS)))}])"
    said = subprocess.run(
        ["terraform", "console"], cwd=tmp_path, input=asked, capture_output=True, text=True, check=True
    ).stdout
    # What jsonencode says is shown as a string of Terraform's, which is one of JSON's, too.
    theirs = list(map(json.loads, json.loads(json.loads(said))))
    ours = [json.loads(json.dumps(value(each))) for each in EXPRESSIONS]
    assert dict(zip(EXPRESSIONS, ours, strict=True)) == dict(zip(EXPRESSIONS, theirs, strict=True))


def test_what_only_the_cloud_knows_stays_a_reference_however_deep() -> None:
    text = '"${google_x.y["k"].uri}/topics/${topic}"'
    assert value(text, topic="t") == '${google_x.y["k"].uri}/topics/t'
    assert value("google_x.y[0].id") == Unknown("google_x.y[0].id")
    assert isinstance(value('contains(google_x.y.names, "a")'), Unknown)


def test_a_heredoc_is_dedented_and_filled_in() -> None:
    text = '<<-EOT\n    project ${name}\n      indented "quoted"\n  EOT'
    assert value(text, name="p") == 'project p\n  indented "quoted"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('resource "a" "b" {\n  x = [1, 2\n}\n', "main.tf:3"),
        ('x = "never closed', "line 1"),
        ("x = {\n  a = @\n}", "line 2"),
        ("x = nothing(1)", "no function nothing is known"),
        ("x = { a = 1 }.b", 'there is no "b"'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PermanentError) as found:
        Parser(text, "main.tf").file().attributes["x"].value({})
    assert said in str(found.value)


def test_keys_that_only_the_cloud_knows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("""
        resource "google_service_account" "one" { account_id = "one" }
        resource "google_pubsub_topic" "each" { for_each = toset([google_service_account.one.email]) }
    """)
    with pytest.raises(PermanentError, match="for_each is not known before something is made"):
        _ = Plan.of(tmp_path).instances


def test_a_value_that_is_used_as_another_kind_of_value_is_said_with_its_place(tmp_path: Path) -> None:
    text = 'resource "google_pubsub_topic" "each" { name = replace(each.key, "a", "b") }'
    (tmp_path / "main.tf").write_text(f"locals {{}}\n{text}".replace("each.key", "null"))
    with pytest.raises(PermanentError, match=r"main.tf:2, google_pubsub_topic.each: a value is not what it is used as"):
        _ = Plan.of(tmp_path).instances


def test_a_plan_has_an_instance_for_each_key_and_follows_names(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("""
        variable "project" { type = string }
        locals { pairs = { a = "first", b = "second" } }
        resource "google_storage_bucket" "each" {
          for_each = local.pairs
          name     = "${var.project}-${each.value}"
          dynamic "lifecycle_rule" {
            for_each = each.key == "a" ? [1, 2] : []
            content { days = lifecycle_rule.value }
          }
        }
        resource "google_storage_bucket_object" "one" {
          count  = 1
          bucket = google_storage_bucket.each["b"].name
        }
    """)
    plan = Plan.of(tmp_path)
    assert list(plan.instances) == [
        'google_storage_bucket.each["a"]',
        'google_storage_bucket.each["b"]',
        "google_storage_bucket_object.one[0]",
    ]
    assert plan.instances['google_storage_bucket.each["a"]'].values["lifecycle_rule"] == [{"days": 1}, {"days": 2}]
    assert (
        plan.known(plan.instances["google_storage_bucket_object.one[0]"].get("bucket")) == f"{GIVEN['project']}-second"
    )
