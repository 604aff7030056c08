"""Worlds with hidden truth: acts, laws with parameters, noise, and truths inside and outside.

A law of a twin's sample is an emulator: samples with drawn parameters are asked for every act, and
polynomials of the parameters are fitted to their answers, so that thousands of members cost nothing
and carry no Monte Carlo error of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import qmc

from physlearn.causal import Action, DesignTable, DigitalTwin, Hypothesis, Instrument
from physlearn.causal.policies.belief import Belief
from physlearn.causal.severity.design_table import action_coordinates

__all__ = [
    "Law",
    "Truth",
    "World",
    "asked",
    "emulated",
    "inside",
    "outside_of",
    "planted",
    "world_of_laws",
]

Floats = NDArray[np.float64]
MakeSample = Callable[[Floats], Any]
N_MEMBERS = 1500
DEGREE = 3


@dataclass(frozen=True, eq=False)
class Law:
    """What one hypothesis expects: bounds (p, 2) of its parameters, and the expected readouts.

    ``expected``: (n, p) -> (n, n_actions). ``make_sample``: the sample with these parameters, None
    where the law is all there is. ``misfit``: largest root mean square, over samples, of what the
    emulator leaves, in noise sd.
    """

    bounds: Floats
    expected: Callable[[Floats], Floats]
    make_sample: MakeSample | None = None
    misfit: float = 0.0

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return parameters, (n, p), even within the bounds."""
        low, high = self.bounds.T
        return np.asarray(low + (high - low) * rng.random((n, len(low))))


