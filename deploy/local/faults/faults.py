"""Every fault that the lab makes, in one table; each says how often it really happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.faults import deaths, deliveries, freezes, outages
from deploy.local.faults.causes import CAUSES, Cause
from deploy.local.faults.lab import Lab
from deploy.local.faults.quiet import settle
from deploy.local.parts import SERVERS
from shared.lifecycle.crash import KILL


@dataclass(frozen=True)
class Fault:
    """A name for the command line, what is done, and who does it."""

    name: str
    about: str
    make: Callable[[Lab], int]


def kill(name: str, *points: str) -> Callable[[Lab], int]:
    """Kill a process at each crash point on the way of a cause, or at these, one story for each."""
    cause = CAUSES[name]

    def make(lab: Lab) -> int:
        wanted = list(points or cause.kills)
        lab.dice.shuffle(wanted)
        return sum(_kill_at(lab, cause, point) for point in wanted)

    return make


def _kill_at(lab: Lab, cause: Cause, point: str) -> int:
    cause.prepare(lab)
    died = lab.obeyed(cause.point(point), KILL, lambda: cause.make(lab))
    settle(lab)
    return int(died)


def _single(how: str, name: str, point: str, make: Callable[[Lab], int]) -> Fault:
    return Fault(f"{how}-{name}.{point}", f"{how} what does {name} at one point", make)


FAULTS: list[Fault] = [
    Fault("duplicates", "every message again, with its own id and with new ones", deliveries.duplicates),
    Fault("at-once", "every message several times at the same moment", deliveries.at_once),
    Fault("poison", "what nobody can understand, on every topic", deliveries.poison),
    *(Fault(f"kill-{name}", f"what does {name} dies after each of its side effects", kill(name)) for name in CAUSES),
    Fault("reorder", "an older generation of a drop is swapped in last, and comes late", freezes.older_last),
    Fault("outdated-wish", "a withdrawal that slept goes on after it was taken back", freezes.older_wish),
    *(
        Fault(f"freeze-{name}", f"what does {name} sleeps past its lease, and goes on", freezes.freeze(name))
        for name, cause in CAUSES.items()
        if cause.freezes
    ),
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
    *(_single("kill", name, point, kill(name, point)) for name, cause in CAUSES.items() for point in cause.kills),
    *(
        _single("freeze", name, point, freezes.freeze(name, point))
        for name, cause in CAUSES.items()
        for point in cause.freezes
    ),
    *(
        Fault(f"{how}-{server}.{phase}", f"{server} is {how} from a point of {phase} on", make(server, phase))
        for how, make in (("still", outages.still), ("down", outages.down))
        for server in SERVERS
        for phase in outages.PHASES
    ),
]
