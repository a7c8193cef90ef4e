"""Every fault that the lab makes, in one table; each says how often it really happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.faults import deaths, deliveries, freezes, outages
from deploy.local.faults.causes import POINTS, cause_of
from deploy.local.faults.freezes import POINTS as SLEEPERS
from deploy.local.faults.lab import Lab
from deploy.local.faults.quiet import settle
from deploy.local.parts import SERVERS


@dataclass(frozen=True)
class Fault:
    """A name for the command line, what is done, and who does it."""

    name: str
    about: str
    make: Callable[[Lab], int]


def kill(step: str, *points: str) -> Callable[[Lab], int]:
    """Kill a process at each crash point of a step, or at these, one story for each."""

    def make(lab: Lab) -> int:
        wanted = [f"{step}.{point}" for point in points or POINTS[step]]
        lab.dice.shuffle(wanted)
        return sum(_kill_at(lab, point) for point in wanted)

    return make


def _kill_at(lab: Lab, point: str) -> int:
    died = lab.kill_at(point, cause_of(lab, point))
    settle(lab)
    return died


def _single(how: str, step: str, point: str, make: Callable[[Lab], int]) -> Fault:
    return Fault(f"{how}-{step}.{point}", f"{how} {step} at one point", make)


FAULTS: list[Fault] = [
    Fault("duplicates", "every message again, with its own id and with new ones", deliveries.duplicates),
    Fault("at-once", "every message several times at the same moment", deliveries.at_once),
    Fault("poison", "what nobody can understand, on every topic", deliveries.poison),
    *(Fault(f"kill-{step}", f"{step} dies after each of its side effects", kill(step)) for step in POINTS),
    Fault("reorder", "an older generation of a drop is swapped in last, and comes late", freezes.older_last),
    *(Fault(f"freeze-{step}", f"{step} sleeps past its lease, and goes on", freezes.freeze(step)) for step in SLEEPERS),
    Fault("kill-worker", "the machine dies in mid-training", deaths.kill_worker),
    *(
        Fault(
            f"stop-{server}",
            f"{server} stands still for a minute in mid-story, and is down for one",
            outages.outage(server),
        )
        for server in SERVERS
    ),
    Fault("kill-everything", "the whole stack dies, and is started again", deaths.kill_everything),
]
# Parts of those above, for whoever looks for something.
SINGLE: list[Fault] = [
    *(_single("kill", step, point, kill(step, point)) for step in POINTS for point in POINTS[step]),
    *(_single("freeze", step, point, freezes.freeze(step, point)) for step in SLEEPERS for point in SLEEPERS[step]),
    *(
        Fault(f"{how}-{server}.{phase}", f"{server} is {how} from a point of {phase} on", make(server, phase))
        for how, make in (("still", outages.still), ("down", outages.down))
        for server in SERVERS
        for phase in outages.PHASES
    ),
]
