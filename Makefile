# Everything that is done often. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two cores are enough for two files at a time; a file's tests share its servers and stay together.
JOBS ?= 2
# A thread that spins while it waits makes its neighbours several times slower.
export OMP_WAIT_POLICY := passive
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench faults clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make the virtual environment; the other targets do it by themselves

demo: $(STAMP) ## four months of flights, from a dropped file to a prediction (KEEP=1 leaves the stack up)
	$(BIN)/tidewheel demo $(if $(KEEP),--keep)

test: $(STAMP) ## unit tests, each adapter against its server, and the whole from end to end
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

check: $(STAMP) ## format, lint, import rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q tests/unit/test_architecture.py
	$(BIN)/mypy

faults: $(STAMP) ## break a stack on purpose, in every way that the lab knows, and print which promises held
	TIDEWHEEL_TEST_LAB=1 $(BIN)/python -m pytest -q tests/e2e/test_faults_lab.py
	$(BIN)/tidewheel faults $(if $(SEED),--seed $(SEED))

bench: $(STAMP) ## measure, into benchmarks/results.json and benchmarks/README.md
	$(BIN)/python -m benchmarks

clean: ## remove the virtual environment, caches and the laptop's state
	rm -rf $(VENV) .tidewheel .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned requirements; the first time takes some minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@
