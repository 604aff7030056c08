"""Partial pooling: exact marginals, calibration over simulated libraries, outliers, forms."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.pooling.fit_likelihoods import information_of, prior_moments
from physlearn.inference.pooling.hierarchy import PoolingOptions, pool_couplings
from physlearn.inference.pooling.hierarchy_posterior import (
    HierarchyData,
    log_marginal,
    sample_hierarchy,
)
from physlearn.lattice_models import (
    Ising,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.results import fit_from_draws

PRIOR_SD = 0.5


def random_data(rng, n=6, k=2, b=2, flat=False):
    roots = rng.normal(size=(n, k, k))
    precision = 20 * roots @ np.swapaxes(roots, 1, 2) + 5 * np.eye(k)
    if flat:  # samples that say nothing in one direction
        precision[:, :, 0] = precision[:, 0, :] = 0.0
    linear = (precision @ rng.normal(0, 0.4, (n, k))[..., None])[..., 0]
    design = np.column_stack([np.ones(n), np.linspace(-1, 1, n)])[:, :b]
    return HierarchyData(
        precision, linear, design, rng.normal(0, 0.2, (b, k)), rng.uniform(0.3, 1, (b, k)),
        np.full(k, 0.3),
    )  # fmt: skip


def dense_log_density(data, tau):
    """log of the normal density of all samples' estimates together, built as one matrix."""
    n, _, k = data.sizes
    estimate = np.concatenate(
        [np.linalg.solve(p, v) for p, v in zip(data.precision, data.linear, strict=True)]
    )
    x = np.kron(data.design, np.eye(k))
    covariance = (x * data.base_sd.ravel() ** 2) @ x.T + np.kron(np.eye(n), np.diag(tau**2))
    for j in range(n):
        block = slice(j * k, (j + 1) * k)
        covariance[block, block] += np.linalg.inv(data.precision[j])
    return stats.multivariate_normal(x @ data.base_mean.ravel(), covariance).logpdf(estimate)


def test_marginal_likelihood_is_the_dense_normal(oracle):
    rng = np.random.default_rng(1)
    data = random_data(rng)
    taus = rng.uniform(0, 1, (20, 2))
    taus[0] = 0.0  # complete pooling
    found = log_marginal(data, taus)
    exact = np.array([dense_log_density(data, tau) for tau in taus])
    # the constant is that of the samples' own normal densities, the same at all tau
    apart = (found - exact) - (found - exact)[0]
    oracle("log p(data | tau)", error=np.abs(apart).max(), bound=1e-8)


def test_samples_that_say_nothing_change_nothing(oracle):
    rng = np.random.default_rng(2)
    data = random_data(rng, flat=True)
    taus = rng.uniform(0.05, 0.5, (10, 2))
    other = taus.copy()
    other[:, 0] = 0.123  # no sample says anything along the first coordinate
    moved = np.abs(log_marginal(data, taus) - log_marginal(data, other)).max()
    oracle("marginal without information", error=moved, bound=1e-9)
    draws = sample_hierarchy(data, 4000, rng)
    z = (draws.spread[:, 0].mean() - 0.3 * np.sqrt(2 / np.pi)) / (0.3 * 0.603 / np.sqrt(400))
    oracle("spread repeats its prior", z=z)


