"""Makes the faults one after the other, and asks after each whether every promise holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from deploy.local.faults import lab as labs
from deploy.local.faults.faults import FAULTS, SINGLE, Fault
from deploy.local.faults.lab import SETTLE_SECONDS, Lab
from deploy.local.faults.promises import PROMISES, check
from deploy.local.faults.quiet import settle
from deploy.local.faults.report import Outcome
from shared.errors import TidewheelError


def run(lab: Lab, *, only: Iterable[str] = (), say: Callable[[str], None] = print) -> list[Outcome]:
    """Make the faults on the lab's stack, in an order that its seed decides.

    Raises:
        TidewheelError: no fault has such a name, or a promise is broken before anything was done.
    """
    wanted = chosen(only)
    with labs.running(lab, say):
        lab.dice.shuffle(wanted)
        _begin(lab)
        return [_told(_make(lab, fault), say) for fault in wanted]


def chosen(names: Iterable[str]) -> list[Fault]:
    """The faults of these names, or all.

    Raises:
        TidewheelError: no fault has such a name.
    """
    wanted, known = list(names), {fault.name: fault for fault in [*FAULTS, *SINGLE]}
    for name in wanted:
        if name not in known:
            raise TidewheelError(
                f'no fault is called "{name}".',
                f"Known: {', '.join(fault.name for fault in FAULTS)}, or one point or one phase alone, as in"
                " kill-train.started and down-mlflow.training.",
            )
    return [known[name] for name in dict.fromkeys(wanted)] if wanted else list(FAULTS)


def _begin(lab: Lab) -> None:
    """A first story without any fault: there is a champion afterwards, and all is well."""
    lab.drop(days=30)
    # A first start on a busy machine is slow, however little patience there is with what comes after it.
    settle(lab, SETTLE_SECONDS)
    broken = [*lab.stuck, *check(lab)]
    if broken or lab.services.decisions.champion("flight_delay") is None:
        raise TidewheelError("a promise is broken before anything was done.", "\n".join(broken))


def _make(lab: Lab, fault: Fault) -> Outcome:
    began, stuck = time.monotonic(), set(lab.stuck)
    injected, failed = 0, []
    try:
        injected = fault.make(lab)
    except TidewheelError as error:
        failed = [str(error)]
    lab.orders.take_back()
    settle(lab)
    broken = [*failed, *(f"end: {what}" for what in sorted(lab.stuck - stuck)), *check(lab)]
    return Outcome(
        name=fault.name,
        injected=injected,
        # That everything comes to its end is a promise, too.
        checked=len(PROMISES) + 1,
        broken=tuple(broken),
        seconds=time.monotonic() - began,
    )


def _told(outcome: Outcome, say: Callable[[str], None]) -> Outcome:
    verdict = "held" if outcome.held else "BROKEN"
    say(f"{outcome.name}: {outcome.injected} times, {verdict}, {outcome.seconds:.0f} s.")
    for what in outcome.broken:
        say(f"  {what}")
    return outcome


def names_of(faults: Sequence[Fault]) -> list[tuple[str, str]]:
    """For a list: each name, and what is done."""
    return [(fault.name, fault.about) for fault in faults]
