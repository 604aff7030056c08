"""Pooling against normal algebra written out: information, designs, draws, what is said of them."""

import json

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.pooling.fit_likelihoods import (
    Information,
    information_of,
    log_prior_of,
    prior_moments,
)
from physlearn.inference.pooling.hierarchy import PoolingOptions, pool_couplings
from physlearn.inference.pooling.hierarchy_checks import judge_pooling, outlier_p_values
from physlearn.inference.pooling.hierarchy_posterior import (
    HierarchyData,
    HierarchyDraws,
    log_marginal,
    sample_hierarchy,
)
from physlearn.inference.pooling.same_models import check_same_models, holds_pictures
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


# ------------------------------------------------------------------ what one fit says by itself


def test_information_is_the_posteriors_precision_less_the_priors():
    mean, covariance = np.array([0.3, -0.2]), np.array([[0.04, 0.01], [0.01, 0.02]])
    fit = fit_of(draws_with(mean, covariance), 0.5)
    found = information_of(fit, "couplings")
    own = np.linalg.inv(covariance)
    np.testing.assert_allclose(found.precision, own - np.eye(2) / 0.25, rtol=1e-8)
    np.testing.assert_allclose(found.linear, own @ mean, rtol=1e-8)
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.covariance, covariance)
    assert found.gaussian and not found.repeated
    # of a prior off zero: less its pull
    moved = information_of(fit, "couplings", (np.array([1.0, 2.0]), np.array([0.5, 1.0])))
    prior = np.diag([4.0, 1.0])
    np.testing.assert_allclose(moved.precision, own - prior, rtol=1e-8)
    np.testing.assert_allclose(moved.linear, own @ mean - prior @ [1.0, 2.0], rtol=1e-8)
    # of no prior that anybody said: all of it
    bare = information_of(fit_of(draws_with(mean, covariance), None), "couplings")
    np.testing.assert_allclose(bare.precision, own, rtol=1e-8)


def test_directions_wider_than_the_prior_carry_nothing():
    """The second number is as wide as its prior and more: nothing is known of it, nor pulled."""
    mean, covariance = np.array([0.3, -0.2]), np.diag([0.01, 0.26])
    found = information_of(fit_of(draws_with(mean, covariance), 0.5), "couplings")
    assert found.repeated
    np.testing.assert_allclose(found.precision, np.diag([100 - 4.0, 0.0]), atol=1e-8)
    np.testing.assert_allclose(found.linear, [30.0, 0.0], atol=1e-8)


@pytest.mark.parametrize(("share", "repeated"), [(0.88, False), (0.92, True)])
def test_a_prior_is_repeated_from_nine_tenths_of_its_width(share, repeated):
    covariance = np.diag([0.01, (share * 0.5) ** 2])
    found = information_of(fit_of(draws_with([0.0, 0.0], covariance)), "couplings")
    assert found.repeated == repeated


def test_skewed_and_heavy_draws_are_not_gaussian():
    rng = np.random.default_rng(1)
    normal = rng.normal(size=4000)
    # skewness of a gamma 2 / sqrt(shape), excess kurtosis of a t of 6 degrees 3, of a Laplace 3
    cases = {
        "normal": (normal, True), "slightly skewed": (rng.gamma(36.0, size=4000), True),
        "skewed": (rng.gamma(8.0, size=4000), False),
        "skewed the other way": (-rng.gamma(8.0, size=4000), False),
        "heavy": (rng.laplace(size=4000), False),
        "flat": (rng.uniform(size=4000), True),  # kurtosis -1.2
        "two points": (np.sign(normal) + 0.1 * normal, False),  # kurtosis -2
    }  # fmt: skip
    for name, (column, gaussian) in cases.items():
        both = np.column_stack([rng.normal(size=4000), 0.01 * column])
        assert information_of(fit_of(both), "couplings").gaussian == gaussian, name