def test_draws_follow_a_grid_over_the_spread(oracle):
    """One coupling: the spread on a fine grid, everything else by dense normal algebra."""
    rng = np.random.default_rng(3)
    data = random_data(rng, n=5, k=1, b=2)
    grid = np.linspace(1e-4, 1.5, 3000)
    weight = log_marginal(data, grid[:, None]) - 0.5 * (grid / 0.3) ** 2
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    n, b, _ = data.sizes
    means, seconds = np.zeros(n + b), np.zeros((n + b, n + b))
    estimate = data.linear[:, 0] / data.precision[:, 0, 0]
    # (theta, B) given tau as one normal: prior covariance, then conditioning on the estimates
    for tau, w in zip(grid[::10], weight[::10] / weight[::10].sum(), strict=True):
        x, base = data.design, np.diag(data.base_sd[:, 0] ** 2)
        prior = np.block([[x @ base @ x.T + tau**2 * np.eye(n), x @ base], [base @ x.T, base]])
        center = np.concatenate([x @ data.base_mean[:, 0], data.base_mean[:, 0]])
        gain = prior[:, :n] @ np.linalg.inv(prior[:n, :n] + np.diag(1 / data.precision[:, 0, 0]))
        mean = center + gain @ (estimate - center[:n])
        means += w * mean
        seconds += w * (prior - gain @ prior[:n] + np.outer(mean, mean))
    draws = sample_hierarchy(data, 40_000, rng)
    found = np.column_stack([draws.samples[:, :, 0], draws.base[:, :, 0]])
    sd = np.sqrt(np.diag(seconds) - means**2)
    oracle("means", error=np.abs((found.mean(axis=0) - means) / sd).max(), bound=0.06)
    oracle("sds", error=np.abs(found.std(axis=0) / sd - 1).max(), bound=0.05)
    oracle("spread", error=draws.spread.mean() / (weight @ grid) - 1, bound=0.04)


def gaussian_fit(rng, truth, covariance, n_draws=2000, prior_sd=PRIOR_SD):
    """A fit whose data are one normal measurement of the truth, under the usual prior."""
    k = len(truth)
    measured = rng.multivariate_normal(truth, covariance)
    precision = np.linalg.inv(covariance) + np.eye(k) / prior_sd**2
    posterior = np.linalg.inv(precision)
    mean = posterior @ np.linalg.solve(covariance, measured)
    draws = rng.multivariate_normal(mean, posterior, n_draws)
    return fit_from_draws(
        {"couplings": draws}, model="planted", likelihood="exact", approximation="none", seed=0,
        data=[measured], prior_sd={"couplings": [prior_sd] * k}, units={"couplings": "kT"},
        dims={"couplings": ["shell"]}, coords={"shell": list(range(1, k + 1))},
    )  # fmt: skip


def library(rng, n=8, k=2, slope=0.1, spread=0.05, error=0.05, covariate=None):
    """Truths and fits of a simulated library."""
    x = np.linspace(-1, 1, n) if covariate is None else covariate
    truth = rng.normal(0, 0.2, k) + slope * x[:, None] + spread * rng.normal(size=(n, k))
    fits = []
    for row in truth:
        root = error * rng.uniform(0.5, 1.5) * (np.eye(k) + 0.3 * rng.normal(size=(k, k)))
        fits.append(gaussian_fit(rng, row, root @ root.T + 1e-6 * np.eye(k)))
    return x, truth, fits


def test_the_prior_of_each_fit_is_divided_out(oracle):
    rng = np.random.default_rng(5)
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    fit = gaussian_fit(rng, np.array([0.3, -0.2]), covariance, n_draws=100_000)
    found = information_of(fit, "couplings")
    exact = np.linalg.inv(covariance)
    oracle("precision", error=np.abs(found.precision / exact - 1).max(), bound=0.06)
    wide = gaussian_fit(rng, np.zeros(1), np.array([[100.0]]), n_draws=20_000)
    silent = information_of(wide, "couplings")
    assert silent.repeated
    assert silent.precision[0, 0] < 0.2


