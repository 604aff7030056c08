"""Every function with kernels has a first call, and it runs."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

from physlearn import doctor
from physlearn.first_calls import FIRST_CALLS

ROOT = Path(__file__).resolve().parents[2]


@cache  # each runs once, whichever test comes first
def run(name):
    FIRST_CALLS[name]()
    return True


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_first_call_runs(name):
    assert run(name)


def test_every_first_call_is_warmed_in_just_one_part():
    names = [name for part in doctor._parts() for name in part]
    assert sorted(names) == sorted([doctor.DEMO, *FIRST_CALLS])


DECORATORS = {"kernel", "summing_kernel"}


def kernels_of(path):
    """Names of the functions of a file that stand under a decorator of compiled kernels."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and DECORATORS & {
            getattr(decorator, "id", "") for decorator in node.decorator_list
        }:
            yield node.name


def module_of(path):
    return ".".join(("physlearn", *path.relative_to(ROOT).with_suffix("").parts))


def kernels_called_from_python(folders):
    """Module and name of every kernel that a file without kernels imports."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    known = {module_of(path): set(kernels_of(path)) for path in files}
    for path in files:
        if known[module_of(path)]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in known:
                called = known[node.module] & {alias.name for alias in node.names}
                yield from ((node.module, name) for name in sorted(called))


def test_first_calls_reach_every_kernel():
    for name in FIRST_CALLS:
        run(name)
    found = list(kernels_called_from_python(("lattice_models", "inference")))
    assert found
    missed = [
        f"{module}.{name}"
        for module, name in found
        if not getattr(importlib.import_module(module), name).signatures
    ]
    assert not missed, (
        f"no first call reaches {', '.join(missed)}: add a tiny call of the public function to "
        "FIRST_CALLS in physlearn/first_calls.py, or its first user waits for the compiler"
    )


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
