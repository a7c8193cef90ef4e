"""The docs say what is so: links lead somewhere, commands exist, and the model in the recipe is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cli.main import app
from shared.contract.spec import Policy

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks/README.md"]


def the_recipes_model() -> str:
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/add-a-model.md").read_text(), re.DOTALL)
    return str(source)


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


def test_the_readme_names_every_command() -> None:
    known = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    named = set(re.findall(r"`tidewheel ([a-z-]+)`", (ROOT / "README.md").read_text()))
    assert sorted(known - named) == []


@pytest.mark.parametrize("page", [ROOT / ".envrc", ROOT / "docs/operations.md"], ids=lambda page: page.name)
def test_every_variable_that_the_code_reads_is_explained(page: Path) -> None:
    rooms = ("cli", "deploy", "functions", "shared", "training_vm")
    code = "".join(file.read_text() for room in rooms for file in (ROOT / room).rglob("*.py"))
    read = set(re.findall(r"""["'](TIDEWHEEL_[A-Z_]+)["']""", code))
    assert sorted(read - set(re.findall(r"TIDEWHEEL_[A-Z_]+", page.read_text()))) == []


def test_the_recipe_names_every_rule_of_a_policy_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", (ROOT / "docs/add-a-model.md").read_text(), re.MULTILINE)
    told = {
        name: value
        for names, values in rows
        for name, value in zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=False)
    }
    words = {"None": "none", "False": "no", "propose": '"propose"', "withdraw": '"withdraw"'}
    for rule in fields(Policy):
        default = str(rule.default)
        said = told.get(rule.name, "nothing")
        assert said == words[default] if default in words else float(said) == float(default), rule.name


def test_the_recipes_model_keeps_the_contract_of_every_model(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "shared/models/trip_price.py").write_text(the_recipes_model())
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    suite = tmp_path / "tests/unit/test_models.py"
    suite.parent.mkdir(parents=True)
    suite.write_text((ROOT / "tests/unit/test_models.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "trip_price", str(suite)]
    asked = subprocess.run(command, text=True, capture_output=True, check=False, cwd=tmp_path)
    assert asked.returncode == 0, asked.stdout
    assert re.search(r"^\d+ passed", asked.stdout, re.MULTILINE)


def test_the_recipes_model_passes_the_linter() -> None:
    ruff = Path(sys.executable).parent / "ruff"
    command = [str(ruff), "check", "--stdin-filename", str(ROOT / "shared/models/trip_price.py"), "-"]
    checked = subprocess.run(command, input=the_recipes_model(), text=True, capture_output=True, check=False, cwd=ROOT)
    assert checked.returncode == 0, checked.stdout
