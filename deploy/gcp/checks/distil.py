"""`python -m deploy.gcp.checks.distil WHEEL SCHEMA`: the google provider's schema, out of the package that has it.

cdktf-cdktf-provider-google is a library for another tool, which carries the schema as types, a hundred megabytes of
them. Nothing of it is run. What is kept: each resource's arguments, which of them are required, and which are blocks.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OF_CLASS = re.compile(r"/google/(\S+)/docs/(resources|data-sources)/\S+ (\w+)}")
_ANCHOR = re.compile(r"#(\w+) \w+#\w+}")
_MODES = {"resources": "resource", "data-sources": "data"}
Types = dict[str, Any]


def distil(wheel: Path) -> dict[str, Any]:
    """The schema: `resource` and `data` by type, and the `structs` that they and their blocks have as arguments."""
    types = _types_in(wheel)
    schema: dict[str, Any] = {"provider": "", "resource": {}, "data": {}, "structs": {}}
    for name, kind in types.items():
        found = _OF_CLASS.search(kind.get("docs", {}).get("summary", "")) if kind["kind"] == "class" else None
        if found:
            schema["provider"] = found[1]
            entry = {"arguments": _short(f"{name}Config"), "exports": [each["name"] for each in kind["properties"]]}
            schema[_MODES[found[2]]][found[3]] = entry
        elif kind["kind"] == "interface":
            schema["structs"][_short(name)] = dict(_arguments(kind))
    return schema


def _types_in(wheel: Path) -> Types:
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|gz") as files:
            for file in files:
                if file.name == "package/.jsii" and (read := files.extractfile(file)):
                    types: Types = json.load(read)["types"]
                    return types
    raise SystemExit(f"{wheel} holds no schema.")


def _arguments(kind: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in kind.get("properties", []):
        docs = json.dumps(each.get("docs", {}))
        found = _ANCHOR.search(docs)
        about: dict[str, Any] = {"type": _type(each["type"])}
        if struct := next(_structs(each["type"]), None):
            about = {"struct": _short(struct)}
        yield found[1] if found else _snake(each["name"]), about | ({} if each.get("optional") else {"required": True})


def _structs(of: dict[str, Any]) -> Iterator[str]:
    """The types of the provider's own that a type is made of."""
    if of.get("fqn", "").startswith("@cdktf/"):
        yield of["fqn"]
    elements = [of["collection"]["elementtype"]] if "collection" in of else []
    for inner in [*of.get("union", {}).get("types", []), *elements]:
        yield from _structs(inner)


def _type(of: dict[str, Any]) -> str:
    if "collection" in of:
        return str(of["collection"]["kind"])
    inner = [each for each in of.get("union", {}).get("types", []) if "fqn" not in each]
    return _type(inner[0]) if inner else str(of.get("primitive", "any"))


def _short(name: str) -> str:
    return name.removeprefix("@cdktf/provider-google.")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(distil(Path(sys.argv[1])), separators=(",", ":")))