def test_coverage_and_errors_over_a_hundred_libraries(oracle):
    """Truths from the prior of the hierarchy: ranks, coverage, and errors by other poolings."""
    rng = np.random.default_rng(6)
    width = np.linspace(-1, 1, 6).std()
    options = PoolingOptions(mean_sd=0.3, slope_sd=0.15 * width, spread_sd=0.08)
    ranks, inside, squared = [], [], []
    for _ in range(100):
        x = np.linspace(-1, 1, 6)
        mean, slope = rng.normal(0, 0.3), rng.normal(0, 0.15)
        spread = abs(rng.normal(0, 0.08))
        truth = mean + slope * x + spread * rng.normal(size=6)
        fits = [gaussian_fit(rng, np.array([t]), np.array([[0.06**2]]), 1000) for t in truth]
        out = pool_couplings(fits, x, options=options, n_draws=1000, rng=rng)
        ranks.append(
            [(out["population"][:, 0] < mean).mean(), (out["slope"][:, 0] < slope).mean(),
             (out["spread"][:, 0] < spread).mean(), (out["couplings"][:, 0, 0] < truth[0]).mean()]
        )  # fmt: skip
        low, high = np.moveaxis(out.interval("couplings")[..., 0, :], -1, 0)
        inside.append((low < truth) & (truth < high))
        own = np.array(out.diagnostics["unpooled"])[:, 0]
        complete = out.diagnostics["pooled_completely"][0]
        pooled = out["couplings"].mean(axis=0)[:, 0]
        squared.append([np.mean((m - truth) ** 2) for m in (pooled, own, complete)])
    names = ["population mean", "slope", "spread", "a sample's coupling"]
    for name, column in zip(names, np.array(ranks).T, strict=True):
        oracle(f"ranks of {name}", p=stats.kstest(column, "uniform").pvalue)
    share = np.array(inside).mean(axis=1)
    oracle("coverage of the couplings", z=(share.mean() - 0.9) / (share.std(ddof=1) / 10))
    rmse = np.sqrt(np.mean(squared, axis=0))
    assert rmse[0] < 0.95 * rmse[1]
    assert rmse[0] < 0.6 * rmse[2]


def test_correlated_shells_and_names():
    rng = np.random.default_rng(7)
    x, truth, fits = library(rng)
    named = dict(zip("abcdefgh", fits, strict=True))
    out = pool_couplings(named, x, rng=1)
    assert out["couplings"].shape == (4000, 8, 2)
    table = out.summary()
    assert "couplings[c, 2]" in set(table["name"])
    assert out.diagnostics["effective_draws"] > 400
    error = np.abs(out["couplings"].mean(axis=0) - truth) / out["couplings"].std(axis=0)
    assert error.max() < 4
    shrinkage = np.array(out.diagnostics["shrinkage"])
    assert np.median(shrinkage) < 1


def test_an_outlier_is_named_and_others_rarely_are(oracle):
    found = []
    for seed in range(40):
        x, _, fits = library(np.random.default_rng(seed), n=7, k=1, error=0.03)
        out = pool_couplings(fits, x, rng=1, n_draws=200)
        found.append(any("lies outside" in text for text in out.warnings))
    oracle("false alarms", p=stats.binomtest(sum(found), 40, 0.01, "greater").pvalue)
    rng = np.random.default_rng(8)
    x, truth, fits = library(rng, n=8, k=1, error=0.03, spread=0.03)
    fits[3] = gaussian_fit(rng, truth[3] + 1.0, np.array([[0.03**2]]))
    out = pool_couplings(fits, x, rng=1)
    assert any(text.startswith("sample 3 lies outside") for text in out.warnings)
    assert min(out.diagnostics["outliers"], key=out.diagnostics["outliers"].get) == "3"


def test_large_libraries_weigh_the_draws_instead_of_fitting_anew():
    rng = np.random.default_rng(18)
    x, truth, fits = library(rng, n=36, k=1, error=0.03, spread=0.03)
    plain = pool_couplings(fits, x, rng=1)
    assert not any("lies outside" in text for text in plain.warnings)
    fits[20] = gaussian_fit(rng, truth[20] + 0.4, np.array([[0.03**2]]))
    out = pool_couplings(fits, x, rng=1)
    assert any(text.startswith("sample 20 lies outside") for text in out.warnings)


