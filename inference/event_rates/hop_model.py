"""The model of hops: walks behind the steps, the law of their rates, and its fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.inference.event_rates.hop_networks import network_of_graph, network_of_vectors
from physlearn.inference.event_rates.hop_steps import Pairs, steps_on_graph, steps_on_lattice
from physlearn.inference.event_rates.rate_laws import RateLaw
from physlearn.inference.event_rates.rate_posterior import RateSample, find_mode, sample_rates
from physlearn.inference.event_rates.walk_problems import (
    LARGEST_PATCH,
    Network,
    StepSet,
    WalkProblems,
    make_problems,
)
from physlearn.records import SiteGraph

__all__ = [
    "HopModel", "LawOptions", "allowed_barrier", "allowed_beam", "direction_test", "fit_model",
    "is_sum", "make_model", "moved_steps", "plain_data",
]  # fmt: skip

Floats = NDArray[np.float64]
FIRST_RADIUS, LARGEST_RADIUS = 2, 40
LARGEST_LEAK = 1e-3
"""Share of walkers that may leave the patch modelled around their start."""
FEWEST_TEMPERATURES = 3
FEWEST_FOR_DIRECTIONS = 10
DOUBTFUL_P = 1e-3
N_WEIGHTED = 1500
"""Draws that are weighted: each costs a pass over all patches."""
MANY_EDGES, N_SURROGATE = 20_000, 200
"""Edges above which a pass is slow, and passes to which a polynomial is then fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class HopModel:
    """Data and law of a fit of hop rates."""

    problems: WalkProblems
    law: RateLaw
    network: Network
    off_lattice: Floats

    def log_density(self, x: Floats) -> Floats:
        """Return the log posterior of parameters (n, p), up to a constant."""
        rows, law = self.problems.rows, self.law
        return np.array(
            [
                law.log_prior(one)[0] + self.problems.log_likelihood(law.row_rates(one, rows))
                for one in x
            ]
        )

    def gradient(self, x: Floats) -> tuple[float, Floats]:
        """Return the log posterior and its derivatives."""
        rows = self.problems.rows
        chance, slope, _ = self.problems.chances(
            self.law.row_rates(x, rows), self.law.row_slopes(x, rows)
        )
        safe = np.maximum(chance, 1e-300)
        prior, prior_slope = self.law.log_prior(x)
        value = prior + float(self.problems.query_count @ np.log(safe))
        return value, prior_slope + (self.problems.query_count / safe) @ slope


@dataclass(frozen=True, slots=True, eq=False)
class LawOptions:
    """What the caller said about temperatures, beam, barrier and neighbours."""

    temperature: Floats | None
    dose_rate: Floats | None
    barrier: bool | None
    attempt: tuple[float, float] | None
    neighbours: str

    def law(self, n_classes: int, n_groups: int, shortest: float) -> tuple[RateLaw, list[str]]:
        """Return the law that the data allow, and what they do not."""
        notes: list[str] = []
        temperature = np.full(n_groups, 300.0) if self.temperature is None else self.temperature
        _, level = np.unique(temperature, return_inverse=True)
        dose = np.zeros(n_groups) if self.dose_rate is None else self.dose_rate
        beam = allowed_beam(level, self.dose_rate, notes)
        arrhenius, attempt = allowed_barrier(
            self.temperature, self.barrier, self.attempt, notes, is_sum=is_sum(beam, dose)
        )
        law = RateLaw(
            n_classes, temperature, level.astype(np.int64), dose, arrhenius, beam,
            self.neighbours != "none", self.neighbours == "from_and_to", shortest, attempt,
        )  # fmt: skip
        return law, notes


