# One verb for each thing a contributor does; `make check` is what CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

PYTHON ?= python3
# Where the virtualenvs live, and the programs in them.
VENV := .venv
BIN := $(VENV)/bin
CODEGEN := .venv-codegen
PIP_INSTALL := -m pip install --disable-pip-version-check --quiet --require-hashes

# More words for pytest, as in `make test ARGS='-k cascade -x'`.
ARGS ?=
# What buf compares the contract with; empty means the main branch.
AGAINST ?=
SOURCES := client/python server tests tools

.PHONY: help
help: ## List the verbs
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up --------------------------------------------------------------------------------------
# A stamp names the interpreter and the lock that filled the virtualenv; nothing is done twice.

.PHONY: setup
setup: $(VENV)/.stamp ## Create .venv from the lock file (asks nothing, repeats nothing)

$(VENV)/.stamp: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tierwise needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which one to use: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -r requirements/dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(CODEGEN)/.stamp: requirements/codegen.txt
	$(PYTHON) -m venv $(CODEGEN)
	$(CODEGEN)/bin/python $(PIP_INSTALL) -r requirements/codegen.txt
	@touch $@

.PHONY: lock
lock: $(CODEGEN)/.stamp ## Refresh the hashed locks in requirements/ (ARGS=--upgrade for newer versions)
	tools/lock.sh $(CODEGEN)/bin/uv $(ARGS)

# --- use -----------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Play four tasks through server and client against the bundled simulator
	$(BIN)/tierwise demo

.PHONY: test
test: setup ## Run every test (ARGS='-k name -x' goes to pytest)
	$(BIN)/python -m pytest $(ARGS)

.PHONY: seeded-bugs
seeded-bugs: setup ## Put in one bug at a time and see its test catch it; writes build/seeded-bugs.json
	$(BIN)/python -m tests.fault.run_seeded $(ARGS)

.PHONY: coverage
coverage: setup ## Run every test and print what none of them reaches
	$(BIN)/python -m pytest --cov --cov-report=term-missing $(ARGS)

.PHONY: bench
bench: setup ## Measure the core paths; writes build/bench/core.json
	$(BIN)/python -m tests.bench.core $(ARGS)

.PHONY: bench-overload
bench-overload: setup ## Measure what three times too much load does; writes build/bench/overload.json
	$(BIN)/python -m tests.bench.overload

.PHONY: bench-routing
bench-routing: setup ## Measure routing on recorded outcomes (TIERWISE_BENCH_DATA names their folder)
	$(BIN)/python -m tests.bench.routing

.PHONY: fault-wall
fault-wall: setup ## Play the whole fault wall; writes docs/fault-wall.md and build/fault-wall.json (ARGS='--gateway URL': another one)
	$(BIN)/python -m tests.fault.wall $(ARGS)

.PHONY: soak
soak: setup ## Run a server for an hour under faults and leaving callers, and watch its memory (ARGS='--seconds N'); writes build/soak.json
	$(BIN)/python -m tests.fault.soak $(ARGS)

.PHONY: fuzz
fuzz: setup ## Send 100,000 broken requests and 100,000 broken streams; keeps in build/fuzz what fails
	$(BIN)/python -m tests.fault.wall --only F33 'mutated streams'

# --- write ---------------------------------------------------------------------------------------

# One target for each language; one whose toolchain is missing says so, and fails in CI only.
.PHONY: generate
generate: generate-python generate-go generate-java generate-typescript ## Rewrite generated code: from proto/, and the sync client from the async one

.PHONY: generate-python
generate-python: setup $(CODEGEN)/.stamp
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" buf generate
	$(BIN)/python tools/unasync_client.py

.PHONY: generate-go
generate-go: $(CODEGEN)/.stamp
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" tools/generate_go.sh

.PHONY: generate-java
generate-java: $(CODEGEN)/.stamp
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" tools/generate_java.sh

.PHONY: generate-typescript
generate-typescript: $(CODEGEN)/.stamp
	PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" tools/generate_typescript.sh

.PHONY: format
format: setup $(CODEGEN)/.stamp ## Format Python and proto, and sort imports
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format --quiet .
	$(CODEGEN)/bin/buf format --write

# --- check ---------------------------------------------------------------------------------------

.PHONY: check
check: check-code check-clients ## Everything that decides a change; CI runs this
	$(MAKE) test

.PHONY: check-code
check-code: format-check lint types imports proto generate-check ## All of check but the tests

# One target for each language but Python; one whose toolchain is missing says so, and fails in CI only.
.PHONY: check-clients
check-clients: check-go check-java check-typescript ## Check and test the clients in other languages with their own tools

.PHONY: check-go
check-go:
	tools/check_go.sh

.PHONY: check-java
check-java:
	tools/check_java.sh

.PHONY: check-typescript
check-typescript:
	tools/check_typescript.sh

.PHONY: interop
interop: setup ## Play tests/cases through the client of every language; writes build/interop.json and the table in client/README.md
	$(BIN)/python -m pytest tests/interop/suite_*.py $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.interop.page)

.PHONY: format-check
format-check: setup
	$(BIN)/ruff format --check --diff .

.PHONY: lint
lint: setup ## Lint Python
	$(BIN)/ruff check .

.PHONY: types
types: setup ## Type-check Python (strict)
	$(BIN)/mypy

.PHONY: imports
imports: setup ## Check who imports whom
	$(BIN)/lint-imports --cache-dir build/import-linter

.PHONY: proto
proto: $(CODEGEN)/.stamp ## Lint and format-check the contract; fail on a breaking change
	$(CODEGEN)/bin/buf lint
	$(CODEGEN)/bin/buf format --diff --exit-code
	tools/buf_breaking.sh $(CODEGEN)/bin/buf $(AGAINST)

.PHONY: generate-check
generate-check: ## Regenerate and fail if that changes a file
	tools/generate_check.sh $(MAKE)

.PHONY: client-alone
client-alone: setup ## Use the client from a wheel without extras, on its oldest dependencies
	tools/client_alone.sh $(PYTHON)

.PHONY: clean
clean: ## Remove virtualenvs, caches and what builds wrote
	rm -rf $(VENV) $(CODEGEN) build dist client/java/target tests/interop/drivers/java/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
	find client server tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
