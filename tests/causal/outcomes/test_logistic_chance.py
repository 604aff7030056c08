import math

import numpy as np
import pytest
from scipy import integrate

from physlearn.causal.outcomes.logistic_chance import PRIOR_SD, fit_logistic_chance


def grid_posterior(x, worked):
    """Evidence and mean slope of one covariate by integrals over both coefficients."""
    a, b = np.meshgrid(np.linspace(-12, 12, 801), np.linspace(-12, 12, 801), indexing="ij")
    logits = a[..., None] + b[..., None] * x
    log = (worked * logits - np.logaddexp(0, logits)).sum(axis=-1)
    log -= 0.5 * (a**2 + b**2) / PRIOR_SD**2 + math.log(2 * math.pi * PRIOR_SD**2)
    weight = np.exp(log)
    step = 24 / 800
    total = integrate.trapezoid(integrate.trapezoid(weight, dx=step), dx=step)
    slope = integrate.trapezoid(integrate.trapezoid(weight * b, dx=step), dx=step)
    return math.log(total), slope / total


def test_evidence_is_that_of_the_integral():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    x = (x - x.mean()) / x.std()
    worked = rng.random(60) < 1 / (1 + np.exp(-(0.5 + 1.2 * x)))
    law = fit_logistic_chance(x[:, None], worked)
    log_evidence, slope = grid_posterior(x, worked)
    # Laplace's error falls as one over the number of attempts
    assert law.log_evidence == pytest.approx(log_evidence, abs=3 / 60)
    assert law.mean[1] == pytest.approx(slope, abs=0.5 * math.sqrt(law.covariance[1, 1]))


def test_perfect_separation_stays_finite():
    x = np.linspace(-1.5, 1.5, 30)
    law = fit_logistic_chance(x[:, None], x > 0)
    mean, sd = law.logits(np.array([[0.0], [3.0]]))
    assert np.isfinite(law.mean).all()
    assert np.isfinite(law.log_evidence)
    assert abs(mean[0]) < 0.5
    assert mean[1] > 5
    assert sd[1] > sd[0]


def test_without_attempts_of_either_kind_the_prior_holds_it():
    law = fit_logistic_chance(np.zeros((5, 1)), np.ones(5, bool))
    assert law.mean[1] == pytest.approx(0.0, abs=1e-12)
    assert 1.0 < law.mean[0] < 6.0
