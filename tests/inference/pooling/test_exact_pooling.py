"""Pooling against normal algebra written out: information, designs, draws, what is said of them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.pooling.fit_likelihoods import (
    information_of,
    log_prior_of,
    prior_moments,
)
from physlearn.inference.pooling.hierarchy import PoolingOptions, pool_couplings
from physlearn.inference.pooling.hierarchy_posterior import (
    HierarchyData,
    log_marginal,
    sample_hierarchy,
)
from physlearn.inference.pooling.same_models import holds_pictures
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


def test_a_prior_that_is_no_gaussian_is_said_unless_another_is_given(monkeypatch):
    from physlearn.inference.pooling import fit_likelihoods

    fit = fit_of(draws_with([0.1], [[0.01]]), None)
    for own in (True, False):
        prior = SimpleNamespace(mean=np.zeros(1), sd=np.full(1, 0.5), is_gaussian=own)
        monkeypatch.setattr(fit_likelihoods, "_own_prior", lambda *_, held=prior: held)
        assert information_of(fit, "couplings").gaussian == own
        given = np.zeros(1), np.full(1, 0.5)
        assert information_of(fit, "couplings", given).gaussian


def test_only_a_prior_and_pictures_make_a_fit_of_pictures():
    draws = draws_with([0.1], [[0.01]])
    for attrs, constants in (({}, {}), ({"prior": "p"}, {}), ({}, {"a": np.ones(2)}),
                             ({"prior": "p"}, {"a": np.ones(2)})):  # fmt: skip
        fit = fit_of(draws, attrs=attrs, constants=constants)
        assert holds_pictures(fit) == bool(attrs and constants)


def test_a_hundred_draws_are_enough():
    assert pool_couplings(numbers([0.1, 0.2]), n_draws=100, rng=1)["spread"].shape == (100, 1)
    with pytest.raises(InputError, match="n_draws"):
        pool_couplings(numbers([0.1, 0.2]), n_draws=99, rng=1)
