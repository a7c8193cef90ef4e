"""The edge of `preprocess`: a dropped file comes in, events go out."""

import functions_framework

from functions.preprocess.step import prepare
from shared.lifecycle import edge
from shared.lifecycle.events import DropReceived


@functions_framework.cloud_event
def preprocess(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "preprocess", {DropReceived: prepare})
