"""`drop`: put a file into the landing bucket and, if wanted, follow its story."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.follow import Pick, Story, follow
from cli.output import WrongArgument, arguments, say, show_json, show_table
from shared.contract import catalog
from shared.contract.names import check_name
from shared.lifecycle.story import Told

if TYPE_CHECKING:
    from shared.lifecycle.services import Services

OUTCOMES = {"DataPrepared": "prepared", "DropIgnored": "ignored", "StepFailed": "refused"}
COUNTS = ("accepted", "rejected", "duplicate", "rows")


def drop(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, gzipped CSV or Parquet file.")],
    model: Annotated[str, typer.Option(help="The model whose rows it holds.")],
    name: Annotated[str, typer.Option(help="What it is called below the model's folder; default: FILE's name.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow its story to the end.")] = False,
    timeout: Annotated[float, typer.Option(help="How many seconds to follow it at most.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a file into the landing bucket. With --wait, exit code 0 says that its story ended, also by a refusal."""
    with arguments():
        object_name = object_of(file, model, name)
    services = place.services()
    story = Story(object_name)
    generation = services.storage.put(services.settings.landing_bucket, object_name, file)
    say(f"{object_name} is in the landing bucket, generation {generation}.")
    if not wait:
        return _show_dropped(object_name, generation, as_json=as_json)
    follow(services, story, of_generation(generation), timeout_seconds=timeout)
    story.refuse_unended()
    report = report_of(services, story, model, generation)
    show_json(report) if as_json else show_outcome(report)
    return None


def object_of(file: Path, model: str, name: str = "") -> str:
    """The name of the object that a file becomes.

    Raises:
        PermanentError: the file, the model or the name cannot be meant.
    """
    catalog.model(model)
    if not file.is_file():
        raise WrongArgument(f"there is no file {file}.", "Give the path of a CSV, gzipped CSV or Parquet file.")
    name = f"{model}/{(name or file.name).removeprefix(f'{model}/')}"
    check_name(name)
    return name


def of_generation(generation: int) -> Pick:
    """Of a drop's story only what belongs to this generation of it."""

    def pick(events: Sequence[Told]) -> list[Told]:
        mine = [event for event in events if str(event["data"].get("generation") or generation) == str(generation)]
        first = next((at for at, event in enumerate(mine) if event["event"] == "DropReceived"), len(mine))
        return mine[first:]

    return pick


def report_of(services: Services, story: Story, model: str, generation: int) -> dict[str, Any]:
    """What became of a drop, in one object."""
    decisive = next(event for event in story.events if _decides(event))
    outcome, said = OUTCOMES[decisive["event"]], decisive["data"]
    counts = said | {"rows": sum(said[name] for name in COUNTS[:3])} if outcome == "prepared" else None
    counts = counts or _counted(services, model, story.id, generation)
    reason = f"{said['error']} {said.get('remedy', '')}".strip() if outcome == "refused" else said.get("why")
    return {
        "drop": story.id,
        "generation": generation,
        "outcome": outcome,
        **{name: counts[name] for name in COUNTS},
        "reason": reason,
        "events": story.report(),
    }


def _decides(event: Told) -> bool:
    is_failure = event["event"] == "StepFailed"
    return event["event"] in OUTCOMES and (not is_failure or event["data"].get("step") == "preprocess")


def _counted(services: Services, model: str, drop_name: str, generation: int) -> dict[str, Any]:
    """As the warehouse's account has it; a file that nobody could read has no rows."""
    from shared.adapters.bigquery import passing

    with passing():
        account = services.warehouse.account(model, drop_name, generation)
    return {name: getattr(account, name) if account else 0 for name in COUNTS}


def _show_dropped(object_name: str, generation: int, *, as_json: bool) -> None:
    if as_json:
        show_json({"drop": object_name, "generation": generation})
    else:
        say(f"What becomes of it: tidewheel timeline --story {object_name}")


def show_outcome(report: dict[str, Any]) -> None:
    """What became of a drop, for people."""
    columns = ("drop", "outcome", *COUNTS)
    seconds = report["events"][-1]["after_seconds"]
    show_table(f"The story ended after {seconds:.1f} s", columns, [[report[name] for name in columns]])
    if report["reason"]:
        print(report["reason"], flush=True)
