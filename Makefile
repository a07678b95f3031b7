# make demo   sets up .venv and runs the classic experiment
# make test   sets up .venv with the test tools and runs every check
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SETUP  := pyproject.toml constraints.txt

.PHONY: demo test lint clean

demo: $(VENV)/.demo
	@$(BIN)/goodinit compare

test: lint
	@$(BIN)/python -m pytest --quiet --numprocesses auto

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "goodinit needs Python 3.11 or later, found " + sys.version.split()[0] + "; run make PYTHON=/path/to/python3.11")'
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(SETUP) | $(VENV)/bin/python
	@echo "Installing goodinit ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(SETUP) | $(VENV)/bin/python
	@echo "Installing goodinit and the test tools ..."
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
