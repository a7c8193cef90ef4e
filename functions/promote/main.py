import functions_framework

from functions.promote.step import STEPS
from shared.lifecycle import edge
from shared.lifecycle.services import Services

services = Services()


@functions_framework.cloud_event
def promote(event):  # type: ignore[no-untyped-def]  # The framework's own type is untyped.
    edge.handle(event, "promote", STEPS, services)