def test_draws_that_make_no_covariance_are_refused():
    covariance = np.diag([0.01, 0.02])
    information_of(fit_of(draws_with([0, 0], covariance, 30)), "couplings")
    with pytest.raises(InputError, match="at least 30 draws"):
        information_of(fit_of(draws_with([0, 0], covariance, 29)), "couplings")
    one = draws_with([0.0], [[0.01]], 100)
    with pytest.raises(InputError, match="element 1 is not"):
        information_of(fit_of(np.column_stack([one, np.full(100, 0.5)])), "couplings")
    with pytest.raises(InputError, match="tied to each other"):
        information_of(fit_of(np.column_stack([one, -one])), "couplings")
    # nearly tied, in units far apart, is not tied
    near = np.column_stack([one, 1e4 * (one + 1e-3 * draws_with([0.0], [[0.01]], 100, 3))])
    assert np.all(np.isfinite(information_of(fit_of(near, None), "couplings").precision))


def test_what_a_fit_says_of_its_prior():
    draws = draws_with([0.1, 0.2], np.diag([0.01, 0.02]))
    said = fit_from_draws(
        {"couplings": draws, "field": draws[:, 0], "bare": draws[:, :1]}, model="m",
        likelihood="l", approximation="a", seed=0, data=b"",
        prior_sd={"couplings": [0.5, 2.0], "field": 3.0},
    )  # fmt: skip
    mean, sd = prior_moments(said, "couplings")
    assert (mean.tolist(), sd.tolist()) == ([0.0, 0.0], [0.5, 2.0])
    assert [part.tolist() for part in prior_moments(said, "field")] == [[0.0], [3.0]]
    assert [part.tolist() for part in prior_moments(said, "bare")] == [[0.0], [np.inf]]
    expected = stats.norm(0, [0.5, 2.0]).logpdf(draws).sum(axis=1)
    np.testing.assert_allclose(log_prior_of(said, "couplings"), expected)
    with pytest.raises(InputError, match="must say the prior of bare"):
        log_prior_of(said, "bare")
    assert not holds_pictures(said)


# ----------------------------------------------------------------------------- from fits to a pool


def numbers(values, sd=0.02, prior_sd=0.5):
    """One coupling a sample, measured with this error under this prior."""
    precision = 1 / sd**2 + 1 / prior_sd**2
    return [
        fit_of(draws_with([value / sd**2 / precision], [[1 / precision]], seed=k), prior_sd)
        for k, value in enumerate(values)
    ]


def captured(monkeypatch, fits, *arguments, **options):
    """What is sampled: the data of the hierarchy."""
    from physlearn.inference.pooling import hierarchy

    seen = []

    def keep(data, *rest):
        seen.append(data)
        return sample_hierarchy(data, *rest)

    monkeypatch.setattr(hierarchy, "sample_hierarchy", keep)
    out = pool_couplings(fits, *arguments, rng=1, n_draws=200, **options)
    return seen[0], out


def test_designs_and_priors_of_the_hierarchy(monkeypatch):
    x = np.array([300.0, 400.0, 500.0, 1000.0])
    fits = numbers([0.1, 0.2, 0.3, 0.2])
    plain, _ = captured(monkeypatch, fits)
    np.testing.assert_allclose(plain.design, np.ones((4, 1)))
    np.testing.assert_allclose(plain.base_sd, [[0.5]])
    np.testing.assert_allclose(plain.spread_sd, [0.25])
    np.testing.assert_allclose(plain.precision[:, 0, 0], 2500.0, rtol=1e-6)
    np.testing.assert_allclose(plain.linear[:, 0], 2500 * np.array([0.1, 0.2, 0.3, 0.2]), rtol=1e-6)
    line, out = captured(monkeypatch, fits, x, options=PoolingOptions(slope_sd=0.07, mean_sd=0.3))
    np.testing.assert_allclose(line.design, np.column_stack([np.ones(4), (x - 550) / x.std()]))
    np.testing.assert_allclose(line.base_sd, [[0.3], [0.07]])
    assert out.attrs["covariate_reference"] == pytest.approx(550.0)
    falls, out = captured(monkeypatch, fits, x, form="inverse", options=PoolingOptions(spread_sd=1))
    harmonic = 4 / np.sum(1 / x)
    np.testing.assert_allclose(falls.design, (harmonic / x)[:, None])
    np.testing.assert_allclose(falls.spread_sd, [1.0])
    assert out.attrs["covariate_reference"] == pytest.approx(harmonic)
    assert "slope" not in out.variables
    # the widest of the fits' own priors; ten times what was found where none was said
    mixed, _ = captured(monkeypatch, [*numbers([0.1]), *numbers([0.2], prior_sd=0.8)])
    np.testing.assert_allclose(mixed.base_sd, [[0.8]])
    bare = [fit_of(draws_with([m], [[4e-4]], seed=k), None) for k, m in enumerate((0.1, -0.3, 0.2))]
    wide, _ = captured(monkeypatch, bare)
    np.testing.assert_allclose(wide.base_sd, [[3.0]])


