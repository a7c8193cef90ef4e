"""Whether every service is switched on that something needs: what is made or granted, the code, or the script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from deploy.gcp.checks.code import ROOT
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.gcloud_lint import commands
from deploy.gcp.checks.plan import Plan

CHECK = "apis"
SCRIPT = "deploy/gcp/deploy.sh"
# How the names of a service's resources begin = what it takes to make them.
MADE = {
    "google_artifact_registry_": ("artifactregistry",),
    "google_bigquery_": ("bigquery",),
    "google_billing_": ("billingbudgets",),
    "google_cloud_run_": ("run",),
    "google_cloud_scheduler_": ("cloudscheduler",),
    # A function is built, its container is kept, and Cloud Run runs it.
    "google_cloudfunctions2_": ("cloudfunctions", "cloudbuild", "artifactregistry", "run"),
    "google_compute_": ("compute",),
    "google_monitoring_": ("monitoring",),
    "google_project": ("cloudresourcemanager",),
    "google_pubsub_": ("pubsub",),
    "google_secret_manager_": ("secretmanager",),
    "google_service_account": ("iam",),
    "google_service_networking_": ("servicenetworking",),
    "google_sql_": ("sqladmin",),
    "google_storage_": ("storage",),
}
# How a role's name begins = the service without which it allows nothing.
GRANTED = {
    "roles/artifactregistry.": ("artifactregistry",),
    "roles/bigquery.readSession": ("bigquerystorage",),
    "roles/bigquery.": ("bigquery",),
    "roles/iam.": ("iam",),
    "roles/logging.": ("logging",),
    "roles/monitoring.": ("monitoring",),
    "roles/pubsub.": ("pubsub",),
    "roles/run.": ("run",),
    "roles/secretmanager.": ("secretmanager",),
    "roles/serviceusage.": (),
    "roles/storage.": ("storage",),
}
# The packages that shared/adapters imports, and gcloud's groups of commands.
IMPORTED = {
    "google.cloud.bigquery": ("bigquery",),
    "google.cloud.bigquery_storage": ("bigquerystorage",),
    "google.cloud.bigquery_storage_v1": ("bigquerystorage",),
    "google.cloud.compute_v1": ("compute",),
    "google.cloud.storage": ("storage",),
    "google.pubsub_v1": ("pubsub",),
}
CALLED = {
    "artifacts": ("artifactregistry",),
    "auth": (),
    "builds": ("cloudbuild",),
    "services": (),
    "storage": ("storage",),
}
_IMPORT = re.compile(r"^\s*from (google\.[\w.]+) import (\w+)", re.MULTILINE)


def check(plan: Plan) -> Iterator[Finding]:
    """What needs a service that is not on, or one that nobody knows."""
    on = {str(each.get("service")) for each in plan.of_type("google_project_service")}
    for user, services in _users(plan):
        if services is None:
            what = f"nobody knows which service {user} needs: say so in deploy/gcp/checks/apis.py"
            yield Finding(check=CHECK, where="deploy/gcp", what=what)
        for service in services or ():
            if f"{service}.googleapis.com" not in on:
                what = f"{service}.googleapis.com is not switched on, and {user} needs it"
                yield Finding(check=CHECK, where="apis.tf", what=what)


def _users(plan: Plan) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Whatever needs services, and which; None if nobody knows."""
    for kind in sorted({each.type for each in plan.instances.values() if each.type.startswith("google_")}):
        yield f"what makes a {kind}", _beginning(MADE, kind)
    roles = {str(each.get("role")) for each in plan.instances.values()}
    for role in sorted(each for each in roles if each.startswith("roles/")):
        yield f"whoever holds {role}", _beginning(GRANTED, role)
    for package in _packages():
        yield f"the code, which imports {package},", IMPORTED.get(package)
    for group in _groups():
        yield f"{SCRIPT}, which calls gcloud {group},", CALLED.get(group)


def _beginning(services: Mapping[str, tuple[str, ...]], name: str) -> tuple[str, ...] | None:
    return next((needed for begins, needed in services.items() if name.startswith(begins)), None)


@cache
def _packages() -> list[str]:
    """Google's packages that the adapters import."""
    texts = (file.read_text() for file in sorted((ROOT / "shared/adapters").glob("*.py")))
    found = (each for text in texts for each in _IMPORT.findall(text))
    return sorted({_package(*each) for each in found} - {""})


def _package(module: str, name: str) -> str:
    """`from google.cloud import storage` and `from google.cloud.storage.retry import …` are the same package."""
    parts = [*module.split("."), name]
    if parts[1] == "cloud":
        return ".".join(parts[:3])
    return ".".join(parts[:2]) if parts[1].endswith("_v1") else ""


@cache
def _groups() -> list[str]:
    """The groups of gcloud's commands that the script calls."""
    words = (each.replace("gcloud beta", "gcloud").split() for each in commands(ROOT / SCRIPT))
    return sorted({each[1] for each in words})
