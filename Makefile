# Two commands are all the set-up: `make serve` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test lint bench train-deps lock clean

serve: $(VENV)/.serve  ## run the service on 127.0.0.1:8000
	$(BIN)/sima serve

test: lint  ## everything that CI checks
	$(BIN)/pytest

lint: $(VENV)/.dev  ## formatting, style, import rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev  ## load and search benchmarks on this machine
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.load

train-deps: $(VENV)/.train  ## torch and what else training needs

lock: $(VENV)/.dev  ## pin every dependency with its hashes
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras --extra dev -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	touch $@ $(VENV)/.serve

$(VENV)/.train: $(VENV)/.dev
	$(BIN)/pip install -q --disable-pip-version-check -e .[train]
	touch $@
