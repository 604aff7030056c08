"""The tables made of tests and of first calls."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    before = dict(os.environ)
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    os.environ.clear()
    os.environ.update(before)


def rows_of(zs):
    return [{"test": f"tests/a.py::t{i}", "name": "n", "z": float(z)} for i, z in enumerate(zs)]


def test_summary_of_normal_z_and_of_errors_overestimated_twofold():
    from benchmarks.monte_carlo.oracles import SUSPICIOUS, said_summary, summary

    zs = np.random.default_rng(3).normal(size=400)
    good = summary(rows_of(zs))
    assert good["z"]["largest"] == zs[np.argmax(abs(zs))]
    assert good["z"]["beyond_2"] == (abs(zs) > 2).sum()
    assert good["z"]["ks_p"] > 0.01
    bad = summary(rows_of(zs / 2))
    assert bad["z"]["ks_p"] < SUSPICIOUS
    assert any("DO NOT LOOK standard normal" in line for line in said_summary(bad))


def test_summary_of_p_and_of_bounds():
    from benchmarks.monte_carlo.oracles import summary

    rows = [
        {"test": "a", "name": "p", "p": 0.02},
        {"test": "a", "name": "q", "p": 0.6},
        {"test": "b", "name": "e", "error": -3e-13, "bound": 1e-12},
        {"test": "b", "name": "exact", "error": 0.0, "bound": 0.0},
    ]
    found = summary(rows)
    assert found["comparisons"] == 4
    assert found["tests"] == 2
    assert found["p"]["smallest"] == 0.02
    assert found["error"]["largest_share_of_bound"] == pytest.approx(0.3)


PASSING = """
def test_one(oracle):
    for z in (0.5, -1.5):
        oracle("a mean", z=z)
    oracle("a histogram", p=0.3)
"""
FAILING = (
    PASSING
    + """
def test_two(oracle):
    oracle("far away", z=5.0)
"""
)


@pytest.mark.parametrize(("source", "status"), [(PASSING, 0), (FAILING, 1)])
def test_table_of_a_folder_of_tests(tmp_path, monkeypatch, source, status):
    from benchmarks.monte_carlo import oracles

    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_made_up.py").write_text(source)
    out = tmp_path / "table.md"
    arguments = ["oracles", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    assert oracles.main() == status
    content = json.loads(out.with_suffix(".json").read_text())
    assert [row.get("z") for row in content["rows"]][:3] == [0.5, -1.5, None]
    assert "| test_one | a mean | z = -1.50 | abs(z) < 4 |" in out.read_text()
    # the failure stands in the table too
    assert ("z = +5.00" in out.read_text()) == bool(status)


def test_no_comparison_is_a_failure(tmp_path, monkeypatch):
    from benchmarks.monte_carlo import oracles

    (tmp_path / "test_made_up.py").write_text("def test_one():\n    pass\n")
    monkeypatch.setattr("sys.argv", ["oracles", str(tmp_path), "--out", str(tmp_path / "t.md")])
    assert oracles.main() == 1
    assert not (tmp_path / "t.md").exists()


KERNELS = """
import numba

@numba.njit(cache=True)
def helper(x):
    return 2 * x

@numba.njit(cache=True)
def outer(x):
    return helper(x) + 1
"""


def test_first_call_counts_kernels_once_and_sees_the_cache(tmp_path):
    from benchmarks.monte_carlo import first_call

    (tmp_path / "made_up.py").write_text(KERNELS)
    statement = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport made_up; made_up.outer(3)"
    )
    found = first_call.measure(statement, rounds=1)
    # the helper's seconds are within those of the kernel that was called
    assert list(found["kernels"]) == ["made_up.outer"]
    assert 0 < found["kernels"]["made_up.outer"] < found["cold_s"]
    assert found["start_up_s"] > 0
    assert found["recompiled"] == []
    # which is shorter is the machine's affair: only the parts of one process bound each other
    assert min(found["import_numba_s"], found["warm_s"]) > 0
    uncached = first_call.measure("import numba\nnumba.njit(lambda x: x + 1)(1)", rounds=1)
    assert uncached["recompiled"] == ["first_call.<lambda>"]
    assert first_call.verdict(uncached)[1] is False


def test_a_statement_that_fails_says_so(tmp_path):
    from benchmarks.monte_carlo import first_call

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        first_call.child("1 / 0", tmp_path, watch=False)
