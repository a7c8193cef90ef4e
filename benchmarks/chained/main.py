"""One of five functions that call each other over HTTP, with nothing between that would remember."""

import os
import urllib.request

import functions_framework

NEXT = os.environ.get("NEXT_URL", "")


@functions_framework.http
def chained(request):  # type: ignore[no-untyped-def]  # The framework has no types.
    """Do nothing, and let the next one do the same."""
    if NEXT:
        urllib.request.urlopen(urllib.request.Request(NEXT, request.get_data(), method="POST"), timeout=30).close()
    return "done"