def test_two_samples_do_not_tell_the_spread(oracle):
    rng = np.random.default_rng(9)
    _, _, fits = library(rng, n=2, k=1, slope=0.0)
    out = pool_couplings(fits, rng=1)
    assert any("can't tell the spread" in text for text in out.warnings)
    three = pool_couplings(library(rng, n=3, k=1, slope=0.0)[2], rng=1)
    assert not any("can't tell the spread" in text for text in three.warnings)
    trend = pool_couplings(library(rng, n=3, k=1)[2], [0.0, 1.0, 2.0], rng=1)
    assert any("at least 4 are needed" in text for text in trend.warnings)


def test_couplings_that_fall_with_temperature(oracle):
    """J = -V / kT at six temperatures: the population is J at the harmonic mean temperature."""
    rng = np.random.default_rng(10)
    temperatures = np.array([300.0, 400.0, 500.0, 600.0, 800.0, 1000.0])
    reference = 1 / np.mean(1 / temperatures)
    truth = 90.0 / temperatures
    fits = [gaussian_fit(rng, np.array([t]), np.array([[0.01**2]])) for t in truth]
    out = pool_couplings(fits, temperatures, form="inverse", rng=1)
    assert out.attrs["covariate_reference"] == pytest.approx(reference)
    draws = out["population"][:, 0]
    oracle("J at the reference", z=(draws.mean() - 90.0 / reference) / draws.std())
    assert "slope" not in out.variables
    assert out["spread"].mean() < 0.02


def test_the_population_of_a_line_is_its_value_at_the_mean_covariate(oracle):
    rng = np.random.default_rng(11)
    x = np.array([300.0, 310.0, 330.0, 380.0, 450.0, 700.0])
    truth = 0.05 + 4e-4 * (x - x.mean())
    fits = [gaussian_fit(rng, np.array([t]), np.array([[0.005**2]])) for t in truth]
    out = pool_couplings(fits, x, rng=1)
    assert out.attrs["covariate_reference"] == pytest.approx(x.mean())
    population, slope = out["population"][:, 0], out["slope"][:, 0]
    oracle("population", z=(population.mean() - 0.05) / population.std())
    assert population.std() < 0.02
    oracle("slope", z=(slope.mean() - 4e-4) / slope.std())


@pytest.mark.slow
def test_nuts_gives_the_same_posterior(oracle):
    rng = np.random.default_rng(11)
    x, _, fits = library(rng, n=5)
    exact = pool_couplings(fits, x, rng=1, n_draws=8000)
    nuts = pool_couplings(fits, x, rng=1, n_draws=8000, options=PoolingOptions(method="nuts"))
    for name in ("population", "slope", "spread", "couplings"):
        apart = (exact[name].mean(axis=0) - nuts[name].mean(axis=0)) / exact[name].std(axis=0)
        oracle(f"mean of {name}", error=np.abs(apart).max(), bound=0.12)
        ratio = exact[name].std(axis=0) / nuts[name].std(axis=0)
        oracle(f"sd of {name}", error=np.abs(ratio - 1).max(), bound=0.1)
    assert nuts.attrs["approximation"] == "NUTS"


def test_a_skewed_posterior_is_said():
    rng = np.random.default_rng(12)
    _, _, fits = library(rng, n=4, k=1)
    skewed = fit_from_draws(
        {"couplings": rng.gamma(1.0, 0.05, (2000, 1))}, model="m", likelihood="l",
        approximation="a", seed=0, data=b"", prior_sd={"couplings": [PRIOR_SD]},
    )  # fmt: skip
    out = pool_couplings([*fits, skewed], rng=1)
    assert any("sample(s) 4 is not Gaussian" in text for text in out.warnings)


def test_bad_input_gets_sentences():
    rng = np.random.default_rng(13)
    x, _, fits = library(rng, n=4, k=1)
    with pytest.raises(InputError, match="at least two results"):
        pool_couplings(fits[:1])
    with pytest.raises(InputError, match="covariate must have shape"):
        pool_couplings(fits, x[:2])
    with pytest.raises(InputError, match="covariate must vary"):
        pool_couplings(fits, np.ones(4))
    with pytest.raises(InputError, match="must be positive for form inverse"):
        pool_couplings(fits, x, form="inverse")
    with pytest.raises(InputError, match="must be given for form linear"):
        pool_couplings(fits, form="linear")
    with pytest.raises(InputError, match="fits must have couplings of one shape"):
        pool_couplings([*fits, *library(rng, n=2, k=2)[2]])
    with pytest.raises(InputError, match="name must be a variable of this fit"):
        pool_couplings(fits, options=PoolingOptions(variable="field"))
    with pytest.raises(InputError, match="method must be one of"):
        PoolingOptions(method="vi")


