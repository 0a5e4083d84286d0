# Every target sets itself up: only Python ≥ 3.11, make and a package registry are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup check test demo dev bench properties lock clean

setup: $(STAMP)

# --no-deps: the lock file is complete, and every file is checked against its hash.
$(STAMP): requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not slow"

test: setup
	$(BIN)/python -m pytest -q

demo: setup
	$(BIN)/integrations demo

dev: setup
	$(BIN)/integrations demo --serve

# Random histories and the planner's properties for as long as told, with counts of what happened in them.
SECONDS ?= 120
properties: setup
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -q --timeout 3600 integrations_pipeline_tests/engine
	$(BIN)/python -m integrations_pipeline_tests.simulation $(SECONDS)

bench: setup
	$(BIN)/python -m benchmarks

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .integrations build *.egg-info
