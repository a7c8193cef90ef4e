"""The grants that the files make, compared with those that are needed: none missing, and none without need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.gcp.checks import access
from deploy.gcp.checks.access import Grant
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import GIVEN, Instance, Plan

CHECK = "grants"
# Type of the grant = where it says what it is on, the kind of thing, and the argument that names such a thing.
MEMBERS = {
    "google_artifact_registry_repository_iam_member": ("repository", "repository", "repository_id"),
    "google_bigquery_dataset_iam_member": ("dataset_id", "dataset", ""),
    "google_bigquery_table_iam_member": ("table_id", "table", "table_id"),
    "google_cloud_run_v2_service_iam_member": ("name", "service", "name"),
    "google_project_iam_member": ("project", "project", ""),
    "google_pubsub_subscription_iam_member": ("subscription", "subscription", "name"),
    "google_pubsub_topic_iam_member": ("topic", "topic", "name"),
    "google_secret_manager_secret_iam_member": ("secret_id", "secret", "secret_id"),
    "google_service_account_iam_member": ("service_account_id", "account", "account_id"),
    "google_storage_bucket_iam_member": ("bucket", "bucket", "name"),
}
# They hold whatever their project's owner likes, or anybody.
TOO_BROAD = ("roles/owner", "roles/editor", "roles/viewer")
PUBSUB_AGENT = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
EVERYBODY = ("allUsers", "allAuthenticatedUsers")


def check(plan: Plan) -> Iterator[Finding]:
    """What is granted and not needed, needed and not granted, or granted in a way that cannot be looked over."""
    granted: dict[Grant, Instance] = {}
    for instance in plan.instances.values():
        yield from _refuse(instance)
        if instance.type in MEMBERS:
            granted[_grant(plan, instance)] = instance
    needed = access.expected()
    for grant in sorted(granted.keys() - needed):
        yield _finding(granted[grant].where, f"nothing needs this grant: {grant}")
    for grant in sorted(needed - granted.keys()):
        yield _finding("deploy/gcp", f"a grant is missing: {grant}")
    yield from _check_custom_roles(plan)


def _refuse(instance: Instance) -> Iterator[Finding]:
    is_grant = "_iam_" in instance.type and not instance.type.endswith(("_custom_role", "_audit_config"))
    if is_grant and instance.type not in MEMBERS:
        what = f"{instance.type} takes away what others have been granted, or is not known here: use an _iam_member"
        yield _finding(instance.where, what)
    if instance.get("role") in TOO_BROAD:
        yield _finding(instance.where, f"{instance.get('role')} holds far more than anything here needs")
    if instance.get("member") in EVERYBODY:
        yield _finding(instance.where, f"{instance.address} lets {instance.get('member')} in")


def _check_custom_roles(plan: Plan) -> Iterator[Finding]:
    there = {each.get("role_id"): each for each in plan.of_type("google_project_iam_custom_role")}
    roles = access.custom_roles()
    for name, instance in there.items():
        has, needs = set(instance.get("permissions")), roles.get(name, set())
        for permission in sorted(has - needs):
            yield _finding(instance.where, f"nothing calls what {permission} is for, but {name} holds it")
        for permission in sorted(needs - has):
            yield _finding(instance.where, f"{name} lacks {permission}")


def _grant(plan: Plan, instance: Instance) -> Grant:
    condition = str(instance.get("condition.title") or "")
    return Grant(_who(plan, instance), _role(plan, instance), _on(plan, instance), condition)


def _who(plan: Plan, instance: Instance) -> str:
    member = instance.get("member")
    account = plan.target(member)
    if account is not None and account.type == "google_service_account":
        return _account(account, str(account.key or account.name))
    if str(member) == PUBSUB_AGENT:
        return access.PUBSUB
    if account is not None and account.type == "google_storage_project_service_account":
        return access.STORAGE
    known = {access.OPERATOR: GIVEN["operators"], access.CALLER: GIVEN["predict_callers"]}
    return next((name for name, members in known.items() if member in members), str(member))


def _role(plan: Plan, instance: Instance) -> str:
    custom = plan.target(instance.get("role"))
    return str(custom.get("role_id") if custom else instance.get("role"))


def _on(plan: Plan, instance: Instance) -> str:
    argument, kind, name = MEMBERS[instance.type]
    target = plan.target(instance.get(argument))
    if not name:
        return kind
    if target is None:
        return f"{kind} {instance.get(argument)}"
    return f"{kind} {_named(plan, target, kind, name)}"


def _named(plan: Plan, target: Instance, kind: str, name: str) -> Any:
    if target.type in ("google_service_account", "google_cloudfunctions2_function"):
        return _account(target, str(target.key or target.name))
    known = plan.known(target.get(name))
    # Buckets begin with the project's name.
    return str(known).removeprefix(f"{GIVEN['project']}-") if kind == "bucket" else known


def _account(account: Instance, key: str) -> str:
    return f"push-{key}" if account.name == "push" else key


def _finding(where: str, what: str) -> Finding:
    return Finding(check=CHECK, where=where, what=what)
