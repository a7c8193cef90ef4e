"""`demo`: four months of real flights, from a dropped file to a prediction, on a fresh stack."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import demo_stack, place
from cli.drops import object_of, of_generation
from cli.flights import monthly_drops
from cli.follow import Pick, Story, follow
from cli.messages import training
from cli.output import say, show_json, show_table
from cli.predictions import example, predict
from shared.contract import catalog
from shared.errors import TidewheelError

if TYPE_CHECKING:
    from shared.lifecycle.services import Services

MODEL = "flight_delay"
MONTHS = range(1, 5)
PARAMS = {"alpha": 100.0}
STORY_SECONDS = 180.0
ASKED = ("TrainingRequested", "TrainingScheduled", "ModelTrained", "a decision")
EXPECTED = ("DropReceived", "DataPrepared", "ModelEvaluated", *ASKED)
DECISIONS = ("ModelPromoted", "ModelKept")
COLUMNS = ("version", "because of", "alpha", "rows", "score", "champion's", "verdict")


@dataclass
class Summary:
    """What the demo has seen, and what it has not."""

    began: float = field(default_factory=time.monotonic)
    stories: list[Story] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": not self.missing,
            "seconds": round(time.monotonic() - self.began, 1),
            "missing": self.missing,
            "stories": [{"story": story.id, "events": story.report()} for story in self.stories],
            "predictions": self.predictions,
            "versions": self.versions,
            "mlflow": os.environ["MLFLOW_TRACKING_URI"],
        }


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up at the end, to look around.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show it all on a fresh stack: four months of flights. What an earlier stack here has kept is forgotten."""
    place.refuse_cloud("demo")
    summary = Summary()
    with demo_stack.fresh(keep=keep), TemporaryDirectory() as folder:
        services = place.services()
        files = monthly_drops(Path(folder), MONTHS)
        for file in files:
            _drop(file, services, summary)
        _train(services, summary)
        _predict(files[-1], services, summary)
        summary.versions = _versions(services)
        show_json(summary.as_dict()) if as_json else _show(summary)
        if keep:
            demo_stack.tell_how_to_go_on(MODEL)
    if summary.missing:
        raise TidewheelError(f"the demo waited in vain for {'; '.join(summary.missing)}.", "See .tidewheel/logs.")


def _drop(file: Path, services: Services, summary: Summary) -> None:
    name = object_of(file, MODEL)
    story = Story(name)
    say(f"\nDropping {file.name} ({file.stat().st_size / 1e6:.1f} MB).")
    generation = services.storage.put(services.settings.landing_bucket, name, file)
    _follow(services, story, EXPECTED, summary, of_generation(generation))


def _train(services: Services, summary: Summary) -> None:
    event = training(MODEL, params=PARAMS, reason="another parameter, by hand")
    story = Story(event.request)
    say(f"\nAsking by hand for a training with {', '.join(f'{name}={value:g}' for name, value in PARAMS.items())}.")
    services.publish([event])
    _follow(services, story, ASKED, summary)


def _follow(services: Services, story: Story, expected: tuple[str, ...], summary: Summary, pick: Pick = list) -> None:
    follow(services, story, pick, timeout_seconds=STORY_SECONDS)
    summary.stories.append(story)
    seen = {"a decision" if event["event"] in DECISIONS else event["event"] for event in story.events}
    lacking = [f"{name} of {story.id}" for name in expected if name not in seen]
    summary.missing += lacking
    say(f"  = {story.seconds:5.1f} s in all" + (f"; MISSING: {', '.join(lacking)}" if lacking else ""))


def _predict(file: Path, services: Services, summary: Summary) -> None:
    """From the champion, and from the oldest other version."""
    champion = services.decisions.champion(MODEL)
    versions = sorted(each.version for each in services.registry.versions(MODEL) if each.counts)
    older = next((version for version in versions if version != champion), None)
    if champion is None or older is None:
        summary.missing.append("a champion and another version to predict with")
        return
    instance = example(catalog.model(MODEL), file)
    say(f"\nAsking for the delay of one flight: {instance}")
    for version, expected in ((None, champion), (older, older)):
        answer = predict(services.settings.predict_url, MODEL, instance, version=version, expected=expected)
        summary.predictions.append(answer)
        role = "the champion" if version is None else "an older version"
        say(f"  version {answer['version']} ({role}) says {answer['predictions'][0]:.1f} minutes.")
        if answer["version"] != expected:
            summary.missing.append(f"a prediction of version {expected}")


def _versions(services: Services) -> list[dict[str, Any]]:
    from shared.evaluation.comparison import ALL

    decisions = {each.version: each for each in services.decisions.history(MODEL)}
    metric = catalog.model(MODEL).metric.name
    rows = []
    for each in sorted(services.registry.versions(MODEL), key=lambda each: each.version):
        decision = decisions.get(each.version)
        whole = decision.evidence.get(ALL, {}) if decision else {}
        drops = [name.rpartition("/")[2] for name in services.registry.drops([each])[0]]
        rows.append(
            {
                "version": each.version,
                "because of": each.tags.get("tidewheel.story", "").rpartition("/")[2],
                "drops": drops,
                "alpha": _param(each.params, "alpha"),
                "rows": int(each.metrics.get("train_rows", 0)),
                "score": whole.get("challenger", each.metrics.get(f"holdout_{metric}")),
                "champion's": whole.get("rival") if decision and decision.rival is not None else None,
                "verdict": decision.verdict if decision else each.status or None,
                "why": decision.why if decision else None,
            }
        )
    return rows


def _param(params: Mapping[str, str], name: str) -> str:
    return f"{float(params[name]):g}" if name in params else "-"


def _show(summary: Summary) -> None:
    metric = catalog.model(MODEL).metric.name.upper()
    title = f"Versions of {MODEL}; {metric} on the rows that decided, the champion's on the same rows"
    show_table(title, COLUMNS, [[row[name] for name in COLUMNS] for row in summary.versions])
    for row in summary.versions:
        print(f"  Version {row['version']}: {row['verdict']}. {row['why'] or ''}".rstrip())
    print(f"MLflow's page: {os.environ['MLFLOW_TRACKING_URI']}", flush=True)
    if not summary.missing:
        print(f"Every expected event was seen, {time.monotonic() - summary.began:.0f} s after the start.", flush=True)
