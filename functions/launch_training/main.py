import functions_framework

from functions.launch_training import step
from shared.lifecycle import edge
from shared.lifecycle.events import TrainingRequested
from shared.lifecycle.services import Services

services = Services()


@functions_framework.cloud_event
def launch_training(event):  # type: ignore[no-untyped-def]  # The framework's own type is untyped.
    edge.handle(event, "launch_training", {TrainingRequested: step.launch}, services)
