"""The edge of `evaluate`: clean rows come in, events go out."""

import functions_framework

from functions.evaluate import step
from shared.lifecycle import edge
from shared.lifecycle.events import DataPrepared


@functions_framework.cloud_event
def evaluate(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "evaluate", {DataPrepared: step.evaluate})
