"""How the champion did on a new drop, whether the drop is like those before, and whether to train a challenger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.evaluate.turn import account_of, await_turn, last_event
from shared.contract import catalog
from shared.contract.spec import ModelSpec
from shared.evaluation.policy import KEEP, TRAIN, Verdict, worth_training
from shared.lifecycle import crash
from shared.lifecycle.events import DataPrepared, Event, ModelEvaluated, TrainingRequested, request_id
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from shared.adapters.registry import Version
    from shared.adapters.warehouse import Account


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The champion on a drop: its score, beside the baseline's on the same rows, per slice, and what has drifted."""

    score: float
    baseline: float
    skill: float
    rows: int
    slices: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    drift: Mapping[str, float] = field(default_factory=dict)
    drifted: Mapping[str, float] = field(default_factory=dict)


def evaluate(event: DataPrepared, services: Services) -> list[Event]:
    """Score the champion on a drop, write that down, and ask the policy whether to train a challenger."""
    spec = catalog.model(event.model)
    accounts = await_turn(event, services)
    champion = services.decisions.champion(event.model)
    if passed_over := _passed_over(event, accounts):
        return [_evaluated(event, champion, None, passed_over)]
    end = last_event(account_of(event, accounts))
    if champion is None:
        return _with_request(event, None, None, _worth(spec, end))
    version = services.registry.version(event.model, champion)
    scored = _score(event, spec, version, services)
    _record(event, spec, version, scored, services)
    skills = _skills(event, spec, champion, accounts, services)
    verdict = _worth(spec, end, version, skills, scored)
    return _with_request(event, champion, scored, _rested(verdict, spec, event, services))


def _passed_over(event: DataPrepared, accounts: list[Account]) -> Verdict | None:
    """What is said of a drop that nothing is to be learned from."""
    if event.same_as:
        return Verdict(KEEP, f"It has the same bytes as {event.same_as}, which was evaluated already.")
    if (event.drop, event.generation) in {(each.drop, each.generation) for each in accounts if each.withdrawn}:
        return Verdict(KEEP, "It is withdrawn, so that nobody is scored on it.")
    return None


def _rested(verdict: Verdict, spec: ModelSpec, event: DataPrepared, services: Services) -> Verdict:
    """A training that ended just now is given time, if the policy says so."""
    closed = services.desk.read(event.model).closed if spec.policy.cooldown_minutes else None
    if verdict.outcome != TRAIN or not closed:
        return verdict
    age = datetime.now(UTC) - datetime.fromisoformat(closed["at"])
    if age >= timedelta(minutes=spec.policy.cooldown_minutes):
        return verdict
    minutes, wait = age / timedelta(minutes=1), spec.policy.cooldown_minutes
    return Verdict(KEEP, f"{verdict.why} But a training ended {minutes:.1f} minutes ago, and {wait:g} have to pass.")


def _score(event: DataPrepared, spec: ModelSpec, version: Version, services: Services) -> Scored:
    from shared.adapters.warehouse import DataVersion
    from shared.evaluation import drift, scores

    loaded = services.registry.load(event.model, version.version)
    # What it was trained on is no news to it, also if another drop had brought the same rows.
    trained_on = DataVersion.from_dict(services.registry.data_version(version))
    rows = services.warehouse.read_drop(
        event.model, spec, event.drop, generation=event.generation, unseen_by=trained_on
    )
    score, slices = scores.score_with_slices(spec, loaded.pipeline, rows)
    baseline = scores.baseline_score(spec, version.metrics["baseline_value"], rows)
    indices = drift.psi(loaded.profile, rows) if len(rows) else {}
    return Scored(
        score=score,
        baseline=baseline,
        skill=spec.metric.skill(score, baseline),
        rows=len(rows),
        slices=slices,
        drift=indices,
        drifted=drift.drifted(loaded.profile, indices, spec.policy.drift_psi, len(rows)),
    )


