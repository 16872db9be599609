# Two commands: `make demo` opens napari on the sample study; `make test` checks everything.
# Both make the virtual environment in .venv first, where it is missing or out of date.

BIN := .venv/bin
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); echo $$((n < 4 ? n : 4)))
PYTEST_ARGS ?=

.PHONY: help demo test lint docs install clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   napari on the sample study, with a detection run"
	@echo "make test   lint, types, layers and the whole test suite"
	@echo "make lint   ruff, mypy and import-linter"
	@echo "make docs   the documentation, into site/"
	@echo "make clean  remove .venv and everything that was built"

demo: .venv/.installed
	@.ci/debian-packages
	$(BIN)/medad demo

# Several processes of one thread each; WORKERS=0 is one process, as for a debugger.
test: export OMP_NUM_THREADS = 1
test: export MKL_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: lint
	.ci/with-display $(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: .venv/.installed

.venv/.installed: pyproject.toml
	.ci/make-venv
	$(BIN)/python -m pip install --editable ".[all,dev,docs]"
	@touch $@

clean:
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache lightning_logs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
