"""A function that is nothing but a function."""

import functions_framework


@functions_framework.http
def empty(request):  # type: ignore[no-untyped-def]  # The framework has no types.
    """Say so."""
    return "empty"
