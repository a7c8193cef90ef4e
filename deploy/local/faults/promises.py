"""What must hold whatever happens, each promise asked of the stores; an answer is what breaks it, in sentences."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from deploy.local.faults import accounting
from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import Lab
from deploy.local.faults.quiet import newest, settle
from shared.adapters.registry import Version
from shared.lifecycle.messages import SOURCE

Promise = Callable[[Lab], list[str]]


def accounts(lab: Lab) -> list[str]:
    """Each generation of a drop has one account, and accepted + rejected + duplicate = rows of the file."""
    found = lab.services.warehouse.accounts(MODEL)
    broken = [
        f"the account of {each.drop} does not add up"
        for each in found
        if each.accepted + each.rejected + each.duplicate != each.rows
    ]
    broken += _twice("account", ((each.drop, each.generation) for each in found))
    for each in found:
        known = lab.dropped.get((each.drop, each.generation))
        if known and asdict(known) != {name: getattr(each, name) for name in asdict(known)}:
            broken.append(f"the account of {each.drop} says something else than its file: {known}")
    return broken


def rows(lab: Lab) -> list[str]:
    """The warehouse holds the accepted rows of each drop's newest generation, each once, and nothing else."""
    bigquery = lab.services.warehouse.bigquery
    sql = "SELECT _drop, _generation, COUNT(*) AS n, COUNT(DISTINCT _row_key) AS keys FROM {} GROUP BY ALL"
    there = {
        (row["_drop"], row["_generation"]): row for row in bigquery.run(sql.format(bigquery.name(f"{MODEL}_rows")))
    }
    broken = []
    for drop in newest(lab).items():
        row = there.pop(drop, {"n": 0, "keys": 0})
        if {row["n"], row["keys"]} != {lab.dropped[drop].accepted}:
            broken.append(f"{drop[0]} has {row['n']} rows of its newest generation, not {lab.dropped[drop].accepted}")
    return broken + [f"{drop} has rows of generation {number}, which is not its newest" for drop, number in there]


def current(lab: Lab) -> list[str]:
    """What is trained and scored on is the newest generation of each drop, without those that a person took out."""
    bigquery = lab.services.warehouse.bigquery
    table = f"{bigquery.name(f'{MODEL}_current')}(TIMESTAMP '2000-01-01', TIMESTAMP '2100-01-01')"
    there = {row["_drop"]: row["n"] for row in bigquery.run(f"SELECT _drop, COUNT(*) AS n FROM {table} GROUP BY ALL")}
    wanted = {drop[0]: lab.dropped[drop].accepted for drop in newest(lab).items()}
    wanted |= {drop: 0 for drop, is_out in lab.withdrawn.items() if is_out}
    return [
        f"{drop} counts with {there.get(drop, 0)} rows, not {wanted.get(drop, 0)}"
        for drop in sorted({*there, *wanted})
        if there.get(drop, 0) != wanted.get(drop, 0)
    ]


def rejects(lab: Lab) -> list[str]:
    """The rejected rows of each drop's newest generation are kept aside, each once."""
    bigquery = lab.services.warehouse.bigquery
    sql = "SELECT _drop, _generation, COUNT(*) AS n FROM {} GROUP BY ALL".format(bigquery.name(f"{MODEL}_rejects"))
    there = {(row["_drop"], row["_generation"]): row["n"] for row in bigquery.run(sql)}
    return [
        f"{drop[0]} has {there.get(drop, 0)} rejects, not {lab.dropped[drop].rejected}"
        for drop in newest(lab).items()
        if there.get(drop, 0) != lab.dropped[drop].rejected
    ]


def evaluations(lab: Lab) -> list[str]:
    """A version has one score per drop, generation and slice, and one run in MLflow for them."""
    scores = lab.services.warehouse.evaluations(MODEL)
    keys = ("drop", "generation", "version", "metric", "slice")
    runs = [run.data.tags for run in _runs(lab, "tags.`tidewheel.kind` = 'evaluation'")]
    return [
        *_twice("score", (tuple(row[key] for key in keys) for row in scores)),
        *_twice("run of an evaluation", (tags["tidewheel.key"] for tags in runs)),
    ]


