"""The page of benchmarks is what the results say; the small versions leave them alone."""

import json
from pathlib import Path

import pytest

RESULTS = """# A benchmark

Made by hand.

## Speeds

| what | measured | goal | |
|---|---|---|---|
| first | 1 | 2 | met |
|  | 3 | 2 | MISSED |
"""


@pytest.fixture
def gathered(tmp_path):
    from benchmarks import gather

    (tmp_path / "atoms.md").write_text(RESULTS)
    (tmp_path / "atoms.json").write_text(json.dumps({"cases": {}, "surroundings": {}}))
    return gather, gather.page(tmp_path)


def test_goals_are_counted_and_missed_rows_repeated(gathered):
    _, page = gathered
    assert "| Speeds | 2 | 1 | 1 |" in page
    assert "| first | 3 | 2 | MISSED |" in page  # an empty first cell is that of the row above
    assert "| first | 1 | 2 | met |" not in page


def test_what_a_result_does_not_hold_is_said(gathered):
    _, page = gathered
    assert "| machine | not recorded |" in page
    assert "| date, revision | not recorded, not recorded |" in page


def test_the_page_is_what_the_results_say():
    from benchmarks.gather import PAGE, page

    assert PAGE.read_text() == page(), "run python -m benchmarks.gather"


def test_small_versions_name_benchmarks_and_cases_that_exist():
    from benchmarks.quick import SMALL, TOTAL_SECONDS

    root = Path(__file__).resolve().parents[2] / "benchmarks"
    assert sum(small.seconds for small in SMALL) <= TOTAL_SECONDS
    for small in SMALL:
        inside = root / small.name
        assert inside.is_dir() or (root / "monte_carlo" / f"{small.name}.py").is_file()
