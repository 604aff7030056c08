"""The calibration ledger: no estimator is forgotten, and its table and marks say what was run."""

import json
from pathlib import Path

import numpy as np
import pytest

from physlearn.calibration_marks import MARKS, Mark, uncalibrated

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def benchmarks_are_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def rows():
    from benchmarks.ledger.rows import ROWS

    return ROWS


def stored(row_id, held, n, probe="", variables=("rate",)):
    low, high = held / n - 0.05, held / n + 0.05
    return {
        "id": row_id, "function": "inference.fit_hop_rates", "prior": "flat", "probe": probe,
        "goal": n, "replicates": n, "finished": n, "refused": 0, "failed": 0, "flagged": 3,
        "likelihood": "counts",
        "variables": [
            {
                "name": name, "n": n, "held90": held, "cov90": held / n, "low": low, "high": high,
                "p90": 1e-9 if held < 0.85 * n else 0.5, "p_ranks": 0.4, "z_sd": 1.0,
            }
            for name in variables
        ],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name, held, probe in (("a/good", 180, ""), ("a/bad", 120, ""), ("a/good~x", 40, "wrong")):
        row = stored(name, held, 200, probe)
        (tmp_path / f"{name.replace('/', '_')}.json").write_text(json.dumps(row))
    return tmp_path


def test_every_answer_with_an_uncertainty_is_a_row_or_exempt_with_a_reason(rows):
    from benchmarks.ledger.answers import answers
    from benchmarks.ledger.exempt import EXEMPT

    found, with_row = set(answers()), {row.function for row in rows.values()}
    assert len(found) > 100
    assert not found - with_row - set(EXEMPT), "needs a row in benchmarks/ledger, or a reason"
    assert not set(EXEMPT) & with_row
    assert all(len(reason) > 10 for reason in EXEMPT.values())


def test_the_functions_of_rows_and_exemptions_exist(rows):
    import importlib

    from benchmarks.ledger.exempt import EXEMPT

    for dotted in {*EXEMPT, *(row.function for row in rows.values())}:
        package, name = dotted.split(".")
        assert hasattr(importlib.import_module(f"physlearn.{package}"), name), dotted


def test_every_probe_has_its_row_and_names_are_names_of_files(rows):
    files = [row.file for row in rows.values()]
    assert len(set(files)) == len(files)
    for row in rows.values():
        assert ("~" in row.id) == bool(row.probe)
        assert row.id.split("~")[0] in rows


def test_stored_rows_are_those_of_today(rows):
    from benchmarks.ledger.runs import LEDGER

    for path in LEDGER.glob("*.json"):
        held = json.loads(path.read_text())
        assert held["id"] in rows, f"{path.name} is of a row that is gone"
        assert held["function"] == rows[held["id"]].function


def test_a_small_row_runs_is_kept_and_goes_on(tmp_path, rows):
    from benchmarks.ledger.runs import batch_path, next_batch, run_row

    row = rows["plan/noise"]
    said = run_row(row, tmp_path / "work", next_batch(row, tmp_path / "work", 40), None, tmp_path)
    content = json.loads((tmp_path / f"{row.file}.json").read_text())
    assert said.startswith("plan/noise: 40 of 200"), said
    assert content["finished"] == 40
    # 4 sigma of 40 binomial trials
    assert abs(content["variables"][0]["cov90"] - 0.9) < 4 * np.sqrt(0.09 / 40)
    assert batch_path(row, tmp_path / "work", 0).exists()
    assert next_batch(row, tmp_path / "work", 40) is None


def test_a_batch_cut_short_by_a_smaller_goal_is_filled_up(tmp_path, rows):
    from benchmarks.ledger.runs import is_done, next_batch, run_row

    row, work = rows["plan/noise"], tmp_path / "work"
    run_row(row, work, next_batch(row, work, 12), None, tmp_path)
    assert next_batch(row, work, 12) is None
    assert next_batch(row, work, 30) == (0, 30)
    run_row(row, work, (0, 30), None, tmp_path)
    assert is_done(row, tmp_path, 30)
    assert not is_done(row, tmp_path, 31)


def test_a_stored_result_with_more_replicates_stays(tmp_path, rows):
    from benchmarks.ledger.runs import run_row

    row = rows["plan/noise"]
    run_row(row, tmp_path / "one", (0, 30), None, tmp_path)
    before = (tmp_path / f"{row.file}.json").read_text()
    said = run_row(row, tmp_path / "two", (0, 10), None, tmp_path)
    assert said.endswith("the stored result has more")
    assert (tmp_path / f"{row.file}.json").read_text() == before


@pytest.mark.parametrize("row_id", ["births/counts", "causes/physical", "drive/linear"])
def test_cheap_rows_are_in_their_bands(tmp_path, rows, row_id):
    from benchmarks.ledger.runs import run_row

    row = rows[row_id]
    run_row(row, tmp_path / "work", (0, 30), None, tmp_path)
    content = json.loads((tmp_path / f"{row.file}.json").read_text())
    for one in content["variables"]:
        assert one["p90"] > 6e-5, one  # 4 sigma
        assert one["p_ranks"] > 6e-5, one


def test_processes_give_what_one_gives(tmp_path, rows):
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.ledger.runs import run_row

    row, answers = rows["plan/noise"], []
    with ThreadPoolExecutor(2) as pool:
        for name, executor in (("one", None), ("two", pool)):
            run_row(row, tmp_path / name, (0, 30), executor, tmp_path / name)
            content = json.loads((tmp_path / name / f"{row.file}.json").read_text())
            answers.append(content["variables"])
    assert answers[0] == answers[1]


def test_what_is_outside_its_band_is_marked(folder, tmp_path):
    from benchmarks.ledger import tables

    found = tables.entries(folder, tmp_path / "absent.json")
    assert [row["id"] for row in found if not row["probe"] and tables.is_outside(row)] == ["a/bad"]
    text = tables.page_text(found)
    assert "1 outside their band. Outside: `a/bad`" in text
    assert "| `a/good` | wrong | 200 | 3 (2%; without 2%) | 0 (0%) | 0 | rate 0.20 (0.90) |" in text
    module = tmp_path / "marks.py"
    module.write_text("head\n# made by python -m benchmarks.ledger\nold")
    tables.write_marks(folder, module)
    written = module.read_text()
    assert written.startswith("head\n")
    assert "row='a/bad'" in written
    assert "a/good" not in written


def test_the_page_says_what_is_stored():
    from benchmarks.ledger import tables
    from benchmarks.ledger.runs import LEDGER

    page = tables.PAGE.read_text()
    assert tables.page_text(tables.entries(LEDGER), tables.absent_rows(LEDGER)) in page


def test_the_package_marks_what_the_ledger_found():
    from benchmarks.ledger import tables
    from benchmarks.ledger.runs import LEDGER

    assert [Mark(**one) for one in tables.marks(tables.entries(LEDGER))] == list(MARKS)


def test_a_mark_is_told_by_the_likelihood_or_by_the_function():
    mark = Mark("a/b", "inference.fit_a", "rate[1]", "counts", 0.78, 200)
    said = "uncalibrated: cov90 .78 of 200 (a/b)"
    assert uncalibrated("rate[2]", likelihood="counts", marks=(mark,)) == said
    assert uncalibrated("rate", function="inference.fit_a", marks=(mark,)) == said
    assert uncalibrated("drift", likelihood="counts", marks=(mark,)) == ""
    assert uncalibrated("rate", likelihood="tracks", marks=(mark,)) == ""
