"""An alias that somebody has moved in MLflow is put back: production is what the decision log says."""

from __future__ import annotations

import logging

from shared.contract import catalog
from shared.errors import PassingError, PermanentError
from shared.lifecycle.production import mend_alias
from shared.lifecycle.services import Services

log = logging.getLogger(__name__)


def put_back(services: Services) -> list[str]:
    """What was put back, as sentences; an MLflow that is away holds up nothing else that is to be mended."""
    mended = []
    for model in catalog.known_models():
        try:
            if mend_alias(model, services):
                champion = services.decisions.champion(model)
                mended.append(f"alias of {model} put back to version {champion}")
        except PassingError as error:
            # Of the others it would not tell either, and each question may take long.
            log.warning("Aliases could not be looked at: %s", error)
            break
        except PermanentError as error:
            log.warning("The alias of %s cannot be put back: %s", model, error)
    return mended
