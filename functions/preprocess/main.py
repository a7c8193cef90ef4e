"""The edge of `preprocess`: a dropped file, or what a person asks about one, comes in, events go out."""

import functions_framework

from functions.preprocess.steps import STEPS
from shared.lifecycle import edge


@functions_framework.cloud_event
def preprocess(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "preprocess", STEPS)