def allowed_barrier(
    temperature: Floats | None, barrier: bool | None, attempt: tuple[float, float] | None,
    notes: list[str], *, is_sum: bool = False,
) -> tuple[bool, tuple[float, float] | None]:  # fmt: skip
    """Return whether Arrhenius' law is fitted, and the prior of the log attempt frequency.

    ``is_sum``: rates are sums of thermal and beam-driven parts, which follow no such law.
    """
    n = 0 if temperature is None else len(np.unique(temperature))
    prior = None
    if attempt is not None:
        value, decades = check_array("attempt_frequency_hz", attempt, shape=(2,))
        if not (value > 0 and decades > 0):
            raise InputError(
                f"attempt_frequency_hz must be (value, decades) above 0; got {attempt}."
            )
        prior = (float(np.log(value)), float(decades * np.log(10.0)))
    if barrier is False:
        return False, None
    if is_sum:
        if barrier or prior is not None:
            raise NotIdentified(
                "a barrier needs thermal rates; these are sums of thermal and beam-driven hops: "
                "add data at a second dose rate or with the beam off, or set barrier=False for "
                "the sums."
            )
        if n > 1:
            notes.append("sums of thermal and beam-driven rates tell no barrier.")
        return False, None
    if n >= FEWEST_TEMPERATURES or (n >= 1 and prior is not None):
        return True, prior
    if barrier or prior is not None:
        raise NotIdentified(
            f"a barrier needs at least {FEWEST_TEMPERATURES} temperatures, or one and a prior "
            f"attempt_frequency_hz=(value, decades); got {n} temperature(s): add films at other "
            "temperatures, or set barrier=False for the rates."
        )
    if n == 2:
        notes.append(
            "two temperatures give a slope but no check of it: rates are reported, no barrier; "
            "add a third temperature or a prior of the attempt frequency."
        )
    return False, None


def allowed_beam(level: NDArray[np.int64], dose_rate: Floats | None, notes: list[str]) -> bool:
    """Return whether thermal and beam-driven parts separate: two dose rates at one temperature."""
    if dose_rate is None:
        return False
    for k in range(int(level.max()) + 1):
        if len(np.unique(dose_rate[level == k])) > 1:
            return True
    if np.any(dose_rate > 0):
        notes.append(
            "one dose rate only: hop_rate is the SUM of thermal and beam-driven hops at it; a "
            "second dose rate, or films with the beam off, would separate them."
        )
    return False


def is_sum(beam: bool, dose_rate: Floats) -> bool:
    """Return whether rates under the beam are not separated into their parts."""
    return bool(not beam and np.any(dose_rate > 0))


def fit_model(
    groups: Sequence[Pairs], graph: SiteGraph | None, vectors: Floats | None, by: str,
    options: LawOptions, generator: np.random.Generator, n_draws: int,
) -> tuple[HopModel, RateSample, list[str]]:  # fmt: skip
    """Fit on patches that grow until no walker leaves them."""
    radius, before = FIRST_RADIUS, np.inf
    while True:
        model, _ = make_model(groups, graph, vectors, by, options, radius)
        far = model.problems.n_unreached
        small = radius < LARGEST_RADIUS and _largest_patch(model) < LARGEST_PATCH
        grows = (far and far < before) or _leak(model, start_of(model, groups)) > LARGEST_LEAK
        if not (small and grows):
            break
        before, radius = far, radius + 1
    # one hop more than the farthest step: detours are then on the patch too
    model, notes = make_model(groups, graph, vectors, by, options, radius + 1)
    large = len(model.problems.edge_from) > MANY_EDGES
    sample = sample_rates(
        model.log_density, start_of(model, groups), model.law.folded, generator, n_draws,
        gradient=model.gradient, n_weighted=n_draws if large else N_WEIGHTED,
        scale=scale_of(model, groups), n_surrogate=N_SURROGATE if large else 0,
    )  # fmt: skip
    leak = _leak(model, sample.mode)
    if leak > 10.0 * LARGEST_LEAK:
        notes.append(
            f"{leak:.1%} of the walkers leave the patch that is modelled: hops in an interval are "
            "too many for exact rates; take frames faster."
        )
    return model, sample, notes


def direction_test(
    model: HopModel, sample: RateSample, ways: HopModel, groups: Sequence[Pairs], notes: list[str]
) -> dict[str, float]:
    """Return the p of equal rates in all directions, by likelihood ratio."""
    freedom = ways.law.n_parameters - model.law.n_parameters
    if freedom < 1 or moved_steps(model, groups)[0].sum() < FEWEST_FOR_DIRECTIONS:
        return {}
    mode = find_mode(ways.gradient, start_of(ways, groups), scale_of(ways, groups))
    most = [
        m.problems.log_likelihood(m.law.row_rates(x, m.problems.rows))
        for m, x in ((ways, mode), (model, sample.mode))
    ]
    p = float(chi2.sf(max(2.0 * (most[0] - most[1]), 0.0), freedom))
    if p < DOUBTFUL_P:
        notes.append(
            f"rates differ by direction (p = {p:.1g}): fit with by='direction', and look for drift."
        )
    return {"direction_p": p}


