"""Every function with kernels has a first call, and it runs."""

import ast
from pathlib import Path

import pytest

from physlearn.first_calls import FIRST_CALLS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_first_call_runs(name):
    FIRST_CALLS[name]()


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
