# Everything a person or the CI does here, by name. `make` alone prints this list.
# Set-up happens by itself: each target that needs the virtual environment makes it first.

VENV    ?= .venv
WORKERS ?= 2
# Simulated worlds: which one `make sim` plays, and which ones `make sim-sweep` does.
SEED       ?= 1
SEEDS      ?= 300
FIRST_SEED ?= 1
# Real candles (Kraken's OHLCVT files), if they stand beside the checkout; what needs them is skipped otherwise.
CANDLES ?= ../shared/data/kraken-ohlcvt

BIN       := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
# Other people's programs that the simulator is tried with, each in an environment of its own.
CLIENT_LOCKS := tests/contract/clients/requirements
CLIENTS      := $(patsubst $(CLIENT_LOCKS)/%.txt,%,$(wildcard $(CLIENT_LOCKS)/*.txt))
LOCK      := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
             --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
PYTHON_FILES := libs services tests scripts $(wildcard benchmarks)

export CANDLES VENV
.DEFAULT_GOAL := help
.PHONY: help setup setup-run run test test-long sim sim-sweep sim-mutants clients clients-lock lint fmt bench ci coverage wheel wheel-check chaos chaos-quick lock raise-ratchets clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(DEV_STAMP) ## make the virtual environment with all tools (does nothing when it is current)

setup-run: $(RUN_STAMP) ## make the virtual environment with what a run needs

$(RUN_STAMP): requirements/run.txt requirements/build.txt pyproject.toml
	@scripts/setup run

$(DEV_STAMP): requirements/dev.txt pyproject.toml
	@scripts/setup dev

run: setup-run ## trade: simulator and engine in one process, synthetic market (Ctrl-C stops it)
	@exec $(BIN)/krakked run --env dev

test: setup ## run the tests, on two cores, without the long ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long"

test-long: setup clients ## run the tests that take more than a few seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long || [ $$? -eq 5 ]  # 5: there are none

sim: setup ## play the simulated world of SEED with its trace (ONLY="fate order_sent", TRACE=no, WITHOUT="at:0", SHRINK=1)
	@$(BIN)/python -m krakked.worlds one --seed "$(SEED)" $(if $(filter no,$(TRACE)),--no-trace) \
		$(ONLY:%=--only %) $(WITHOUT:%=--without %) $(if $(SHRINK),--shrunk)

sim-sweep: setup ## play SEEDS simulated worlds from FIRST_SEED on, on all cores; the last line is what came of them
	@$(BIN)/python -m krakked.worlds sweep --first-seed "$(FIRST_SEED)" --seeds "$(SEEDS)"

sim-mutants: setup ## remove each safeguard, and see that the simulation notices (minutes; ONLY="expiry, dead-man" some of them, LIST=1 names them)
	@$(BIN)/python -m tests.sim.mutants $(if $(ONLY),--only "$(ONLY)") $(if $(LIST),--list)

clients: $(CLIENTS:%=.clients/%/.installed) ## install the other people's clients that long tests try the simulator with

.clients/%/.installed: $(CLIENT_LOCKS)/%.txt | $(DEV_STAMP)
	@scripts/clients $*

lint: setup ## check format, style, types, layers, dependencies, dead code, spelling, tidiness
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/mypy libs services tests
	$(BIN)/mypy scripts
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry libs services
	$(BIN)/vulture
	$(BIN)/codespell $$(git ls-files 2>/dev/null || echo .)
	$(BIN)/python scripts/ratchets.py report
	$(BIN)/python -m pytest -q tests/tidy

fmt: setup ## format, and mend what can be mended
	$(BIN)/ruff check --fix-only $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)

bench: setup ## measure, and print one table for each file of benchmarks/
	@for file in $(sort $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

coverage: setup ## run the tests measured, and hold the result against the floor
	@rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long" --cov --cov-report=
	$(BIN)/python scripts/ratchets.py coverage

wheel: setup ## build the wheel into dist/
	@rm -rf dist build
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist

wheel-check: wheel ## install the wheel bare, far from the source, and run it there
	.ci/wheel-check dist/*.whl

chaos: setup ## kill, pause and cut real processes for about an hour (MINUTES=60, SEED=…)
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

chaos-quick: setup ## the small run of that: 15 kills and 5 pauses in at most five minutes (SEED=…)
	@$(BIN)/python -m tests.chaos --quick $(if $(SEED),--seed $(SEED))

ci: lint coverage test-long chaos-quick wheel-check ## all that must pass before a change lands

lock: setup ## write the locks of requirements/ anew from pyproject.toml (UPGRADE=1 takes newer versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --output-file requirements/run.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group pyproject.toml:build --output-file requirements/build.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c requirements/run.txt \
		-c requirements/build.txt --output-file requirements/dev.txt

clients-lock: setup ## write the locks of the other people's clients anew from their .in files
	for name in $(CLIENTS); do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make clients-lock" \
		$(CLIENT_LOCKS)/$$name.in --output-file $(CLIENT_LOCKS)/$$name.txt || exit 1; done

raise-ratchets: setup ## write the ratchets of .ci/ratchets.toml where the code is better than they ask
	$(BIN)/python scripts/ratchets.py raise

clean: ## remove the virtual environment, caches and what was built
	rm -rf $(VENV) .clients dist build htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	find libs services tests -name __pycache__ -type d -prune -exec rm -rf {} +
