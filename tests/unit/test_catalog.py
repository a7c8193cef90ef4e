"""What a process knows of the models' files: what they say now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contract import catalog
from shared.errors import PermanentError

SPEC = """
from shared.contract.metrics import MAE
from shared.contract.spec import FLOAT64, TIMESTAMP, Column, ModelSpec

ANSWER = {answer}

def pipeline(params):
    return ANSWER

rides = ModelSpec(
    title="{title}",
    columns=[Column("at", TIMESTAMP, event_time=True), Column("fare", FLOAT64, target=True)],
    pipeline=pipeline,
    metric=MAE,
)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the file of a model "rides" may be written."""
    monkeypatch.setattr(catalog, "MODELS", tmp_path)
    monkeypatch.setattr(importlib.import_module("shared.models"), "__path__", [str(tmp_path)])
    yield tmp_path / "rides.py"
    sys.modules.pop("shared.models.rides", None)


def test_an_edited_file_is_seen_by_a_process_that_has_read_it(file: Path) -> None:
    file.write_text(SPEC.format(title="before", answer=1))
    assert catalog.model("rides").title == "before"
    file.write_text(SPEC.format(title="afterwards", answer=1))
    assert catalog.model("rides").title == "afterwards"


def test_what_was_made_before_an_edit_keeps_its_code(file: Path) -> None:
    file.write_text(SPEC.format(title="rides", answer=1))
    before = catalog.model("rides")
    file.write_text(SPEC.format(title="rides", answer=10))
    assert (before.pipeline({}), catalog.model("rides").pipeline({})) == (1, 10)


def test_a_file_that_has_not_changed_is_read_once(file: Path) -> None:
    file.write_text(SPEC.format(title="rides", answer=1))
    assert catalog.model("rides") is catalog.model("rides")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fares = 1\n", r"shared/models/rides.py defines no ModelSpec called rides\."),
        ("rides = (\n", r"shared/models/rides.py cannot be imported: SyntaxError: "),
        ("import nothing_of_that_name\n", r"cannot be imported: ModuleNotFoundError: No module named"),
        (SPEC.format(title="rides", answer=1).replace("target=True", ""), r"rides.py: rides needs exactly one column"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_a_sentence(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(PermanentError, match=sentence):
        catalog.model("rides")


def test_an_unknown_model_is_refused_and_the_known_ones_named(file: Path) -> None:
    file.write_text(SPEC.format(title="rides", answer=1))
    with pytest.raises(PermanentError, match=r'no model "ride"; known: rides\.'):
        catalog.model("ride")