@dataclass(frozen=True, eq=False)
class Truth:
    """What is hidden: the law it is of (None: outside), its expected readouts, its sample."""

    law: int | None
    mean: Floats
    noise_sd: Floats
    sample: Any = None
    distance: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """Acts, the hypotheses' laws and noise (n_laws, n_actions), and laws that nobody listed."""

    name: str
    actions: tuple[Action, ...]
    laws: Mapping[str, Law]
    noise_sd: Floats
    outside: Mapping[str, tuple[Law, Floats]] = field(default_factory=dict)
    instrument_sd: float = 0.0
    edges: Mapping[str, tuple[tuple[str, str], ...]] | None = None
    max_total_dose: float = 300.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hypotheses."""
        return tuple(self.laws)

    @property
    def doses(self) -> Floats:
        """Dose of every act."""
        return np.array([act.dose for act in self.actions])

    @property
    def coordinates(self) -> Floats:
        """Where the acts lie."""
        return action_coordinates(self.actions)

    def members(self, n: int = N_MEMBERS, seed: int = 3) -> tuple[Floats, ...]:
        """Return members of every law, (n, n_actions) each."""
        drawn = zip(self.laws.values(), self.parameters(n, seed), strict=True)
        return tuple(law.expected(p) for law, p in drawn)

    def parameters(self, n: int = N_MEMBERS, seed: int = 3) -> tuple[Floats, ...]:
        """Return the parameters of these members, (n, n_parameters) each."""
        rng = np.random.default_rng(seed)
        return tuple(law.draw(n, rng) for law in self.laws.values())

    def table(self, noise_factor: float = 1.0) -> DesignTable:
        """Return what the severity test is declared with."""
        noise = noise_factor * self.noise_sd
        return DesignTable(self.names, self.members(), noise, self.coordinates)

    def belief(self) -> Belief:
        """Return the belief before the first readout."""
        members = self.members()
        total = sum(map(len, members))
        of = np.repeat(np.arange(len(members)), [len(part) for part in members])
        logs = np.full(total, -np.log(total))
        return Belief(self.names, np.concatenate(members), of, logs, self.noise_sd)

    def hypotheses(self) -> list[Hypothesis]:
        """Return the hypotheses as a planner takes them."""
        place = {id(act): j for j, act in enumerate(self.actions)}

        def made(k: int, name: str, law: Law) -> Hypothesis:
            def joint(acts: Any, rng: np.random.Generator, n: int) -> Floats:
                return law.expected(law.draw(n, rng))[:, [place[id(act)] for act in acts]]

            def noise(act: Action) -> float:
                return float(self.noise_sd[k, place[id(act)]])

            def predict(act: Action, rng: np.random.Generator, n: int) -> Floats:
                return np.asarray(joint([act], rng, n)[:, 0] + noise(act) * rng.standard_normal(n))

            return Hypothesis(name, 1.0, predict, joint=joint, noise_sd=noise)

        return [made(k, name, law) for k, (name, law) in enumerate(self.laws.items())]

    def read(self, truth: Truth, act: int, rng: np.random.Generator) -> float:
        """Return one readout of an act on a fresh area."""
        if truth.sample is None:
            return float(truth.mean[act] + truth.noise_sd[act] * rng.standard_normal())
        return asked(truth.sample, self.actions[act], rng, self.instrument_sd)

    def distance(self, mean: Floats) -> float:
        """Return the rms distance to the nearest member after refit, in noise sd."""
        best = np.inf
        for k, law in enumerate(self.laws.values()):
            start = law.draw(600, np.random.default_rng(0))
            left = (law.expected(start) - mean) / self.noise_sd[k]
            first = start[np.argmin((left**2).sum(axis=1))]

            def misfit(p: Floats, law: Law = law, k: int = k) -> Floats:
                return np.asarray((law.expected(p[None])[0] - mean) / self.noise_sd[k])

            fit = least_squares(misfit, first, bounds=law.bounds.T, max_nfev=20)
            best = min(best, float(np.sqrt(np.mean(fit.fun**2))))
        return best


def asked(sample: Any, act: Action, rng: np.random.Generator, noise_sd: float = 0.0) -> float:
    """Return what a fresh area of a sample answers through a twin."""
    made = Instrument(readout_noise_sd=noise_sd, pictures=False)
    readout = DigitalTwin(sample, made, rng=int(rng.integers(2**62))).do(act).readout
    return float("nan") if readout is None else float(readout)


def emulated(
    make_sample: MakeSample, bounds: list[tuple[float, float]], actions: tuple[Action, ...],
    instrument_sd: float, seed: int, *, n_samples: int = 64, n_repeats: int = 2,
) -> tuple[Law, Floats]:  # fmt: skip
    """Return the law of a kind of sample, and the noise sd of a readout of every act."""
    edges = np.array(bounds, dtype=np.float64)
    low, high = edges.T
    draws = qmc.LatinHypercube(len(edges), rng=np.random.default_rng(seed)).random(n_samples)
    rng = np.random.default_rng([seed, 1])
    samples = [make_sample(low + (high - low) * u) for u in draws]
    answers = np.array([
        [[asked(sample, act, rng) for _ in range(n_repeats)] for act in actions]
        for sample in samples
    ])  # fmt: skip
    basis, means = _powers(2.0 * draws - 1.0), answers.mean(axis=2)
    coefficients = np.linalg.lstsq(basis, means, rcond=None)[0]
    scatter = answers.var(axis=2, ddof=1).mean(axis=0)
    noise = np.sqrt(scatter + instrument_sd**2)
    freedom = max(n_samples - basis.shape[1], 1)
    left = ((means - basis @ coefficients) ** 2).sum(axis=0) / freedom - scatter / n_repeats
    misfit = float(np.max(np.sqrt(np.maximum(left, 0.0)) / noise))

    def expected(p: Floats) -> Floats:
        return np.asarray(_powers(2.0 * (p - low) / (high - low) - 1.0) @ coefficients)

    return Law(edges, expected, make_sample, misfit), noise


def _powers(u: Floats) -> Floats:
    """Return all products of the parameters up to the third power."""
    columns = [np.ones(len(u))]
    for degree in range(1, DEGREE + 1):
        for chosen in combinations_with_replacement(range(u.shape[1]), degree):
            columns.append(np.prod(u[:, chosen], axis=1))
    return np.stack(columns, axis=1)


def inside(world: World, seed: int) -> Truth:
    """Return a truth of one of the hypotheses."""
    rng = np.random.default_rng([101, seed])
    k = int(rng.integers(len(world.laws)))
    return _of_law(list(world.laws.values())[k], world.noise_sd[k], k, rng)


def outside_of(world: World, family: str, seed: int) -> Truth:
    """Return a truth of a family that nobody listed, with its distance."""
    law, noise = world.outside[family]
    truth = _of_law(law, noise, None, np.random.default_rng([102, seed]))
    return Truth(None, truth.mean, noise, truth.sample, world.distance(truth.mean))


def _of_law(law: Law, noise: Floats, k: int | None, rng: np.random.Generator) -> Truth:
    p = law.draw(1, rng)
    sample = None if law.make_sample is None else law.make_sample(p[0])
    return Truth(k, law.expected(p)[0], noise, sample)


def planted(world: World, kind: str, size: float, seed: int) -> Truth:
    """Return a member with a smooth deviation of this rms, or a bump of this peak, in noise sd.

    Smooth: cosines over the coordinates, less what the law's parameters could take up. Local: a
    Gaussian bump of the declared width (.18 of the range) at one of the acts, before any refit.
    """
    rng = np.random.default_rng([103, seed])
    k = int(rng.integers(len(world.laws)))
    law, noise = list(world.laws.values())[k], world.noise_sd[k]
    p, places = law.draw(1, rng), world.coordinates
    mean = law.expected(p)[0]
    if kind == "local":
        apart = ((places - places[rng.integers(len(places))]) ** 2).sum(axis=1)
        shape = rng.choice([-1.0, 1.0]) * np.exp(-0.5 * apart / 0.18**2)
    else:
        shape = _cosines(places, rng)
        step = 1e-4 * (law.bounds[:, 1] - law.bounds[:, 0])
        slopes = (law.expected(p + np.diag(step)) - mean) / noise
        parts, sizes, _ = np.linalg.svd(slopes.T, full_matrices=False)
        parts = parts[:, sizes > 1e-9 * max(sizes.max(), 1e-300)]
        shape = shape - parts @ (parts.T @ shape)
        shape = shape / np.sqrt(np.mean(shape**2))
    changed = mean + size * shape * noise
    return Truth(None, changed, noise, None, world.distance(changed))


def _cosines(places: Floats, rng: np.random.Generator) -> Floats:
    total = np.zeros(len(places))
    u = (places - places.min(axis=0)) / np.maximum(np.ptp(places, axis=0), 1e-12)
    for _ in range(10):
        waves = rng.integers(0, 4, u.shape[1])
        if waves.any():
            total += rng.standard_normal() * np.prod(np.cos(np.pi * waves * u), axis=1)
    return total if np.ptp(total) > 0 else np.cos(np.pi * u[:, 0])


@lru_cache(maxsize=1)
def world_of_laws() -> World:
    """Return the world of three response laws over 12 biases and 6 doses, noise .15."""
    acts = tuple(
        Action("change_bias", {"bias_V": float(bias)}, dose, 10.0, 1.0)
        for bias in np.linspace(0.5, 6.0, 12)
        for dose in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    )
    bias = np.array([act.number("bias_V") for act in acts])
    dose = np.array([act.dose for act in acts])

    def step(x: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50, 50))))

    def columns(p: Floats) -> list[Floats]:
        return [p[:, i, None] for i in range(p.shape[1])]

    def switching(p: Floats) -> Floats:
        height, middle, width = columns(p)
        return height * step((bias - middle) / width)

    def saturating(p: Floats) -> Floats:
        height, scale = columns(p)
        return height * (1.0 - np.exp(-dose * bias / np.exp(scale)))

    def helped(p: Floats) -> Floats:
        height, middle, width, slope = columns(p)
        return height * step((bias + slope * np.log(dose) - middle) / width)

    def fading(p: Floats) -> Floats:
        height, scale = columns(p)
        return height * bias / 6.0 * np.exp(-dose / np.exp(scale))

    height, middle, width = (0.6, 1.2), (2.0, 5.0), (0.2, 0.8)
    scale, slope = (np.log(3.0), np.log(60.0)), (0.3, 1.2)
    noise = np.full(len(acts), 0.15)
    return World(
        "response laws", acts,
        {
            "switching": Law(np.array([height, middle, width]), switching),
            "saturating": Law(np.array([height, scale]), saturating),
            "switching, helped by dose": Law(np.array([height, middle, width, slope]), helped),
        },
        np.tile(noise, (3, 1)),
        {"fading": (Law(np.array([height, scale]), fading), noise)}, 0.15,
    )  # fmt: skip
