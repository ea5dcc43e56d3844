# Every target sets up what it needs: a machine with Python 3.10 to 3.13 and make is enough.
PYTHON ?= python3
VENV := .venv
AUTOGRADER := $(VENV)/bin/autograder

.PHONY: setup demo test lint format bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.10 to 3.13 is needed; $$($(PYTHON) --version) came. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	$(AUTOGRADER) grade examples/csci567_hw3_buggy

test: setup
	$(VENV)/bin/python -m pytest

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: setup
	$(VENV)/bin/python benchmarks/cold_grade.py

clean:
	rm -rf $(VENV)
