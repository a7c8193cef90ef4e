"""What is written down of a training, so that it can be told, compared and done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.contract.catalog import MODELS
from shared.contract.spec import ModelSpec
from shared.lifecycle.events import TrainingRequested
from shared.lifecycle.holdout import JUDGED_ON, Judged
from training_vm import environment as surroundings

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from shared.adapters.warehouse import Account, DataVersion
    from shared.evaluation.scores import Predictor


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a fit gave: the pipeline, the keys of the rows it has seen, the baseline's value, and numbers about both."""

    pipeline: Pipeline
    keys: pd.Series
    baseline: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The challenger beside its rivals: the numbers, and on which drops; `among` all whose rows were known then.

    Attributes:
        accounts: of all drops that were known, newest data first; `newest` are those judged, `older` those before.
        rows: those judged, and `rivals` the pipelines that were compared on them, by their versions.
        news: of each rival all drops judged that only the challenger has learned from.
    """

    metrics: Mapping[str, float]
    judged: Judged
    accounts: Sequence[Account]
    newest: Sequence[Account]
    older: Sequence[Account]
    among: Sequence[str]
    champion: int | None
    rows: pd.DataFrame
    rivals: Mapping[int, Predictor]
    news: Mapping[int, Sequence[str]]

    @property
    def drops(self) -> list[str]:
        return [account.drop for account in self.newest]


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that there is to be told of one training."""

    event: TrainingRequested
    spec: ModelSpec
    params: Mapping[str, Any]
    data: DataVersion
    compared: Compared
    metrics: Mapping[str, float]


def params(training: Training, pipeline: Pipeline) -> dict[str, Any]:
    """What MLflow shows side by side: hyper-parameters by their own names, the rest by the part that it belongs to."""
    return {
        **training.params,
        **_under("preprocessing", preprocessing(training.spec, pipeline)),
        **_under("code", code(training)),
        **_under("data", data(training.data)),
        **_under("environment", _environment_in_short()),
    }


def tags(training: Training) -> dict[str, str]:
    """By which a run and its version are found again, and compared by promote."""
    event, version = training.event, surroundings.code_version()
    return {
        "tidewheel.request": event.request,
        "tidewheel.story": event.story,
        "tidewheel.reason": event.reason,
        JUDGED_ON: training.compared.judged.to_tag(),
        "tidewheel.data_version": json.dumps(data(training.data)),
        "tidewheel.code_version": json.dumps(asdict(version)),
        # Names that MLflow's own page knows.
        "mlflow.source.name": "training_vm",
        "mlflow.source.git.commit": version.commit,
        "mlflow.note.content": event.reason,
    }


def preprocessing(spec: ModelSpec, pipeline: Pipeline) -> dict[str, str]:
    """Of which kind it is, by which contract the rows were checked, and through which steps they go."""
    columns = json.dumps([asdict(column) for column in spec.columns], sort_keys=True)
    steps = [type(step).__name__ for _, step in getattr(pipeline, "steps", [("", pipeline)])]
    digest = hashlib.sha256(columns.encode()).hexdigest()[:16]
    return {"type": spec.preprocessing, "contract_digest": digest, "pipeline": " > ".join(steps)}


def code(training: Training) -> dict[str, Any]:
    """The code's version, and the parameters with which it was called."""
    event, spec = training.event, training.spec
    return {
        **asdict(surroundings.code_version()),
        "model_file_digest": surroundings.file_digest(MODELS / f"{spec.name}.py"),
        "rows": event.rows,
        "window": json.dumps(event.window),
        "params": json.dumps(event.params),
        "metric": spec.metric.name,
        "baseline": spec.baseline,
        "judge_drops": spec.policy.judge_drops,
        "min_rows": spec.min_rows,
    }


def data(version: DataVersion) -> dict[str, Any]:
    """The data version, with the number of its drops instead of their names; those are in its JSON file."""
    return {**version.to_dict(), "drops": len(version.drops)}


def judged_on(training: Training) -> dict[str, Any]:
    """For JSON: every drop that it was judged on, and those that could have the newest row of a key there.

    The latter are those of the data version, but for a window: on the newest drops it is judged all the same.
    """
    compared = training.compared
    return {"drops": list(compared.drops), "among": list(compared.among) if training.event.window else None}


@cache
def environment() -> dict[str, Any]:
    """Python, platform and every package; asked once, since neither changes."""
    return surroundings.environment()


def _environment_in_short() -> dict[str, Any]:
    """What makes the difference between two trainings most often; the whole is in the JSON file."""
    whole = environment()
    main = {name: whole["packages"].get(name) for name in ("scikit-learn", "numpy", "pandas", "scipy")}
    return {"python": whole["python"], "platform": whole["platform"], **main}


def _under(part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{part}.{name}": value for name, value in values.items()}
