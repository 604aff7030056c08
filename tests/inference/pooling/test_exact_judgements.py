"""What a pooling says of its samples: outliers, warnings, fits that do not go together."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.pooling.fit_likelihoods import (
    Information,
)
from physlearn.inference.pooling.hierarchy_checks import judge_pooling, outlier_p_values
from physlearn.inference.pooling.hierarchy_posterior import (
    HierarchyData,
    HierarchyDraws,
    sample_hierarchy,
)
from physlearn.inference.pooling.same_models import check_same_models
from physlearn.results import fit_from_draws

HALF = np.sqrt(1 - 2 / np.pi)


def draws_with(mean, covariance, n=400, seed=0):
    """Draws whose mean and covariance are exactly these, and Gaussian else."""
    mean, covariance = np.atleast_1d(mean), np.atleast_2d(covariance)
    z = np.random.default_rng(seed).normal(size=(n, len(mean)))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T).reshape(len(mean), -1))).T
    return mean + z @ np.linalg.cholesky(covariance).T


def fit_of(draws, prior_sd=0.5, data=b"", shape=(), **more):
    given = np.asarray(draws).reshape(len(draws), *(shape or draws.shape[1:]))
    if prior_sd is not None:
        more["prior_sd"] = {"couplings": np.full(given.shape[1:], prior_sd).tolist()}
    return fit_from_draws(
        {"couplings": given}, model="m", likelihood="l", approximation="a", seed=0, data=data,
        **more,
    )  # fmt: skip


def numbers(values, sd=0.02, prior_sd=0.5):
    """One coupling a sample, measured with this error under this prior."""
    precision = 1 / sd**2 + 1 / prior_sd**2
    return [
        fit_of(draws_with([value / sd**2 / precision], [[1 / precision]], seed=k), prior_sd)
        for k, value in enumerate(values)
    ]


def hierarchy(values, sds, spread_sd=0.3, base_sd=1.0, design=None):
    values, sds = np.asarray(values, float), np.asarray(sds, float)
    design = np.ones((len(values), 1)) if design is None else design
    return HierarchyData(
        (1 / sds**2)[:, None, None], (values / sds**2)[:, None], design,
        np.zeros((design.shape[1], 1)), np.full((design.shape[1], 1), base_sd),
        np.array([spread_sd]),
    )  # fmt: skip


# ------------------------------------------------------------------------------- what is said of it


def test_outliers_are_judged_by_what_the_others_predict():
    """Many precise others fix mean and spread: p is that of a normal about them."""
    rng = np.random.default_rng(4)
    others = rng.normal(0.0, 0.1, 25)
    others = 0.1 * (others - others.mean()) / others.std()
    for far in (0.0, 0.15, 0.3):
        data = hierarchy([*others, far], [0.01] * 25 + [0.05], base_sd=5.0, spread_sd=1.0)
        draws = sample_hierarchy(data, 2000, rng)
        found = outlier_p_values(data, draws)[-1]
        # the spread of 25 is known to a seventh, which lengthens the tails
        exact = 2 * stats.t.sf(abs(far) / np.hypot(0.1 * np.sqrt(26 / 24), 0.05), 24)
        assert found == pytest.approx(exact, rel=0.15, abs=0.01)
    assert outlier_p_values(hierarchy([0.0], [0.1]), draws).tolist() == [1.0]


def test_large_libraries_agree_with_the_refitted():
    rng = np.random.default_rng(5)
    values = rng.normal(0, 0.1, 31)
    values[7] = 0.35
    whole = hierarchy(values, [0.05] * 31, base_sd=5.0, spread_sd=1.0)
    fewer = hierarchy(values[:30], [0.05] * 30, base_sd=5.0, spread_sd=1.0)
    large = outlier_p_values(whole, sample_hierarchy(whole, 4000, rng))
    small = outlier_p_values(fewer, sample_hierarchy(fewer, 4000, rng))
    np.testing.assert_allclose(large[:30], small, rtol=0.25, atol=0.03)
    assert large[7] < 0.02


def test_a_direction_without_information_has_no_say_in_p_values():
    rng = np.random.default_rng(6)
    precision = np.zeros((5, 2, 2))
    precision[:, 0, 0] = 400.0
    linear = np.zeros((5, 2))
    linear[:, 0] = 400.0 * np.array([0.0, 0.1, -0.1, 0.05, 0.9])
    precision[2], linear[2] = 0.0, 0.0
    data = HierarchyData(
        precision, linear, np.ones((5, 1)), np.zeros((1, 2)), np.ones((1, 2)), np.full(2, 0.2)
    )
    found = outlier_p_values(data, sample_hierarchy(data, 500, rng))
    assert found[2] == 1.0
    one = HierarchyData(
        precision[:, :1, :1], linear[:, :1], np.ones((5, 1)), np.zeros((1, 1)), np.ones((1, 1)),
        np.full(1, 0.2),
    )  # fmt: skip
    alone = outlier_p_values(one, sample_hierarchy(one, 500, rng))
    np.testing.assert_allclose(found, alone, atol=0.05)
    assert found[4] < 0.1


def information(**change):
    told = {"repeated": False, "gaussian": True} | change
    return Information(np.eye(1), np.zeros(1), np.zeros(1), np.eye(1), **told)


def test_warnings_name_their_samples_and_only_them():
    data = hierarchy([0.0, 0.01, 0.02, -0.02], [0.05] * 4)
    draws = sample_hierarchy(data, 500, np.random.default_rng(7))
    found = [information(), information(gaussian=False), information(repeated=True), information()]
    flags, told = judge_pooling(found, data, draws, list("abcd"), "none")
    assert [flag.split(" ")[3:5] for flag in flags if "not Gaussian" in flag] == [
        ["sample(s)", "b"]
    ]
    assert len(flags) == 2
    assert any(flag.startswith("sample(s) c say next to nothing") for flag in flags)
    assert told["effective_draws"] == draws.effective_draws
    none, _ = judge_pooling([information()] * 4, data, draws, list("abcd"), "none")
    assert none == []
    poor = HierarchyDraws(draws.base, draws.spread, draws.samples, 399.0)
    (said,), _ = judge_pooling([information()] * 4, data, poor, list("abcd"), "none")
    assert said.startswith("only 399 effective draws")


def test_a_slope_held_back_by_its_prior_is_said_where_the_spread_takes_it_up():
    data = hierarchy(
        [0.0, 0.1, 0.2, 0.3], [0.05] * 4, base_sd=0.1,
        design=np.column_stack([np.ones(4), [-1.0, -0.5, 0.5, 1.0]]),
    )  # fmt: skip
    rng = np.random.default_rng(8)
    z = rng.normal(size=4000)
    z = (z - z.mean()) / z.std()

    def flags(mean, sd, spread, kind="linear"):
        base = np.stack([z * 0.01, mean + sd * z], axis=1)[:, :, None]
        draws = HierarchyDraws(base, np.full((4000, 1), spread), np.zeros((4000, 4, 1)), 4000.0)
        said, _ = judge_pooling([information()] * 4, data, draws, list("abcd"), kind)
        return sum("a trend may hide" in text for text in said)

    # as wide as 0.8 of the prior, or 1.5 prior sds from zero, and a spread beyond the prior's sd
    assert flags(0.0, 0.085, 0.12) == 1
    assert flags(0.0, 0.075, 0.12) == 0
    assert flags(0.0, 0.085, 0.09) == 0
    assert flags(0.16, 0.01, 0.12) == flags(-0.16, 0.01, 0.12) == 1
    assert flags(0.14, 0.01, 0.12) == 0
    assert flags(0.16, 0.01, 0.12, "inverse") == 0


def test_fits_of_the_same_data_or_other_units_are_told():
    one, two, three = numbers([0.1, 0.2, 0.3])
    assert check_same_models([one, two, three], list("abc"), "couplings") == []
    (said,) = check_same_models([one, two, one], list("abc"), "couplings")
    assert said.startswith("samples a and c were fitted to the same data")
    draws = draws_with([0.1], [[0.01]], seed=5)
    same = [fit_of(draws + k, data=b"pictures") for k in range(2)]
    assert len(check_same_models(same, list("ab"), "couplings")) == 1
    units = [fit_of(draws + k, units={"couplings": unit}) for k, unit in enumerate(("kT", "meV"))]
    with pytest.raises(InputError, match="'kT' for sample a, 'meV' for sample b"):
        check_same_models(units, list("ab"), "couplings")
