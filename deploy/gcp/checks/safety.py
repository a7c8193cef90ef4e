"""What a reviewer looks for in every file: private and tidy buckets, alerts, order of making, pins, words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan
from deploy.gcp.checks.schema import Schema
from deploy.gcp.checks.values import Unknown
from functions.preprocess.staging import STAGING

CHECK = "safety"
BUCKETS = ("landing", "quarantine", "state", "artifacts", "sources")
# What is written over, and would be missed.
VERSIONED = ("landing", "state", "artifacts")
# Prefixes of the state bucket that come to an end; everything else there stays.
ENDING = ("ledger/", "machines/", "logs/", f"{STAGING}/")
LEAST_DAYS_BETWEEN = 7
# Of everything that is of a type, but for the sources, which can be made again.
PROTECTED: dict[str, dict[str, Any]] = {
    "google_bigquery_dataset": {"delete_contents_on_destroy": False},
    "google_bigquery_table": {"deletion_protection": True},
    "google_cloud_run_v2_service": {"deletion_protection": True},
    "google_sql_database_instance": {
        "deletion_protection": True,
        "settings.deletion_protection_enabled": True,
        "settings.backup_configuration.enabled": True,
        "settings.backup_configuration.point_in_time_recovery_enabled": True,
        "settings.ip_configuration.ipv4_enabled": False,
        "settings.ip_configuration.ssl_mode": "ENCRYPTED_ONLY",
    },
    "google_storage_bucket": {"force_destroy": False},
}
ALERTED = ("dead-letters", "step-failed", "model-decided")
# The API refuses the first without the second.
MISSING_DATA = "conditions.condition_threshold.evaluation_missing_data"
DURATION = "conditions.condition_threshold.duration"
APIS = "google_project_service.apis"
# How the names of a service's resources begin.
SERVICES = {
    "google_artifact_registry_": "artifactregistry",
    "google_bigquery_": "bigquery",
    "google_billing_": "billingbudgets",
    "google_cloud_run_": "run",
    "google_cloud_scheduler_": "cloudscheduler",
    "google_cloudfunctions2_": "cloudfunctions",
    "google_compute_": "compute",
    "google_monitoring_": "monitoring",
    "google_project_": "cloudresourcemanager",
    "google_pubsub_": "pubsub",
    "google_secret_manager_": "secretmanager",
    "google_service_account": "iam",
    "google_service_networking_": "servicenetworking",
    "google_sql_": "sqladmin",
    "google_storage_": "storage",
}


def check(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """What is open, untidy, silent, unpinned or unexplained."""
    yield from _check_buckets(plan)
    yield from _check_protection(plan)
    yield from _check_packages(plan)
    yield from _check_alerts(plan)
    yield from _check_services(plan)
    yield from _check_order(plan)
    yield from _check_circles(plan)
    yield from _check_versions(plan, schema)
    yield from _check_words(plan)


def _check_buckets(plan: Plan) -> Iterator[Finding]:
    there = {str(plan.known(each.get("name"))): each for each in plan.of_type("google_storage_bucket")}
    wanted = {f"{plan.given['project']}-{name}": name for name in BUCKETS}
    for name in sorted(there.keys() ^ wanted.keys()):
        where = there[name].where if name in there else "deploy/gcp"
        yield Finding(
            check=CHECK, where=where, what=f"the bucket {name} is wanted and not there, or there and not wanted"
        )
    for name in sorted(there.keys() & wanted.keys()):
        yield from _check_bucket(there[name], wanted[name])


def _check_bucket(bucket: Instance, name: str) -> Iterator[Finding]:
    if bucket.get("uniform_bucket_level_access") is not True:
        yield _finding(bucket, f"objects of {name} could have access lists of their own: uniform_bucket_level_access")
    if bucket.get("public_access_prevention") != "enforced":
        yield _finding(bucket, f"{name} could be made public: public_access_prevention")
    if (bucket.get("versioning.enabled") is True) != (name in VERSIONED):
        yield _finding(bucket, f"{name}: versions are kept of {', '.join(VERSIONED)}, and of no other bucket")
    rules = bucket.get("lifecycle_rule") or []
    deleting = [each["condition"][0] for each in rules if each["action"][0]["type"] == "Delete"]
    # A suffix picks out some of them only.
    ending = [each for each in deleting if "age" in each and "matches_suffix" not in each]
    ends = {prefix for each in ending for prefix in each.get("matches_prefix", ["everything"])}
    wanted = {"state": set(ENDING), "quarantine": {"everything"}, "sources": {"builds/"}}.get(name, set())
    if ends != wanted:
        yield _finding(bucket, f"in {name} comes to an end: {sorted(ends)}; it should be {sorted(wanted)}")
    if name == "state" and not _outboxes_go_first(deleting):
        yield _finding(bucket, "an outbox may outlive its done: the reconciler would announce old work once more")
    if name in VERSIONED and not any("days_since_noncurrent_time" in each for each in deleting):
        yield _finding(bucket, f"versions of {name} that nobody sees any more are never deleted")


def _outboxes_go_first(deleting: list[dict[str, Any]]) -> bool:
    """Some days before the rest of the ledger: Cloud Storage deletes what is old within a day or more, in any order."""
    ages = [each for each in deleting if "ledger/" in each.get("matches_prefix", []) and "age" in each]
    first = [each["age"] for each in ages if each.get("matches_suffix") == ["/outbox"]]
    rest = [each["age"] for each in ages if "matches_suffix" not in each]
    return bool(first and rest) and max(first) + LEAST_DAYS_BETWEEN <= min(rest)


def _check_protection(plan: Plan) -> Iterator[Finding]:
    """What cannot be made again is not deleted by mistake, is backed up, and is reached from inside only."""
    for kind, wanted in PROTECTED.items():
        for each in plan.of_type(kind):
            for path, value in wanted.items():
                if each.get(path) != value and each.name != "sources":
                    yield _finding(each, f"{each.address}: {path} is {each.get(path)}, and should be {value}")


def _check_packages(plan: Plan) -> Iterator[Finding]:
    """A newer package takes nothing away: machines still start from the one before, and people go back to it."""
    for each in plan.of_type("google_storage_bucket_object"):
        if each.get("deletion_policy") != "ABANDON":
            yield _finding(each, f"{each.address} goes as soon as there is a newer one: deletion_policy")


def _check_alerts(plan: Plan) -> Iterator[Finding]:
    policies = plan.of_type("google_monitoring_alert_policy")
    filters = " ".join(str(plan.known(each.get("conditions.condition_threshold.filter"))) for each in policies)
    for name in ALERTED:
        if f'"{name}"' not in filters:
            yield Finding(check=CHECK, where="deploy/gcp", what=f"nobody is told of {name}")
    for each in policies:
        if not each.get("notification_channels"):
            yield _finding(each, f"{each.address} tells nobody")
        if not each.get("documentation.content"):
            yield _finding(each, f"{each.address} does not say what to do")
        if each.get(MISSING_DATA) != "EVALUATION_MISSING_DATA_INACTIVE" or each.get(DURATION) in (None, "0s"):
            yield _finding(each, f"{each.address} stays open when data stops, and tells nobody of the next time")
    if not plan.of_type("google_billing_budget"):
        yield Finding(
            check=CHECK, where="deploy/gcp", what="no budget alert is made, though a billing account is named"
        )


def _check_services(plan: Plan) -> Iterator[Finding]:
    """Every resource's service is switched on."""
    on = {str(each.get("service")) for each in plan.of_type("google_project_service")}
    kinds = {each.type: each for each in plan.instances.values() if each.mode == "resource"}
    for kind, instance in kinds.items():
        wanted = next((name for begins, name in SERVICES.items() if kind.startswith(begins)), None)
        if wanted is None and kind.startswith("google_"):
            yield _finding(instance, f"nobody knows which service makes a {kind}: say so in SERVICES, checks/safety.py")
        elif wanted is not None and f"{wanted}.googleapis.com" not in on:
            yield _finding(instance, f"{wanted}.googleapis.com is not switched on, which makes a {kind}")


