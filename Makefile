# `make` alone lists what there is. Each target makes what it needs; Python 3.11 or later must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := $(shell node --version 2>/dev/null | grep -E '^v(20\.(19|[2-9][0-9])|2[2-9]|[3-9][0-9])')
EXTRAS := dev,docker,notebook$(if $(NODE),,$(,)page)
CASES ?= ../shared/conformance
, := ,

.DEFAULT_GOAL := help
.PHONY: help env page lab demo test check conformance fidelity bench docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made: pyproject.toml constraints.txt hatch_build.py simulator/envoy_api/extract.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]' && touch $@

env: $(VENV)/.made ## make the environment (.venv)

page: env ## build the page of the browser lab
	@$(BIN)/python -m labs.server.build_page

lab: page ## open the first lab in a browser
	@$(BIN)/meshdojo serve --open

demo: env ## translate, simulate, run, compare and grade one lab
	@$(BIN)/meshdojo demo

test: page ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: env ## types, style and arrows
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache && $(BIN)/mypy

conformance: env ## run third-party cases: make conformance [CASES=FOLDER]
	@$(BIN)/python -m tests.conformance.run $(CASES)

fidelity: env ## compare the simulator with real Envoys
	@$(BIN)/meshdojo fidelity

bench: env ## measure the published benchmarks
	@$(BIN)/meshdojo bench

docs: env ## make the generated pages and schemas again
	@$(BIN)/python -m tests.support.generated
