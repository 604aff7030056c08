"""Plain values of another type that a function takes without a word are refused all the same."""

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physlearn import InputError, PatchTable, SiteGraph
from physlearn.causal import (
    Action,
    Branch,
    ExperimentPlan,
    PlanStep,
    SafetyEnvelope,
    check_ledger,
    choose_test,
    complete_table,
    estimate_effect,
    hypotheses_from_couplings,
    hypotheses_from_functions,
    imputed_tables,
    next_step,
    practical_equivalence,
    queue_plan,
    refute,
    simulated_devices,
)
from physlearn.causal.columns import prepare_columns
from physlearn.causal.twins.run_campaigns import run_campaigns
from physlearn.declared_types import fits
from physlearn.lattice_models import square_lattice
from physlearn.lazy import guarded
from physlearn.plain_arguments import judge_of

HINTS = (
    float, int, bool, str, complex, float | None, int | str, Literal["a", 2], Sequence[float],
    tuple[int, str], tuple[float, ...], list[str], Mapping[str, float], Callable[[float], float],
    SiteGraph, Sequence[SiteGraph] | None, np.ndarray, Any, pd.DataFrame, dict[str, Sequence[int]],
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(),
    st.sampled_from([
        np.float32(1), np.int8(2), np.bool_(True), np.array(3), np.zeros(2), Fraction(1, 2), len,
        2**2000, object(), square_lattice((2, 2)), Path("a"), "a", 2, pd.DataFrame(), float, {1, 2},
    ]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda of: st.one_of(
        st.lists(of, max_size=3),
        st.lists(of, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), of, max_size=2),
    ),
    max_leaves=4,
)


def function_of(hint):
    def anything(value):
        return value

    anything.__annotations__["value"] = hint
    return anything


@settings(max_examples=300, deadline=None, derandomize=True)
@given(VALUES, st.sampled_from(HINTS))
def test_what_its_annotation_says_is_never_refused(value, hint):
    judge = judge_of(function_of(hint))
    try:
        judge((value,), {})
    except InputError as error:
        assert not fits(value, hint)
        assert str(error).startswith("value must be") and len(str(error)) < 500
        with pytest.raises(InputError):
            judge((), {"value": value})


@pytest.mark.parametrize("hint", HINTS)
def test_values_of_other_libraries_pass(hint):
    class Duck:
        def __call__(self, *_):
            return self

    for value in (Duck(), pd.Series([1.0]), np.str_("a")):
        judge_of(function_of(hint))((value,), {})


def law(drive: float, argument: str = "bias", *rest: int, law: Callable[[], int] = len) -> int:
    return 7


def test_calls_that_ended_well_are_looked_at_and_defaults_are_not():
    own = guarded(law, __name__)
    assert own(1, "a", 2, 3) == own(np.float32(1.0)) == own(drive=np.array(2.0), law=len) == 7
    for bad, told in (
        (("1",), "drive must be a number; got '1'"), ((True,), "drive must be a number; got True"),
        ((1.0, None), "argument must be a text; got None"), (([1],), "drive must be a number"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=told):
            own(*bad)
    with pytest.raises(InputError, match="law must be a function; got 7"):
        own(1.0, law=7)


ENVELOPE = SafetyEnvelope(1.0, (0, 0, 1, 1))
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(64, 2)), columns=["a", "b"])
PLACES = np.stack(np.mgrid[:8, :8].reshape(2, -1), 1)
TABLE = PatchTable.from_frame(FRAME, PLACES, 1.0)
COUPLINGS = {"couplings": RNG.normal(0, 0.05, (1000, 1))}
ONE_SITE = {"sites_per_area": 0.1, "bonds_per_site": 2}


