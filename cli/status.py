"""`status`: models, champions, open work, failures, and the health of every part, also when some of them are away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli import cloud, place
from cli.output import say, show_json, show_table, visible
from shared.contract import catalog
from shared.errors import PassingError, TidewheelError
from shared.lifecycle.standing import Standing
from shared.lifecycle.story import Told, awaited, told

if TYPE_CHECKING:
    from shared.adapters.registry import Version
    from shared.contract.spec import ModelSpec
    from shared.lifecycle.decisions import Decision
    from shared.lifecycle.services import Services

MOST_FAILURES, MOST_SHOWN = 20, 5
_OF_A_DECISION = ("number", "version", "verdict", "why", "at")
_OF_A_PAUSE = ("number", "who", "why", "at")
_OF_A_PART = ("name", "kind", "state", "restarts", "port", "pid", "memory_mb")
UNKNOWN: Any = object()
NOT_KNOWN = "not known"
IN_CLOUD = "Google Cloud"
Report = dict[str, Any]
T = TypeVar("T")


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say how things are: models, champions, versions, open work, failures, and every part of the stack."""
    report = report_now()
    if as_json:
        return show_json(report)
    return _show(report)


def report_now() -> Report:
    """Everything that `status` tells, as one object; what could not be asked is in `notes`."""
    report: Report = {"stack": "down", "models": {}, "open": [], "failures": [], "dead_letters": None, "parts": []}
    report["notes"] = []
    if place.is_laptop():
        _add_stack(report)
    else:
        report["stack"] = IN_CLOUD
    if report["stack"] == "down" and not _is_reachable(report):
        report["models"] = {name: {"champion": None, "versions": []} for name in catalog.known_models()}
        return report
    services = place.services()
    if report["stack"] == IN_CLOUD:
        _add_cloud(report, services)
    _add_lifecycle(report, services)
    return report


def _add_cloud(report: Report, services: Services) -> None:
    try:
        report["parts"] = cloud.parts(services)
    except Exception as error:  # noqa: BLE001  # Whatever is wrong with the machines, the rest is reported.
        report["notes"].append(f"the parts cannot be listed: {_short(error)}")


def _add_stack(report: Report) -> None:
    from deploy.local import stack

    running = stack.read_state(place.home())
    if running is not None:
        report["stack"], report["parts"] = running["phase"], stack.parts(place.home())


def _is_reachable(report: Report) -> bool:
    try:
        place.enter()
    except TidewheelError as error:
        report["notes"].append(str(error))
        return False
    return True


def _add_lifecycle(report: Report, services: Services) -> None:
    away = {part["name"] for part in report["parts"] if part["kind"] == "server" and part["state"] != "up"}

    def ask(server: str, question: Callable[[], T], otherwise: T) -> T:
        if server in away:
            return otherwise
        try:
            return question()
        except PassingError as error:
            report["notes"].append(f"{server} does not answer: {_short(error)}")
            away.add(server)
        except Exception as error:  # noqa: BLE001  # Whatever is wrong with one answer, the others are reported.
            report["notes"].append(f"what {server} says cannot be read: {type(error).__name__}: {_short(error)}")
        return otherwise

    report["models"] = {name: _model(name, services, ask, report["notes"]) for name in catalog.known_models()}
    events: list[Told] = ask("bigquery", lambda: [told(row) for row in services.warehouse.log()], [])
    report["open"] = [page for model in report["models"].values() if (page := model.pop("open"))] + _untold(events)
    for name, model in report["models"].items():
        model["proposal"] = _proposal(name, model, events)
    report["failures"] = [_failure(event) for event in reversed(events) if event["event"] == "StepFailed"]
    report["failures"] = report["failures"][:MOST_FAILURES]
    report["dead_letters"] = ask("pubsub", lambda: len(services.dead_letters.peek()), None)
    report["notes"] += [f"{name} is not up." for name in sorted(away) if not any(name in n for n in report["notes"])]


def _model(name: str, services: Services, ask: Callable[..., Any], notes: list[str]) -> Report:
    spec = _spec(name, notes)
    standing = ask("storage", lambda: services.decisions.standing(name), UNKNOWN)
    versions = ask("mlflow", lambda: services.registry.versions(name), UNKNOWN)
    page = ask("storage", lambda: _open_request(name, services), UNKNOWN)
    answers = {"champion": standing, "versions": versions, "open": page}
    unknown = [each for each, answer in answers.items() if answer is UNKNOWN]
    standing, versions, page = (None if each is UNKNOWN else each for each in answers.values())
    standing = standing or Standing()
    counted = sorted((each for each in versions or [] if each.counts), key=lambda each: each.version)
    return {
        "title": spec.title if spec else name,
        # Of these nobody could be asked: null and empty do not mean that there is none.
        "unknown": unknown,
        "champion": standing.champion,
        "before": standing.before,
        "versions": [each.version for each in counted],
        "scores": {str(each.version): _score(spec, each) for each in counted},
        "decision": _fields(standing.history[-1] if standing.history else None, _OF_A_DECISION),
        "pending": standing.pending,
        "awaiting": _fields(standing.awaiting, _OF_A_DECISION),
        "paused": _fields(standing.pause, _OF_A_PAUSE),
        "open": page,
    }


