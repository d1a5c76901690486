# The targets that people and CI use. Nothing but Python 3.11+ and make is needed; the rest is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: install run test test-slow test-lowest lint bench lock clean
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Bylaw needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

run: $(STAMP)
	@$(BIN)/python -m bylaw_loadtest.demo $(if $(UPSTREAM),--upstream $(UPSTREAM)) $(if $(MODEL),--model $(MODEL))

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow
	$(MAKE) test-lowest

# The suite against the oldest pluggy and aiohttp that pyproject.toml admits.
test-lowest: $(STAMP)
	$(BIN)/python tests/lowest.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python tests/bench/bench_corridor.py

# Pins everything that `make install` installs, for every supported Python.
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --group dev --no-emit-index-url --no-annotate --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist bylaw-data
