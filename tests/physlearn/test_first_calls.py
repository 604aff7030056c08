"""Every function with kernels has a first call, and it runs."""

import ast
import importlib
from pathlib import Path

import pytest

from physlearn.first_calls import FIRST_CALLS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_first_call_runs(name):
    FIRST_CALLS[name]()


def kernels_called_from_python():
    """Module and name of every kernel that a module other than a kernel file imports."""
    files = [*(ROOT / "lattice_models").rglob("*.py"), *(ROOT / "inference").rglob("*.py")]
    for path in sorted(files):
        if path.stem.endswith("_kernels"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_kernels"):
                yield from ((node.module, alias.name) for alias in node.names)


def test_first_calls_reach_every_kernel():
    for call in FIRST_CALLS.values():
        call()
    missed = set()
    for module, name in kernels_called_from_python():
        found = getattr(importlib.import_module(module), name)
        if hasattr(found, "signatures") and not found.signatures:
            missed.add(f"{module}.{name}")
    assert missed == set()


def test_every_simulation_has_a_first_call():
    tree = ast.parse((ROOT / "lattice_models" / "__init__.py").read_text())
    names = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    simulations = {
        str(name)
        for name in names
        if str(name).startswith(("simulate_", "sample_", "temper_")) and "history" not in str(name)
    }
    source = (ROOT / "physlearn" / "first_calls.py").read_text()
    assert simulations
    assert {name for name in simulations if name not in source} == set()
