"""Rates against closed forms: laws, priors, posteriors, walks, and the tests of hops."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import erfcx, gammaln

from physlearn.checks import InputError
from physlearn.inference import fit_beam_rates, fit_hop_rates
from physlearn.inference.event_rates.beam_model import BeamModel, Threshold
from physlearn.inference.event_rates.beam_table import read_beam_counts
from physlearn.inference.event_rates.hop_report import _prior_sds
from physlearn.inference.event_rates.knock_on import knock_on_cross_section, largest_transfer_ev
from physlearn.inference.event_rates.rate_laws import RateLaw
from physlearn.inference.event_rates.rate_posterior import _walk, find_mode, sample_rates

BOLTZMANN = 8.617333262e-5
VECTORS = np.array([[1.0, 0.0], [0.0, 1.0]])


# ------------------------------------------------------------------------------------ laws of rates


def laws():
    temperature, level = np.array([300.0, 400.0, 300.0]), np.array([0, 1, 0])
    dose_rate = np.array([0.0, 20.0, 50.0])
    for arrhenius in (False, True):
        for beam in (False, True):
            for from_, to in ((False, False), (True, False), (True, True)):
                prior = (np.log(1e13), 1.2) if arrhenius and beam else None
                yield RateLaw(
                    2, temperature, level, dose_rate, arrhenius, beam, from_, to, 0.5, prior
                )


def some_rows():
    """Group, class, occupied neighbours before and after."""
    return np.array(
        [[g, c, a, b] for g in range(3) for c in range(2) for a in (0, 2) for b in (0, 1)]
    )


def point(law, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.3, 1.5, law.n_parameters)
    return x


@pytest.mark.parametrize("law", list(laws()), ids=range(12))
def test_rates_are_thermal_plus_beam_times_neighbours(law):
    x, rows = point(law), some_rows()
    c = 2
    for (group, label, before, after), rate in zip(rows, law.row_rates(x, rows), strict=True):
        kelvin = law.temperature[group]
        if law.arrhenius:
            middle = np.mean([1 / (BOLTZMANN * t) for t in (300.0, 400.0)])
            thermal = np.exp(x[label] - x[c + label] * (1 / (BOLTZMANN * kelvin) - middle))
        else:
            thermal = x[law.level[group] * c + label] ** 2
        n = 2 * c
        beam = x[n + label] ** 2 * law.dose_rate[group] if law.beam else 0.0
        n += c if law.beam else 0
        effect = (x[n] * before if law.count_from else 0.0) + (
            x[n + 1] * after if law.count_to else 0
        )
        assert rate == pytest.approx((thermal + beam) * np.exp(effect), rel=1e-9)
    assert law.n_parameters == n + law.count_from + law.count_to
    assert law.folded.tolist() == [not law.arrhenius] * 4 + [True] * 2 * law.beam + [False] * (
        law.count_from + law.count_to
    )


@pytest.mark.parametrize("law", list(laws()), ids=range(12))
def test_slopes_are_derivatives(law):
    x, rows, step = point(law), some_rows(), 1e-6
    slopes = law.row_slopes(x, rows)
    _, gradient = law.log_prior(x)
    for k, e in enumerate(np.eye(law.n_parameters) * step):
        rise = (law.row_rates(x + e, rows) - law.row_rates(x - e, rows)) / (2 * step)
        np.testing.assert_allclose(slopes[:, k], rise, rtol=1e-6, atol=1e-7)
        rise = (law.log_prior(x + e)[0] - law.log_prior(x - e)[0]) / (2 * step)
        assert gradient[k] == pytest.approx(rise, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("law", list(laws()), ids=range(12))
def test_the_prior_is_a_product_of_known_laws(law):
    """Square roots of rates: half a normal each side; log rates: a gamma; the others normal."""
    x = point(law)
    rim = 0.5 / 1000.0
    if law.arrhenius:
        rate = stats.gamma(0.5, scale=1 / rim)
        expected = sum(rate.logpdf(np.exp(v)) + v for v in x[:2])
        expected += stats.norm(1.0, 2.0).logpdf(x[2:4]).sum()
        if law.attempt_prior is not None:
            mean, sd = law.attempt_prior
            middle = np.mean([1 / (BOLTZMANN * t) for t in (300.0, 400.0)])
            expected += stats.norm(mean, sd).logpdf(x[:2] + x[2:4] * middle).sum()
    else:
        expected = stats.norm(0, np.sqrt(0.5 / rim)).logpdf(x[:4]).sum()
    rest = x[4:]
    if law.beam:
        expected += stats.norm(0, np.sqrt(0.5 / (rim * 50.0))).logpdf(rest[:2]).sum()
        rest = rest[2:]
    expected += stats.norm(0, 2.0).logpdf(rest).sum()
    assert law.log_prior(x)[0] == pytest.approx(expected, rel=1e-8)


# ------------------------------------------------------------------------------ posteriors of rates


def poisson_density(counts, times):
    """Square roots of independent rates with flat priors: gammas of shape 1/2 + count."""

    def log_density(x):
        rate = x**2
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(rate, 1e-300)) @ counts - rate @ times

    return log_density


@pytest.mark.parametrize("scale", [None, np.array([0.5, 2.0, 1e-2])])
def test_weighted_draws_of_counts_are_gammas(scale, oracle):
    counts, times = np.array([0.0, 3.0, 60.0]), np.array([20.0, 4.0, 1e4])
    found = sample_rates(
        poisson_density(counts, times), np.sqrt((counts + 0.5) / times), np.ones(3, bool),
        np.random.default_rng(1), 20_000, scale=scale, n_weighted=8000,
    )  # fmt: skip
    assert found.approximation.startswith("Gaussian at the mode")
    assert found.diagnostics["pareto_k"] < 0.7
    n = min(found.diagnostics["effective_draws"], 20_000)
    exact = stats.gamma(counts + 0.5, scale=1 / times)
    rates = found.draws**2
    for k, z in enumerate((rates.mean(axis=0) - exact.mean()) / exact.std() * np.sqrt(n)):
        oracle(f"mean of rate {k}", z=z)
    for share in (0.1, 0.5, 0.9):
        below = (rates < exact.ppf(share)).mean(axis=0)
        for k, z in enumerate((below - share) / np.sqrt(share * (1 - share) / n)):
            oracle(f"rate {k} below {share}", z=z)
    assert (found.draws >= 0).all()
    # the whole line of each square root: both signs
    evidence = gammaln(counts + 0.5) - (counts + 0.5) * np.log(times)
    error = 1 / np.sqrt(found.diagnostics["effective_draws"])
    oracle("evidence", z=(found.log_evidence - evidence.sum()) / (3 * error))
    np.testing.assert_allclose(found.mode, np.sqrt(counts / times), rtol=1e-3, atol=2e-3)
    assert found.covariance[2, 2] == pytest.approx(1 / (4 * 1e4), rel=1e-3)


def test_a_plain_parameter_is_not_folded_and_a_gaussian_is_exact(oracle):
    mean = np.array([-2.0, 1.0])
    covariance = np.array([[0.5, 0.3], [0.3, 0.4]])
    precision = np.linalg.inv(covariance)

    def log_density(x):
        away = x - mean
        return -0.5 * np.einsum("ni,ij,nj->n", away, precision, away)

    def gradient(x):
        return float(log_density(x[None])[0]), -precision @ (x - mean)

    for slope in (None, gradient):
        found = sample_rates(
            log_density, np.zeros(2), np.zeros(2, bool), np.random.default_rng(2), 8000,
            gradient=slope,
        )  # fmt: skip
        np.testing.assert_allclose(found.mode, mean, atol=1e-4)
        np.testing.assert_allclose(found.covariance, covariance, rtol=1e-3)
        n = found.diagnostics["effective_draws"]
        assert n > 1500
        error = np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(covariance)[1] - found.log_evidence
        oracle("evidence", z=error * np.sqrt(n) / 2)
        z = (found.draws.mean(axis=0) - mean) / np.sqrt(np.diag(covariance) / n)
        oracle("means", z=np.abs(z).max())
        oracle("covariance", bound=0.15, error=np.abs(np.cov(found.draws.T) / covariance - 1).max())
    np.testing.assert_allclose(
        find_mode(gradient, np.zeros(2), np.array([3.0, 0.1])), mean, atol=1e-4
    )


def test_a_surrogate_of_a_cubic_is_the_cubic():
    """Up to third degree the polynomial is the density itself, so that its error is rounding."""

    def log_density(x):
        return -0.5 * np.sum(x**2, axis=1) + 0.02 * x[:, 0] ** 3 - 0.01 * x[:, 0] * x[:, 1] ** 2

    plain, fitted = (
        sample_rates(
            log_density, np.full(2, 0.1), np.zeros(2, bool), np.random.default_rng(3), 4000,
            n_surrogate=n,
        )
        for n in (0, 200)
    )  # fmt: skip
    assert fitted.diagnostics["surrogate_error"] < 1e-6
    assert fitted.log_evidence == pytest.approx(plain.log_evidence, abs=0.05)
    np.testing.assert_allclose(fitted.draws.std(axis=0), plain.draws.std(axis=0), rtol=0.08)

    def quartic(x):
        return log_density(x) - 0.05 * np.sum(x**4, axis=1)

    rough = sample_rates(
        quartic, np.full(2, 0.1), np.zeros(2, bool), np.random.default_rng(3), 1000, n_surrogate=200
    )
    assert 0.01 < rough.diagnostics["surrogate_error"] < 1.0


def test_the_walk_of_an_ensemble_has_its_targets_moments(oracle):
    mean, covariance = np.array([1.0, -2.0, 0.5]), np.diag([1.0, 4.0, 0.25])
    covariance[0, 1] = covariance[1, 0] = 1.2
    precision = np.linalg.inv(covariance)

    def log_density(x):
        return -0.5 * np.einsum("ni,ij,nj->n", x - mean, precision, x - mean)

    rng = np.random.default_rng(4)
    start = mean + 0.3 * rng.normal(size=(200, 3))
    found, ratio = _walk(log_density, start, np.full(200, 1 / 200), rng, 20_000)
    assert 1.0 <= ratio < 1.05
    assert found.shape == (20_000, 3)
    # 80 walkers over 600 sweeps, alike for some tens of them: a thousand draws at least
    sd = np.sqrt(np.diag(covariance))
    oracle("means", z=np.abs((found.mean(axis=0) - mean) / sd).max() * np.sqrt(1000))
    oracle("variances", z=np.abs(found.var(axis=0) / sd**2 - 1).max() * np.sqrt(500))
    together = np.corrcoef(found.T)[0, 1]
    oracle("correlation", z=(np.arctanh(together) - np.arctanh(0.6)) * np.sqrt(1000))
    for share in (0.02, 0.5, 0.98):
        below = (found[:, 0] < mean[0] + sd[0] * stats.norm.ppf(share)).mean()
        error = np.sqrt(share * (1 - share) / 1000)
        oracle(f"share below {share}", z=(below - share) / error)


# -------------------------------------------------------------------------------- counts of changes


def beam(**change):
    given = {"n_sites": [50, 80, 60, 70], "duration_s": [2.0, 4.0, 1.0, 3.0],
             "dose": [0.0, 100.0, 300.0, 60.0], "temperature_kelvin": [300.0, 300, 400, 500],
             "voltage_kv": [60.0, 60, 80, 80]} | change  # fmt: skip
    return read_beam_counts([3, 9, 12, 6], given, None)


def test_events_are_binomial_or_poisson_about_their_means():
    data = beam()
    assert data.once
    model = BeamModel(data)
    x = np.array([0.1, 0.2, 0.15, 0.03, 0.02])
    rate, area = x[:3] ** 2, x[3:] ** 2
    mean = rate[[0, 0, 1, 2]] * data.duration + area[[0, 0, 1, 1]] * data.dose
    np.testing.assert_allclose(model.means(x), mean)
    p = -np.expm1(-mean)
    ways = stats.binom(data.n_sites, 0.5).logpmf(data.events) + data.n_sites * np.log(2)
    exact = stats.binom(data.n_sites, p).logpmf(data.events) - ways
    assert model.log_likelihood(x) == pytest.approx(exact.sum())
    again = beam(once=None)
    assert again.once
    repeats = read_beam_counts([3, 90], {"duration_s": 2.0, "dose": [0, 100.0]}, None)
    assert not repeats.once
    model = BeamModel(repeats)
    mean = np.array([0.5, 40.0])
    exact = stats.poisson(mean).logpmf([3, 90]) + gammaln([4, 91])
    from physlearn.inference.event_rates.beam_model import events_log_likelihood

    assert events_log_likelihood(repeats, mean) == pytest.approx(exact.sum())


def test_priors_of_rates_under_the_beam():
    data = beam()
    x = np.array([0.1, 0.2, 0.15])
    rim = 1.0 / 1000
    flat = stats.norm(0, np.sqrt(0.5 / rim))
    dark = BeamModel(data, beam=False)
    assert dark.log_prior(x) == pytest.approx(flat.logpdf(x).sum())
    hot = BeamModel(data, beam=False, heating=True)
    value = hot.log_prior(np.append(x, 1.5))
    assert value == pytest.approx(flat.logpdf(x).sum() + stats.halfnorm(scale=2.0).logpdf(1.5))
    assert hot.log_density(np.array([[*x, -0.1]]))[0] == -1e300
    law = BeamModel(data, beam=False, arrhenius=True, attempt_prior=(30.0, 2.0))
    y = np.array([-3.0, 0.8])
    middle = np.mean(1 / (BOLTZMANN * np.array([300.0, 400, 500])))
    expected = stats.gamma(0.5, scale=1 / rim).logpdf(np.exp(-3.0)) - 3.0
    expected += stats.norm(1.0, 2.0).logpdf(0.8) + stats.norm(30, 2).logpdf(-3.0 + 0.8 * middle)
    assert law.log_prior(y) == pytest.approx(expected)
    rates = np.exp(-3.0 - 0.8 * (1 / (BOLTZMANN * np.array([300.0, 400, 500])) - middle))
    np.testing.assert_allclose(law.thermal_rates(y), rates, rtol=1e-9)
    # heating: exp(h j / largest j)
    most = 300.0
    mean = x[[0, 0, 1, 2]] ** 2 * data.duration * np.exp(1.5 * data.dose_rate / most)
    np.testing.assert_allclose(hot.means(np.append(x, 1.5)), mean)
    tied = BeamModel(data, threshold=Threshold("C", 0.0))
    z = np.array([*x, 12.0, 0.3])
    area = knock_on_cross_section([60.0, 80.0], 12.0, "C") * np.exp(0.3)
    np.testing.assert_allclose(tied.cross_sections(z), area)
    top = largest_transfer_ev(80.0, "C").item()
    expected = flat.logpdf(x).sum() + stats.norm(top, top).logpdf(12.0) + stats.norm.logpdf(0.3)
    assert tied.log_prior(z) == pytest.approx(expected)


def test_what_an_electron_meets_is_averaged_over_the_electrons():
    data = beam()
    shares, rate = BeamModel(data).beam_shares
    electrons = data.n_sites * data.dose
    np.testing.assert_allclose(shares[0], [1, 0, 0])
    np.testing.assert_allclose(
        shares[1], np.array([0, electrons[2], electrons[3]]) / electrons[2:].sum()
    )
    np.testing.assert_allclose(rate[0], 25.0)
    np.testing.assert_allclose(
        rate[1], (electrons[2] * 300 + electrons[3] * 20) / electrons[2:].sum()
    )


def test_the_third_of_dose_rate_and_time_follows():
    for given in (
        {"duration_s": [2.0, 4.0], "dose_rate": [5.0, 10.0]},
        {"duration_s": [2.0, 4.0], "dose": [10.0, 40.0]},
        {"dose": [10.0, 40.0], "dose_rate": [5.0, 10.0]},
        {"duration_s": [2.0, 4.0], "dose": [10.0, 40.0], "dose_rate": [5.0, 10.0]},
    ):
        data = read_beam_counts([1, 2], given, None)
        assert data.duration.tolist() == [2.0, 4.0]
        assert data.dose.tolist() == [10.0, 40.0]
    with pytest.raises(InputError, match="within 1 %"):
        read_beam_counts([1], {"duration_s": 1.0, "dose": 1.0, "dose_rate": 1.02}, None)
    read_beam_counts([1], {"duration_s": 1.0, "dose": 1.0, "dose_rate": 1.005}, None)
    group, rates = read_beam_counts(
        [1, 2, 3, 4], {"duration_s": [1.0, 2, 1, 1], "dose_rate": [50, 50.3, 0, 52]}, None
    ).rate_group
    assert group.tolist() == [1, 1, 0, 2]
    np.testing.assert_allclose(rates, [0.0, (50 + 2 * 50.3) / 3, 52.0])


# --------------------------------------------------------------------------- a table of hop counts


def test_a_table_of_counts_has_the_posterior_of_its_gammas(oracle):
    """Two kinds of hops, the first counted twice: rate ~ Gamma(1/2 + hops, bonds x exposure)."""
    table = pd.DataFrame({"hops": [20, 30, 7], "exposure": [100.0, 150.0, 50.0],
                          "hop": ["a", "a", "b"], "n_bonds": [4, 4, 2]})  # fmt: skip
    fit = fit_hop_rates(table, rng=1, n_draws=8000)
    exact = stats.gamma([50.5, 7.5], scale=1 / np.array([1000.0, 100.0]))
    n = fit.diagnostics["effective_draws"]
    z = (fit["hop_rate"].mean(axis=0) - exact.mean()) / exact.std() * np.sqrt(n)
    oracle("means", z=np.abs(z).max())
    oracle("sds", error=np.abs(fit["hop_rate"].std(axis=0) / exact.std() - 1).max(), bound=0.05)
    assert fit.diagnostics["hops"] == 57.0
    assert fit.diagnostics["exposure"] == 300.0
    assert "total_rate" not in fit.variables


def test_what_is_not_there_has_no_prior():
    data = beam()
    x = np.array([0.03, 0.02])
    edge = 60.0 / 1000
    struck = BeamModel(data, thermal=False)
    assert struck.log_prior(x) == pytest.approx(stats.norm(0, np.sqrt(0.5 / edge)).logpdf(x).sum())
    np.testing.assert_allclose(struck.means(x), x[[0, 0, 1, 1]] ** 2 * data.dose)
    assert struck.n_parameters == 2 and struck.folded.all()


def test_a_voltage_without_dose_keeps_its_plain_prior():
    data = beam(dose=[0.0, 0.0, 300.0, 60.0])
    x = np.array([0.1, 0.2, 0.15, 0.03, 0.02])
    edge, rim = 60.0 / 1000, 1.0 / 1000
    shares, rate = BeamModel(data).beam_shares
    assert rate[0] == 0.0
    ratio = shares[1] @ x[:3] ** 2 / rate[1]
    expected = stats.norm(0, np.sqrt(0.5 / rim)).logpdf(x[:3]).sum()
    expected += stats.norm(0, np.sqrt(0.5 / edge)).logpdf(x[3:]).sum()
    expected += 0.5 * np.log(x[4] ** 2 / (x[4] ** 2 + ratio)) - np.log(erfcx(np.sqrt(edge * ratio)))
    assert BeamModel(data).log_prior(x) == pytest.approx(expected)


def test_one_site_that_changed_bounds_its_rate_from_below():
    fit = fit_beam_rates([0, 1], n_sites=[1000, 1], duration_s=10.0, dose_rate=[0, 50], rng=1)
    assert any("lower bound is known" in text for text in fit.warnings)


def test_the_priors_that_a_fit_tells_are_those_of_its_law():
    for law in laws():
        told = _prior_sds(law)
        assert told.get("barrier_ev", None) == (2.0 if law.arrhenius else None)
        assert told.get("neighbour_effect", None) == (2.0 if law.count_from else None)
