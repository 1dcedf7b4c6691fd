# Every target makes .venv first where it is missing, so each works in a fresh clone.
#   make demo         train on scikit-learn's handwritten digits, written in MNIST's file format
#   make test         the tests, within 25 minutes on two cores
#   make conformance  all of torch's operator, module and optimizer databases, in every dtype
#   make programs     2,000 random programs of tensors, views and writes, as many about views alone, line by line against torch
#   make bench        speed against hand-written JAX and eager torch; figures go to docs/performance.md
#   make lint         ruff and pyright
#   make format       let ruff fix and format

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that runs and is new enough; version managers leave shims that do neither.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
JOBS ?= 2
ARGS ?=
# Samples an entry in each dtype but a check's own, in which all are run; FURTHER=0: all, too, which takes hours.
FURTHER ?= 20

.PHONY: demo test conformance programs bench lint format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.examples
	$(BIN)/python examples/make_data.py --data data
	$(BIN)/python examples/mnist_mlp.py --data data $(ARGS)

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

conformance: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m torchlike.testing.conformance --processes $(JOBS) --dtype all --further $(FURTHER) --show \
		--expected tests/conformance/expected_failures.txt --json $(VENV)/conformance.json --markdown docs/coverage.md $(ARGS)

programs: $(VENV)/.test
	OMP_NUM_THREADS=1 RANDOM_PROGRAMS=$${RANDOM_PROGRAMS:-2000} $(BIN)/python -m pytest tests/test_random_programs.py $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks --json benchmarks/results.json $(ARGS)
	$(BIN)/python -m benchmarks.report benchmarks/results.json docs/performance.md

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "torchlike needs Python 3.11, 3.12 or 3.13"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp a set of extras: make installs what a target needs, once, and again when pyproject.toml changes.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
