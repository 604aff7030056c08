"""The benchmark of big problems: its cases run, its tables say what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = {"cpu_s": 1.0, "wall_s": 2.0, "peak_gib": 0.5, "before_gib": 0.3, "said": "good"}


def test_table_tells_growth_and_failures(tmp_path):
    from benchmarks.scaling.__main__ import BEGIN, END, slope, write_page

    rows = {
        "256": {"size": 256, "count": 100, **ROW},
        "1024": {"size": 1024, "count": 10_000, **ROW, "cpu_s": 100.0},
        "4096": {"size": 4096, "failed": "MemoryError"},
    }
    assert slope(list(rows.values()), "cpu_s") == pytest.approx(1.0)
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}old\n{END}\nbelow\n")
    words = ("processor", "cores", "system", "python", "compiler", "revision", "date")
    about = {"versions": {}, "caches": {}, **dict.fromkeys(words, "said")}
    write_page({"surroundings": about, "cases": {"sample": rows}}, page)
    text = page.read_text()
    assert text.startswith("above\n") and text.endswith("below\n") and "old" not in text
    assert "size to the 1.00" in text
    assert "| 10,000 | 100 | 1e+07 | 0.50 | 0.30 | good |" in text
    assert "failed: MemoryError" in text


def test_a_case_runs_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling.measure", "sample", "128"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    row = json.loads(done.stdout)
    assert row["count"] == 20 * 128**2
    assert 0.0 < row["before_gib"] <= row["peak_gib"] + 0.05 < 10.0


@pytest.mark.parametrize("name", ["pseudolikelihood", "rings", "patches", "independence"])
def test_smallest_sizes_give_sensible_answers(name):
    from benchmarks.scaling.cases import CASES

    case = CASES[name]
    job = case.make(case.sizes[0])
    said = job.check(job.call())
    assert job.count > 0
    wanted = {"pseudolikelihood": "z of h, J", "rings": "rings", "patches": "columns",
              "independence": "unrelated"}  # fmt: skip
    assert wanted[name] in said
