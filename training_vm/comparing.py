"""The challenger beside whoever it may have to replace, scored afresh on rows that none of them was trained on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import holdout
from shared.lifecycle.events import TrainingRequested
from shared.lifecycle.holdout import Judged, Seen, judged_on
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing
from shared.lifecycle.track_record import odd_drops
from training_vm.patience import patiently
from training_vm.record import Compared, Fitted

if TYPE_CHECKING:
    from shared.adapters.registry import Loaded
    from shared.adapters.warehouse import Account, DataVersion
    from shared.evaluation.judging import Rows

log = logging.getLogger(__name__)
# Older drops are a guard rail, for which a sample is enough.
MOST_OLDER_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """The champion and a pending challenger: those that can be loaded, with their drops, and why another cannot."""

    decided: Standing
    loaded: Mapping[int, Loaded]
    drops: Mapping[int, Collection[Seen]]
    faults: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The rows to judge on, and of which drops they are; `among` those of which a key's newest row was taken."""

    accounts: list[Account]
    newest: list[Account]
    older: list[Account]
    rows: Rows
    among: list[str]


def compare(
    spec: ModelSpec, event: TrainingRequested, data: DataVersion, fitted: Fitted, services: Services
) -> Compared:
    """Score the challenger, its baseline and its rivals on the same held-out rows."""
    from shared.evaluation.judging import OVERLAP, Rival, judged_metrics

    accounts = services.warehouse.accounts(event.model)
    held_out, rivals = _rows(spec, event, data, accounts, services), _rivals(event.model, services)
    odd = odd_drops(spec, accounts, data.drops, services.warehouse.evaluations(spec.name), rivals.decided)
    newest, rows = held_out.newest, held_out.rows
    about = judged_on(newest, set(data.drops), rivals.drops, odd=odd, faults=rivals.faults)
    # All of them: those beyond the few that are named would count as drops that both know.
    news = {version: holdout.news(newest, set(data.drops), drops) for version, drops in rivals.drops.items()}
    against = {
        version: Rival(pipeline=loaded.pipeline, news=news[version]) for version, loaded in rivals.loaded.items()
    }
    metrics = judged_metrics(spec, rows, fitted.pipeline, fitted.baseline, against)
    # As Python's own strings, which are found seven times faster than Arrow's.
    metrics[OVERLAP] = float(rows.judged["_row_key"].astype(object).isin(fitted.keys.astype(object)).sum())
    _tell(spec, metrics, about)
    return Compared(
        metrics=metrics,
        judged=about,
        accounts=held_out.accounts,
        newest=newest,
        older=held_out.older,
        among=held_out.among,
        champion=rivals.decided.champion,
        rows=rows.judged,
        rivals={version: loaded.pipeline for version, loaded in rivals.loaded.items()},
        news=news,
    )


def _rivals(model: str, services: Services) -> Rivals:
    """Whoever is in production now, and who may be when the challenger is judged."""
    standing = services.decisions.standing(model)
    loaded, drops, faults = {}, {}, {}
    for number in filter(None, dict.fromkeys([standing.champion, standing.pending])):
        try:
            loaded[number], drops[number] = patiently(partial(_loaded, model, number, services))
        except PermanentError as error:
            log.warning("Version %d cannot be scored: %s", number, error)
            faults[number] = str(error)
    return Rivals(decided=standing, loaded=loaded, drops=drops, faults=faults)


def _loaded(model: str, number: int, services: Services) -> tuple[Loaded, Collection[Seen]]:
    version = services.registry.version(model, number)
    return services.registry.load(model, number), set(services.registry.drops([version])[0].items())


def _rows(
    spec: ModelSpec, event: TrainingRequested, data: DataVersion, accounts: list[Account], services: Services
) -> HeldOut:
    """The held-out rows of the newest drops, by data time; a window of old rows is judged on today's, too."""
    from shared.evaluation.judging import Rows

    if event.window:
        data = services.warehouse.data_version(event.model, spec, request=event.request)
    there = set(data.drops)
    accounts = [each for each in accounts if (each.drop, each.generation) in there]
    newest = holdout.judged(spec, accounts, partial(services.warehouse.groups, event.model, spec, version=data))
    before = holdout.older(spec, accounts, newest)
    names = [each.drop for each in newest]
    judged = services.warehouse.read_training(data, spec, held_out=True, drops=names)
    older = None
    if before:
        drops = [each.drop for each in before]
        older = services.warehouse.read_training(data, spec, held_out=True, drops=drops, most_rows=MOST_OLDER_ROWS)
    log.info("Read %d held-out rows of %s", len(judged), ", ".join(names))
    rows = Rows(judged=judged, drops=names[: holdout.MOST_NAMED], older=older)
    return HeldOut(accounts=accounts, newest=newest, older=before, rows=rows, among=data.drop_names)


def _tell(spec: ModelSpec, metrics: Mapping[str, float], about: Judged) -> None:
    name = f"holdout_{spec.metric.name}"
    if name not in metrics:
        return log.warning("There are no held-out rows to judge it on")
    log.info("Its %s is %.4g, the baseline's %.4g", name, metrics[name], metrics[f"baseline_{name}"])
    for version in about.news:
        log.info("The gain over version %s is %.4g", version, metrics.get(f"vs_{version}/all/gain", float("nan")))
    return None
