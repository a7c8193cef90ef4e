"""The report beside a training's run: what it is made of, and that a report which fails costs no version."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shared.errors import LostLease
from shared.lifecycle.services import Services
from training_vm import record
from training_vm.patience import DeadlineOver, patiently
from training_vm.record import Training

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from shared.adapters.warehouse import Account
    from shared.evaluation.report import Drop, Past, Report
    from shared.evaluation.residuals import Residuals

log = logging.getLogger(__name__)
PAGE, NUMBERS = "report.html", "comparison.json"
STATE = "tidewheel.report"
# As many drops as a plot can show.
MOST_PAST = 36


def report(training: Training, pipeline: Pipeline, version: int, run: str, services: Services) -> None:
    """Keep the report beside the run; where that fails, the run says so, and the version is none the worse."""
    begun = time.monotonic()
    try:
        _keep(training, pipeline, version, run, services)
        log.info("Reported in %.2f s", time.monotonic() - begun)
    except (LostLease, DeadlineOver):
        raise
    except Exception as error:
        log.warning("There is no whole report of version %d", version, exc_info=True)
        _say(run, f"failed: {type(error).__name__}: {error}", services)


def _keep(training: Training, pipeline: Pipeline, version: int, run: str, services: Services) -> None:
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(services.warehouse.evaluations, training.spec.name)
        from shared.evaluation.page import render
        from shared.evaluation.report import to_json

        found = _residuals(training, pipeline, version)
        whole = _report(training, version, run, _past(training, asked.result()), found)
    numbers, page = to_json(whole), render(whole)
    patiently(lambda: services.registry.log_json(run, NUMBERS, numbers))
    patiently(lambda: services.registry.log_text(run, PAGE, page))


def _say(run: str, state: str, services: Services) -> None:
    try:
        services.registry.log(run, tags={STATE: state[:500]})
    except (LostLease, DeadlineOver):
        raise
    except Exception:
        log.warning("Nor could the run be told", exc_info=True)


def _report(training: Training, version: int, run: str, past: list[Past], found: Residuals | None) -> Report:
    from shared.evaluation.report import Report

    compared = training.compared
    return Report(
        spec=training.spec,
        version=version,
        run=run,
        metrics=compared.metrics,
        champion=compared.champion,
        rivals=list(compared.rivals),
        faults={int(rival): fault for rival, fault in compared.judged.faults.items()},
        drops=[_drop(account) for account in compared.newest],
        older=[_drop(account) for account in compared.older],
        news=compared.news,
        odd=compared.judged.odd,
        past=past,
        residuals=found,
        facts=_facts(training, run),
    )


def _residuals(training: Training, pipeline: Pipeline, version: int) -> Residuals | None:
    """Of the challenger, and of the champion if it could be scored."""
    from shared.evaluation.report import name_of
    from shared.evaluation.residuals import residuals

    compared = training.compared
    theirs = {number: each for number, each in compared.rivals.items() if number == compared.champion}
    return residuals(
        training.spec, compared.rows, {name_of(number): each for number, each in {version: pipeline, **theirs}.items()}
    )


def _past(training: Training, evaluations: list[dict[str, Any]]) -> list[Past]:
    """How whoever was in production did on each drop when it came, by the data's time."""
    from shared.evaluation.report import Past

    ends = {(each.drop, each.generation): each.last_event for each in training.compared.accounts}
    found: dict[tuple[str, int], Past] = {}
    for row in evaluations:
        key, is_score = (row["drop"], row["generation"]), row["slice"] is None and row["value"] is not None
        end = ends.get(key)
        if is_score and end and row["role"] == "champion" and row["metric"] == training.spec.metric.name:
            found[key] = Past(
                drop=row["drop"],
                last=end,
                version=row["version"],
                rows=row["rows"],
                score=row["value"],
                baseline=row["baseline"],
                skill=row["skill"],
            )
    return sorted(found.values(), key=lambda each: each.last)[-MOST_PAST:]


def _drop(account: Account) -> Drop:
    from shared.evaluation.report import Drop

    first, last = account.first_event, account.last_event
    assert first is not None
    assert last is not None
    return Drop(name=account.drop, generation=account.generation, first=first, last=last)


def _facts(training: Training, run: str) -> dict[str, dict[str, Any]]:
    event, spec = training.event, training.spec
    about = {"reason": event.reason, "request": event.request, "story": event.story, "run": run}
    about["policy"] = json.dumps(asdict(spec.policy))
    numbers = {name: f"{value:,.4g}" for name, value in training.metrics.items() if "/" not in name}
    return {
        "Training": about,
        "Its numbers": numbers,
        "Hyper-parameters": dict(training.params),
        "Data version": record.data(training.data),
        "Code": record.code(training),
    }
