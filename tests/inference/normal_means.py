"""Means of normal data and estimators of them, right and wrong, for studies of calibration."""

import numpy as np

from physlearn.checks import NotIdentified

N_DATA = 10
EXACT_SD = (1.0 + N_DATA) ** -0.5
PRIOR = {"mean": 1.0}


def simulate(theta, rng):
    return rng.normal(theta["mean"], 1.0, N_DATA)


def fit(data, rng, width=1.0, shift=0.0, n_draws=400):
    """The conjugate posterior of a normal mean, made wider and shifted by so many sds."""
    center = data.sum() / (1 + N_DATA) + shift * EXACT_SD
    return {"mean": rng.normal(center, width * EXACT_SD, n_draws)}


def moody(data, rng):
    if data.mean() > 1.0:
        raise NotIdentified("the mean is too large to say")
    if data.mean() < -1.0:
        raise ZeroDivisionError("a mistake")
    return fit(data, rng)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("truths", "means", "sds", "ranks", "pits", "n_draws", "status", "flagged")
    ) and (one.names, one.messages) == (other.names, other.messages)
