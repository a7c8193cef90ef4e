"""Terraform's text as tokens. A string is one token, whatever is nested in it; so is a heredoc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import PermanentError

NEWLINE, NAME, NUMBER, STRING, HEREDOC, SIGN, END = "newline", "name", "number", "string", "heredoc", "sign", "end"
_SKIPPED = re.compile(r"[ \t\r]+|#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_HEREDOC = re.compile(r"<<(-?)(\w+)\n(.*?)^[ \t]*\2$", re.DOTALL | re.MULTILINE)
_SIMPLE = (
    (NEWLINE, re.compile(r"\n")),
    (NAME, re.compile(r"[A-Za-z_][\w-]*")),
    (NUMBER, re.compile(r"\d+(?:\.\d+)?")),
    (SIGN, re.compile(r"=>|==|!=|<=|>=|&&|\|\||\.\.\.|[!{}\[\](),.?:=+\-*/%<>]")),
)


@dataclass(frozen=True)
class Token:
    """A word of the language, and the line that it begins in."""

    kind: str
    text: str
    line: int


def tokens(text: str, line: int = 1) -> Iterator[Token]:
    """The tokens of a file, or of an expression that begins in that line.

    Raises:
        PermanentError: a sign that is none of the language's, or a string without an end.
    """
    at = 0
    while at < len(text):
        if skipped := _SKIPPED.match(text, at):
            taken = skipped[0]
        else:
            token, taken = _next(text, at, line)
            yield token
        line += taken.count("\n")
        at += len(taken)
    yield Token(END, "", line)


def _next(text: str, at: int, line: int) -> tuple[Token, str]:
    """The token that begins here, and all that it takes of the text."""
    if text[at] == '"':
        end = closing(text, at + 1, '"', line)
        return Token(STRING, text[at + 1 : end], line), text[at : end + 1]
    if found := _HEREDOC.match(text, at):
        return Token(HEREDOC, f"{found[1]}{found[3]}", line), found[0]
    for kind, pattern in _SIMPLE:
        if found := pattern.match(text, at):
            return Token(kind, found[0], line), found[0]
    raise PermanentError(f"line {line}: {text[at]!r} means nothing here.", "Run terraform fmt.")


def closing(text: str, at: int, sign: str, line: int = 1) -> int:
    """Where a string or a `${` ends, past all that is nested in it.

    Raises:
        PermanentError: it does not end.
    """
    while at < len(text):
        if text[at] == sign:
            return at
        if text.startswith("${", at) and sign == '"':
            at = closing(text, at + 2, "}", line)
        elif text[at] == '"':
            at = closing(text, at + 1, '"', line)
        elif text[at] == "{" and sign == "}":
            at = closing(text, at + 1, "}", line)
        elif text[at] == "\\":
            at += 1
        at += 1
    raise PermanentError(f"line {line}: what begins there has no {sign} at its end.", "Close it.")
