"""Lazy names: cheap, complete, and never hidden by a module of the same name."""

import subprocess
import sys

import pytest

import physlearn


def test_function_wins_over_the_module_of_its_name():
    code = (
        "import physlearn.datasets.find_atoms\n"
        "from physlearn.datasets.find_atoms import FindAtomsOptions\n"
        "from physlearn.datasets import find_atoms\n"
        "import physlearn.datasets as d\n"
        "assert callable(find_atoms) and callable(d.find_atoms)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'coupling'"):
        physlearn.coupling  # noqa: B018


def test_submodules_stay_reachable():
    import physlearn.records

    assert physlearn.records.SiteGraph is physlearn.SiteGraph
