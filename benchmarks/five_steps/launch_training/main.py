"""The real edge around a step that does nothing."""

import functions_framework

from benchmarks.five_steps import steps
from shared.lifecycle import edge
from shared.lifecycle.events import TrainingRequested


@functions_framework.cloud_event
def launch_training(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "launch_training", {TrainingRequested: steps.launch})