def test_slopes_are_told_in_the_covariates_unit_with_their_prior():
    x = np.array([300.0, 400.0, 500.0, 600.0, 700.0])
    fits = numbers(0.2 + 1e-4 * (x - 500.0))
    out = pool_couplings(fits, x, rng=1, options=PoolingOptions(slope_sd=0.5))
    assert out["slope"].mean() == pytest.approx(1e-4, abs=4e-5)
    assert out["population"].mean() == pytest.approx(0.2, abs=0.02)
    assert out["couplings"].mean(axis=0).shape == (5, 1)
    np.testing.assert_allclose(
        out["couplings"].mean(axis=0)[:, 0], 0.2 + 1e-4 * (x - 500), atol=0.02
    )
    prior = json.loads(out.attrs["prior_sd"])
    assert prior["slope"] == pytest.approx([0.5 / x.std()])
    assert prior["population"] == pytest.approx([0.5])
    assert prior["spread"] == pytest.approx([HALF * 0.25])
    assert out.attrs["covariate_form"] == "linear"
    # samples named by a mapping keep their names, shapes of several axes their axes
    square = [
        fit_of(draws_with(np.zeros(4), 0.01 * np.eye(4), seed=k), shape=(2, 2)) for k in (1, 2)
    ]
    both = pool_couplings(dict(zip("ab", square, strict=True)), rng=1, n_draws=150)
    assert both["couplings"].shape == (150, 2, 2, 2)
    assert both["population"].shape == both["spread"].shape == (150, 2, 2)
    assert set(both.diagnostics["outliers"]) == {"a", "b"}
    assert both.idata["posterior"]["couplings"].dims[2] == "sample"


def test_a_spread_held_at_nil_is_the_weighted_mean():
    """With next to no spread allowed all samples take the mean of all, weighted by precision."""
    values, sds = np.array([0.1, 0.3, 0.2]), np.array([0.02, 0.05, 0.1])
    fits = [numbers([v], s)[0] for v, s in zip(values, sds, strict=True)]
    options = PoolingOptions(spread_sd=1e-6, mean_sd=10.0)
    out = pool_couplings(fits, rng=1, options=options, n_draws=4000)
    weight = 1 / sds**2
    mean, sd = weight @ values / weight.sum(), weight.sum() ** -0.5
    assert out["population"].mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(4000))
    assert out["population"].std() == pytest.approx(sd, rel=0.06)
    assert np.abs(out["couplings"] - out["population"][:, None]).max() < 1e-4
    assert out.diagnostics["pooled_completely"] == pytest.approx([mean], rel=1e-6)
    assert out.diagnostics["pooled_completely_sd"] == pytest.approx([sd], rel=1e-6)
    posterior_sd = 1 / np.sqrt(1 / sds**2 + 4)
    np.testing.assert_allclose(np.ravel(out.diagnostics["unpooled_sd"]), posterior_sd, rtol=1e-6)
    np.testing.assert_allclose(
        np.ravel(out.diagnostics["unpooled"]), values / sds**2 * posterior_sd**2, rtol=1e-6
    )
    np.testing.assert_allclose(
        np.ravel(out.diagnostics["shrinkage"]),
        out["couplings"].std(axis=0)[:, 0] / posterior_sd, rtol=1e-6,
    )  # fmt: skip
    ratio = out["spread"].std() / (HALF * 1e-6)
    assert out.diagnostics["spread_over_prior"] == pytest.approx([ratio])


# -------------------------------------------------------------------------- draws of the hierarchy


