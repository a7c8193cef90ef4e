"""Which stack or project a command is about: the environment says so, or else the laptop's stack that runs here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import TidewheelError

if TYPE_CHECKING:
    from shared.lifecycle.services import Services

HOME = "TIDEWHEEL_HOME"


def home() -> Path:
    """The folder of the laptop's stack: `.tidewheel` here, unless the environment names another."""
    return Path(os.environ.get(HOME) or ".tidewheel").absolute()


def is_laptop() -> bool:
    """Whether the environment names no project, or the laptop's."""
    from deploy.local.environment import PROJECT

    return os.environ.get("GOOGLE_CLOUD_PROJECT", "") in ("", PROJECT)


def refuse_cloud(command: str) -> None:
    """Say of a command that it is for the laptop's stack, where the environment names a project.

    Raises:
        TidewheelError: it does.
    """
    if not is_laptop():
        project = os.environ["GOOGLE_CLOUD_PROJECT"]
        raise TidewheelError(
            f'"tidewheel {command}" is for the laptop, and this environment is about the project {project}.',
            "Unset GOOGLE_CLOUD_PROJECT for the laptop's stack.",
        )


def enter() -> None:
    """Make sure that the clients will find their servers.

    Raises:
        TidewheelError: neither a project nor a stack that runs.
    """
    if not is_laptop():
        return
    from deploy.local import stack

    if stack.read_state(home()) is not None:
        os.environ.update(stack.stack_env(home()))
    elif not _answers(os.environ.get("PUBSUB_EMULATOR_HOST", "")):
        raise TidewheelError(f"no stack runs in {home()}.", 'Start it with "tidewheel up", or fill in .envrc.')


def services() -> Services:
    """All that the functions use, for a command."""
    from shared.lifecycle.services import Services

    enter()
    return Services()


def _answers(host: str) -> bool:
    from deploy.local import probe

    port = host.rpartition(":")[2]
    return port.isdecimal() and probe.answers(int(port), None)
