"""The real edge around a step that does nothing."""

import functions_framework

from benchmarks.five_steps import steps
from shared.lifecycle import edge
from shared.lifecycle.events import DropReceived


@functions_framework.cloud_event
def preprocess(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "preprocess", {DropReceived: steps.prepare})
