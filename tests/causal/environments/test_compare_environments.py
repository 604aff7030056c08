import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.environments.compare_environments import (
    EnvironmentOptions,
    compare_environments,
)
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable

TRUE = {"a": 0.7, "b": 0.5}


def environments(
    fields, grid, edge, length, seed, *, noise=0.0, direct=0.0, differ=True, hidden=0.0
):
    """a and b cause y, y causes c; the second environment changes a, b and c, and y by `direct`."""
    rng = np.random.default_rng(seed)
    tables = []
    for place in range(2):
        change = float(place) if differ else 0.0
        f = fields(edge, length, 5, rng)
        a = (1 + change) * f[0] + 0.8 * change
        b = 0.6 * a + (1 + 0.6 * change) * f[1]
        y = 0.7 * a + 0.5 * b + 0.8 * f[2] + direct * place + hidden * f[4]
        c = 0.8 * y + 0.6 * (1 + change) * f[3] + hidden * f[4]
        values = np.stack([a, b, c, y], axis=1)
        values = values + noise * rng.standard_normal(values.shape)
        covariance = np.eye(4)[None] * noise**2 if noise else np.zeros((1, 4, 4))
        tables.append(
            PatchTable.from_frame(
                pd.DataFrame(values, columns=list("abcy")), grid(edge), 1.0, unit="nm",
                measurement_covariance=covariance, units={"y": "V"},
            )
        )  # fmt: skip
    return tables


def outcomes(fields, grid, edge, length, n, **world):
    return [
        compare_environments(
            environments(fields, grid, edge, length, seed, **world), outcome="y"
        ).outcomes["y"]
        for seed in range(n)
    ]


def p_of_truth(found):
    return float(found.sets.p_value[[c == ("a", "b") for c in found.sets["columns"]]].iloc[0])


def at_most(count, n, share):
    """Whether the count fits the share at most, few runs to .02 (1e-3 would let a third pass)."""
    least = 0.02 if n < 100 else 1e-3
    return stats.binomtest(int(count), n, share, alternative="greater").pvalue > least


@pytest.mark.parametrize(("length", "noise"), [(0, 0.3), (1, 0.0), (2, 0.3), (3, 0.0)])
def test_true_causes_are_seldom_rejected_and_effects_seldom_called_causes(
    fields, grid, length, noise
):
    n = 30
    found = outcomes(fields, grid, 24, length, n, noise=noise)
    assert at_most(sum(p_of_truth(f) <= 0.05 for f in found), n, 0.07)
    assert at_most(sum("c" in f.causes for f in found), n, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 3])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_level_and_coverage_over_many_worlds(fields, grid, length, noise):
    n = 400
    found = outcomes(fields, grid, 24, length, n, noise=noise)
    assert at_most(sum(p_of_truth(f) <= 0.05 for f in found), n, 0.07)
    assert at_most(sum("c" in f.causes for f in found), n, 0.05)
    missed = [
        any(
            not f.intervals[name][0] <= TRUE.get(name, 0) <= f.intervals[name][1]
            for name in f.causes
        )
        for f in found
    ]
    assert at_most(sum(missed), n, 0.10)


def test_causes_are_found_with_intervals_that_hold_the_truth(fields, grid):
    n = 20
    found = outcomes(fields, grid, 32, 0, n)
    assert sum(set(f.causes) == {"a", "b"} for f in found) >= 0.8 * n
    hits = [f.intervals[k][0] < TRUE[k] < f.intervals[k][1] for f in found for k in f.causes]
    assert np.mean(hits) > 0.8
    answered = next(f for f in found if f.identified)
    assert "V per 1" in answered.sentence
    assert not answered.reason


def test_noise_in_a_cause_is_taken_out_where_it_is_known(fields, grid):
    rejected = {"known": 0, "unknown": 0}
    for seed in range(12):
        tables = environments(fields, grid, 32, 0, seed, noise=0.8)
        blind = [PatchTable.from_frame(t.frame, t.centers, 1.0, unit="nm") for t in tables]
        for name, given in (("known", tables), ("unknown", blind)):
            found = compare_environments(given, outcome="y").outcomes["y"]
            rejected[name] += p_of_truth(found) <= 0.05
    assert rejected["known"] <= 3
    assert rejected["unknown"] >= 9


