"""Public functions called with odd arguments: a result or one of our errors, in bounded time.

A seeded sample of `python -m benchmarks.odd_calls`, which tries every public name.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (
    "physlearn.lattice_models.make_terms",
    "physlearn.lattice_models.square_lattice",
    "physlearn.lattice_models.spin_glass",
    "physlearn.lattice_models.arrhenius_rate_hz",
    "physlearn.check_video",
    "physlearn.datasets.binomial_interval",
    "physlearn.inference.spring_bound",
    "physlearn.inference.Prior",
    "physlearn.causal.next_step",
    "physlearn.causal.exposures",
)
FAULTS = ("crash", "hang", "memory", "changed its argument", "another answer", "raw error")


@pytest.fixture(autouse=True)
def _importable(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("ODD_CALLS_FOLDER", str(tmp_path))


def planted(kind, size=3):
    if kind == "hang":
        while size:
            size += 1
    if kind == "memory":
        return np.ones((10**6, 10**6))
    if kind == "raw":
        return {}["a"]
    if kind == "crash":
        os.abort()
    return size


def test_the_runner_sees_what_is_planted(monkeypatch):
    from benchmarks.odd_calls import runner
    from benchmarks.odd_calls.odd_values import Odd
    from benchmarks.odd_calls.recorder import Call

    kinds = ["fine", "raw", "memory", "hang", "crash", "fine"]
    call = Call("planted", planted, {"kind": "fine", "size": 3})
    monkeypatch.setattr(runner, "recorded_calls", lambda name: [call])
    monkeypatch.setattr(
        runner, "_choices",
        lambda *_: [("kind", Odd(f"{place} {kind}", lambda kind=kind: kind))
                    for place, kind in enumerate(kinds)],
    )  # fmt: skip
    found = runner.odd_calls("planted", runner.Limits(longest_s=1.0))
    seen = [(outcome.odd, outcome.outcome) for outcome in found]
    assert seen == [
        ("0 fine", "result"), ("1 raw", "raw error"), ("2 memory", "memory"), ("3 hang", "hang"),
        ("4 crash", "crash"), ("5 fine", "result"),
    ]  # fmt: skip


def test_examples_give_the_calls_of_a_name_and_of_its_methods():
    from benchmarks.odd_calls.recorder import recorded_calls

    calls = recorded_calls("physlearn.lattice_models.ThinFilmDepolarization")
    assert [call.name.rsplit(".", 1)[-1] for call in calls] == ["ThinFilmDepolarization", "factor"]
    assert calls[0]() == calls[1].arguments["self"]
    assert calls[1]().round(4).tolist() == [1.0, 0.4323]


def test_the_same_array_in_other_memory_is_the_same_argument():
    from benchmarks.odd_calls.answers import alike, plain
    from benchmarks.odd_calls.odd_values import odd_versions

    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    same = [odd for odd in odd_versions(array) if odd.same]
    assert len(same) >= 6
    for odd in same:
        assert alike(plain(np.asarray(odd.make())), plain(array)), odd.kind


@pytest.mark.parametrize("name", SAMPLE)
def test_odd_arguments_end_in_a_result_or_one_of_our_errors(name):
    from benchmarks.odd_calls.runner import Limits, odd_calls

    found = odd_calls(name, Limits(calls=25, budget_s=4.0, seed=15))
    assert found, "the example calls it not once"
    bad = [outcome for outcome in found if outcome.outcome.startswith((*FAULTS, "broken"))]
    assert not bad, json.dumps([vars(outcome) for outcome in bad], indent=1)