def hierarchy(values, sds, spread_sd=0.3, base_sd=1.0, design=None):
    values, sds = np.asarray(values, float), np.asarray(sds, float)
    design = np.ones((len(values), 1)) if design is None else design
    return HierarchyData(
        (1 / sds**2)[:, None, None], (values / sds**2)[:, None], design,
        np.zeros((design.shape[1], 1)), np.full((design.shape[1], 1), base_sd),
        np.array([spread_sd]),
    )  # fmt: skip


def test_the_spread_of_draws_is_its_posterior_on_a_grid(oracle):
    data = hierarchy([0.1, 0.5, -0.2, 0.4, 0.0], [0.1, 0.2, 0.1, 0.05, 0.2])
    grid = (np.arange(4000) + 0.5) / 4000 * 1.5
    log = log_marginal(data, grid[:, None]) - 0.5 * (grid / 0.3) ** 2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    draws = sample_hierarchy(data, 4000, np.random.default_rng(1))
    assert draws.effective_draws > 400
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    oracle("spread", z=(draws.spread.mean() - mean) / (sd / np.sqrt(draws.effective_draws)))
    # systematic draws of many points: the distribution function within a point's weight
    for share in (0.1, 0.5, 0.9):
        at = grid[np.searchsorted(np.cumsum(weight), share)]
        error = np.sqrt(share * (1 - share) / draws.effective_draws)
        oracle(f"spread below {share}", z=((draws.spread < at).mean() - share) / error)


def test_points_are_added_until_enough_count():
    seen = []
    data = hierarchy([0.1, 0.5, -0.2], [0.1, 0.2, 0.1])
    sample_hierarchy(
        data, 100, np.random.default_rng(1), lambda done, most: seen.append((done, most))
    )
    assert seen == [(2048, 32768)]
    # the 512 of a refit end the work whatever counts
    few = sample_hierarchy(data, 100, np.random.default_rng(1), most_points=64)
    assert 1 < few.effective_draws <= 64
    rng = np.random.default_rng(2)
    k = 6
    wide = HierarchyData(
        np.stack([1e4 * np.eye(k)] * 3), 1e4 * rng.normal(0, 0.3, (3, k)), np.ones((3, 1)),
        np.zeros((1, k)), np.ones((1, k)), np.full(k, 0.3),
    )  # fmt: skip
    seen.clear()
    sample_hierarchy(wide, 100, rng, lambda done, most: seen.append(done), most_points=8192)
    assert seen in ([2048], [2048, 8192])


def test_conditional_draws_are_normal_with_the_moments_of_the_algebra(oracle):
    """Known spread: samples and mean given it, for a mean with a prior off zero."""
    values, sds, tau = np.array([0.2, 0.6, 0.1]), np.array([0.1, 0.2, 0.3]), 0.15
    data = hierarchy(values, sds, spread_sd=1e-9)
    from physlearn.inference.pooling.hierarchy_posterior import _draw_rest

    n = 6000  # more than a block
    base, samples = _draw_rest(data, np.full((n, 1), tau), np.random.default_rng(3))
    prior = np.ones((4, 4))  # of the three samples and the mean, of variance 1
    prior[:3, :3] += tau**2 * np.eye(3)
    gain = prior[:, :3] @ np.linalg.inv(prior[:3, :3] + np.diag(sds**2))
    mean, covariance = gain @ values, prior - gain @ prior[:3]
    found = np.column_stack([samples[:, :, 0], base[:, :, 0]])
    sd = np.sqrt(np.diag(covariance))
    for k in range(4):
        oracle(f"mean {k}", z=(found[:, k].mean() - mean[k]) / (sd[k] / np.sqrt(n)))
        oracle(f"variance {k}", z=(found[:, k].var() / sd[k] ** 2 - 1) / np.sqrt(2 / n))
    pairs = np.triu_indices(4, 1)
    together, exact = np.corrcoef(found.T)[pairs], (covariance / np.outer(sd, sd))[pairs]
    z = (np.arctanh(together) - np.arctanh(exact)) * np.sqrt(n)
    oracle("correlations", z=np.abs(z).max())
    assert stats.kstest((found[:, 0] - mean[0]) / sd[0], "norm").pvalue > 1e-4


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
