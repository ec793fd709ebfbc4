# Every command of the project. `make` lists them; `make test` is what CI runs.
#
# All that is needed is make and Python 3.11 or later: everything else, Node for pyright
# included, is installed from wheels into .venv. Another Python: make test PYTHON=python3.12

PYTHON  ?= python3
BACKEND ?= local
# How long `make fuzz` takes, and where its chance begins: the same seed, the same calls.
SECONDS ?= 600
SEED    ?= $(shell date +%s)
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The wheel is tried in a second environment that has nothing but the wheel.
CLEAN   := build/wheel-venv

.DEFAULT_GOAL := help
.PHONY: help install test format check-format lint layers mypy pyright pytest docs package \
	fuzz demo bench clean

help: ## List the commands
	@echo "forge_orm: make TARGET [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.dev ## Make .venv with the package, every extra and the tools

test: check-format lint layers mypy pyright pytest docs package ## Check everything, as CI does
	@echo "Everything passed."

format: $(VENV)/.dev ## Rewrite the code as the checks want it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

check-format: $(VENV)/.dev ## Check the layout of the code
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## Check for mistakes and for style
	$(BIN)/ruff check .

layers: $(VENV)/.dev ## Check which module imports which (.importlinter)
	$(BIN)/lint-imports

mypy: $(VENV)/.dev ## Check types with mypy
	$(BIN)/mypy

pyright: $(VENV)/.dev ## Check types with pyright
	$(BIN)/pyright

pytest: $(VENV)/.dev ## Run the tests; the documentation's examples are among them
	$(BIN)/python -m pytest -n 2

fuzz: $(VENV)/.dev ## Send the local Forge calls of every kind; SECONDS=600 SEED=...
	FORGE_ORM_FUZZ_SECONDS=$(SECONDS) FORGE_ORM_FUZZ_SEED=$(SEED) \
		$(BIN)/python -m pytest --durations=0 tests/fuzz

docs: $(VENV)/.dev ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

package: $(VENV)/.dev ## Build the wheel, and use it where nothing else is installed
	rm -rf dist $(CLEAN)
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/python -m zipfile --list dist/forge_orm-*.whl | grep '^forge_orm/py\.typed ' > /dev/null
	$(BIN)/python -m venv $(CLEAN)
	$(CLEAN)/bin/python -m pip --disable-pip-version-check --quiet install dist/forge_orm-*.whl
	$(CLEAN)/bin/python -I .ci/try_wheel.py

demo: $(VENV)/.runtime ## Run the example application; BACKEND=local or http
	$(BIN)/python -m examples.peps --backend $(BACKEND)

bench: $(VENV)/.bench ## Measure, beside SQLAlchemy where the two compare
	$(BIN)/python -m benchmarks

clean: ## Remove everything that these commands made
	rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Three stamps, each on top of the one before: what users run, what developers run, and
# what is measured against. A changed pyproject.toml installs again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(PIP) install --upgrade 'pip>=25.1' # the first that installs dependency groups
	$(PIP) install --editable '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) install --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.runtime
	$(PIP) install --group bench
	@touch $@