def test_an_environment_that_acts_on_the_outcome_itself_is_refused(fields, grid):
    found = outcomes(fields, grid, 24, 0, 5, direct=2.0)
    assert all(not f.identified and "every set" in f.reason for f in found)


def test_a_hidden_common_cause_makes_no_false_cause(fields, grid):
    n = 15
    found = outcomes(fields, grid, 24, 1, n, hidden=0.8)
    assert at_most(sum("c" in f.causes for f in found), n, 0.05)


def pairs(grid, kind, size, seed, edge=24):
    """a causes b, or a hidden column causes both; the second environment moves one."""
    rng = np.random.default_rng(seed)
    n, tables = edge * edge, []
    for place in range(2):
        first = rng.standard_normal(n) * (1 + size * place * (kind == "widened"))
        first = first + size * place * (kind != "widened")
        if kind == "hidden":
            a, b = (first + 0.5 * rng.standard_normal(n) for _ in range(2))
        else:
            a, b = first, first + rng.standard_normal(n)
        tables.append(
            PatchTable.from_frame(pd.DataFrame({"a": a, "b": b}), grid(edge), 1.0, unit="nm")
        )
    return tables


@pytest.mark.parametrize(
    ("kind", "size"),
    [("shifted", 0.3), ("widened", 0.1), ("hidden", 0.3), ("hidden", 0.5), ("hidden", 1.0)],
)
def test_too_little_to_tell_the_direction_is_undecided(grid, kind, size):
    n, reasons = 12, []
    for seed in range(n):
        tables = pairs(grid, kind, size, seed)
        answers = [compare_environments(tables, outcome=k).outcomes[k] for k in "ab"]
        false = answers if kind == "hidden" else answers[:1]
        assert sum(answer.identified for answer in false) == 0
        reasons += [answer.reason for answer in answers]
    if size < 0.6:
        assert sum(reason.startswith("undecided") for reason in reasons) > 0


@pytest.mark.parametrize(("kind", "size"), [("shifted", 2.0), ("widened", 2.0)])
def test_clear_worlds_are_still_answered_with_what_is_assumed(grid, kind, size):
    n, right = 6, 0
    for seed in range(n):
        tables = pairs(grid, kind, size, seed, edge=40)
        compared = compare_environments(tables, outcome="b")
        right += compared.outcomes["b"].causes == ("a",)
        assert compare_environments(tables, outcome="a").outcomes["a"].causes == ()
    assert right >= n - 2  # the true set is rejected in one of twenty
    assert "hidden cause" in str(compared.warnings)


def test_an_answer_names_its_assumptions_and_without_tiers_an_outcome_is_asked_for(grid):
    tables = pairs(grid, "widened", 2.0, 1)
    answer = compare_environments(tables, outcome="b").outcomes["b"]
    assert answer.identified
    assert "no hidden cause moves with it" in answer.sentence
    assert "  " not in answer.sentence
    with pytest.raises(InputError, match="outcome must be named"):
        compare_environments(tables)


def test_environments_that_do_not_differ_are_refused(fields, grid):
    tables = environments(fields, grid, 24, 0, 3, differ=False)
    comparison = compare_environments(tables, outcome="y")
    found = comparison.outcomes["y"]
    assert not found.identified
    assert "do not differ" in found.reason
    assert found.causes == ()
    assert set(comparison.moves.verdict) <= {"stands", "undecided"}


@pytest.mark.parametrize("length", [0, 2, 3])
def test_columns_that_do_not_move_are_seldom_said_to(fields, grid, length):
    n, count = 60, 0
    for seed in range(n):
        tables = environments(fields, grid, 24, length, seed, differ=False)
        alone = [
            PatchTable.from_frame(t.frame[["a", "c"]], t.centers, 1.0, unit="nm") for t in tables
        ]
        moves = compare_environments(alone, outcome="a").moves
        count += bool((moves.p_adjusted <= 0.05).any())
    assert at_most(count, n, 0.07)