def test_fits_of_pictures_are_pooled_with_their_own_priors(oracle):
    """Five small pictures of one Hamiltonian with priors off zero: they are divided out."""
    graph = square_lattice((16, 16))
    fits, wide = [], []
    for seed in range(5):
        picture = simulate_lattice(Ising([0.2]), graph, rng=seed)
        fits.append(fit_lattice_hamiltonian(picture, 1, prior={"couplings": (0.3, 0.1)}, rng=1))
        wide.append(fit_lattice_hamiltonian(picture, 1, rng=1))
    mean, sd = prior_moments(fits[0], "couplings")
    assert (mean.tolist(), sd.tolist()) == ([0.3], [0.1])
    known = PoolingOptions(mean_sd=1.0, spread_sd=0.1)
    two = [pool_couplings(each, rng=1, options=known)["population"][:, 0] for each in (fits, wide)]
    oracle(
        "two priors, one answer", error=(two[0].mean() - two[1].mean()) / two[1].std(), bound=0.3
    )
    oracle("the population", z=(two[0].mean() - 0.2) / two[0].std())


def test_the_slopes_prior_does_not_depend_on_the_covariates_unit(oracle):
    """The same library over electronvolts and over kelvin, with a slope of .17 for one sd."""
    rng = np.random.default_rng(21)
    x = np.linspace(0.1, 0.35, 6)
    fits = [gaussian_fit(rng, np.array([0.1 + 2 * a]), np.array([[1e-4]])) for a in x]
    options = PoolingOptions(slope_sd=0.2)
    cool, warm = (pool_couplings(fits, x * unit, options=options, rng=1) for unit in (1.0, 1e4))
    oracle("slope", error=cool["slope"].mean() - 2, bound=0.15)
    assert warm["slope"].mean() * 1e4 == pytest.approx(cool["slope"].mean(), rel=1e-6)
    assert warm["spread"].mean() == pytest.approx(cool["spread"].mean(), rel=1e-6)
    assert not any("slope" in text for text in warm.warnings)
    tight = pool_couplings(fits, x, options=PoolingOptions(slope_sd=0.01), rng=1)
    assert any("a trend may hide in the spread" in text for text in tight.warnings)


def test_fits_of_different_models_are_not_pooled():
    """Potts couplings of two states are twice Ising's; other lattices and copies are said."""
    pictures = [simulate_lattice(Ising([0.2]), square_lattice((16, 16)), rng=k) for k in (1, 2)]
    one, two = (fit_lattice_hamiltonian(picture, 1, rng=1) for picture in pictures)
    potts = fit_lattice_hamiltonian(pictures[1], 1, model="potts", rng=1)
    with pytest.raises(InputError, match="the model is ising for sample 0 and potts for sample 1"):
        pool_couplings([one, potts], rng=1)
    other = simulate_lattice(Ising([0.2]), triangular_lattice((16, 16)), rng=3)
    hexagonal = fit_lattice_hamiltonian(other, 1, rng=1)
    mixed = pool_couplings({"a": one, "b": hexagonal, "c": two}, rng=1)
    assert any("different lattices" in t and "b: triangular" in t for t in mixed.warnings)
    twice = pool_couplings({"a": one, "b": two, "c": one}, rng=1)
    assert any("samples a and c were fitted to the same data" in t for t in twice.warnings)
    plain = pool_couplings([one, two], rng=1)
    assert not any("lattices" in t or "same data" in t for t in plain.warnings)
