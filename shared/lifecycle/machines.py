"""The machine of a request, started by whoever finds that it has none."""

from __future__ import annotations

from shared.lifecycle.events import TrainingRequested
from shared.lifecycle.messages import to_dict
from shared.lifecycle.services import Services

# A zone may take a minute. Who waits is called again, and the reconciler has other requests to look at.
PATIENCE_SECONDS = 10.0


def launch(request: TrainingRequested, services: Services) -> None:
    """Start the request's machine, one launch at a time: the machines that there are have been counted before.

    Raises:
        NoMachineNow: there is none to be had.
        PassingError: another launch takes long.
        PermanentError: nobody lets us have one.
    """
    with services.locks.hold("machines", patience=PATIENCE_SECONDS):
        services.machines.launch(request.machine, {"event": to_dict(request), "story": request.story})
