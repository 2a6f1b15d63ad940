# make setup | demo | test | check | screenshots | bench | bench-server | soak | clean
# Everything runs in .venv, which is brought up to date when pyproject.toml, constraints.txt or the page's sources change.

PYTHON ?= python3
PIP_FLAGS = --quiet --disable-pip-version-check --no-input
BIN = .venv/bin
STAMP = .venv/.setup-done
PAGE := hatch_build.py $(shell find ui -not -path '*/node_modules*' -not -path '*/dist*' -not -path '*/.v*' -not -name '*.test.ts')

.DEFAULT_GOAL = setup
.PHONY: setup demo test check screenshots bench bench-server soak clean
MAKEFLAGS += --no-print-directory

setup: $(STAMP)
	@:

$(STAMP): pyproject.toml constraints.txt $(PAGE)
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: no $(PYTHON) found; install Python 3.11 or later, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$("$(PYTHON)" -V) is too old; Quaero needs 3.11 or later: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv || { \
	  echo "make: can't make .venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[test,check]'
	@touch $@

demo: setup
	@$(BIN)/python -m quaero.cli.demo

test: setup
	@$(BIN)/pytest

check: setup
	@$(BIN)/ruff format --check --quiet . || { echo "make: not formatted; run $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >.venv/.lint-imports 2>&1 || { cat .venv/.lint-imports >&2; exit 1; }
	@$(BIN)/python -m tests.page_tools tsc --noEmit

screenshots: setup
	@$(BIN)/pytest -q tests/browser/test_every_page.py
	@echo "build/screenshots/ holds a picture of each page, light, dark and narrow"

bench: setup
	@$(BIN)/python benchmarks/engine.py --backend sqlite
	@$(BIN)/python benchmarks/engine.py --backend postgres

bench-server: setup
	@$(BIN)/python benchmarks/server.py

soak: setup
	@$(BIN)/pytest tests -m soak --timeout=0

clean:
	@rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
