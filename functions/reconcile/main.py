"""The edge of `reconcile`: the schedule comes in, what was found and mended goes out."""

import functions_framework

from functions.reconcile.step import reconcile as compare
from shared.lifecycle import edge
from shared.lifecycle.events import ReconcileRequested


@functions_framework.cloud_event
def reconcile(event):  # type: ignore[no-untyped-def]  # The framework has no types.
    edge.handle(event, "reconcile", {ReconcileRequested: compare})
