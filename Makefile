# Each target sets up what it needs: the environment in .venv from the pinned lock, and for tests the system's programs.
#   make demo                      the whole loop on this machine, with a page to try it in
#   make demo ARGS="--headless"    the loop once, without a page; ends with exit code 0 or not
#   make test                      every check and test; TESTS="tests/core -k store" runs some of them
#   make soak                      what takes hours: thousands of kills, a hundred thousand events, an hour of intake
.DEFAULT_GOAL := help
.PHONY: help environment demo test soak check format bench docs lock clean

PYTHON ?= $(shell sh tools/find_python.sh)
ARGS ?=
TESTS ?=
WORKERS ?= 2
LOCK := requirements/demo-cpu.txt
STAMP := .venv/thumbtune-lock.sha256
BIN := .venv/bin
TOOLED := thumbtune tests tools benchmarks

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'check, format, bench, docs, lock and clean do what their names say.'

$(STAMP): $(LOCK) pyproject.toml tools/environment.py
	@test -n '$(PYTHON)'
	@'$(PYTHON)' tools/environment.py --environment .venv --lock $(LOCK)

environment: $(STAMP)

demo: $(STAMP)
	@$(BIN)/python -m thumbtune.cli.main demo $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check $(TOOLED)
	$(BIN)/ruff check $(TOOLED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_docs.py --check

format: $(STAMP)
	$(BIN)/ruff check --fix $(TOOLED)
	$(BIN)/ruff format $(TOOLED)

test: check
	@$(BIN)/python tools/system_packages.py
	@$(BIN)/python tools/peers.py || true  # the tests that need it say why it is missing
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations 25 --durations-min 5 $(TESTS)

soak: $(STAMP)
	@$(BIN)/python tools/system_packages.py
	$(BIN)/python -m pytest -m soak -s $(TESTS)
	$(if $(TESTS),,$(BIN)/python -m benchmarks.intake --rate 30 --seconds 3600)

bench: $(STAMP)
	@$(if $(ARGS),$(BIN)/python -m benchmarks.$(ARGS),grep -m 1 -H '"""' benchmarks/[!_]*.py)

docs: $(STAMP)
	$(BIN)/python tools/generate_docs.py

lock: $(STAMP)
	$(BIN)/python tools/lock.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
