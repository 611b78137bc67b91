# Needs Python 3.11 or newer, pip and make.
#   make run                     the dashboard, on http://127.0.0.1:8501
#   make check                   formatter, linter, types, the fast tests: what to run after each change
#   make test                    formatter, linter, types, every test
# PYTHON names another interpreter; PIP_ARGS goes to pip, for instance an index with CPU builds of torch.
PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin/python
INSTALL := $(PYTHON) scripts/install.py

export OMP_NUM_THREADS ?= 1
# Compiled files stay in __pycache__: neither the tests nor the programs that they start compile all anew.
export PYTHONDONTWRITEBYTECODE :=

TYPES := $(BIN) -m mypy --strict compress_core dashboard pages app.py sample_models scripts benchmarks
# A test of a page waits for its server and its browser a twelfth of the time: three workers keep two cores busy.
WORKERS ?= 3
TESTS := $(BIN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: run check test types every-test few-tests bench docs format messages
.DEFAULT_GOAL := run

run:
	@$(INSTALL) run $(PIP_ARGS)
	$(BIN) -m streamlit run app.py

# Of a test with many cases some are run, and few examples are drawn; `make test` runs and draws all.
check: export HYPOTHESIS_PROFILE ?= quick
check: export WORKERS := 2
check:
	@$(INSTALL) dev $(PIP_ARGS)
	$(BIN) -m ruff format --check .
	$(BIN) -m ruff check .
	@$(MAKE) --no-print-directory -j 2 types few-tests

test:
	@$(INSTALL) dev $(PIP_ARGS)
	@$(BIN) scripts/browser.py
	$(BIN) -m ruff format --check .
	$(BIN) -m ruff check .
	@$(MAKE) --no-print-directory -j 2 types every-test

# mypy works with one processor: while it does, the tests need not wait with the other.
types:
	$(TYPES)

few-tests:
	$(TESTS) -q -m "not browser and not slow" --cases 4 --durations=5 --durations-min=1

every-test:
	$(TESTS)

bench:
	@$(INSTALL) dev $(PIP_ARGS)
	$(BIN) -m benchmarks

docs:
	@$(INSTALL) dev $(PIP_ARGS)
	$(BIN) scripts/docs.py
	$(BIN) scripts/readme_figures.py

format:
	@$(INSTALL) dev $(PIP_ARGS)
	$(BIN) -m ruff check --fix-only .
	$(BIN) -m ruff format .

messages:
	@$(INSTALL) dev $(PIP_ARGS)
	$(BIN) scripts/messages.py
