# make run    sets up what is missing, then opens the shell (or runs the demo where there is no terminal)
# make test   sets up what is missing, then checks and tests
# Everything lives in .venv; it is rebuilt only when pyproject.toml changes.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PARALLEL := -n auto --dist loadfile  # a file's tests in one process: it has one Prolog engine

.PHONY: run test test-all check bench docs setup clean

run: .venv/.run
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/pilotfish; else $(BIN)/pilotfish shell/scenarios/demo.fish; fi

test: check
	$(BIN)/pytest -m "not slow" $(PARALLEL)

test-all: check
	$(BIN)/pytest $(PARALLEL)

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.dev
	@for benchmark in $(filter-out benchmarks/scotch.py,$(wildcard benchmarks/*.py)); do echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; done

docs: .venv/.dev
	$(BIN)/python -m skb.vocabulary > docs/vocabulary.md
	$(BIN)/python docs/sessions.py

setup: .venv/.dev

.venv/.run: pyproject.toml | prolog
	@$(call install,-e .)
	@touch $@

.venv/.dev: pyproject.toml | prolog
	@$(call install,-e '.[dev]')
	@touch .venv/.run $@

# A virtual environment with the given requirements in it; one line says what is missing where it fails.
define install
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "pilotfish: needs Python 3.11 or later as $(PYTHON); install it, or: make PYTHON=python3.12" >&2; exit 1; }; \
	[ -x $(BIN)/pip ] || { rm -rf .venv; $(PYTHON) -m venv .venv 2>/dev/null; } \
	  || { rm -rf .venv; bash .ci/packages python3-venv && $(PYTHON) -m venv .venv; } \
	  || { echo "pilotfish: $(PYTHON) cannot make a virtual environment; install python3-venv by hand" >&2; exit 1; }; \
	$(BIN)/pip install -qq --disable-pip-version-check $(1) \
	  || { echo "pilotfish: pip could not install the packages that pyproject.toml names; is the network there?" >&2; exit 1; }
endef

.PHONY: prolog
prolog:
	@command -v swipl >/dev/null || bash .ci/packages swi-prolog-nox

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
