# make demo, make test: everything from a machine with Python 3.11+, make and the package registry.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: audit sbom fuzz help setup demo lessons papers test tests one style lint types calibrate bench peers oracles figures wheel wheel-check \
	lock test-minimum changelog clean docs bench-quick

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 24

setup: ## make or refresh .venv with the locked packages
	@$(PYTHON) tools/setup

demo: setup ## the whole path on embedded data; writes physlearn-demo/report.html
	@$(BIN)/physlearn demo --out physlearn-demo

lessons: setup ## open the notebooks of papers/ in a browser
	@$(BIN)/python -m pip install --quiet -c constraints.txt 'jupyterlab>=4'
	@$(BIN)/jupyter lab papers

papers: setup ## run the notebooks of papers/, store their outputs, times and table
	@$(BIN)/python papers/run.py
	@$(BIN)/python papers/run.py --fast

test: style ## lint, types, tests and examples (set-up included); types are checked beside the tests
	@$(MAKE) --no-print-directory -j 2 types tests

tests: setup ## tests and examples alone
	@MAKEFLAGS= $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

one: setup ## a part of the tests: make one T="tests/test_docstrings.py -k find_atoms"
	@$(BIN)/pytest $(if $(T),$(T),$(error name the tests: make one T=tests/test_readme.py))

style: setup ## style alone
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .

lint: style types ## style and types

types: setup ## types alone: the folders are linked together as the package that mypy reads
	@tools/links && $(BIN)/mypy

calibrate: setup ## the calibration ledger of every estimator (hours; goes on where it stopped), the slow studies
	@$(BIN)/python -m benchmarks.ledger --executor processes
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
	@$(BIN)/python -m benchmarks.lattice_hamiltonians
	@$(BIN)/python -m benchmarks.gather
	@$(BIN)/python docs/tables.py

bench-quick: setup ## every benchmark in small, ten minutes at most: kernels beside C and the stored figures
	@$(BIN)/python -m benchmarks.quick

docs: setup ## the pages as a site: docs/_build/html/index.html
	@$(BIN)/python -m sphinx -b html -W --keep-going -n docs docs/_build/html

oracles: setup ## every sampler against answers that aren't ours: one table
	@$(BIN)/python -m benchmarks.monte_carlo.oracles

figures: setup ## the figures and tables of docs/
	@$(BIN)/python docs/figures.py

wheel: setup ## build dist/*.tar.gz, and dist/*.whl from it
	@tools/tag_check && $(BIN)/python -m build --no-isolation

wheel-check: setup ## install the wheel alone into an empty environment and run the demo there (minutes)
	@$(BIN)/python tools/wheel_check

sbom: setup ## the list of all packages (CycloneDX): dist/physlearn.cdx.json
	@mkdir -p dist && $(BIN)/python -m pip install --quiet -c constraints.txt 'cyclonedx-bom>=7'
	@$(BIN)/python -m cyclonedx_py environment --output-reproducible --pyproject pyproject.toml \
		-o dist/physlearn.cdx.json && echo dist/physlearn.cdx.json

audit: sbom ## known weaknesses of the installed packages; asks the package index for each of them
	@$(BIN)/python -m pip install --quiet -c constraints.txt 'pip-audit>=2.9'
	@$(BIN)/python -m pip_audit --local --skip-editable --progress-spinner off

fuzz: setup ## damaged files of every format against their readers, resumable; a table at the end
	@$(BIN)/python -m benchmarks.fuzz --n $(if $(N),$(N),10000)

lock: ## resolve the newest joint set anew and write constraints.txt
	@$(PYTHON) tools/lock

test-minimum: ## run the tests against the oldest versions that pyproject.toml admits
	@$(PYTHON) tools/minimum

changelog: setup ## fold changelog.d/ into CHANGELOG.md for a release: make changelog VERSION=0.2.0
	@$(BIN)/towncrier build --version $(if $(VERSION),$(VERSION),$(error name it: VERSION=0.2.0))

clean: ## remove .venv and everything that was built
	@rm -rf .venv .venv-minimum .links build dist *.egg-info physlearn-demo
	@find . -name __pycache__ -prune -exec rm -rf {} +