def _fields(decision: Decision | None, names: Sequence[str]) -> Report | None:
    return {each: getattr(decision, each) for each in names} if decision else None


def _proposal(name: str, model: Report, events: list[Told]) -> Report | None:
    """The last proposal to roll back, as long as production is still what it was about."""
    about = {"model": name, "champion": model["champion"], "version": model["before"]}
    for event in reversed(events):
        data = event["data"]
        if event["event"] == "RollbackProposed" and about.items() <= data.items():
            return {"version": data["version"], "drop": data.get("drop"), "why": data.get("why"), "time": event["time"]}
    return None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _spec(name: str, notes: list[str]) -> ModelSpec | None:
    """A model's file, unless it is broken: that is noted, and the rest is told all the same."""
    try:
        return catalog.model(name)
    except TidewheelError as error:
        notes.append(str(error))
        return None


def _score(spec: ModelSpec | None, version: Version) -> float | None:
    return version.metrics.get(f"holdout_{spec.metric.name}") if spec else None


def _open_request(model: str, services: Services) -> Report | None:
    page = services.desk.read(model)
    if page.event is None:
        return None
    return {
        "kind": "training",
        "model": model,
        "request": page.request,
        "story": page.event.story,
        "started": page.started,
        "trained": services.ledger.is_done("train", page.event),
        "again": page.again["drop"] if page.again else None,
        "waiting": [each["fields"]["request"] for each in page.waiting],
    }


def _untold(events: list[Told]) -> list[Report]:
    """The stories that have not ended."""
    stories: dict[str, list[Told]] = {}
    for event in events:
        stories.setdefault(event["story"], []).append(event)
    missing = {story: awaited(those) for story, those in stories.items()}
    return [{"kind": "story", "story": story, "awaits": waits} for story, waits in missing.items() if waits]


def _failure(event: Told) -> Report:
    said = {name: event["data"].get(name) for name in ("step", "about", "model", "error", "remedy")}
    return {"time": event["time"], **said, "story": event["story"]}


def _show(report: Report) -> None:
    for note in report["notes"]:
        say(note)
    if report["stack"] == "down" and not report["parts"]:
        say(f"Models: {', '.join(report['models'])}.")
        return
    _show_models(report["models"])
    if report["open"]:
        rows = [(each["kind"], each["story"], _waits(each)) for each in report["open"]]
        show_table("Open work", ("kind", "story", "waits for"), rows)
    if report["failures"]:
        print("Failures, newest first", end="\n\n")
        for each in report["failures"][:MOST_SHOWN]:
            print(f" {each['time'][:19]}  {each['step']}, {each['about']}: {each['error']} {each['remedy'] or ''}")
        print()
    if report["dead_letters"]:
        print(f"Dead letters: {report['dead_letters']}. See tidewheel dead-letters.", end="\n\n")
    if report["parts"]:
        _show_parts(report)


def _show_parts(report: Report) -> None:
    if report["stack"] == IN_CLOUD:
        rows = [(each["name"], each["kind"], each["state"]) for each in report["parts"]]
        return show_table("On Google Cloud", ("name", "kind", "state"), rows)
    # A port is a name, and takes no commas.
    parts = [{**each, "port": str(each["port"] or "-"), "pid": str(each["pid"] or "-")} for each in report["parts"]]
    total = sum(each["memory_mb"] for each in parts)
    title = f"The stack is {report['stack']}; {total:,.0f} MB"
    return show_table(title, _OF_A_PART, [[each[name] for name in _OF_A_PART] for each in parts])


def _show_models(models: dict[str, Report]) -> None:
    rows = []
    for name, each in models.items():
        score = each["scores"].get(str(each["champion"]))
        last = each["decision"]
        about = f"version {last['version']}: " if last and last["version"] else ""
        told_last = f"{about}{last['verdict']}" if last else "none yet"
        champion, versions = each["champion"], ", ".join(map(str, each["versions"])) or "-"
        if "champion" in each["unknown"]:
            champion, told_last = NOT_KNOWN, NOT_KNOWN
        rows.append((name, champion, score, NOT_KNOWN if "versions" in each["unknown"] else versions, told_last))
    show_table("Models", ("model", "champion", "its score", "versions", "last decision"), rows)
    if sentences := [sentence for name, each in models.items() for sentence in _for_people(name, each)]:
        print("\n".join(map(visible, sentences)), end="\n\n")


def _for_people(name: str, model: Report) -> Iterator[str]:
    """What waits for a drop or for a person."""
    if paused := model["paused"]:
        yield f"{name} is paused by {paused['who']} since {paused['at'][:19]}: {paused['why']}"
    if model["pending"]:
        yield f"{name} version {model['pending']} waits for the next drop."
    if waits := model["awaiting"]:
        yield f"{name} version {waits['version']} waits for approval: tidewheel approve {name} {waits['version']}"
    if proposal := model["proposal"]:
        yield f"{name}: {proposal['why']} To go back: tidewheel rollback {name} --reason …"


def _waits(each: Report) -> str:
    if each["kind"] == "story":
        return "; ".join(each["awaits"])
    line = f"; in line: {', '.join(each['waiting'])}" if each["waiting"] else ""
    begun = "is in training" if each["started"] else "has not begun"
    return f"request {each['request']} {'is trained, and waits for its verdict' if each['trained'] else begun}{line}"
