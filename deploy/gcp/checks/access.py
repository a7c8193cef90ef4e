"""Which roles each identity needs, and for what: the declared side, which the Terraform files are held against.

What functions and the trainer need follows from what their code uses (code.py); the rest is listed here. Grants name
things as people do: `topic data-prepared`, `bucket state`, `dataset`, `project`, `service mlflow`, `account trainer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.gcp.checks.code import ROOT, Uses, functions, uses
from shared.errors import PermanentError
from shared.lifecycle.events import CONSUMERS, EVENTS, TOPICS

PUBSUB, STORAGE, OPERATOR, CALLER = "Pub/Sub's agent", "Cloud Storage's agent", "an operator", "a caller of predict"
TRAINER, MLFLOW, BUILDER = "trainer", "mlflow", "builder"
# Conditions by their titles; what each has to say is in policy/outside.toml.
TRAINING_MACHINES, SOURCES_OF_FUNCTIONS, ALL_BUT_DECISIONS = (
    "machines_that_train",
    "sources_of_functions",
    "all_but_decisions",
)
# What these methods do leaves the warehouse as it is; prepare_common finds what `make deploy` has made.
READS = {
    "account",
    "accounts",
    "evaluations",
    "every_reject",
    "log",
    "prepare_common",
    "reject_reasons",
    "rejects",
    "snapshots",
    "twin",
}
# This deletes snapshots and nothing else, for which there is a permission of its own.
PRUNES = "drop_snapshot"
# These load files from the state bucket, about which BigQuery asks itself.
LOADS = {"refuse", "swap"}
# These read tables by the Storage Read API.
FETCHES = {"read_drop", "read_training"}
# Events that a component makes to name a piece of work in the ledger, and does not publish.
NOT_PUBLISHED = {("evaluate", "DropReceived"), ("evaluate", "DataPrepared")}
# Ending a request lets go on what has waited for that.
OF_DESK_CLOSE = {"TrainingRequested", "DataPrepared"}
# The client's call in shared/adapters/compute.py = the permissions that it takes.
CALLS = {
    "instances.aggregated_list": {"compute.instances.list"},
    "instances.delete_unary": {"compute.instances.delete"},
    "instances.insert_unary": {
        "compute.disks.create",
        "compute.images.useReadOnly",
        "compute.instanceTemplates.useReadOnly",
        "compute.instances.create",
        "compute.instances.setLabels",
        "compute.instances.setMetadata",
        "compute.instances.setServiceAccount",
        "compute.instances.setTags",
        "compute.subnetworks.use",
    },
    "operations.get": {"compute.zoneOperations.get"},
    "templates.get": {"compute.instanceTemplates.get"},
}
_CALL = re.compile(r"self\._((?:instances|templates|operations)\.\w+)\(")


@dataclass(frozen=True, order=True)
class Grant:
    """Who may do what on which thing; `only_if` is the title of a condition."""

    who: str
    role: str
    on: str
    only_if: str = ""

    def __str__(self) -> str:
        """For people."""
        return f"{self.who}: {self.role} on {self.on}" + (f", if {self.only_if}" if self.only_if else "")


def expected() -> set[Grant]:
    """Every grant there has to be, and no other may be there."""
    found = {grant for component in [*functions(), TRAINER] for grant in _of_component(component)}
    return found | set(_of_machinery()) | set(_of_people())


def custom_roles() -> dict[str, set[str]]:
    """The permissions that each custom role holds: what the Compute adapter calls, and the machine's own last call.

    Raises:
        PermanentError: the adapter calls what is not listed here.
    """
    called = set(_CALL.findall((ROOT / "shared/adapters/compute.py").read_text()))
    if unknown := called - CALLS.keys():
        raise PermanentError(
            f"nobody knows which permissions {min(unknown)} takes.", "Say so in CALLS, checks/access.py."
        )
    launcher = set[str]().union(*(CALLS[call] for call in called))
    return {
        "tidewheelLauncher": launcher,
        "tidewheelEndsItself": {"compute.instances.delete"},
        "tidewheelPruner": {"bigquery.tables.deleteSnapshot"},
        "tidewheelWatcher": CALLS["instances.aggregated_list"],
    }


def publishes(component: str) -> set[str]:
    """The topics that a component publishes to."""
    if component == "reconcile":
        # It publishes what any of the others had decided to announce when it died.
        others = [each for each in [*functions(), TRAINER] if each != component]
        return set().union(*map(publishes, others)) | _topics_of(uses(component), component)
    return _topics_of(uses(component), component)


def _topics_of(used: Uses, component: str) -> set[str]:
    if not _has_a_ledger(component):
        return set()
    kinds = {kind for kind in used.makes if (component, kind) not in NOT_PUBLISHED} | {"StepFailed"}
    kinds |= OF_DESK_CLOSE if used.any("desk.close") else set()
    return {EVENTS[kind].topic for kind in kinds}


def _has_a_ledger(component: str) -> bool:
    """Whoever gets messages, and the trainer, work through the ledger."""
    return component == TRAINER or component in CONSUMERS.values()


def _of_component(component: str) -> Iterator[Grant]:
    used = uses(component)
    yield from (Grant(component, "roles/pubsub.publisher", f"topic {topic}") for topic in publishes(component))
    yield from _of_buckets(component, used)
    yield from _of_warehouse(component, used)
    if used.any("registry"):
        yield Grant(component, "roles/run.invoker", "service mlflow")
    if used.any("machines"):
        yield Grant(component, "tidewheelLauncher", "project", TRAINING_MACHINES)
        yield Grant(component, "roles/iam.serviceAccountUser", "account trainer")
    if component == TRAINER:
        yield Grant(component, "tidewheelEndsItself", "project", TRAINING_MACHINES)


def _of_buckets(component: str, used: Uses) -> Iterator[Grant]:
    if used.any("decisions.decide"):
        yield Grant(component, "roles/storage.objectUser", "bucket state")
    elif used.any("decisions"):
        yield Grant(component, "roles/storage.objectViewer", "bucket state")
    if _has_a_ledger(component) and not used.any("decisions.decide"):
        yield Grant(component, "roles/storage.objectUser", "bucket state", ALL_BUT_DECISIONS)
    if used.any(*(f"warehouse.{method}" for method in LOADS)):
        yield Grant(component, "roles/storage.legacyBucketReader", "bucket state")
    if "landing_bucket" in used.settings:
        yield Grant(component, "roles/storage.objectViewer", "bucket landing")
    if "quarantine_bucket" in used.settings:
        yield Grant(component, "roles/storage.objectUser", "bucket quarantine")
    if component == TRAINER:
        # Its own code.
        yield Grant(component, "roles/storage.objectViewer", "bucket sources")


def _of_warehouse(component: str, used: Uses) -> Iterator[Grant]:
    methods = {name.partition(".")[2] for name in used.services if name.startswith("warehouse.")}
    if not methods and not used.any("desk"):
        return
    if PRUNES in methods:
        yield Grant(component, "tidewheelPruner", "dataset")
        methods.remove(PRUNES)
    # A desk that is closed asks for the account of a drop.
    role = "roles/bigquery.dataViewer" if methods <= READS else "roles/bigquery.dataEditor"
    yield Grant(component, role, "dataset")
    yield Grant(component, "roles/bigquery.jobUser", "project")
    if methods & FETCHES:
        yield Grant(component, "roles/bigquery.readSessionUser", "project")


def _of_machinery() -> Iterator[Grant]:
    """What is no code of ours, or only carries it."""
    for topic, function in CONSUMERS.items():
        yield Grant(PUBSUB, "roles/pubsub.subscriber", f"subscription {function}-{topic}")
        yield Grant(PUBSUB, "roles/iam.serviceAccountOpenIdTokenCreator", f"account push-{function}")
        yield Grant(f"push-{function}", "roles/run.invoker", f"service {function}")
    yield Grant(PUBSUB, "roles/pubsub.publisher", "topic dead-letters")
    yield Grant(PUBSUB, "roles/bigquery.dataEditor", "table lifecycle_log")
    yield Grant(STORAGE, "roles/pubsub.publisher", "topic drop-received")
    yield Grant(MLFLOW, "roles/storage.objectUser", "bucket artifacts")
    yield Grant(MLFLOW, "roles/secretmanager.secretAccessor", "secret tidewheel-mlflow-database-password")
    yield Grant(BUILDER, "roles/logging.logWriter", "project")
    yield Grant(BUILDER, "roles/artifactregistry.writer", "repository tidewheel")
    yield Grant(BUILDER, "roles/storage.objectViewer", "bucket sources")
    yield Grant(BUILDER, "roles/storage.objectViewer", "project", SOURCES_OF_FUNCTIONS)


def _of_people() -> Iterator[Grant]:
    """What the command `tidewheel` calls for whoever types it, and what people look at besides."""
    used = uses("operator")
    # Whatever something reacts to: requests, a replay, and dead letters that are sent again.
    yield from (Grant(OPERATOR, "roles/pubsub.publisher", f"topic {topic}") for topic in TOPICS if topic in CONSUMERS)
    yield from _of_warehouse(OPERATOR, used)
    if used.any("dead_letters"):
        yield Grant(OPERATOR, "roles/pubsub.subscriber", "subscription dead-letters")
    if used.any("storage.put"):
        yield Grant(OPERATOR, "roles/storage.objectUser", "bucket landing")
    if "quarantine_bucket" in used.settings:
        yield Grant(OPERATOR, "roles/storage.objectViewer", "bucket quarantine")
    if used.any("decisions", "desk", "ledger"):
        yield Grant(OPERATOR, "roles/storage.objectViewer", "bucket state")
    if used.any("registry"):
        yield Grant(OPERATOR, "roles/run.invoker", "service mlflow")
    # gcloud run services proxy, which opens MLflow's page, reads the service before it asks it.
    yield Grant(OPERATOR, "roles/run.viewer", "service mlflow")
    if used.any("machines"):
        yield Grant(OPERATOR, "tidewheelWatcher", "project")
    # The last: whose credentials name this project as the one that pays has to be allowed to use it.
    by_hand = "roles/logging.viewer", "roles/monitoring.viewer", "roles/serviceusage.serviceUsageConsumer"
    yield from (Grant(OPERATOR, role, "project") for role in by_hand)
    yield Grant(OPERATOR, "roles/run.invoker", "service predict")
    yield Grant(CALLER, "roles/run.invoker", "service predict")
