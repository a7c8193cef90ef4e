"""What `preprocess` does with each event that comes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functions.preprocess.step import prepare
from functions.preprocess.withdrawal import withdraw
from shared.lifecycle.events import DropReceived, Event, WithdrawalRequested
from shared.lifecycle.services import Services

STEPS: dict[type[Event], Callable[[Any, Services], list[Event]]] = {
    DropReceived: prepare,
    WithdrawalRequested: withdraw,
}
