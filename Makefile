# `make demo` and `make test` set everything up by themselves in .venv (Python 3.11+, network for the first run only).
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
CODE := src tests tools recipes benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo test fmt lint type imports pytest bench docs lock clean

help: ## print the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/.uv:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	touch $@

.venv/.core: .venv/.uv requirements/core.txt requirements/build.txt pyproject.toml
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/core.txt -r requirements/build.txt
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv/.dev: .venv/.core requirements/dev.txt
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.txt
	touch $@

demo: .venv/.core ## analyze the bundled sample campaign and say where the report is
	$(BIN)/postlens demo --out postlens-demo

test: .venv/.dev lint type imports pytest ## lint, types, import contracts and the test suite

fmt: .venv/.dev ## format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lint: .venv/.dev ## check style and formatting
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

type: .venv/.dev ## check types
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

pytest: .venv/.dev
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: .venv/.dev ## measure speed and memory, writing benchmarks/results/
	$(BIN)/python benchmarks/speed.py

docs: .venv/.core ## regenerate the generated pages (CLI reference)
	$(BIN)/python tools/build_docs.py

lock: .venv/.uv ## pin the dependencies again
	tools/lock.sh

clean: ## remove the environment, caches and demo output
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build postlens-demo
