"""What a policy can speak of: resources and the blocks beside them, each with what it says, in a plain form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.gcp.checks.plan import Instance, Plan

Path = tuple[str, ...]
# What is asked for by name, and may have more besides.
OPEN = ("var", "output")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`names` go from the general to the special: `google_pubsub_topic`, `….events`, `….events["reconciled"]`."""

    names: tuple[str, ...]
    key: str | int | None = None
    values: Mapping[str, Any]
    where: str

    def at(self, path: Path) -> Any:
        """What it says there; None if it says nothing."""
        value: Any = self.values
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def paths(self) -> Iterator[Path]:
        """Everything that it says anything about."""
        return (path for path in _leaves(self.values) if path)


def subjects(plan: Plan) -> Iterator[Subject]:
    """Everything in a folder's files that a policy can speak of."""
    yield from (_of_instance(each) for each in plan.instances.values())
    yield Subject(names=("var",), values=dict(plan.defaults), where="variables.tf")
    yield Subject(names=("output",), values=_outputs(plan), where="outputs.tf")
    for block in plan.blocks:
        if block.kind in ("terraform", "provider"):
            name = ".".join((block.kind, *block.labels))
            yield Subject(names=(name,), values=plain(plan.block_values(block)), where=block.where)


def plain(value: Any) -> Any:
    """Blocks that are there once as they are, and not as a list of one; those with names as a map by these."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        return value
    blocks = [plain(each) for each in value]
    if len(blocks) == 1:
        return blocks[0]
    names = {each["name"]: each for each in blocks if isinstance(each.get("name"), str)}
    return names if len(names) == len(blocks) else blocks


def _of_instance(instance: Instance) -> Subject:
    mode = "" if instance.mode == "resource" else f"{instance.mode}."
    kind = f"{mode}{instance.type}"
    names = dict.fromkeys((kind, f"{kind}.{instance.name}", instance.address))
    said = {**instance.values, "lifecycle": instance.lifecycle} if instance.lifecycle else instance.values
    return Subject(names=tuple(names), key=instance.key, values=plain(said), where=instance.where)


def _outputs(plan: Plan) -> dict[str, Any]:
    written = {each.labels[0]: each.attributes for each in plan.blocks if each.kind == "output"}
    return {name: {"value": plan.literal(each["value"])} for name, each in written.items() if "value" in each}


def _leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """An empty block says something, too: `access_config {}` is an address."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, (*path, str(name)))
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for each in value:
            yield from _leaves(each, path)
    else:
        yield path
