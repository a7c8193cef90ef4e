"""From tokens to blocks and expressions, by recursive descent.

The language is small, and a parser of our own keeps a package out that would bring another `cli` into the environment.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.gcp.checks import lexer
from deploy.gcp.checks.expressions import (
    OPERATORS,
    Binary,
    Call,
    Choice,
    Expression,
    For,
    Items,
    Literal,
    Member,
    Name,
    Object,
    Template,
    Unary,
)
from deploy.gcp.checks.lexer import END, HEREDOC, NAME, NEWLINE, NUMBER, STRING, Token
from shared.errors import PermanentError

_LITERALS = {"true": True, "false": False, "null": None}
_ESCAPE, _ESCAPES = re.compile(r"\\(.)"), {"n": "\n", "t": "\t", "r": "\r"}
# From what binds loosely to what binds closely.
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block with its labels: `resource "type" "name" {…}`, or one inside of it."""

    kind: str
    labels: tuple[str, ...] = ()
    attributes: dict[str, Expression] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    file: str
    line: int

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.file}:{self.line}"

    def inside(self, kind: str) -> list[Block]:
        """The blocks of a kind in this one."""
        return [block for block in self.blocks if block.kind == kind]


class Parser:
    """Reads one file, or one expression."""

    def __init__(self, text: str, file: str = "", line: int = 1) -> None:
        self._tokens, self._at, self._file = list(lexer.tokens(text, line)), 0, file
        # In parentheses the end of a line means nothing.
        self._lines_count = True

    def file(self) -> Block:
        """Everything in it, as the inside of one block."""
        return self._body("file", (), 1, END)

    def expression(self) -> Expression:
        """A value."""
        condition = self._binary(0)
        if not self._take("?"):
            return condition
        then = self.expression()
        self._expect(":")
        return Choice(condition, then, self.expression())

    def _body(self, kind: str, labels: tuple[str, ...], line: int, end: str) -> Block:
        attributes: dict[str, Expression] = {}
        blocks = []
        while not self._is_at(end):
            if self._peek().kind == NEWLINE:
                self._step()
                continue
            name = self._step()
            if self._take("="):
                attributes[name.text] = self.expression()
            else:
                blocks.append(self._block(name))
        return Block(kind=kind, labels=labels, attributes=attributes, blocks=tuple(blocks), file=self._file, line=line)

    def _block(self, kind: Token) -> Block:
        labels = []
        while self._peek().kind in (STRING, NAME):
            labels.append(self._step().text)
        self._expect("{")
        with self._lines(count=True):
            block = self._body(kind.text, tuple(labels), kind.line, "}")
            self._expect("}")
        return block

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek().text in _LEVELS[level] and self._peek().text in OPERATORS:
            sign = self._step().text
            left = Binary(left, sign, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        for sign in ("!", "-"):
            if self._take(sign):
                return Unary(sign, self._unary())
        return self._members(self._term())

    def _members(self, owner: Expression) -> Expression:
        while True:
            if self._take("."):
                owner = Member(owner, Literal(self._step().text), is_index=False)
            elif self._take("["):
                with self._lines(count=False):
                    owner = Member(owner, self.expression(), is_index=True)
                    self._expect("]")
            else:
                return owner

    def _term(self) -> Expression:
        token = self._step()
        makers: dict[str, Callable[[Token], Expression]] = {
            STRING: _string,
            HEREDOC: _heredoc,
            NUMBER: lambda said: Literal(float(said.text) if "." in said.text else int(said.text)),
            NAME: self._name,
        }
        if token.kind in makers:
            return makers[token.kind](token)
        if token.text in ("(", "[", "{"):
            return {"(": self._group, "[": self._list, "{": self._object}[token.text]()
        raise self._error(token, "a value")

    def _name(self, token: Token) -> Expression:
        if token.text in _LITERALS:
            return Literal(_LITERALS[token.text])
        return self._call(token.text) if self._take("(") else Name(token.text)

    def _call(self, name: str) -> Expression:
        with self._lines(count=False):
            arguments, spread = [], False
            while not self._is_at(")"):
                arguments.append(self.expression())
                spread = self._take("...")
                self._take(",")
            self._expect(")")
        return Call(name, arguments, spread)

    def _group(self) -> Expression:
        with self._lines(count=False):
            inside = self.expression()
            self._expect(")")
        return inside

    def _list(self) -> Expression:
        with self._lines(count=False):
            if self._take("for"):
                return self._for("]")
            items = []
            while not self._is_at("]"):
                items.append(self.expression())
                self._take(",")
            self._expect("]")
        return Items(items)

    def _object(self) -> Expression:
        with self._lines(count=False):
            if self._take("for"):
                return self._for("}")
        with self._lines(count=True):
            items = []
            while not self._is_at("}"):
                if self._peek().kind == NEWLINE or self._peek().text == ",":
                    self._step()
                else:
                    items.append(self._element())
            self._expect("}")
        return Object(items)

    def _element(self) -> tuple[Expression, Expression]:
        is_word = self._peek().kind == NAME
        key = Literal(self._step().text) if is_word else self.expression()
        if not self._take(":"):
            self._expect("=")
        return key, self.expression()

    def _for(self, end: str) -> Expression:
        names = [self._step().text]
        if self._take(","):
            names.append(self._step().text)
        self._expect("in")
        items = self.expression()
        self._expect(":")
        key, result = None, self.expression()
        if self._take("=>"):
            key, result = result, self.expression()
        condition = self.expression() if self._take("if") else None
        self._expect(end)
        return For(names, items, key, result, condition)

    @contextmanager
    def _lines(self, *, count: bool) -> Iterator[None]:
        before, self._lines_count = self._lines_count, count
        yield
        self._lines_count = before

    def _peek(self) -> Token:
        while not self._lines_count and self._tokens[self._at].kind == NEWLINE:
            self._at += 1
        return self._tokens[self._at]

    def _step(self) -> Token:
        token = self._peek()
        self._at += token.kind != END
        return token

    def _is_at(self, text: str) -> bool:
        token = self._peek()
        if token.kind == END and text != END:
            raise self._error(token, text)
        return (token.kind == END) if text == END else (token.text == text and token.kind not in (STRING, HEREDOC))

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.kind in (STRING, HEREDOC, END) or token.text != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(self._peek(), text)

    def _error(self, token: Token, wanted: str) -> PermanentError:
        there = repr(token.text) if token.text.strip() else "the end"
        return PermanentError(f"{self._file}:{token.line}: {there} stands where {wanted} should.", "Run terraform fmt.")


def template(text: str, line: int) -> Expression:
    """A text with `${…}` in it."""
    parts: list[Expression] = []
    while "${" in text:
        head, _, rest = text.partition("${")
        end = lexer.closing(rest, 0, "}", line)
        parts += [Literal(head)] if head else []
        parts.append(Parser(rest[:end], line=line).expression())
        text = rest[end + 1 :]
    return Template([*parts, Literal(text)] if text or not parts else parts)


def _heredoc(token: Token) -> Expression:
    text = token.text
    return template(textwrap.dedent(text[1:]) if text.startswith("-") else text, token.line)


def _string(token: Token) -> Expression:
    text = _unescaped(token.text)
    return template(text, token.line) if "${" in text else Literal(text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
