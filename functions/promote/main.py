"""The edge of `promote`: what may change production comes in, what was decided goes out."""

import functions_framework

from functions.promote.step import STEPS
from shared.lifecycle import edge


@functions_framework.cloud_event
def promote(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "promote", STEPS)
