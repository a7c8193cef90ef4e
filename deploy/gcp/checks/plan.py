"""What `terraform plan` would make of these files, as far as that can be told without the provider and the cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.gcp.checks import hcl
from deploy.gcp.checks.expressions import Expression, Scope
from deploy.gcp.checks.hcl import Block
from deploy.gcp.checks.values import Unknown, is_known, references, resources
from shared.errors import PermanentError

# What a project that is deployed says; whatever has a default keeps it.
GIVEN = {
    "project": "demo-project",
    "region": "europe-west1",
    "mlflow_image": "europe-west1-docker.pkg.dev/demo-project/tidewheel/mlflow:1",
    "operators": ["group:operators@example.com"],
    "predict_callers": ["serviceAccount:shop@example.com"],
    "alert_email": "alerts@example.com",
    "billing_account": "012345-6789AB-CDEF01",
}
# The beginning of a reference that says to whom it goes.
_ADDRESS = re.compile(r"(?:(?:data|ephemeral)\.)?\w+\.\w+(?:\[[^\]]*\])?")
MODES = ("resource", "data", "ephemeral")
META = ("for_each", "count", "depends_on", "lifecycle", "provider")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One thing that would be made: its arguments with what is known of them, blocks as lists of such."""

    mode: str
    type: str
    name: str
    key: str | int | None = None
    values: dict[str, Any]
    lifecycle: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    where: str

    @property
    def address(self) -> str:
        """As Terraform says it."""
        base = f"{self.type}.{self.name}" if self.mode == "resource" else f"{self.mode}.{self.type}.{self.name}"
        if self.key is None:
            return base
        return f'{base}["{self.key}"]' if isinstance(self.key, str) else f"{base}[{self.key}]"

    def get(self, path: str) -> Any:
        """An argument by its path, such as `push_config.oidc_token.audience`; None if it is not there."""
        value: Any = self.values
        for name in path.split("."):
            value = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
            value = value.get(name) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True)
