"""Densities of single measurements against scipy.stats, slopes against differences."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.law_data.point_likelihood import point_terms

RNG = np.random.default_rng(5)
X = np.linspace(1.0, 4.0, 12)
LAW = 2.0 + X
EXTRA = 0.01 * X
SD = 0.3


def terms(noise, y, law=LAW, extra=EXTRA, nuisance=(), **marks):
    data = observe({"x": X}, y, noise, **marks)
    return point_terms(noise, data, law, extra, np.array(nuisance, dtype=float))


def expected(kind, y):
    normal = stats.norm
    if kind == "additive":
        return normal.logpdf(y, LAW, np.sqrt(SD**2 + EXTRA))
    if kind == "multiplicative":
        return normal.logpdf(y, LAW, np.sqrt((SD * LAW) ** 2 + EXTRA))
    if kind == "log":
        sd = np.sqrt(SD**2 + EXTRA / LAW**2)
        return stats.lognorm.logpdf(y, sd, scale=LAW)
    if kind == "counts":
        return stats.poisson.logpmf(y, LAW)
    if kind == "student":
        return stats.t.logpdf(y, 4.0, LAW, SD)
    share = expit(-1.5)
    inside = normal.pdf(y, LAW, np.sqrt(SD**2 + EXTRA))
    outside = normal.pdf(y, LAW, np.sqrt(100.0 * SD**2 + EXTRA))
    return np.log((1.0 - share) * inside + share * outside)


KINDS = ("additive", "multiplicative", "log", "counts", "student", "outliers")


def drawn(kind):
    if kind == "counts":
        return RNG.poisson(LAW).astype(float)
    return LAW * np.exp(SD * RNG.standard_normal(X.size))


def nuisance_of(noise):
    return [{"log_sd": np.log(SD), "logit_share": -1.5}[name] for name in noise.nuisance]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [True, False])
def test_densities_are_those_of_scipy(kind, known):
    noise = NoiseModel(kind, sd=SD if known and kind != "counts" else None)
    y = drawn(kind)
    found = terms(noise, y, nuisance=nuisance_of(noise)).value
    np.testing.assert_allclose(found, expected(kind, y), rtol=1e-12)


NORMAL = ("additive", "multiplicative", "log")


@pytest.mark.parametrize(
    ("kind", "censored"), [(k, False) for k in KINDS] + [(k, True) for k in NORMAL]
)
def test_slopes_are_those_of_differences(kind, censored):
    noise = NoiseModel(kind)
    y = drawn(kind)
    marks = {"below": X < 2.0, "above": X > 3.5} if censored else {}
    nuisance = np.array(nuisance_of(noise))
    found = terms(noise, y, nuisance=nuisance, **marks)
    step = 1e-6

    def value(law=LAW, extra=EXTRA, nuisance=nuisance):
        return terms(noise, y, law, extra, nuisance, **marks).value

    def slope(up, down):
        return (up - down) / (2.0 * step)

    by_law = slope(value(law=LAW + step), value(law=LAW - step))
    np.testing.assert_allclose(found.by_law, by_law, rtol=1e-6, atol=1e-7)
    if kind not in ("counts", "student"):
        by_extra = slope(value(extra=EXTRA + step), value(extra=EXTRA - step))
        np.testing.assert_allclose(found.by_variance, by_extra, rtol=1e-5, atol=1e-6)
    for place in range(nuisance.size):
        move = step * np.eye(nuisance.size)[place]
        by_own = slope(value(nuisance=nuisance + move), value(nuisance=nuisance - move))
        np.testing.assert_allclose(found.by_nuisance[place], by_own, rtol=1e-6, atol=1e-7)
    assert (found.information >= 0).all()


@pytest.mark.parametrize("kind", ["additive", "multiplicative", "log"])
def test_limits_count_the_probability_beyond_them(kind):
    noise = NoiseModel(kind, sd=SD)
    below, above = X < 2.0, X > 3.0
    y = drawn(kind)
    found = terms(noise, y, below=below, above=above).value
    if kind == "log":
        law = stats.lognorm(np.sqrt(SD**2 + EXTRA / LAW**2), scale=LAW)
    else:
        scale = SD * LAW if kind == "multiplicative" else np.full(X.size, SD)
        law = stats.norm(LAW, np.sqrt(scale**2 + EXTRA))
    np.testing.assert_allclose(found[below], law.logcdf(y)[below], rtol=1e-10)
    np.testing.assert_allclose(found[above], law.logsf(y)[above], rtol=1e-10)
    middle = ~(below | above)
    np.testing.assert_allclose(found[middle], expected(kind, y)[middle], rtol=1e-12)


@pytest.mark.parametrize("kind", ["log", "multiplicative", "counts"])
def test_laws_that_are_not_positive_have_no_density(kind):
    noise = NoiseModel(kind, sd=None if kind == "counts" else SD)
    found = terms(noise, drawn(kind), law=np.where(X > 2.0, LAW, -1.0)).value
    assert np.isnan(found[X <= 2.0]).all()
    assert np.isfinite(found[X > 2.0]).all()


def test_a_limit_says_less_than_a_value():
    """Its information is minus the second derivative, which never exceeds that of a value."""
    noise, step = NoiseModel(sd=SD), 1e-5
    marks = {"below": X < 3.0, "above": X > 3.5}
    y = drawn("log")
    none = np.zeros_like(LAW)
    found = terms(noise, y, extra=none, **marks).information
    up = terms(noise, y, LAW + step, none, **marks).by_law
    down = terms(noise, y, LAW - step, none, **marks).by_law
    np.testing.assert_allclose(found, (down - up) / (2.0 * step), rtol=1e-5, atol=1e-6)
    limits = (X < 3.0) | (X > 3.5)
    assert (found[limits] < 1.0 / SD**2).all()
