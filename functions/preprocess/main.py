import functions_framework

from functions.preprocess import step
from shared.lifecycle import edge
from shared.lifecycle.events import DropReceived
from shared.lifecycle.services import Services

services = Services()


@functions_framework.cloud_event
def preprocess(event):  # type: ignore[no-untyped-def]  # The framework's own type is untyped.
    edge.handle(event, "preprocess", {DropReceived: step.prepare}, services)
