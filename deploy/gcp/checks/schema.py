"""Every block against the provider's schema: is there such a resource, such an argument, is what is required there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.hcl import Block
from deploy.gcp.checks.plan import META, MODES, Instance, Plan
from deploy.gcp.checks.values import Unknown

CHECK = "schema"
# Written by `make`, from the package that requirements-provider.txt pins.
SCHEMA = Path(".venv-checks/schema.json")
# What the package does not hold: another provider's resources, and ephemeral ones. Type = required, optional, exported.
OTHERS = {
    "random_id": ({"byte_length"}, {"prefix", "keepers"}, {"hex", "dec", "b64_url"}),
    "ephemeral.random_password": ({"length"}, {"special", "lower", "upper", "numeric"}, {"result"}),
    "ephemeral.google_secret_manager_secret_version": ({"secret"}, {"version", "project"}, {"secret_data", "name"}),
}
_KINDS = {"string": str, "number": int | float, "boolean": bool, "map": dict, "array": list, "list": list}
_PATH = re.compile(r"(?:(data|ephemeral)\.)?((?:google|random)_\w+)\.(\w+)((?:\[[^\]]*\])?)(?:\.(\w+))?")
Struct = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Schema:
    """The provider's schema, as distil.py has written it."""

    raw: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path = SCHEMA) -> Schema:
        """From its file."""
        return cls(json.loads(path.read_text()))

    @property
    def provider(self) -> str:
        """The provider's version."""
        return str(self.raw["provider"])

    def arguments(self, mode: str, kind: str) -> Struct | None:
        """What a resource takes; None if there is no such resource."""
        if other := OTHERS.get(kind if mode == "resource" else f"{mode}.{kind}"):
            needed, possible, _ = other
            return {name: {"type": "any", "required": name in needed} for name in sorted(needed | possible)}
        entry = self.raw.get(mode, {}).get(kind)
        return self.struct(entry["arguments"]) if entry else None

    def struct(self, name: str) -> Struct:
        """What a block takes."""
        found: Struct = self.raw["structs"][name]
        return found

    def exports(self, mode: str, kind: str) -> set[str]:
        """What others may ask of it."""
        if other := OTHERS.get(kind if mode == "resource" else f"{mode}.{kind}"):
            return set().union(*other) | {"id"}
        return set(self.raw[mode][kind]["exports"]) if kind in self.raw.get(mode, {}) else set()


def check_arguments(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """What the files say that the provider does not know, or lack that it wants."""
    for block in plan.blocks:
        if block.kind in MODES:
            yield from _check_resource(block, schema)
    for instance in plan.instances.values():
        yield from _check_values(instance, schema)


def check_references(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """What refers to nothing, or to what the provider does not tell."""
    there = _there(plan)
    for instance in plan.instances.values():
        for path in sorted(instance.needs):
            yield from _check_reference(path, instance.where, there, schema)
    for name, output in plan.outputs.items():
        for path in sorted(output):
            yield from _check_reference(path, f"output {name}", there, schema)


def _there(plan: Plan) -> dict[tuple[str, ...], set[str]]:
    """The keys of the instances of everything that is in the files, as they stand in an address."""
    there = {(each.kind, *each.labels): set[str]() for each in plan.blocks if each.kind in MODES}
    for each in plan.instances.values():
        there[each.mode, each.type, each.name].add(each.address.partition("[")[2].removesuffix("]"))
    return there


def _check_resource(block: Block, schema: Schema) -> Iterator[Finding]:
    arguments = schema.arguments(block.kind, block.labels[0])
    if arguments is None:
        yield Finding(check=CHECK, where=block.where, what=f"there is no {block.kind} {block.labels[0]}")
        return
    yield from _check_block(block, ".".join(block.labels), arguments, schema)


def _check_block(block: Block, name: str, known: Struct, schema: Schema) -> Iterator[Finding]:
    inner = [(each.labels[0], each.inside("content")[0]) for each in block.inside("dynamic")]
    inner += [(each.kind, each) for each in block.blocks if each.kind not in ("dynamic", *META)]
    for argument in block.attributes:
        if argument not in META:
            yield from _check_name(block, name, argument, known, as_block=False)
    for kind, each in inner:
        yield from _check_name(block, name, kind, known, as_block=True)
        if "struct" in known.get(kind, {}):
            yield from _check_block(each, f"{name}.{kind}", schema.struct(known[kind]["struct"]), schema)
    there = {*block.attributes, *(kind for kind, _ in inner)}
    for argument, about in known.items():
        if about.get("required") and argument not in there:
            yield Finding(check=CHECK, where=block.where, what=f'{name} lacks "{argument}", which is required')


def _check_name(block: Block, name: str, argument: str, known: Struct, *, as_block: bool) -> Iterator[Finding]:
    if argument not in known:
        what = f'{name} has no argument "{argument}"; known: {", ".join(known)}'
        yield Finding(check=CHECK, where=block.where, what=what)
    elif ("struct" in known[argument]) != as_block:
        right = "a block: leave out the =" if not as_block else "an argument: write ="
        yield Finding(check=CHECK, where=block.where, what=f'"{argument}" of {name} is {right}')


def _check_values(instance: Instance, schema: Schema) -> Iterator[Finding]:
    known = schema.arguments(instance.mode, instance.type) or {}
    yield from _check_types(instance, instance.values, instance.address, known, schema)


def _check_types(
    instance: Instance, values: Mapping[str, Any], name: str, known: Struct, schema: Schema
) -> Iterator[Finding]:
    for argument, value in values.items():
        about = known.get(argument, {})
        if "struct" in about and isinstance(value, list):
            for each in value:
                yield from _check_types(instance, each, f"{name}.{argument}", schema.struct(about["struct"]), schema)
        elif not _fits(value, about.get("type", "any")):
            what = f'"{argument}" of {name} is {value!r}, but takes a {about["type"]}'
            yield Finding(check=CHECK, where=instance.where, what=what)


def _fits(value: Any, kind: str) -> bool:
    if value is None or isinstance(value, Unknown) or kind not in _KINDS:
        return True
    # Terraform reads numbers and truth values out of strings, and writes numbers into them, but no lists or maps.
    if kind == "number" and isinstance(value, str):
        return value.replace(".", "", 1).isdecimal()
    if kind == "string":
        return isinstance(value, str | int | float)
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _check_reference(
    path: str, where: str, there: Mapping[tuple[str, ...], set[str]], schema: Schema
) -> Iterator[Finding]:
    found = _PATH.match(path)
    if found is None:
        return
    mode, kind, name, key, attribute = found.groups()
    mode = mode or "resource"
    keys = there.get((mode, kind, name))
    if keys is None or (key and key[1:-1] not in keys):
        yield Finding(check=CHECK, where=where, what=f"{found[0]} refers to nothing that is here")
    elif (
        attribute
        and _camel(attribute) not in schema.exports(mode, kind)
        and attribute not in schema.exports(mode, kind)
    ):
        yield Finding(check=CHECK, where=where, what=f'{path}: a {kind} has no attribute "{attribute}"')


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)
