"""Who serves: the champion as the decision log has it, looked up now and then, and versions that stay loaded."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.errors import PassingError
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from shared.adapters.registry import Loaded

log = logging.getLogger(__name__)
FOLLOW_SECONDS = 5.0
MOST_LOADED = 8


class Serving:
    """Follows the decision log without a restart; a version never changes, and is loaded once while it is used."""

    def __init__(self, services: Services, clock: Callable[[], float] = time.monotonic) -> None:
        self._services, self._clock = services, clock
        self._lock = threading.Lock()
        self._loading: dict[tuple[str, int], threading.Lock] = {}
        self._loaded: OrderedDict[tuple[str, int], Loaded] = OrderedDict()
        self._champions: dict[str, tuple[float, int | None]] = {}

    def champion(self, model: str) -> int | None:
        """The version in production, as it was 5 s ago at most; while the log is away, as it was last."""
        looked, known = self._champions.get(model, (None, None))
        if looked is not None and self._clock() - looked < FOLLOW_SECONDS:
            return known
        try:
            champion = self._services.decisions.champion(model)
        except PassingError as error:
            if looked is None:
                raise
            log.warning("version %s of %s goes on serving: %s", known, model, error)
            champion = known
        self._champions[model] = self._clock(), champion
        return champion

    def load(self, model: str, version: int) -> Loaded:
        """A version that can predict.

        Raises:
            PermanentError: there is none, or it cannot be loaded here.
        """
        key = model, version
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        # Two requests at once load it once; others are not held up.
        with loading:
            if loaded := self._recall(key):
                return loaded
            try:
                return self._remember(key, self._services.registry.load(model, version))
            finally:
                with self._lock:
                    self._loading.pop(key, None)

    def _recall(self, key: tuple[str, int]) -> Loaded | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _remember(self, key: tuple[str, int], loaded: Loaded) -> Loaded:
        with self._lock:
            self._loaded[key] = loaded
            while len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return loaded
