# Each target sets up .venv by itself, with what it needs. PYTHON chooses the interpreter it is made with, INSTALLER uv
# or pip: make dev PYTHON=python3.12 INSTALLER=pip
PYTHON ?= python3
INSTALLER ?= uv
BIN := .venv/bin
INSTALL := PYTHON='$(PYTHON)' INSTALLER='$(INSTALLER)' .ci/install .venv
# The last NumPy for Python 3.10 has older stubs; later Pythons check the types, as Python 3.10 would see them.
MYPY = if [ -x $(BIN)/mypy ]; then $(BIN)/mypy; else echo "mypy is left out on Python 3.10"; fi
PACKAGES := scheduler search_spaces trainers

.DEFAULT_GOAL := help
.PHONY: help demo test check chaos wheel fuzz bench dev clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

# uv leaves it to the first import to compile a module: the processes of the sweep share what one of them compiled.
demo: export PYTHONDONTWRITEBYTECODE :=
demo: .venv/installed-demo  ## Run examples/digits.yaml, print the best configuration, write the page with the learning curves
	@if [ -e sweeps/digits ]; then \
		mv sweeps/digits "sweeps/digits-$$(date +%Y%m%d-%H%M%S)" && echo "The sweep that was in sweeps/digits is kept beside it."; \
	fi
	@$(BIN)/caviar run examples/digits.yaml
	@$(BIN)/caviar report sweeps/digits

test: .venv/installed-dev  ## Run all tests, in three processes: most of them wait for something now and then
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

chaos: .venv/installed-dev  ## Kill processes of real sweeps for forty minutes; SEED=2 takes other moments
	$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --output benchmarks/results/chaos.md

check: .venv/installed-dev .dev/caviar  ## Lint, check the format, the types, the import rules and the wheel's contents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MYPY)
	$(BIN)/pytest -m "not slow" tests/project

bench: .venv/installed-bench  ## Measure the throughput beside Ray Tune's
	$(BIN)/python benchmarks/throughput.py

wheel: .venv/installed-dev  ## Build the wheel in dist, which the nodes of a cluster install
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist

fuzz: .venv/installed-dev  ## Read 100,000 hostile specs, journals and Parquet files
	nice -n 19 $(BIN)/python tests/fuzz/harness.py --report benchmarks/results/fuzzing.md

dev: .venv/installed-dev .dev/caviar  ## Set up .venv, what type checkers need, and the pre-commit hooks
	$(BIN)/pre-commit install

clean:  ## Remove everything that make made, but no sweep
	rm -rf .venv .dev build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(PACKAGES) tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

.venv/installed-demo: pyproject.toml constraints.txt
	@$(INSTALL) --editable '.[report]'
	@touch $@

# What the demo needs is part of it.
.venv/installed-dev: pyproject.toml constraints.txt
	@$(INSTALL) --editable '.[dev]'
	@touch .venv/installed-demo $@

.venv/installed-bench: .venv/installed-dev
	@$(INSTALL) --editable '.[bench]'
	@touch $@

# Type checkers cannot follow the import hook of an editable install; they are pointed at these symlinks instead.
.dev/caviar: Makefile
	@mkdir -p $@
	@for package in $(PACKAGES); do ln -sfn ../../$$package $@/$$package; done
	@touch $@
