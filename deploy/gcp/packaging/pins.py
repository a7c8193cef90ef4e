"""From the modules that are imported to the pins that provide them: the part of requirements.txt that is needed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from shared.errors import PermanentError

# Both bring the module; this one leaves the server out, with half a gigabyte of what a client does without.
PREFERRED = {"mlflow": "mlflow-skinny"}
# A pin that one of them needs is taken: which one the cloud runs is Terraform's to say.
PYTHONS = ("3.11", "3.12", "3.13")
# Where it is to run, and not where it is packed.
CLOUD = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)$")


def slice_of(requirements: Path, modules: Iterable[str]) -> list[str]:
    """The pins of what provides these modules, and of what that needs, in alphabetical order.

    Raises:
        PermanentError: something that is needed is installed here, or nowhere, and has no pin.
    """
    pinned = read_pins(requirements)
    needed = sorted(closure(filter(None, map(provider, modules))))
    if missing := [name for name in needed if name not in pinned]:
        raise PermanentError(f"{', '.join(missing)}: needed, and not in requirements.txt.", "Pin them there.")
    return [pinned[name] for name in needed]


def read_pins(requirements: Path) -> dict[str, str]:
    """Every pin, by its package's canonical name."""
    found = filter(None, map(_PIN.match, requirements.read_text("utf-8").splitlines()))
    return {canonical(each[1]): each[0] for each in found}


def canonical(name: str) -> str:
    """A package's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def provider(module: str) -> str | None:
    """The package that a module comes from; None if it is Python's own, or a namespace.

    Raises:
        PermanentError: no installed package provides it.
    """
    if module.partition(".")[0] in sys.stdlib_module_names:
        return None
    parts = module.split(".")
    # The name of a class or a function is not known, but what it is in.
    for length in range(len(parts), 0, -1):
        if owners := _owners().get("/".join(parts[:length])):
            return next((PREFERRED[each] for each in owners if each in PREFERRED), min(owners))
    if any(path.startswith(f"{'/'.join(parts)}/") for path in _owners()):
        # A namespace that several packages share, such as google.cloud: nothing is imported by its name alone.
        return None
    raise PermanentError(f"nothing that is installed here provides {module}.", "Pin it, and install it: make install.")


def closure(names: Iterable[str]) -> set[str]:
    """The packages with everything that they require."""
    waiting, done = [(name, "") for name in names], set[tuple[str, str]]()
    while waiting:
        each = waiting.pop()
        if each not in done:
            done.add(each)
            waiting += _required(*each)
    return {name for name, _ in done}


@cache
def _required(name: str, extra: str) -> list[tuple[str, str]]:
    """The packages that one requires, or that its extra adds; each with an extra, or without."""
    all_of_them = map(Requirement, metadata.requires(name) or [])
    applying = [each for each in all_of_them if _applies(each, extra)]
    return [(canonical(each.name), wanted) for each in applying for wanted in ("", *each.extras)]


def _applies(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    if marker is None:
        return not extra
    pythons = [{"python_version": each, "python_full_version": f"{each}.0"} for each in PYTHONS]
    return any(marker.evaluate({**CLOUD, **each, "extra": extra}) for each in pythons)


@cache
def _owners() -> dict[str, list[str]]:
    """The packages that have files at a module's path; many share the namespace `google`."""
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        name = canonical(distribution.metadata["Name"])
        for path in {_module_path(str(file)) for file in distribution.files or []} - {""}:
            found.setdefault(path, []).append(name)
    return found


def _module_path(file: str) -> str:
    path = Path(file)
    if path.suffix not in (".py", ".so", ".pyi") or file.startswith(("..", "/")):
        return ""
    folder = path.parent.as_posix()
    return folder if path.stem == "__init__" else f"{folder}/{path.name.split('.')[0]}".removeprefix("./")
