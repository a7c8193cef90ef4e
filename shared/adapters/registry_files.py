"""A version as files: the pipeline with its own code, and what travels with it. Loading asks for nothing else."""

from __future__ import annotations

import ast
import importlib
import json
import logging
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from shared.adapters.registry_records import columns_to_json
from shared.contract.frames import dtype
from shared.contract.spec import TIMESTAMP, Column, ModelSpec
from shared.errors import PermanentError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from sklearn.pipeline import Pipeline

# Unpickling imports. Two threads that import scikit-learn at once see half of each other's modules, and an ImportError
# that comes of that would be taken for a package that is missing.
_IMPORTING = threading.Lock()
COMPANION, PIPELINE = "tidewheel.json", "model.pkl"
MODELS = "shared.models"
# What every pipeline needs to be loaded and fed.
_ALWAYS = {"cloudpickle", "numpy", "pandas", "scikit-learn", "scipy"}
# Bytecode, and scikit-learn's inner state, are read by the same minor release only.
_SAME_MINOR = ("python", "scikit-learn")
_MLFLOW_TYPES = {"str": "string", "int64": "long", "float64": "double", "bool": "boolean"}


def save(folder: Path, spec: ModelSpec, pipeline: Pipeline, profile: dict[str, Any], entry: Model) -> None:
    """Write a version into a folder that is not there yet, as MLflow's sklearn flavour has it, plus its companion."""
    import mlflow.sklearn

    packages = needed_packages(spec.name)
    _accept_pickles()
    with by_value():
        mlflow.sklearn.save_model(
            pipeline,
            str(folder),
            serialization_format="cloudpickle",
            signature=signature(spec),
            pip_requirements=[f"{name}=={version}" for name, version in packages.items() if name != "python"],
            mlflow_model=entry,
        )
    companion = {"columns": columns_to_json(tuple(spec.columns)), "packages": packages, "profile": profile}
    companion["on"] = spec.metric.on
    (folder / COMPANION).write_text(json.dumps(companion, indent=1))


def refuse_other_predictions(folder: Path, pipeline: Pipeline, sample: pd.DataFrame) -> None:
    """Refuse to register what was stored if it does not predict as what was fitted."""
    stored = unpickle(folder / PIPELINE, "the new version", json.loads((folder / COMPANION).read_text())["packages"])
    if list(stored.predict(sample)) != list(pipeline.predict(sample)):
        error = "the pipeline predicts something else once it is stored and loaded."
        raise PermanentError(error, "Let it depend on nothing outside of its file, and on no chance without a seed.")


def warm_up() -> None:
    """Save something trivial: MLflow imports, and looks through all packages, for the first model of a process.

    It imports: no other thread may do that meanwhile.
    """
    import mlflow.sklearn
    from sklearn.dummy import DummyRegressor

    _accept_pickles()
    with TemporaryDirectory() as folder:
        mlflow.sklearn.save_model(
            DummyRegressor(), f"{folder}/model", serialization_format="cloudpickle", pip_requirements=["numpy"]
        )


def _accept_pickles() -> None:
    """Silence MLflow's warning of pickles: ours come from our own registry only."""
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)


@contextmanager
def by_value() -> Iterator[None]:
    """Pickle what the models' files define as code instead of as names: a file that is edited changes no version."""
    import cloudpickle

    models = importlib.import_module(MODELS)
    cloudpickle.register_pickle_by_value(models)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(models)


def unpickle(path: Path, name: str, packages: dict[str, str]) -> Pipeline:
    """The pipeline of a version.

    Raises:
        PermanentError: it was made with packages that are not here.
    """
    refuse_other_packages(name, packages)
    import cloudpickle

    try:
        with _IMPORTING:
            return cast("Pipeline", cloudpickle.loads(path.read_bytes()))
    except (ImportError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise _unloadable(name, packages, f"{type(error).__name__}: {error}") from error


def refuse_other_packages(name: str, packages: dict[str, str]) -> None:
    """Refuse a version before it is unpickled where that would fail, or, worse, would not."""
    for package in _SAME_MINOR:
        then, now = packages.get(package, "unknown"), package_version(package)
        if now is None or then.split(".")[:2] != now.split(".")[:2]:
            raise _unloadable(name, packages, f"it was trained with {package} {then}, and here is {now or 'none'}")


def needed_packages(model: str) -> dict[str, str]:
    """Python and the packages without which a version cannot be loaded, with their versions of now."""
    imported = _imports(Path(cast(str, importlib.import_module(f"{MODELS}.{model}").__file__)))
    names = {owner for name in imported - set(sys.stdlib_module_names) - {"shared"} for owner in _owners(name)}
    found = {name: package_version(name) for name in ("python", *sorted(names | _ALWAYS))}
    return {name: version for name, version in found.items() if version}


def package_version(name: str) -> str | None:
    """The version of Python or of a package that is installed here."""
    if name == "python":
        return platform.python_version()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def signature(spec: ModelSpec) -> ModelSignature:
    """The contract as MLflow shows it: the features that go in, one number that comes out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_mlflow_type(column), column.name, required=not column.nullable) for column in spec.features
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def _mlflow_type(column: Column) -> Any:
    from mlflow.types.schema import AnyType

    # MLflow's own datetime knows no zone and refuses what has one; a null turns whole numbers into floats.
    return AnyType() if column.type == TIMESTAMP else _MLFLOW_TYPES[dtype(column)]


def _imports(file: Path) -> set[str]:
    """The top-level packages that a model's file imports, also inside of its functions."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in plain | parts}


def _owners(module: str) -> list[str]:
    """The packages that a module comes from; only where it is called otherwise all of them are looked through."""
    if module == "sklearn" or package_version(module):
        return ["scikit-learn" if module == "sklearn" else module]
    return metadata.packages_distributions().get(module, [])


def _unloadable(name: str, packages: dict[str, str], why: str) -> PermanentError:
    made_with = ", ".join(f"{package} {version}" for package, version in packages.items()) or "nothing that it tells"
    remedy = f"It was made with {made_with}; install those, or train it again."
    return PermanentError(f"{name} cannot be loaded: {why}.", remedy)