def versions(lab: Lab) -> list[str]:
    """A request has one version that counts, the announced one, and no run that goes on; others are abandoned."""
    by_request: dict[str, list[Version]] = defaultdict(list)
    for version in lab.services.registry.versions(MODEL):
        by_request[version.request].append(version)
    broken = [
        f"request {request} has {sum(each.counts for each in some)} versions that count"
        for request, some in by_request.items()
        if sum(each.counts for each in some) != 1
    ]
    for version in (each for some in by_request.values() for each in some):
        if version.status not in ("", "abandoned"):
            broken.append(f"version {version.version} is {version.status}")
    counting = {(each.request, each.version) for some in by_request.values() for each in some if each.counts}
    for request, number in sorted(_announced(lab) - counting):
        broken.append(f"request {request} announced version {number}, which does not count")
    return broken + [f"run {run.info.run_id} goes on" for run in _runs(lab, "attributes.status = 'RUNNING'")]


def _announced(lab: Lab) -> set[tuple[str, int]]:
    """The version that each training has said to have become."""
    ours = (each for each in lab.logged() if each.attributes.get("ce-type") == "ModelTrained")
    said = (json.loads(each.data) for each in ours if each.attributes.get("ce-source") == SOURCE)
    return {(each["request"], each["version"]) for each in said}


def decisions(lab: Lab) -> list[str]:
    """Decisions have numbers without a gap, each begins where the last one ended, and none is taken twice."""
    history = lab.services.decisions.history(MODEL)
    broken = _twice("decision", (each.cause for each in history))
    if [each.number for each in history] != list(range(1, len(history) + 1)):
        broken.append("the decisions' numbers have gaps")
    for earlier, later in zip([None, *history], history, strict=False):
        if later.before != (earlier.champion if earlier else None):
            broken.append(f"decision {later.number} does not begin where the one before it ended")
    counting = {each.version for each in lab.services.registry.versions(MODEL) if each.counts}
    unfit = {each.champion for each in history} - counting - {None}
    return broken + [f"version {each} was champion and does not count" for each in sorted(filter(None, unfit))]


def metrics(lab: Lab) -> list[str]:
    """A verdict cites metrics as they stand in MLflow, of a run that had been finished: never some of them."""
    runs = {run.info.run_id: run for run in _runs(lab, "")}
    broken = []
    for each in lab.services.decisions.history(MODEL):
        run = runs.get(each.run or "")
        if each.run and (run is None or run.info.status != "FINISHED"):
            broken.append(f"decision {each.number} rests on a run that was not finished")
        if each.cause.startswith("Model") and (run is None or not each.metrics):
            broken.append(f"decision {each.number} is a verdict that cites nothing")
        if run and any(run.data.metrics.get(name) != value for name, value in each.metrics.items()):
            broken.append(f"decision {each.number} cites other metrics than its run has")
    return broken


def alias(lab: Lab) -> list[str]:
    """MLflow's alias names the champion of the last decision."""
    champion, named = lab.services.decisions.champion(MODEL), lab.services.registry.champion_alias(MODEL)
    return [] if champion == named else [f"the champion is version {champion}, and the alias names {named}"]


PROMISES: dict[str, Promise] = {
    "accounts": accounts,
    "rows": rows,
    "current": current,
    "rejects": rejects,
    "evaluations": evaluations,
    "versions": versions,
    "decisions": decisions,
    "metrics": metrics,
    "alias": alias,
    "ledger": accounting.ledger,
    "announcements": accounting.announcements,
    "messages": accounting.messages,
    "refusals": accounting.refusals,
}


def check(lab: Lab) -> list[str]:
    """What is broken now and was not before.

    The clock ticks all the time, and what a tick has in hand at this moment is not broken: it is asked about again.
    """
    fresh = [each for each in _broken(lab) if each not in lab.known]
    if fresh:
        settle(lab)
        still = set(_broken(lab))
        fresh = [each for each in fresh if each in still]
    lab.known.update(fresh)
    return fresh


def _broken(lab: Lab) -> list[str]:
    return [f"{name}: {what}" for name, promise in PROMISES.items() for what in promise(lab)]


def _twice(what: str, keys: Iterable[Any]) -> list[str]:
    return [f"{count} times the same {what}: {key}" for key, count in Counter(keys).items() if count > 1]


def _runs(lab: Lab, which: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(lab.services.settings.mlflow_uri)
    experiment = client.get_experiment_by_name(MODEL)
    return list(client.search_runs([experiment.experiment_id], which, max_results=10_000)) if experiment else []
