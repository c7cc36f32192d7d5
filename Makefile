# Two commands are all a newcomer needs: `make run` and `make test`. The rest is `make help`.
#
# The environment is .venv. It is filled from the lock files alone (versions and hashes), and again only when they change.

PYTHONS ?= python3.13 python3.12 python3.11 python3.14 python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --extra server --extra cli

.DEFAULT_GOAL := help
.PHONY: help run test lint format types unit contract simulation fuzz integration browser lock bench clean

help:  ## Say what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# For trying Parley: whoever signs up may publish, and every page says so. The server's own default is `verified`.
run: export PARLEY_IDENTITY ?= unverified
run: $(VENV)/.run-ready  ## Start Parley to try it; the first time, also make its environment and its database.
	@$(BIN)/python -m parley_server

test: $(VENV)/.dev-ready  ## Run every check, as CI does; or name suites: make test SUITES="lint unit"
	@$(BIN)/python tests/run.py $(SUITES)

# A suite of its own by its name, as tests/run.py knows it.
lint types unit contract simulation fuzz integration browser: $(VENV)/.dev-ready
	@$(BIN)/python tests/run.py $@

format: $(VENV)/.dev-ready  ## Format the code, and mend what ruff can mend.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev-ready  ## List the benchmarks; each is a program with a method (loadtest/README.md).
	@ls loadtest/*.py

lock: $(VENV)/.dev-ready  ## Lock the newest versions that pyproject.toml allows.
	@$(LOCK) --group build --output-file requirements.lock
	@$(LOCK) --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean:  ## Remove the environment and the caches, not the data.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# `python3.12` may be found and still not run (a version manager's shim), so each candidate is asked, not looked up.
$(VENV)/.made:
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Making $(VENV) with $$($$python --version)"; \
			$$python -m venv --clear $(VENV) && touch $@ && exit 0; \
			exit 1; \
		fi; \
	done; \
	echo "Parley needs Python 3.11 or later with its venv module. Tried: $(PYTHONS)." >&2; \
	echo "On Debian or Ubuntu: apt install python3 python3-venv. Elsewhere: make PYTHONS=/path/to/python3" >&2; \
	exit 1

$(VENV)/.run-ready: $(VENV)/.made requirements.lock pyproject.toml
	@echo "Installing what requirements.lock names"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready requirements-dev.lock
	@echo "Installing what requirements-dev.lock names"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
