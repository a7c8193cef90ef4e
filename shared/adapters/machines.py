"""Machines that train one request each: a process on the laptop, a virtual machine on Google Cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import PassingError, PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.adapters.storage import Storage

ABSENT, RUNNING, ENDED = "absent", "running", "ended"


class NoMachineNow(PassingError):
    """There is none to be had at the moment: the request waits, and the reconciler asks again."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One that is there and costs something; of a name there may be two, in different places."""

    name: str
    place: str = ""
    age_seconds: float = 0.0


class Machines(Protocol):
    """Whoever can start a machine for a request, and end it."""

    def launch(self, name: str, task: dict[str, Any]) -> None:
        """Start the machine of this name on its task; that there is one already is success.

        Raises:
            NoMachineNow: there is none to be had.
            PermanentError: nobody lets us have one.
        """

    def state(self, name: str) -> str:
        """Whether the machine is absent and may be launched, running (or about to), or has ended for good."""

    def there(self) -> list[Machine]:
        """All machines that train, whoever has launched them."""

    def delete(self, machine: Machine) -> None:
        """End a machine; that it is gone already is success."""


def machines(settings: Settings, storage: Storage) -> Machines:
    """The machines of this project.

    Raises:
        PermanentError: there is nowhere to train.
    """
    if settings.machines_dir is not None:
        from shared.adapters.machines_local import LocalMachines

        return LocalMachines(settings.machines_dir)
    if settings.machine_template:
        from shared.adapters.machines_gcp import ComputeMachines

        return ComputeMachines(settings, storage)
    raise PermanentError(
        "neither TIDEWHEEL_MACHINES_DIR nor TIDEWHEEL_MACHINE_TEMPLATE is set: there is nowhere to train.",
        'On a laptop start "tidewheel up"; on Google Cloud Terraform sets the template.',
    )
