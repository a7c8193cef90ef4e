"""The docs say what is so: links lead somewhere, commands exist, and the model in the recipe is one."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import app
from shared.contract.spec import ModelSpec
from tests.unit.test_models import fitted, rows

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    known = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert set(re.findall(r"^tidewheel ([a-z-]+)|`tidewheel ([a-z-]+)", text, re.MULTILINE)) <= {
        pair for name in known for pair in ((name, ""), ("", name))
    }
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)|`make ([a-z]+)", text, re.MULTILINE)) <= {
        pair for name in targets for pair in ((name, ""), ("", name))
    }


def test_the_recipes_model_is_a_model_that_can_be_fitted(tmp_path: Path) -> None:
    recipe = (ROOT / "docs/add-a-model.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", recipe, re.DOTALL)
    file = tmp_path / "trip_price.py"
    file.write_text(source)
    found = importlib.util.spec_from_file_location("trip_price", file)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    spec = module.trip_price
    assert isinstance(spec, ModelSpec)
    frame = rows(spec)
    predicted = fitted(spec, frame).predict(frame[[column.name for column in spec.features]])
    assert len(predicted) == len(frame)
    assert all(slice_(frame).dtype == bool for slice_ in spec.slices.values())


def test_the_recipes_model_passes_the_linter() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/add-a-model.md").read_text(), re.DOTALL)
    ruff = Path(sys.executable).parent / "ruff"
    command = [str(ruff), "check", "--stdin-filename", str(ROOT / "shared/models/trip_price.py"), "-"]
    checked = subprocess.run(command, input=source, text=True, capture_output=True, check=False, cwd=ROOT)
    assert checked.returncode == 0, checked.stdout