class Plan:
    """All instances of a folder's files."""

    blocks: list[Block]
    given: Mapping[str, Any] = field(default_factory=lambda: GIVEN)

    @classmethod
    def of(cls, folder: Path) -> Plan:
        """Of a folder's .tf files."""
        return cls(hcl.read(folder))

    @cached_property
    def instances(self) -> dict[str, Instance]:
        """Everything that would be made, by its address."""
        found = (each for block in self.blocks if block.kind in MODES for each in self._instances_of(block))
        return {each.address: each for each in found}

    @cached_property
    def outputs(self) -> dict[str, set[str]]:
        """What each output refers to."""
        written = {block.labels[0]: block.attributes["value"] for block in self.blocks if block.kind == "output"}
        return {name: resources(value.value(self.scope)) for name, value in written.items()}

    def of_type(self, *types: str) -> list[Instance]:
        """The resources of these types."""
        return [each for each in self.instances.values() if each.mode == "resource" and each.type in types]

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What each variable says where nobody says otherwise; None if somebody has to."""
        declared = {each.labels[0]: each.attributes.get("default") for each in self.blocks if each.kind == "variable"}
        return {name: None if default is None else default.value({}) for name, default in declared.items()}

    def block_values(self, block: Block) -> dict[str, Any]:
        """What a block says that makes nothing, such as the provider's."""
        return self._values(block, self.scope)

    def literal(self, written: Expression) -> Any:
        """What an expression outside of resources says."""
        return written.value(self.scope)

    def target(self, value: Any) -> Instance | None:
        """What a reference refers to; None if it is no reference, or to nothing that is there."""
        found = (_ADDRESS.match(path) for path in sorted(references(value)))
        return next((self.instances[each[0]] for each in found if each and each[0] in self.instances), None)

    def known(self, value: Any) -> Any:
        """A value with references to arguments replaced by what those say: a bucket's name by the name."""
        if isinstance(value, Unknown):
            return self._argument(value)
        if isinstance(value, str):
            return re.sub(r"\$\{([^{}]*)\}", lambda found: str(self._argument(Unknown(found[1]))), value)
        if isinstance(value, dict):
            return {name: self.known(each) for name, each in value.items()}
        return [self.known(each) for each in value] if isinstance(value, list) else value

    def _argument(self, unknown: Unknown) -> Any:
        owner = self.target(unknown)
        if owner is None:
            return unknown
        name = unknown.path.removeprefix(owner.address).removeprefix(".")
        value = owner.values.get(name)
        return unknown if value is None or isinstance(value, list | dict) else self.known(value)

    @cached_property
    def scope(self) -> Scope:
        """What every expression can name."""
        local = Locals(self)
        return {"var": self._variables(), "local": local, "path": {"module": "deploy/gcp", "root": "deploy/gcp"}}

    def _variables(self) -> dict[str, Any]:
        declared = {each.labels[0]: each for each in self.blocks if each.kind == "variable"}
        missing = [
            name for name, each in declared.items() if "default" not in each.attributes and name not in self.given
        ]
        if missing:
            raise PermanentError(
                f"the variable {missing[0]} has no value here.", "Give it one in GIVEN, checks/plan.py."
            )
        values = {
            name: self.given[name] if name in self.given else each.attributes["default"].value({})
            for name, each in declared.items()
        }
        for block in declared.values():
            _validate(block, values)
        return values

    def _instances_of(self, block: Block) -> Iterator[Instance]:
        try:
            for key, each in self._turns(block):
                scope = {**self.scope, **each}
                values = self._values(block, scope)
                yield Instance(
                    mode=block.kind,
                    type=block.labels[0],
                    name=block.labels[1],
                    key=key,
                    values=values,
                    lifecycle=self._lifecycle(block, scope),
                    needs=frozenset(resources(values) | self._after(block)),
                    where=block.where,
                )
        except PermanentError as error:
            raise PermanentError(f"{block.where}, {'.'.join(block.labels)}: {error.error}", error.remedy) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            what = f"{block.where}, {'.'.join(block.labels)}: a value is not what it is used as: {error}"
            raise PermanentError(what, "Look at each.key, each.value, and what is handed to functions.") from error

    def _turns(self, block: Block) -> Iterator[tuple[str | int | None, Scope]]:
        if "for_each" in block.attributes:
            items = block.attributes["for_each"].value(self.scope)
            if isinstance(items, Unknown) or not all(map(is_known, items)):
                raise PermanentError("for_each is not known before something is made.", "Make its keys plain words.")
            pairs = items.items() if isinstance(items, dict) else ((each, each) for each in items)
            yield from ((key, {"each": {"key": key, "value": value}}) for key, value in pairs)
        elif "count" in block.attributes:
            for index in range(int(block.attributes["count"].value(self.scope))):
                yield index, {"count": {"index": index}}
        else:
            yield None, {}

    def _values(self, block: Block, scope: Scope) -> dict[str, Any]:
        values = {name: each.value(scope) for name, each in block.attributes.items() if name not in META}
        for inner in block.blocks:
            if inner.kind == "dynamic":
                values.setdefault(inner.labels[0], []).extend(self._dynamic(inner, scope))
            elif inner.kind not in META:
                # Only `backend "gcs"` has a label.
                values.setdefault(".".join((inner.kind, *inner.labels)), []).append(self._values(inner, scope))
        return values

    def _lifecycle(self, block: Block, scope: Scope) -> dict[str, Any]:
        return {name: value for each in block.inside("lifecycle") for name, value in self._values(each, scope).items()}

    def _dynamic(self, block: Block, scope: Scope) -> Iterator[dict[str, Any]]:
        items = block.attributes["for_each"].value(scope)
        pairs = items.items() if isinstance(items, dict) else enumerate(items)
        for key, value in pairs:
            yield self._values(block.inside("content")[0], {**scope, block.labels[0]: {"key": key, "value": value}})

    def _after(self, block: Block) -> set[str]:
        after = block.attributes.get("depends_on")
        return resources(after.value(self.scope)) if after is not None else set()


class Locals(Mapping[str, Any]):
    """The local values, each evaluated when it is asked for."""

    def __init__(self, plan: Plan) -> None:
        blocks = (each for each in plan.blocks if each.kind == "locals")
        self._written = {name: node for block in blocks for name, node in block.attributes.items()}
        self._plan, self._known = plan, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        """The value."""
        if name not in self._known:
            self._known[name] = self._written[name].value(self._plan.scope)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._written)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._written)


def _validate(variable: Block, values: Mapping[str, Any]) -> None:
    for rule in variable.inside("validation"):
        if not rule.attributes["condition"].value({"var": values}):
            said = rule.attributes["error_message"].value({"var": values})
            raise PermanentError(f"{variable.where}: {variable.labels[0]}: {said}")