def _check_order(plan: Plan) -> Iterator[Finding]:
    """Nothing is made before the services are on: everything comes, in some steps, after that."""
    after = {address for address in plan.instances if address.startswith(APIS)}
    waiting = {address: each for address, each in plan.instances.items() if each.mode == "resource"}
    while ready := {
        address for address, each in waiting.items() if address in after or _comes_after(plan, each, after)
    }:
        after |= ready
        waiting = {address: each for address, each in waiting.items() if address not in ready}
    for each in waiting.values():
        if each.type.startswith("google_"):
            yield _finding(each, f"{each.address} may be made before its service is on: depends_on = [{APIS}]")


def _comes_after(plan: Plan, instance: Instance, after: set[str]) -> bool:
    for path in instance.needs:
        target = plan.target(Unknown(path))
        if path == APIS or (target is not None and target.address in after):
            return True
        if any(address.startswith(f"{path}[") for address in after):
            return True
    return False


def _check_circles(plan: Plan) -> Iterator[Finding]:
    """Nothing waits for itself: Terraform makes a resource's instances together, so that these count as one."""
    needs: dict[str, set[str]] = {}
    for each in plan.instances.values():
        targets = (plan.target(Unknown(path)) for path in each.needs)
        needs.setdefault(_family(each), set()).update(_family(target) for target in targets if target)
    while free := {name for name, wanted in needs.items() if not wanted & needs.keys()}:
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    for each in plan.instances.values():
        if _family(each) in needs:
            yield _finding(each, f"{each.address} waits for itself, or for what does: {', '.join(sorted(needs))}")
            return


def _family(instance: Instance) -> str:
    return f"{instance.mode}.{instance.type}.{instance.name}"


def _check_versions(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """The provider that is used has to be of the major version that these files were checked against, and no older."""
    for block in plan.blocks:
        if block.kind == "terraform":
            for each in block.inside("required_providers"):
                pinned = str(plan.literal(each.attributes["google"])["version"])
                major, minor = schema.provider.split(".")[:2]
                if not re.fullmatch(rf"~> {major}\.{minor}", pinned):
                    what = f'the google provider is pinned to "{pinned}", and checked against {schema.provider}'
                    yield Finding(check=CHECK, where=block.where, what=what)


def _check_words(plan: Plan) -> Iterator[Finding]:
    for block in plan.blocks:
        wanted = {"variable": ("description", "type"), "output": ("description",)}.get(block.kind, ())
        for attribute in wanted:
            if attribute not in block.attributes:
                what = f"the {block.kind} {block.labels[0]} has no {attribute}"
                yield Finding(check=CHECK, where=block.where, what=what)


def _finding(instance: Instance, what: str) -> Finding:
    return Finding(check=CHECK, where=instance.where, what=what)
