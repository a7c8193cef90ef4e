"""The two fates of a failure: permanent ones are recorded and acknowledged, everything else is tried again."""

from __future__ import annotations


class TidewheelError(Exception):
    """A failure that a person can understand: what is wrong, and what to do about it."""

    def __init__(self, error: str, remedy: str = "") -> None:
        super().__init__(f"{error} {remedy}".strip())
        self.error = error
        self.remedy = remedy


class PermanentError(TidewheelError):
    """The file, the message or the request is wrong: trying again cannot help."""


class PassingError(TidewheelError):
    """The world is not ready (a lease lives, a store is away): the same work will succeed later."""


class LostLease(PassingError):
    """Somebody else has taken this piece of work over: stop, and touch nothing more."""
