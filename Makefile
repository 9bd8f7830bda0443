# Everything runs from .venv, which the first target that needs it creates; no activated shell is needed.
# PYTHON chooses the interpreter for it: make setup PYTHON=/path/to/python3.11

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
BENCH := --write
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test faults bench lint types contracts clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Create .venv with everything in it; skipped when nothing changed

demo: $(STAMP) ## Run the whole lifecycle, from a dataset to promoted models
	$(BIN)/rlctl demo

dev: $(STAMP) ## Open the asset graph in the browser, on the demo's state
	$(BIN)/dagster dev

test: $(STAMP) ## Run the quick tests on all cores: no GPU, no cluster, no soak; in Chromium too where it is installed
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

faults: $(STAMP) ## Kill, starve and corrupt on purpose, again and again; about ten minutes
	$(BIN)/python -m pytest tests/faults --numprocesses auto --dist worksteal -m "soak or slow or not soak" -rA -o faulthandler_timeout=900 $(FAULTS)

bench: $(BENCH_STAMP) ## Measure us beside our peers and write the tables in docs/; BENCH=--quick for a look without writing
	$(BIN)/python -W ignore -m benchmarks $(BENCH)

lint: $(STAMP) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## Check types
	$(BIN)/basedpyright

contracts: $(STAMP) ## Check which package may import which
	$(BIN)/lint-imports

clean: ## Remove caches and build leftovers; keeps .venv and the state in .rl_assets
	rm -rf build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . \( -name .git -o -name $(VENV) -o -name .rl_assets \) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# The stamp holds a checksum, so that a checkout which only touches the files installs nothing and needs no network.
$(STAMP): $(INPUTS)
	@set -eu; \
	sum="$$(cat $(INPUTS) | cksum)"; \
	if [ -f $@ ] && [ "$$(cat $@)" = "$$sum" ]; then touch $@; exit 0; fi; \
	enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! $(BIN)/python -c "$$enough" 2>/dev/null || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		found=; \
		for candidate in $(or $(PYTHON),python3.11 python3 python3.12 python3.13); do \
			if "$$candidate" -c "$$enough" 2>/dev/null; then found="$$candidate"; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "setup: no Python 3.11 or newer among: $(or $(PYTHON),python3.11 python3 python3.12 python3.13)." >&2; \
			echo "Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
		fi; \
		if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "setup: $$found cannot create virtual environments: install its venv package" \
				"(python3-venv on Debian), or name another: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
		fi; \
		rm -rf $(VENV); "$$found" -m venv $(VENV); \
	fi; \
	echo "setup: installing into $(VENV); this takes a few minutes the first time"; \
	$(BIN)/python -m pip install $$([ -t 1 ] || echo --quiet) --disable-pip-version-check -c constraints.txt -e '.[test]'; \
	echo "$$sum" > $@

# The peers that we are measured against are installed with the first `make bench`, beside what stands already.
$(BENCH_STAMP): $(STAMP)
	@set -eu; \
	echo "bench: installing what we are measured against into $(VENV)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench,test]'; \
	cp $(STAMP) $@
