"""What a drop may be called: its name goes into file names, tables and pages."""

from __future__ import annotations

import re

from shared.contract.refusal import shown
from shared.errors import PermanentError

MAX_BYTES = 512
_PART = re.compile(r"\w[\w .,=+@()~'-]*")


def check_name(name: str) -> None:
    """Hold an object's name against what a drop's may be.

    Raises:
        PermanentError: it is too long, or a part of it has a sign that means something elsewhere.
    """
    wrong = [part for part in name.split("/") if not _PART.fullmatch(part) or ".." in part]
    if wrong:
        raise PermanentError(
            f'"{shown(name)}" cannot be the name of a drop: "{shown(wrong[0])}" is in it.',
            "Name it <model>/<file>, with letters, digits and . , _ - = + @ ( ) ~ in each part.",
        )
    if len(name.encode()) > MAX_BYTES:
        raise PermanentError(f'the name "{shown(name)}" is longer than {MAX_BYTES} bytes.', "Give it a shorter one.")