def _record(event: DataPrepared, spec: ModelSpec, version: Version, scored: Scored, services: Services) -> None:
    """To the warehouse for questions, to MLflow for people who look there."""
    metric = spec.metric.name
    same = {
        "model": event.model,
        "drop": event.drop,
        "generation": event.generation,
        "version": version.version,
        "role": "champion",
        "metric": metric,
        "evaluated_at": datetime.now(UTC),
    }
    whole: dict[str, Any] = {
        "value": scored.score,
        "rows": scored.rows,
        "baseline": scored.baseline,
        "skill": scored.skill,
    }
    parts = [{"slice": name, "value": value, "rows": rows} for name, (rows, value) in scored.slices.items()]
    services.warehouse.append_evaluations([{**same, **part} for part in [whole, *parts]])
    crash.point("evaluate.appended")
    metrics = {metric: scored.score, f"baseline_{metric}": scored.baseline, "skill": scored.skill}
    metrics |= {"rows": float(scored.rows)} | {f"psi_{name}": value for name, value in scored.drift.items()}
    metrics |= {f"{metric}_slice_{name}": value for name, (_, value) in scored.slices.items()}
    services.registry.record_evaluation(event.model, version.version, event.drop, event.generation, metrics)
    crash.point("evaluate.recorded")


def _skills(
    event: DataPrepared, spec: ModelSpec, champion: int, accounts: list[Account], services: Services
) -> list[float]:
    """The champion's skill on the latest drops in data time, this one last."""
    until = last_event(account_of(event, accounts))
    ends = {account.drop: account.last_event for account in accounts if not account.withdrawn}
    found: dict[tuple[datetime, str], float] = {}
    for row in services.warehouse.evaluations(event.model):
        is_mine = row["version"] == champion and row["metric"] == spec.metric.name and row["slice"] is None
        end = ends.get(row["drop"])
        if is_mine and row["skill"] is not None and end is not None and end <= until:
            found[end, row["drop"]] = row["skill"]
    return [found[when] for when in sorted(found)]


def _worth(
    spec: ModelSpec,
    end: datetime,
    version: Version | None = None,
    skills: list[float] | None = None,
    scored: Scored | None = None,
) -> Verdict:
    last = version.data_version.get("last_event") if version else None
    return worth_training(
        spec.policy,
        champion=version.version if version else None,
        trained_until=datetime.fromisoformat(last) if last else None,
        last_event_time=end,
        skills=skills or [],
        skill_at_promotion=version.metrics.get("holdout_skill") if version else None,
        drifted=scored.drifted if scored else {},
    )


def _with_request(event: DataPrepared, champion: int | None, scored: Scored | None, verdict: Verdict) -> list[Event]:
    evaluated = _evaluated(event, champion, scored, verdict)
    if verdict.outcome != TRAIN:
        return [evaluated]
    request = request_id(event.model, event.drop, event.generation, event.epoch)
    return [
        evaluated,
        TrainingRequested(
            model=event.model, reason=verdict.why, request=request, drop=event.drop, generation=event.generation
        ),
    ]


def _evaluated(event: DataPrepared, champion: int | None, scored: Scored | None, verdict: Verdict) -> ModelEvaluated:
    return ModelEvaluated(
        model=event.model,
        drop=event.drop,
        generation=event.generation,
        rows=scored.rows if scored else 0,
        champion=champion,
        scores=_scores(scored) if scored else {},
        drift=dict(scored.drift) if scored else {},
        verdict=verdict.outcome,
        why=verdict.why,
    )


def _scores(scored: Scored) -> dict[str, float]:
    from math import isfinite

    told: dict[str, Any] = {"champion": scored.score, "baseline": scored.baseline, "skill": scored.skill}
    told |= {f"slice_{name}": value for name, (_, value) in scored.slices.items()}
    # JSON has no NaN: what is not defined is left out.
    return {name: value for name, value in told.items() if isfinite(value)}
