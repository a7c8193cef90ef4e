"""What the deployment's variables refuse, before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.gcp.checks import hcl, services
from deploy.gcp.checks.__main__ import FOLDER
from deploy.gcp.checks.plan import GIVEN, Plan
from shared.errors import PermanentError

BLOCKS = hcl.read(FOLDER)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("project", "Demo", "6 to 30"),
        ("region", "europe-west1-b", "not a zone"),
        ("region", "EU", "not a continent"),
        ("zones", ["us-central1-a"], "one of the region's"),
        ("dataset", "tide-wheel", "a-z, 0-9 and _"),
        ("mlflow_image", "europe-docker.pkg.dev/p/mlflow", "its tag or digest"),
        ("mlflow_image", "europe-docker.pkg.dev/p/mlflow:latest", "another image tomorrow"),
        ("operators", ["allUsers"], "never everybody"),
        ("operators", ["domain:example.com"], "one by one"),
        ("predict_callers", ["allAuthenticatedUsers"], "neither allUsers"),
        ("alert_email", "nobody", "no address"),
        ("billing_account", "123", "Like 012345-6789AB-CDEF01"),
        ("monthly_budget", 0, "More than 0"),
        ("python", "3.12", "3.11 or 3.13"),
        ("most_instances", {"reconcile": 2}, "in one instance"),
        ("most_instances", {"predict": 0}, "1 to 100"),
        ("most_machines", 0, "1 to 50"),
        ("spot_starts", -1, "0 to 10"),
        ("training_deadline_seconds", 60, "5 minutes to a day"),
        ("database_availability", "GLOBAL", "ZONAL or REGIONAL"),
        ("ledger_days", 7, "At least 30"),
        ("snapshot_days", 29, "At least 30"),
        ("log_days", 7, "At least 30"),
        ("quarantine_days", 1, "At least a week"),
        ("overwritten_days", 0, "At least a week"),
    ],
)
def test_a_value_that_would_do_harm_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        _ = Plan(BLOCKS, {**GIVEN, name: value}).scope


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zones", ["europe-west1-b", "europe-west1-c"]),
        ("mlflow_image", "europe-docker.pkg.dev/p/mlflow@sha256:" + "0" * 64),
        ("operators", []),
        ("billing_account", ""),
        ("database_availability", "REGIONAL"),
    ],
)
def test_what_makes_sense_is_taken(name: str, value: Any) -> None:
    assert Plan(BLOCKS, {**GIVEN, name: value}).instances


def test_a_function_has_as_many_instances_as_a_variable_says_or_else_its_usual_ones() -> None:
    functions = Plan(BLOCKS, {**GIVEN, "most_instances": {"predict": 20}}).of_type("google_cloudfunctions2_function")
    most = {each.key: each.get("service_config.max_instance_count") for each in functions}
    assert (most["predict"], most["preprocess"]) == (20, 3)


@pytest.mark.parametrize(("python", "image"), [("3.11", "debian-12"), ("3.13", "debian-13")])
def test_the_machine_that_trains_has_the_python_of_the_functions(python: str, image: str) -> None:
    plan = Plan(BLOCKS, {**GIVEN, "python": python})
    assert list(services._check_python(plan)) == []
    (template,) = plan.of_type("google_compute_instance_template")
    assert template.get("disk.source_image") == f"debian-cloud/{image}"


def test_without_a_billing_account_no_budget_is_made() -> None:
    assert not Plan(BLOCKS, {**GIVEN, "billing_account": ""}).of_type("google_billing_budget")


def test_without_protection_everything_can_be_taken_away() -> None:
    plan = Plan(BLOCKS, {**GIVEN, "deletion_protection": False})
    assert all(each.get("force_destroy") for each in plan.of_type("google_storage_bucket"))
    protected = plan.of_type("google_sql_database_instance", "google_bigquery_table", "google_cloud_run_v2_service")
    assert not any(each.get("deletion_protection") for each in protected)