@pytest.mark.parametrize("change", [{"unit": 7}, {"argument": None}, {"readout": ["a"]}])
def test_names_of_laws_are_texts(change):
    laws = {"line": lambda x: x, "square": lambda x: x**2}
    sound = {"argument": "bias_V", "noise_sd": 0.1, "unit": "V", "readout": "I"}
    assert len(hypotheses_from_functions(laws, **sound)) == 2
    with pytest.raises(InputError, match=f"{next(iter(change))} must be"):
        hypotheses_from_functions(laws, **sound | change)
    with pytest.raises(InputError, match="functions must be"):
        hypotheses_from_functions({**laws, "none": None}, **sound)


@pytest.mark.parametrize("alpha", [np.nan, 0.0, 0.5, 1e300, -0.1, "half", None, []])
def test_levels_of_tests_are_levels(alpha):
    with pytest.raises(InputError, match="alpha must"):
        choose_test(TABLE, prepare_columns(TABLE), alpha=alpha)


@pytest.mark.parametrize("size", [0, -1.0, np.nan, np.inf, True, 1j, object(), [], "wide"])
@pytest.mark.parametrize("make", [complete_table, imputed_tables])
def test_patches_have_a_size_with_or_without_gaps(make, size):
    with pytest.raises(InputError, match="patch_size must be"):
        make(FRAME, None, size)


def test_a_readout_of_nan_asks_a_person_and_takes_no_way_past_a_branch():
    sharp = Branch("blunt", "tune", readout_below=0.5, at_most=2)
    tune = PlanStep(Action("tune", {}, 0.0, 9.0, 1.0), id="tune", branches=(sharp,))
    plan = ExperimentPlan((tune,), (), ENVELOPE, budget=9.0)
    assert next_step(plan, "tune", 0.7, {}) == "stop"
    assert next_step(plan, "tune", np.nan, {}) == next_step(plan, "tune", None, {}) == "ask"
    with pytest.raises(InputError, match="readout must be a number or None"):
        next_step(plan, "tune", ["blunt"], {})


@pytest.mark.parametrize("bad", [[1 + 1j, 2.0], ["1", "2"], np.array([1.0, 2.0], object)])
def test_readings_are_real(bad):
    with pytest.raises(InputError, match="readings must be"):
        practical_equivalence(bad, 1.0, region=(-1, 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shell": -1}, "shell must be a whole number of at least 0"),
        ({"shell": 1}, "shell must be below 1"), ({"shell": 10**11}, "shell must be below 1"),
        ({"equivalence": -1}, "equivalence must be at least 0"),
        ({"equivalence": np.nan}, "equivalence must be a finite number"),
    ],
)  # fmt: skip
def test_shells_of_couplings_are_counted_from_0(change, told):
    assert len(hypotheses_from_couplings(COUPLINGS, **ONE_SITE)) == 3
    with pytest.raises(InputError, match=told):
        hypotheses_from_couplings(COUPLINGS, **ONE_SITE, **change)


@pytest.mark.parametrize("bad", [7, np.nan, "a"])
def test_graphs_are_graphs(bad):
    effect = estimate_effect(TABLE, nx.DiGraph([("a", "b")]), "a", "b")
    with pytest.raises(InputError, match="graph must be"):
        refute(effect, TABLE, bad, rng=0)


def test_devices_and_makers_are_what_they_say(tmp_path):
    pytest.importorskip("ophyd")
    for bad in (-1, object(), "answer"):
        with pytest.raises(InputError, match="answer must be a function"):
            simulated_devices(ENVELOPE, answer=bad)
    for bad in (None, 7, [], np.zeros(3)):
        with pytest.raises(InputError, match="devices must be"):
            queue_plan(bad, tmp_path)


def test_a_maker_that_makes_nothing_is_told():
    batch = run_campaigns(lambda rng: None, 1, rng=0)
    assert "make must return a planner and a twin; got NoneType" in str(batch.refusals)


def test_a_ledger_read_from_a_file_is_judged_as_before():
    view = json.loads('{"max_total_dose": 1, "field_of_view": [0, 0, 9, 9]}')
    assert check_ledger([], view).violations == ()
