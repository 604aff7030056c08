"""What many tests need: public files, where this machine has them."""

import gc
import importlib
import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 -- brings a library of its own: loaded before the limit below
from threadpoolctl import threadpool_limits

from physlearn.datasets import registry

# Workers fill the cores: threads of the linear algebra on top of them would wait for each other, up
# to fifty times as long as one thread works. The variable is for notebooks and commands.
os.environ.setdefault("OMP_NUM_THREADS", "1")
threadpool_limits(limits=1, user_api="blas")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

FRESH_SEEDS = ROOT / "tools" / "fresh_seeds.py"
fresh_seeds = runpy.run_path(str(FRESH_SEEDS))["install"]() if FRESH_SEEDS.is_file() else 0


# Names are guarded when they are first asked for: all of them now, so that no test depends on which
# others came before it
FLOORS = ("lattice_models", "datasets", "inference", "causal")
for package in ("physlearn", *(f"physlearn.{floor}" for floor in FLOORS)):
    for name in (module := importlib.import_module(package)).__all__:
        getattr(module, name)


# Minutes each: begun first, so that no worker is left alone with one of them at the end
LONG_FILES = (
    "tests/test_papers.py",
    "tests/test_docs.py",
    "tests/physlearn/test_study.py",
    "tests/test_docstrings.py",
    "tests/physlearn/test_report_browser.py",
    "tests/robustness/test_files_damaged.py",
    "tests/inference/posteriors/test_pymc_bridge.py",
    "tests/robustness/test_kills.py",
    "tests/inference/posteriors/test_against_exact.py",
    "tests/inference/posteriors/test_against_exact_noise.py",
    "tests/inference/measurement/test_crosstalk.py",
    "tests/inference/lattices/test_lattice_hamiltonian.py",
    "tests/physlearn/test_demo.py",
)


# Ten thousand tests and the libraries never die: looking through them for garbage took a fifth of
# the collection, and again whenever a test had made many objects
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():  # of workers, and of the process that hears of them and collects nothing
    gc.freeze()
    gc.enable()


def pytest_sessionfinish():
    gc.unfreeze()


def pytest_collection_modifyitems(items):
    first = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: first.get(item.path.relative_to(ROOT).as_posix(), len(first)))


def pytest_report_header():
    return f"every seed joined with {fresh_seeds}" if fresh_seeds else None


@pytest.fixture
def public_file(monkeypatch):
    """Return a function that gives a public file's path, or skips where it is absent.

    Tests never download: they read PHYSLEARN_DATA_DIR, or a copy beside the checkout.
    """
    folder = Path(os.environ.get(registry.DATA_DIR_VARIABLE) or SHARED)
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(folder))

    def find(name):
        if not (folder / name).is_file():
            pytest.skip(f"public file {name} is not on this machine; set PHYSLEARN_DATA_DIR")
        return registry.fetch(name)

    return find


SMALLEST_P = 6.3e-5  # two-sided tail beyond four standard deviations
LARGEST_Z = 4.0


@pytest.fixture
def oracle(request):
    """Return a function that compares a figure with its oracle and keeps it for the table.

    ``oracle(name, z=...)`` passes below 4, ``oracle(name, p=...)`` above the same tail,
    ``oracle(name, error=..., bound=...)`` where the error is within the bound. With
    PHYSLEARN_ORACLE_TABLE set, every comparison is appended to that file as a line of JSON.
    """

    def compare(name, *, z=None, p=None, error=None, bound=None):
        given = {"z": z, "p": p, "error": error, "bound": bound}
        row = {key: float(value) for key, value in given.items() if value is not None}
        assert set(row) in ({"z"}, {"p"}, {"error", "bound"}), (
            f"give z, p or error and bound: {row}"
        )
        table = os.environ.get("PHYSLEARN_ORACLE_TABLE")
        if table:
            with Path(table).open("a") as file:
                file.write(json.dumps({"test": request.node.nodeid, "name": name, **row}) + "\n")
        # NaN fails each of these
        if z is not None:
            assert abs(row["z"]) < LARGEST_Z, f"{name}: z = {z:.2f}"
        elif p is not None:
            assert row["p"] > SMALLEST_P, f"{name}: p = {p:.2g}"
        else:
            assert abs(row["error"]) <= row["bound"], f"{name}: error {error:.3g} > {bound:.3g}"

    return compare


LEAST_EXPECTED = 10.0
IMPOSSIBLE = 1e-13


@pytest.fixture
def chi_square_p():
    """Return a function: the p of independent draws, given as codes, against their probabilities.

    Codes run from 0. From the rarest on they are pooled until a group is expected 10 times; a code
    that is impossible and was seen gives p = 0.
    """
    from scipy import stats

    def p_of(codes, probabilities):
        probabilities = np.asarray(probabilities, float)
        assert abs(probabilities.sum() - 1.0) < 1e-9
        counts = np.bincount(np.asarray(codes).ravel(), minlength=len(probabilities))
        possible = probabilities > IMPOSSIBLE
        if counts[len(probabilities) :].any() or counts[: len(probabilities)][~possible].any():
            return 0.0
        observed, expected, seen, due = [], [], 0, 0.0
        for code in np.argsort(probabilities):
            seen += counts[code]
            due += probabilities[code] * counts.sum()
            if due >= LEAST_EXPECTED:
                observed.append(seen)
                expected.append(due)
                seen, due = 0, 0.0
        assert len(expected) > 1, "too few draws for two groups"
        observed[-1] += seen  # what is left joins the last group
        expected[-1] += due
        return stats.chisquare(observed, np.array(expected) / sum(expected) * sum(observed)).pvalue

    return p_of


@pytest.fixture
def blocked_z():
    """Return a function: z of the mean of a long series, its error from the means of its blocks."""

    def z_of(series, exact, n_blocks=32):
        blocks = np.asarray(series, float).reshape(n_blocks, -1).mean(axis=1)
        return (blocks.mean() - exact) / (blocks.std(ddof=1) / np.sqrt(n_blocks))

    return z_of
