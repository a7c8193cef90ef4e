"""The edge of `launch_training`: a request, or the calendar, comes in, events go out."""

import functions_framework

from functions.launch_training.monthly import retrain
from functions.launch_training.step import launch
from shared.lifecycle import edge
from shared.lifecycle.events import RetrainingRequested, TrainingRequested


@functions_framework.cloud_event
def launch_training(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "launch_training", {TrainingRequested: launch, RetrainingRequested: retrain})
