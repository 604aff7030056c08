"""Sets of laws in files: whole, safe, and one sentence for what is no set."""

import json

import numpy as np
import pytest
from law_worlds import X1, laws_of, observe

from physlearn.checks import InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_json import MOST_NUMBERS
from physlearn.inference.laws.equation_set import EquationSet


@pytest.fixture(scope="module")
def laws():
    data = observe(3 * np.exp(-1.7 / X1), 0.05, np.random.default_rng(1), known=False)
    return laws_of(data, units="nm", variable_units=("K",), warnings=("a warning",))


def spoilt(laws, **changes):
    return json.dumps(json.loads(laws.to_json()) | changes)


def with_program(laws, program, coefficient=1.0):
    data = json.loads(laws.to_json())
    data["equations"][0]["terms"] = [{"coefficient": coefficient, "program": program}]
    data["equations"][0]["covariance"] = None
    return json.dumps(data)


def test_a_set_comes_back_whole(laws, tmp_path):
    laws.save(tmp_path / "laws.json")
    again = EquationSet.load(tmp_path / "laws.json")
    assert again.to_json() == laws.to_json()
    assert again.table.equals(laws.table)
    assert again.equations == laws.equations
    np.testing.assert_array_equal(again.best.covariance, laws.best.covariance)
    x = X1[::9, None]
    np.testing.assert_array_equal(again.predict_interval(x, rng=1), laws.predict_interval(x, rng=1))
    assert (again.units, again.variable_units, again.warnings) == ("nm", ("K",), ("a warning",))
    assert [path.name for path in tmp_path.iterdir()] == ["laws.json"]


def test_exact_numbers_stay_exact_and_constants_constants():
    law = Equation((Term(2, ("x", 3, "pow")), Term(2.0, ("x", 3.0, "pow"))), 0.0, 0.0, 2)
    laws = EquationSet((law,), ("x",), "y", np.array([[0, 1.0]]), 0.1)
    again = EquationSet.from_json(laws.to_json()).best
    assert [type(term.coefficient) for term in again.terms] == [int, float]
    assert [type(term.program[1]) for term in again.terms] == [int, float]
    assert again.structure == law.structure


def test_files_of_the_first_format_are_read():
    old = {
        "format": "physlearn.EquationSet/1", "variables": ["x"], "target": "y",
        "ranges": [[0.0, 1.0]], "noise_sd": 0.1, "warnings": [],
        "equations": [{
            "text": "2*x**3 + 1", "loss": 0.0, "description_length": 1.0, "n_constants": 3,
            "terms": [{"coefficient": 2, "program": ["x", 3, "pow"]},
                      {"coefficient": 1.0, "program": [1.0]}],
        }],
    }  # fmt: skip
    laws = EquationSet.from_json(json.dumps(old))
    assert laws.best.structure == {("x", "c", "pow"), ("c",)}
    assert laws.predict([[2.0]]).tolist() == [17.0]


def test_large_observations_are_left_out():
    n = MOST_NUMBERS // 3 + 1
    data = SearchData(np.ones((1, n)), np.ones(n), np.ones(n), False, ("x",))
    law = Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1)
    laws = EquationSet((law,), ("x",), "y", np.array([[0, 1.0]]), 0.1, data=data)
    assert EquationSet.from_json(laws.to_json()).data is None


def test_a_write_that_fails_leaves_the_old_file(laws, tmp_path, monkeypatch):
    path = tmp_path / "laws.json"
    laws.save(path)
    before = path.read_text()
    monkeypatch.setattr("pathlib.Path.write_text", lambda *_a, **_k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        laws.save(path)
    monkeypatch.undo()
    assert path.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "program",
    [
        ["__import__('os').system('true')"], ["x"] * 1_000_000, ["x", "exp"] * 500_000, [],
        [[["x"]]], [None], [True], [{"x": 1}], ["x", "add"], "x", {"0": "x"},
        [10**400], ["unknown_variable"],
    ],
    ids=range(13),
)  # fmt: skip
def test_hostile_programs_are_refused_in_one_sentence(laws, program):
    with pytest.raises(InputError) as caught:
        EquationSet.from_json(with_program(laws, program))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "make",
    [
        lambda laws: "",
        lambda laws: "[]",
        lambda laws: "{}",
        lambda laws: "null",
        lambda laws: '{"format": "other"}',
        lambda laws: "[" * 200_000 + "]" * 200_000,
        lambda laws: '{"format":' * 100_000,
        lambda laws: laws.to_json()[:-20],
        lambda laws: spoilt(laws, noise_sd=float("nan")),
        lambda laws: spoilt(laws, noise_sd=float("inf")),
        lambda laws: spoilt(laws, noise_sd="0.1"),
        lambda laws: spoilt(laws, noise_sd=True),
        lambda laws: laws.to_json().replace('"noise_sd": 0', '"noise_sd": 1e999', 1),
        lambda laws: laws.to_json().replace('"noise_sd": 0', '"noise_sd": ' + "9" * 5000, 1),
        lambda laws: spoilt(laws, variables="x"),
        lambda laws: spoilt(laws, variables=["x) or (1"]),
        lambda laws: spoilt(laws, variables=[1]),
        lambda laws: spoilt(laws, ranges=[[0]]),
        lambda laws: spoilt(laws, ranges=[["a", "b"]]),
        lambda laws: spoilt(laws, ranges=None),
        lambda laws: spoilt(laws, equations={}),
        lambda laws: spoilt(laws, equations=[]),
        lambda laws: spoilt(laws, equations=[1]),
        lambda laws: spoilt(laws, equations=[{}] * 20_000),
        lambda laws: spoilt(laws, link="__class__"),
        lambda laws: spoilt(laws, link=["log"]),
        lambda laws: spoilt(laws, units=3),
        lambda laws: spoilt(laws, warnings=[{}]),
        lambda laws: spoilt(laws, data=[1]),
        lambda laws: spoilt(laws, data={"x": [[1]], "y": [1], "weight": [1], "noise_known": 1}),
        lambda laws: spoilt(laws, data={"x": [1], "y": [1], "weight": [1], "noise_known": True}),
        lambda laws: spoilt(laws, data={"x": [[1]], "y": [1], "weight": [-1], "noise_known": True}),
        lambda laws: with_program(laws, ["x"], coefficient="1"),
        lambda laws: with_program(laws, ["x"], coefficient=None),
        lambda laws: 3,
    ],
    ids=range(35),
)
def test_what_is_no_set_of_laws_gets_one_sentence(laws, make):
    with pytest.raises(InputError) as caught:
        EquationSet.from_json(make(laws))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_files_that_are_no_set_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        EquationSet.load(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(InputError, match="no text"):
        EquationSet.load(tmp_path / "binary.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_constants": -1}, "n_constants = -1"),
        ({"n_constants": 1.5}, "n_constants = 1.5"),
        ({"noise_sd": -0.1}, "noise_sd = -0.1"),
        ({"covariance": [[-1.0]]}, "negative variance"),
    ],
)
def test_numbers_that_cannot_be_are_refused(laws, changes, message):
    data = json.loads(laws.to_json())
    data["equations"][0] |= changes
    with pytest.raises(InputError, match=message):
        EquationSet.from_json(json.dumps(data))


def test_observations_without_weight_are_refused(laws):
    data = json.loads(laws.to_json())
    data["data"]["weight"] = [0.0] * len(data["data"]["weight"])
    with pytest.raises(InputError, match="weights are all 0"):
        EquationSet.from_json(json.dumps(data))