def _largest_patch(model: HopModel) -> int:
    return int(np.diff(model.problems.node_offset).max())


def _leak(model: HopModel, x: Floats) -> float:
    """Return the largest share of walkers that leave their patch in an interval."""
    rates = model.law.row_rates(x, model.problems.rows)
    return model.problems.chances(rates, np.zeros((len(rates), 0)))[2]


def make_model(
    groups: Sequence[Pairs], graph: SiteGraph | None, vectors: Floats | None, by: str,
    options: LawOptions, radius: int,
) -> tuple[HopModel, list[str]]:  # fmt: skip
    """Return the walks and the law at one radius of the patches."""
    if graph is not None:
        network = network_of_graph(graph, by)
        several = any(p.track is not None and p.track.n_particles > 1 for p in groups)
        steps, off = steps_on_graph(groups, graph, network, blocking=several)
    else:
        assert vectors is not None  # noqa: S101 -- given where there is no graph
        network, basis, coords = network_of_vectors(vectors, by, radius + 1)
        steps, off = steps_on_lattice(groups, basis, coords)
    shortest = float(min(p.time.min() for p in groups))
    law, notes = options.law(len(network.labels), len(groups), shortest)
    problems = make_problems(
        network, _counted(steps, graph is None), radius, count_from=law.count_from,
        count_to=law.count_to,
    )  # fmt: skip
    return HopModel(problems, law, network, off), notes


def _counted(steps: StepSet, merge: bool) -> StepSet:
    """Return equal steps once with their number, where nothing else tells them apart."""
    if not merge:
        return steps
    key = np.stack([steps.group, steps.end], axis=1)
    lasts, last = np.unique(steps.time, return_inverse=True)
    found, index = np.unique(np.column_stack([key, last]), axis=0, return_inverse=True)
    count = np.bincount(index.ravel(), steps.count, len(found))
    return StepSet(
        np.zeros(len(found), np.int64),
        found[:, 1],
        lasts[found[:, 2]],
        found[:, 0],
        count.astype(np.float64),
    )


def moved_steps(model: HopModel, groups: Sequence[Pairs]) -> tuple[Floats, Floats]:
    """Return moved steps and time watched of each group, for a first guess."""
    spacing = 0.5 * float(np.linalg.norm(model.network.vectors, axis=1).min())
    moved = [float(p.count[np.linalg.norm(p.move, axis=1) > spacing].sum()) for p in groups]
    return np.array(moved), np.array([float(p.count @ p.time) for p in groups])


def start_of(model: HopModel, groups: Sequence[Pairs]) -> Floats:
    """Return a first guess of the parameters."""
    law = model.law
    moved, watched = moved_steps(model, groups)
    bonds = float(model.network.n_bonds.sum())
    x = np.zeros(law.n_parameters)
    per_level = np.array(
        [
            (moved[law.level == k].sum() + 0.5) / watched[law.level == k].sum() / bonds
            for k in range(law.n_levels)
        ]
    )
    if law.beam:
        per_level = 0.7 * per_level
    if law.arrhenius:
        away = law.inverse_temperature - law.middle
        spread = float(away @ away)
        slope = -float(away @ np.log(per_level)) / spread if spread > 0 else 1.0
        x[: law.n_classes] = np.log(per_level).mean()
        x[law.n_classes : law.n_thermal] = slope
    else:
        x[: law.n_thermal] = np.sqrt(np.repeat(per_level, law.n_classes))
    if law.beam:
        most = float(law.dose_rate.max())
        x[law.n_thermal : law.n_thermal + law.n_beam] = np.sqrt(0.4 * per_level.mean() / most)
    return x


def scale_of(model: HopModel, groups: Sequence[Pairs]) -> Floats:
    """Return the size of each parameter, so that all are of order one."""
    law = model.law
    moved, watched = moved_steps(model, groups)
    typical = np.sqrt((moved.sum() + 0.5) / watched.sum())
    out = np.ones(law.n_parameters)
    if not law.arrhenius:
        out[: law.n_thermal] = typical
    if law.beam:
        out[law.n_thermal : law.n_thermal + law.n_beam] = typical / np.sqrt(law.dose_rate.max())
    return out


def plain_data(groups: Sequence[Pairs]) -> list[NDArray[Any]]:
    """Return the arrays that name the data."""
    return [array for p in groups for array in (p.move, p.time, p.count)]
