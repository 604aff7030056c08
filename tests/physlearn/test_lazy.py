"""Lazy names: cheap, complete, and never hidden by a module of the same name."""

import subprocess
import sys
import types

import pytest

import physlearn


def test_function_wins_over_the_module_of_its_name():
    from physlearn import datasets

    # Python binds an imported submodule to its name in the package
    datasets.find_atoms = types.ModuleType("physlearn.datasets.find_atoms")
    assert callable(datasets.find_atoms)
    datasets.no_public_name = types.ModuleType("physlearn.datasets.no_public_name")
    assert isinstance(datasets.no_public_name, types.ModuleType)
    del datasets.no_public_name


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'coupling'"):
        physlearn.coupling  # noqa: B018


def test_submodules_stay_reachable():
    import physlearn.records

    assert physlearn.records.SiteGraph is physlearn.SiteGraph


def test_folders_are_reached_by_a_dot():
    code = (
        "import physlearn\n"
        "assert physlearn.lattice_models.square_lattice((2, 2)).n_sites == 4\n"
        "assert 'list' in dir(physlearn.datasets.registry)\n"
        "assert {'causal', 'datasets', 'inference', 'plots'} <= set(dir(physlearn))\n"
        "assert 'attach' not in dir(physlearn)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_slip_of_the_pen_is_answered_with_the_name():
    with pytest.raises(AttributeError, match="did you mean 'simulate_lattice'"):
        physlearn.lattice_models.simulate_latice  # noqa: B018
