"""Functions, the machine that trains and the MLflow server: what they are told, who they are, how long they take."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from deploy.gcp.checks import code
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan
from deploy.local import provision
from shared.errors import PermanentError
from shared.lifecycle.events import CONSUMERS
from shared.settings import Settings

CHECK = "services"
# Everybody needs these, and each says something that the Terraform files know better than a default.
EVERYBODY = (
    "GOOGLE_CLOUD_PROJECT",
    "TIDEWHEEL_LOCATION",
    "TIDEWHEEL_DATASET",
    "TIDEWHEEL_LANDING_BUCKET",
    "TIDEWHEEL_QUARANTINE_BUCKET",
    "TIDEWHEEL_STATE_BUCKET",
)
# What is told to nobody otherwise; None: it is asked elsewhere whether it is right.
OF_MLFLOW = {
    "MLFLOW_TRACKING_URI": None,
    # By this name an MLflow client finds shared/adapters/mlflow_auth.py.
    "MLFLOW_TRACKING_AUTH": "tidewheel",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "OMP_WAIT_POLICY": "passive",
}
OF_LAUNCHERS = (
    "TIDEWHEEL_MACHINE_TEMPLATE",
    "TIDEWHEEL_ZONES",
    "TIDEWHEEL_MOST_MACHINES",
    "TIDEWHEEL_SPOT_STARTS",
    "TIDEWHEEL_TRAINING_DEADLINE_SECONDS",
)
# functions-framework's own. One process: what is loaded is there once.
OF_SERVERS = {"WORKERS": "1", "THREADS": None}
# The python3 of an image, as a function's runtime is called.
PYTHONS = {"debian-cloud/debian-12": "python311", "debian-cloud/debian-13": "python313"}


def check(plan: Plan) -> Iterator[Finding]:
    """What would start otherwise than the code wants it, or not at all."""
    there = {str(each.key): each for each in plan.of_type("google_cloudfunctions2_function")}
    for name in sorted(set(code.functions()) ^ there.keys()):
        where = there[name].where if name in there else "deploy/gcp"
        yield Finding(check=CHECK, where=where, what=f"{name} is a function only here, or only in functions/")
    for name in sorted(set(code.functions()) & there.keys()):
        yield from _check_function(plan, there[name], name)
    yield from _check_machine(plan)
    yield from _check_python(plan)
    yield from _check_mlflow(plan)


def _check_function(plan: Plan, function: Instance, name: str) -> Iterator[Finding]:
    yield from _check_environment(plan, function, name)
    timeout = function.get("service_config.timeout_seconds") or 60
    if name in CONSUMERS.values() and not timeout < provision.ACK_DEADLINE_SECONDS:
        what = f"{name} may take {timeout} s, and its message comes again after {provision.ACK_DEADLINE_SECONDS}"
        yield _finding(function, what)
    threads = function.get("service_config.environment_variables.THREADS")
    if threads != str(function.get("service_config.max_instance_request_concurrency")):
        yield _finding(function, f"{name} gets more requests at a time than it has threads, or fewer")


def _check_environment(plan: Plan, function: Instance, name: str) -> Iterator[Finding]:
    used, environment = code.uses(name), function.get("service_config.environment_variables") or {}
    wanted = {*EVERYBODY, *OF_SERVERS}
    wanted |= set(OF_MLFLOW) if used.any("registry") else set()
    wanted |= set(OF_LAUNCHERS) if used.any("machines") else set()
    yield from _compare(function, name, wanted, set(environment))
    yield from _check_names(plan, function, name, environment)


def _compare(instance: Instance, name: str, wanted: set[str], there: set[str]) -> Iterator[Finding]:
    for variable in sorted(wanted - there):
        yield _finding(instance, f"{name} is not told {variable}, which it reads")
    for variable in sorted(there - wanted):
        yield _finding(instance, f"{name} is told {variable}, which it does not read")


def _check_names(plan: Plan, instance: Instance, name: str, environment: Mapping[str, Any]) -> Iterator[Finding]:
    """With what it is told, the code has to come to the names of what is made here, and to its own usual ones."""
    known = {variable: str(plan.known(value)) for variable, value in environment.items()}
    for variable, wanted in {**OF_MLFLOW, **OF_SERVERS}.items():
        if wanted is not None and known.get(variable, wanted) != wanted:
            yield _finding(instance, f"{name} is told that {variable} is {known[variable]}, and it should be {wanted}")
    try:
        told = Settings.from_env(known)
    except PermanentError as error:
        yield _finding(instance, f"{name} could not start: {error}")
        return
    usual = Settings.from_env({"GOOGLE_CLOUD_PROJECT": plan.given["project"]})
    buckets = {plan.known(each.get("name")) for each in plan.of_type("google_storage_bucket")}
    for setting in ("project", "dataset", "landing_bucket", "quarantine_bucket", "state_bucket"):
        says, means = getattr(told, setting), getattr(usual, setting)
        if says != means:
            yield _finding(instance, f"{name} is told {says} as its {setting}, and the code's usual one is {means}")
        if setting.endswith("_bucket") and says not in buckets:
            yield _finding(instance, f"{name} is told the bucket {says}, which is not made here")
    for unread in sorted(set(known) - _read_by_code() - {*OF_MLFLOW, *OF_SERVERS}):
        yield _finding(instance, f"nothing in the code reads {unread}")


@cache
def _read_by_code() -> set[str]:
    """The variables that shared/settings.py names."""
    tree = ast.parse((code.ROOT / "shared/settings.py").read_text())
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if text.isupper() and "_" in text and " " not in text}


def _check_machine(plan: Plan) -> Iterator[Finding]:
    templates = plan.of_type("google_compute_instance_template")
    if len(templates) != 1:
        yield Finding(check=CHECK, where="deploy/gcp", what=f"there are {len(templates)} instance templates, not one")
    for template in templates:
        text = str((template.get("metadata") or {}).get("tidewheel-environment", ""))
        names = {line.partition("=")[0] for line in text.splitlines()}
        wanted = {*EVERYBODY, *OF_MLFLOW, "TIDEWHEEL_TRAINING_DEADLINE_SECONDS"}
        yield from _compare(template, "the machine", wanted, names)
        told = dict(line.partition("=")[::2] for line in text.splitlines())
        yield from _check_names(plan, template, "the machine", told)


def _check_python(plan: Plan) -> Iterator[Finding]:
    """Whoever loads a version has the Python that stored it."""
    for template in plan.of_type("google_compute_instance_template"):
        image = str(template.get("disk.source_image"))
        for function in plan.of_type("google_cloudfunctions2_function"):
            if (runtime := function.get("build_config.runtime")) != PYTHONS.get(image):
                yield _finding(function, f"{function.key} runs {runtime}, and {image} trains with {PYTHONS.get(image)}")


def _check_mlflow(plan: Plan) -> Iterator[Finding]:
    from deploy.gcp.mlflow.start import NEEDED

    service = next((each for each in plan.of_type("google_cloud_run_v2_service") if each.name == "mlflow"), None)
    if service is None:
        yield Finding(check=CHECK, where="deploy/gcp", what="there is no MLflow server")
        return
    told = {each["name"]: each for each in service.get("template.containers.env") or []}
    yield from _compare(service, "MLflow", {*NEEDED, "MLFLOW_UPGRADE_DATABASE"}, set(told))
    hosts = str(told.get("MLFLOW_SERVER_ALLOWED_HOSTS", {}).get("value")).split(",")
    for each in plan.of_type("google_cloudfunctions2_function"):
        uri = (each.get("service_config.environment_variables") or {}).get("MLFLOW_TRACKING_URI")
        if uri is not None and str(uri).removeprefix("https://") not in hosts:
            yield _finding(each, f"{each.key} goes to {uri}, but the server answers to {', '.join(hosts)} only")
        if uri is not None and uri not in (service.get("custom_audiences") or []):
            yield _finding(service, f"tokens of {each.key} are for {uri}, which the server does not say it is")


def _finding(instance: Instance, what: str) -> Finding:
    return Finding(check=CHECK, where=instance.where, what=what)
