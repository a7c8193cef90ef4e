import functions_framework

from functions.evaluate import step
from shared.lifecycle import edge
from shared.lifecycle.events import DataPrepared
from shared.lifecycle.services import Services

services = Services()


@functions_framework.cloud_event
def evaluate(event):  # type: ignore[no-untyped-def]  # The framework's own type is untyped.
    edge.handle(event, "evaluate", {DataPrepared: step.evaluate}, services)
