"""A registry in memory: versions with all that was logged of them, and how they did on drops."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from shared.adapters.registry_records import DATA_VERSION, REQUEST, Evaluation, Loaded, OwnColumns, Version
from shared.contract.spec import ModelSpec

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Long before any run: nobody waits for its neighbours.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Versions:
    """A registry: versions with all that was logged of them, and how they did on drops."""

    made: dict[int, tuple[Version, Loaded]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[tuple[int, str, int], Evaluation] = field(default_factory=dict)
    champion: int | None = None

    def warm_up(self) -> None:
        """All is imported."""

    def begin(self, model: str, request: str, *, tags: Mapping[str, str], attempt: int = 0) -> str:
        self.runs = {**self.runs, request: {"tags": {**tags, REQUEST: request}}}
        return request

    def log(self, run: str, *, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        self._add(run, params=params, metrics={name: float(value) for name, value in metrics.items()})

    def log_data(self, run: str, version: Mapping[str, Any]) -> None:
        self._add(run, data=version)

    def log_json(self, run: str, name: str, obj: Any) -> None:
        """Nobody asks for it."""

    def register(
        self,
        model: str,
        spec: ModelSpec,
        run: str,
        pipeline: Pipeline,
        sample: pd.DataFrame,
        *,
        profile: dict[str, Any],
        tags: Mapping[str, str],
    ) -> int:
        number, logged = len(self.made) + 1, self.runs[run]
        version = Version(
            model=model,
            version=number,
            run=run,
            request=run,
            status="",
            created=LONG_AGO,
            metrics=logged["metrics"],
            tags=logged["tags"],
            data_version=json.loads(tags[DATA_VERSION]),
        )
        loaded = Loaded(
            version=number,
            pipeline=OwnColumns(pipeline=pipeline, names=tuple(each.name for each in spec.features)),
            columns=tuple(spec.columns),
            packages={},
            profile=profile,
            run=run,
            metrics=logged["metrics"],
            on=spec.metric.on,
        )
        self.made = {**self.made, number: (version, loaded)}
        return number

    def finish(self, run: str) -> None:
        """Nobody else is at it."""

    def version(self, _: str, number: int) -> Version:
        return self.made[number][0]

    def versions(self, _: str) -> list[Version]:
        return [version for version, _ in self.made.values()]

    def load(self, _: str, number: int) -> Loaded:
        return self.made[number][1]

    def data_version(self, version: Version) -> dict[str, Any]:
        return dict(self.runs[version.run]["data"])

    def drops(self, versions: Sequence[Version]) -> list[dict[str, int]]:
        return [dict(self.data_version(each)["drops"]) for each in versions]

    def record_evaluation(
        self,
        model: str,
        version: int,
        drop: str,
        generation: int,
        metrics: Mapping[str, float],
        *,
        epoch: int = 0,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        told = Evaluation(run=f"{version} on {drop}, {epoch}", metrics=dict(metrics), tags=dict(tags or {}))
        self.done = {**self.done, (version, drop, epoch): told}

    def evaluation(self, model: str, version: int, drop: str, generation: int, epoch: int = 0) -> Evaluation:
        return self.done[version, drop, epoch]

    def champion_alias(self, _: str) -> int | None:
        return self.champion

    def set_champion(self, _: str, number: int) -> None:
        self.champion = number

    def _add(self, run: str, **what: Any) -> None:
        self.runs = {**self.runs, run: self.runs[run] | what}