def test_columns_that_move_are_named(fields, grid):
    tables = environments(fields, grid, 24, 0, 1)
    comparison = compare_environments(tables, outcome="y")
    moves = comparison.moves.set_index("column")
    assert moves.verdict["a"] == "moves"
    assert abs(moves["shift"]["a"] - 0.8) < 0.3
    assert moves.words["a"].startswith("a moves between the environments")
    assert str(comparison).count("\n") == 4


def test_one_table_is_split_by_a_covariate_and_metadata_sort_several(fields, grid):
    one, two = environments(fields, grid, 24, 0, 5)
    both = PatchTable.from_frame(
        pd.concat([one.frame, two.frame], ignore_index=True),
        np.concatenate([one.centers, two.centers + np.array([40.0, 0.0])]), 1.0, unit="nm",
        measurement_covariance=np.zeros((1, 4, 4)),
        covariates=pd.DataFrame({"temperature": ["cold"] * 576 + ["hot"] * 576}),
    )  # fmt: skip
    found = compare_environments(both, outcome="y", environment="temperature")
    assert found.environments == ("temperature = cold", "temperature = hot")
    assert set(found.outcomes["y"].causes) == {"a", "b"}
    named = [
        PatchTable.from_frame(t.frame, t.centers, 1.0, unit="nm", metadata={"sample": k})
        for t, k in ((one, "s1"), (two, "s2"), (one, "s1"))
    ]
    assert len(compare_environments(named, outcome="y", environment="sample").environments) == 2


def test_later_tiers_are_no_causes_and_few_predictors_are_kept(fields, grid):
    tables = [
        PatchTable.from_frame(t.frame, t.centers, 1.0, unit="nm", tiers={"a": 0, "y": 1, "c": 2})
        for t in environments(fields, grid, 24, 0, 5)
    ]
    found = compare_environments(tables, outcome="y").outcomes["y"]
    assert found.predictors == ("a", "b")
    few = compare_environments(tables, outcome="y", options=EnvironmentOptions(max_predictors=1))
    assert len(few.outcomes["y"].predictors) == 1
    assert list(compare_environments(tables).outcomes) == ["c"]


def test_what_cannot_be_compared_is_refused(fields, grid):
    one, two = environments(fields, grid, 8, 0, 5)
    dosed = PatchTable.from_frame(
        one.frame, one.centers, 1.0, covariates=pd.DataFrame({"dose": [1.0] * 64})
    )
    with pytest.raises(NotIdentified, match="one environment"):
        compare_environments(dosed, environment="dose")
    with pytest.raises(InputError, match="environment must name"):
        compare_environments(one)
    with pytest.raises(InputError, match="no 'dose'"):
        compare_environments([one, two], environment="dose")
    with pytest.raises(InputError, match="outcome must be a column"):
        compare_environments([one, two], outcome="z")
    with pytest.raises(InputError, match="one unit"):
        compare_environments([one, PatchTable.from_frame(two.frame, two.centers, 1.0)], outcome="y")
    with pytest.raises(InputError, match="alpha"):
        compare_environments([one, two], outcome="y", alpha=0.0)
    with pytest.raises(InputError, match="options must be an EnvironmentOptions; got int"):
        compare_environments([one, two], outcome="y", options=3)
    with pytest.raises(InputError, match="PatchTable"):
        compare_environments([one.frame, two.frame])


@pytest.mark.parametrize("jitter", [0.0, 1e-9])
def test_a_column_without_spread_in_one_environment_has_no_ratio_of_spreads(grid, jitter):
    tables = []
    for place in range(2):
        k, b = np.random.default_rng(place).standard_normal((2, 576))
        frame = pd.DataFrame({"k": 5.0 * place + (k if place else jitter * k), "b": b})
        tables.append(PatchTable.from_frame(frame, grid(24), 1.0, unit="nm"))
    moves = compare_environments(tables, outcome="b").moves.set_index("column")
    assert moves.verdict["k"] == "moves"
    assert np.isnan(moves.spread_ratio["k"])
    assert "not to be compared" in moves.words["k"]
