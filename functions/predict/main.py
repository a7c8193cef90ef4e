"""The edge of predict: HTTP in, HTTP out."""

import functions_framework

from functions.predict.step import Predictor
from shared.lifecycle.services import Services

predictor = Predictor(Services())


@functions_framework.http
def predict(request):  # type: ignore[no-untyped-def]  # The framework's own type is untyped.
    """Answer one request."""
    return predictor.answer(request.method, request.path, request.stream)
