# Everything that is done often. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What checks the Terraform files pins too much to live beside our own packages.
CHECKS := .venv-checks
SCHEMA := $(CHECKS)/schema.json
export PROJECT REGION YES PLAN
# Two cores are enough for two files at a time; a file's tests share its servers and stay together.
JOBS ?= 2
# A thread that spins while it waits makes its neighbours several times slower.
export OMP_WAIT_POLICY := passive
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench faults deploy destroy clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make the virtual environment; the other targets do it by themselves

demo: $(STAMP) ## four months of flights, from a dropped file to a prediction (KEEP=1 leaves the stack up)
	$(BIN)/tidewheel demo $(if $(KEEP),--keep)

test: $(STAMP) $(SCHEMA) ## unit tests, each adapter against its server, and the whole from end to end
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

check: $(STAMP) $(SCHEMA) ## format, lint, import rules, types, and the deployment's files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q tests/unit/test_architecture.py
	$(BIN)/mypy
	$(BIN)/python -m deploy.gcp.checks
	@if command -v terraform >/dev/null; then terraform fmt -check -diff deploy/gcp; \
	else echo "terraform is not installed: the form of its files is not looked at."; fi
	$(CHECKS)/bin/checkov --config-file deploy/gcp/.checkov.yaml
	$(BIN)/python -m deploy.gcp.checks.gcloud_lint docs/*.md deploy/gcp/deploy.sh

faults: $(STAMP) ## break a stack on purpose, in every way that the lab knows, and print which promises held
	TIDEWHEEL_TEST_LAB=1 $(BIN)/python -m pytest -q tests/e2e/test_faults_lab.py
	$(BIN)/tidewheel faults --rate-limit $(if $(SEED),--seed $(SEED))

deploy: $(STAMP) ## onto Google Cloud: PROJECT=… REGION=…, YES=1 asks nothing, PLAN=1 says what it would do, and makes only what that takes
	deploy/gcp/deploy.sh up

destroy: $(STAMP) ## away from Google Cloud, all of it: PROJECT=… REGION=…
	deploy/gcp/deploy.sh down

bench: $(STAMP) ## measure, into benchmarks/results.json and benchmarks/README.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks

clean: ## remove the virtual environment, caches and the laptop's state
	rm -rf $(VENV) $(CHECKS) .tidewheel .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned requirements; the first time takes some minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

# checkov in an environment of its own, and the google provider's schema, out of a package that is not installed.
$(SCHEMA): deploy/gcp/checks/requirements-checkov.txt deploy/gcp/checks/requirements-provider.txt deploy/gcp/checks/distil.py | $(STAMP)
	test -x $(CHECKS)/bin/python || $(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r deploy/gcp/checks/requirements-checkov.txt
	rm -rf $(CHECKS)/provider
	$(CHECKS)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(CHECKS)/provider \
	  -r deploy/gcp/checks/requirements-provider.txt
	$(BIN)/python -m deploy.gcp.checks.distil $(CHECKS)/provider/*.whl $@
