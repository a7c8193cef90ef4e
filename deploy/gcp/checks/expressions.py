"""Terraform's expressions, each of which can say its value; what only the cloud will know stays a reference."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deploy.gcp.checks.functions import call
from deploy.gcp.checks.values import Unknown, as_text, is_known
from shared.errors import PermanentError

Scope = Mapping[str, Any]
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "&&": lambda left, right: left and right,
    "||": lambda left, right: left or right,
}


class Expression(Protocol):
    """Anything that has a value in a scope."""

    def value(self, scope: Scope) -> Any:
        """What it comes to; names that the scope does not have are references.

        Raises:
            PermanentError: it names what is not there.
        """


@dataclass(frozen=True)
class Literal:
    """A number, a truth value, null, or a text in which nothing is put."""

    said: Any

    def value(self, scope: Scope) -> Any:
        return self.said


@dataclass(frozen=True)
class Name:
    """A name that stands for something."""

    name: str

    def value(self, scope: Scope) -> Any:
        return scope[self.name] if self.name in scope else Unknown(self.name)


@dataclass(frozen=True)
class Template:
    """A text with expressions in it; one that is nothing but an expression is that expression's value."""

    parts: Sequence[Expression]

    def value(self, scope: Scope) -> Any:
        values = [each.value(scope) for each in self.parts]
        return values[0] if len(values) == 1 else "".join(map(as_text, values))


@dataclass(frozen=True)
class Items:
    """A list."""

    items: Sequence[Expression]

    def value(self, scope: Scope) -> Any:
        return [each.value(scope) for each in self.items]


@dataclass(frozen=True)
class Object:
    """A map; a bare word as a key is the word itself."""

    items: Sequence[tuple[Expression, Expression]]

    def value(self, scope: Scope) -> Any:
        return {key.value(scope): each.value(scope) for key, each in self.items}


@dataclass(frozen=True)
class Call:
    """A function with its arguments; `spread`: the last one is a list of further ones."""

    name: str
    arguments: Sequence[Expression]
    spread: bool = False

    def value(self, scope: Scope) -> Any:
        if self.name == "can":
            return self._can(scope)
        values = [each.value(scope) for each in self.arguments]
        return call(self.name, [*values[:-1], *values[-1]] if self.spread else values)

    def _can(self, scope: Scope) -> bool:
        try:
            self.arguments[0].value(scope)
        except (PermanentError, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Member:
    """`owner.name`, or `owner[key]`."""

    owner: Expression
    key: Expression
    is_index: bool

    def value(self, scope: Scope) -> Any:
        owner, key = self.owner.value(scope), self.key.value(scope)
        if isinstance(owner, Unknown):
            return owner.item(key) if self.is_index else owner.attribute(key)
        if isinstance(owner, list) and isinstance(key, int):
            return owner[key]
        if isinstance(owner, Mapping) and key in owner:
            return owner[key]
        known = ", ".join(map(as_text, owner)) if isinstance(owner, Mapping) else as_text(owner)
        raise PermanentError(f'there is no "{as_text(key)}".', f"Known: {known}.")


@dataclass(frozen=True)
class Choice:
    """`condition ? then : otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression

    def value(self, scope: Scope) -> Any:
        decided = self.condition.value(scope)
        if not isinstance(decided, bool):
            return Unknown(f"a choice by {as_text(decided)}")
        return (self.then if decided else self.otherwise).value(scope)


@dataclass(frozen=True)
class Binary:
    """Two values and the sign between them."""

    left: Expression
    sign: str
    right: Expression

    def value(self, scope: Scope) -> Any:
        left, right = self.left.value(scope), self.right.value(scope)
        if not is_known([left, right]):
            return Unknown(f"{as_text(left)} {self.sign} {as_text(right)}")
        return OPERATORS[self.sign](left, right)


@dataclass(frozen=True)
class Unary:
    """`!` or `-` and a value."""

    sign: str
    of: Expression

    def value(self, scope: Scope) -> Any:
        value = self.of.value(scope)
        if isinstance(value, Unknown):
            return value
        return not value if self.sign == "!" else -value


@dataclass(frozen=True)
class For:
    """`[for name in items : result if condition]`, or with a key and `=>` a map."""

    names: Sequence[str]
    items: Expression
    key: Expression | None
    result: Expression
    condition: Expression | None

    def value(self, scope: Scope) -> Any:
        turns = [each for each in self._turns(scope) if self.condition is None or self.condition.value(each)]
        if self.key is None:
            return [self.result.value(each) for each in turns]
        return {self.key.value(each): self.result.value(each) for each in turns}

    def _turns(self, scope: Scope) -> Iterator[Scope]:
        items = self.items.value(scope)
        if isinstance(items, Unknown):
            raise PermanentError(f"{items.path} is not known when these files are read.", "Write the list here.")
        pairs = items.items() if isinstance(items, Mapping) else enumerate(items)
        for pair in pairs:
            yield {**scope, **dict(zip(self.names, pair[-len(self.names) :], strict=True))}
