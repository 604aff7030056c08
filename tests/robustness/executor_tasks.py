"""What the tests of executors let workers do; other processes must be able to import it."""

import os
import signal
from pathlib import Path

import numpy as np

from physlearn.checks import NotIdentified


def mean_of(data, rng):
    """Draws of a Gaussian mean with known noise: importing ArviZ takes longer than all tests.

    ``data``: numbers, after them perhaps a path: the worker is killed as long as nothing is there.
    """
    numbers, *marks = data
    for mark in marks:
        if not Path(mark).exists():
            if mark != "never":
                Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if len(numbers) < 2:
        raise NotIdentified("data must hold two numbers.")
    return np.random.default_rng(rng).normal(np.mean(numbers), 1 / np.sqrt(len(numbers)), 500)


def simulate(theta, rng):
    return rng.normal(theta["mean"], 1.0, 10)


def fit(data, rng):
    """Exact posterior for the prior mean ~ normal(0, 1), by a product of matrices."""
    draws = rng.normal(data.sum() / 11, 11**-0.5, 200)
    mixing = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    return {"mean": mixing @ (mixing.T @ draws)}


def campaign(rng):
    """A planner that asks whether a response follows a bias, and a twin where it does."""
    from physlearn.causal import (
        Action,
        DigitalTwin,
        Hypothesis,
        Planner,
        ResponseSample,
        SafetyEnvelope,
    )  # fmt: skip

    def of(slope):
        return lambda act, rng, n: (slope * act.number("bias_V"), 1.0)

    laws = [Hypothesis(name, 1, of(slope)) for name, slope in (("flat", 0.0), ("steep", 0.5))]
    acts = [Action("change_bias", {"bias_V": bias}, 0.0, 1.0, 1.0) for bias in (0.1, 1.0, 2.0)]
    envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    sample = ResponseSample(lambda act: 0.5 * act.number("bias_V"))
    return Planner(laws, acts, envelope, 60.0, rng=rng), DigitalTwin(sample, rng=rng)


def refused_campaign(rng):
    raise NotIdentified("no twin today.")


def square(number):
    return number * number
