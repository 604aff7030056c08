"""A small world: three laws of a switching fraction against bias and dose, with members."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from physlearn.causal import Action, Hypothesis, SafetyEnvelope

NOISE_SD = 0.15
BIASES = np.linspace(0.5, 6.0, 8)
DOSES = (0.3, 3.0, 30.0)


def _logistic(x):
    return 1.0 / (1.0 + np.exp(-np.clip(x, -50, 50)))


def _law(name, parameters, bias, dose):
    height, place, width, scale, shift = (p[..., None] for p in parameters)
    return {
        "threshold": lambda: height * _logistic((bias - place) / width),
        "saturation": lambda: height * (1 - np.exp(-dose * bias / scale)),
        "sliding threshold": lambda: (
            height * _logistic((bias + shift * np.log(dose) - place) / width)
        ),
        "outside": lambda: height * (0.8 - 0.7 * bias / 6) * np.exp(-dose / scale),
    }[name]()


def _draw(rng, n):
    return (
        rng.uniform(0.6, 1.2, n), rng.uniform(2, 5, n), rng.uniform(0.2, 0.8, n),
        np.exp(rng.uniform(np.log(3), np.log(60), n)), rng.uniform(0.3, 1.2, n),
    )  # fmt: skip


def _members(name, actions, rng, n):
    bias = np.array([a.number("bias_V") for a in actions])
    dose = np.array([a.dose for a in actions])
    return _law(name, _draw(rng, n), bias, dose)


@dataclass
class World:
    """A truth: what every act is really expected to show."""

    expected: np.ndarray
    actions: tuple[Action, ...]
    rng: np.random.Generator

    def do(self, action):
        return float(self.expected[self.actions.index(action)] + NOISE_SD * self.rng.normal())


@dataclass
class Toy:
    """The planner's side of the world, and worlds to try it on."""

    hypotheses: tuple[Hypothesis, ...]
    actions: tuple[Action, ...]
    envelope: SafetyEnvelope
    world: Callable[..., World]


def _hypothesis(name, label=None):
    def joint(actions, rng, n):
        return _members(name, actions, rng, n)

    def predict(action, rng, n):
        return joint([action], rng, n)[:, 0] + NOISE_SD * rng.normal(size=n)

    return Hypothesis(label or name, 1.0, predict, joint=joint, noise_sd=NOISE_SD)


@pytest.fixture(scope="session")
def toy():
    actions = tuple(
        Action("change_bias", {"bias_V": float(b), "exposure": d}, d, 1.0, 1.0)
        for b in BIASES
        for d in DOSES
    )
    laws = tuple(_hypothesis(name) for name in ("threshold", "saturation", "sliding threshold"))

    def world(name, seed):
        rng = np.random.default_rng([77, seed])
        return World(_members(name, actions, rng, 1)[0], actions, rng)

    envelope = SafetyEnvelope(5000.0, (0, 0, 1, 1), bias_limits_volt=(-9, 9))
    return Toy(laws, actions, envelope, world)


@pytest.fixture(scope="session")
def twins():
    """Two hypotheses that say the same."""
    return (_hypothesis("threshold", "one"), _hypothesis("threshold", "other"))
