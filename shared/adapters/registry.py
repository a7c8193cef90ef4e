"""The registry: the only way of the functions and the worker to MLflow."""

from __future__ import annotations

from shared.adapters.registry_data import Data
from shared.adapters.registry_records import Evaluation, Loaded, NoSuchVersion, Version

__all__ = ["Evaluation", "Loaded", "NoSuchVersion", "Registry", "Version"]


class Registry(Data):
    """Experiments, runs and versions of one MLflow server. A model and its experiment have the same name."""
