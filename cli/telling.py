"""Each event as a line that a person can read: when, what, about which drop or request, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cli.output import shown, visible
from shared.lifecycle.story import Told

Said = Callable[[Mapping[str, Any]], str]


def line(event: Told, began: datetime | None = None) -> str:
    """An event; its time is how long after the beginning it came, or else the clock's."""
    when = datetime.fromisoformat(event["time"])
    clock = f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if began is None else f"+{(when - began).total_seconds():6.1f} s"
    return f"{clock}  {event['event'] or event['topic']:18} {visible(f'{about(event)}: {what(event)}')}"


def about(event: Told) -> str:
    """The drop, the request or the model."""
    data = event["data"]
    name = data.get("drop") or data.get("name") or data.get("about")
    if name:
        return str(name)
    model, version = data.get("model") or "?", data.get("version")
    # A pause is about the model, whichever version is in production.
    if version and event["event"] not in ("ModelPaused", "ModelResumed"):
        return f"{model} version {version}"
    return f"{model} {data.get('request') or ''}".strip()


def what(event: Told) -> str:
    """What happened, and why."""
    tell = _SAID.get(event["event"])
    try:
        return tell(event["data"]) if tell else _plainly(event["data"])
    except (LookupError, TypeError, ValueError, AttributeError):
        # Somebody has published it by hand, and left something out.
        return _plainly(event["data"])


def _plainly(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items()) or "says nothing that can be read"


def _received(data: Mapping[str, Any]) -> str:
    size = f", {int(data['size']):,} bytes" if "size" in data else ""
    return f"has landed (generation {data['generation']}{size})"


def _prepared(data: Mapping[str, Any]) -> str:
    counts = f"{data['accepted']:,} rows accepted, {data['rejected']:,} rejected, {data['duplicate']:,} duplicate"
    span = f"{data['first_event_time'][:10]} to {data['last_event_time'][:10]}"
    same = f"; the same bytes as {data['same_as']}" if data.get("same_as") else ""
    return f"{counts}; {span}{same}"


def _evaluated(data: Mapping[str, Any]) -> str:
    if not data.get("rows"):
        return f"{data['verdict']}: {data['why']}"
    scores = ", ".join(f"{name} {shown(float(value))}" for name, value in _main(data["scores"]).items())
    return f"version {data['champion']} on {data['rows']:,} rows: {scores}. {data['verdict']}: {data['why']}"


def _main(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if not name.startswith("slice_")}


def _requested(data: Mapping[str, Any]) -> str:
    params = "".join(f", {name}={value}" for name, value in (data.get("params") or {}).items())
    window = " from {} to {}".format(*data["window"]) if data.get("window") else ""
    # What evaluate asks for has just been told with its reason.
    reason = "a challenger" if data.get("drop") else data.get("reason", "by hand")
    return f"{reason} ({data.get('rows', 'all')} rows{window}{params})"


def _scheduled(data: Mapping[str, Any]) -> str:
    why = data["why"].partition(":")[0] if data["outcome"] == "launched" else data["why"]
    return f"{data['outcome']}: {why}"


def _trained(data: Mapping[str, Any]) -> str:
    version = data.get("data_version") or {}
    drops = version.get("drops", 0)
    # An older event names them all.
    drops = len(drops) if isinstance(drops, list) else drops
    rows = f" on {version['train_rows']:,} rows of {drops} drop{'s'[: drops != 1]}" if "train_rows" in version else ""
    return f"trained{rows} for request {data['request']}, run {data['run']}"


def _decided(data: Mapping[str, Any]) -> str:
    return f"{data['verdict']} (decision {data['decision']}): {data['why']}"


def _asked(wish: str) -> Said:
    """What a person asks for, who that is, and why."""
    return lambda data: f"{wish}, asked by {data.get('who', 'unknown')}: {data['reason']}"


def _switched(state: str) -> Said:
    return lambda data: f"{state} (decision {data['decision']}): {data['why']}"


def _proposed(data: Mapping[str, Any]) -> str:
    return f"{data['why']} To go back: tidewheel rollback {data['model']} --to {data['version']} --reason …"


def _withdrawn(data: Mapping[str, Any]) -> str:
    seen = ", ".join(map(str, data.get("versions") or []))
    told = f"; versions that were trained on it: {seen}" if seen else "; no version was trained on it"
    return f"by {data['who']}: {data['reason']}{told}"


_SAID: dict[str, Said] = {
    "DropReceived": _received,
    "DropIgnored": lambda data: f"ignored: {data['why']}",
    "DataPrepared": _prepared,
    "ModelEvaluated": _evaluated,
    "TrainingRequested": _requested,
    "TrainingScheduled": _scheduled,
    "ModelTrained": _trained,
    "RollbackRequested": _asked("roll back"),
    "PromotionRequested": _asked("promote"),
    "ApprovalGiven": _asked("approve"),
    "PauseRequested": _asked("pause"),
    "ResumeRequested": _asked("go on"),
    "WithdrawalRequested": lambda data: f"{'put back' if data.get('undo') else 'withdraw'}: {data['reason']}",
    "DropWithdrawn": lambda data: f"withdrawn {_withdrawn(data)}",
    "DropRestored": lambda data: f"put back {_withdrawn(data)}",
    "ModelPromoted": _decided,
    "ModelKept": _decided,
    "ModelPaused": _switched("paused"),
    "ModelResumed": _switched("goes on"),
    "RollbackProposed": _proposed,
    "Reconciled": lambda data: "; ".join(map(str, data["mended"])),
    "StepFailed": lambda data: f"{data['step']} gave up: {data['error']} {data.get('remedy', '')}".strip(),
}
