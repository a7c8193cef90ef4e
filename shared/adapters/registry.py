"""The registry: the only way of the functions and the worker to MLflow."""

from __future__ import annotations

from shared.adapters.registry_records import Loaded, NoSuchVersion, Version
from shared.adapters.registry_versions import Versions

__all__ = ["Loaded", "NoSuchVersion", "Registry", "Version"]


class Registry(Versions):
    """Experiments, runs and versions of one MLflow server. A model and its experiment have the same name."""
