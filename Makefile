# Every target sets itself up: only Python ≥ 3.11, make and a package registry are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests of a file share what it sets up; the long files begin (integrations_pipeline_tests/conftest.py). One process more
# than there are cores: a browser, daemons and other processes are waited for in a quarter of the time.
CORES := $(shell $(PYTHON) -c "import os; print(min(os.cpu_count() or 1, 3) + 1)")
SPREAD := -n $(CORES) --dist loadfile --no-loadscope-reorder

.PHONY: setup lint check test exhaustive demo dev bench properties mutations hostile lock clean

setup: $(STAMP)

# --no-deps: the lock file is complete, and every file is checked against its hash.
$(STAMP): requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Where this is set, as in containers, every process would compile anew, and pytest rewrite hundreds of files.
check test: export PYTHONDONTWRITEBYTECODE =

check: lint
	$(BIN)/python -m pytest -q -m "not slow" $(SPREAD)

test: setup
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -q -rs -m "not exhaustive" $(SPREAD)

# Further ways to die: two crashes in a row, a search that lags, a restored database. One run each.
exhaustive: setup
	$(BIN)/python -m pytest -q -m exhaustive

demo: setup
	$(BIN)/integrations demo

dev: setup
	$(BIN)/integrations demo --serve

# Random histories and the planner's properties for as long as told, with counts of what happened in them.
SECONDS ?= 120
properties: setup
	$(BIN)/python -m integrations_pipeline_tests.properties $(SECONDS)

# Breaks a copy of the product in one place at a time: where it differs from BASE (main), or in SAMPLE places drawn by SEED.
mutations: setup
	$(BIN)/python -m integrations_pipeline_tests.mutations \
		$(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(BASE),--base $(BASE)) $(if $(AGAIN),--again)

# What an attacker would try, on servers of its own: HELD or BROKEN for each attempt.
hostile: setup
	$(BIN)/python -m integrations_pipeline_tests.hostile

# Ours beside the peers, which get environments of their own: their pins are not ours. WRITE=1 refreshes docs/performance.md.
PEERS := .artifacts/peers
bench: setup $(PEERS)/peers/.installed $(PEERS)/connectors/.installed
	$(BIN)/python -m benchmarks $(if $(WRITE),--write)

$(PEERS)/%/.installed: benchmarks/%.lock | $(STAMP)
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(@D)
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(@D)/bin/python -r $<
	touch $@

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra celery pyproject.toml deploy/requirements.in -o deploy/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url benchmarks/peers.in -o benchmarks/peers.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url benchmarks/connectors.in -o benchmarks/connectors.lock

clean:
	rm -rf $(VENV) .integrations .artifacts build *.egg-info
