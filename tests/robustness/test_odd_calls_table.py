"""The table of odd calls: counts of several runs are added, the last run of a name counts."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def line(public, *outcomes):
    blank = {"name": public, "argument": "x", "odd": "o", "error": "", "where": ""}
    return json.dumps({"public": public, "outcomes": [blank | {"outcome": o} for o in outcomes]})


def test_runs_are_added_and_the_last_run_of_a_name_counts(tmp_path):
    from benchmarks.odd_calls.table import counted, store, written

    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(
        line("physlearn.inference.a", "raw error", "hang", "result")
        + "\n"
        + line("physlearn.inference.b", "result", "our error", "not made")
        + "\n"
    )
    second.write_text(line("physlearn.inference.a", "our error", "result") + "\n")
    store(counted([first]), "before", tmp_path)
    store(counted([first, second]), "after", tmp_path)
    kept = json.loads((tmp_path / "inference.json").read_text())
    assert kept["before"]["outcomes"] == {"hang": 1, "our error": 1, "raw error": 1, "result": 2}
    assert kept["after"] == {
        "tried": 2, "calls": 4, "outcomes": {"our error": 2, "result": 2}, "findings": [],
    }  # fmt: skip
    (row,) = [one for one in written(tmp_path).splitlines() if "physlearn.inference" in one]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:10] == ["2", "4", "2", "2", "1", "0", "1", "0"]
