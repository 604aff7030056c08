"""Simulations behind a prediction: rungs, rounds until the Monte Carlo error is small, averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.executors import Workers
from physlearn.inference.energies.periodic_crystal import OrderModes, PeriodicCrystal
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.prediction.thermal_ladders import (
    SWEEPS_BETWEEN_SWAPS,
    TIME_BLOCKS,
    Averages,
    LadderSamples,
    at_rungs,
    average_ladders,
    continue_tasks,
    join_samples,
    make_tasks,
    sample_blocks,
)

__all__ = ["LadderOptions", "PieceCounter", "quantities_of", "rung_coordinates", "simulate_ladders"]

Float = NDArray[np.float64]
QUANTITIES = (
    "energy", "heat_capacity", "magnetization", "order_parameter", "susceptibility",
    "correlation_length", "binder_cumulant",
)  # fmt: skip
HOT_PULL = 0.6
LARGEST_HEATING = 20.0
SPACING = 1.7
SMALL_NOISE = 0.3


@dataclass(frozen=True, slots=True)
class LadderOptions:
    """How long a prediction samples.

    Attributes
    ----------
    n_draws
        Posterior draws that are carried through, one replica a draw and rung.
    burn_in_sweeps, n_sweeps
        Sweeps of every replica before and while it is measured.
    most_rounds
        How often the measurement may be doubled while its error is large against the posterior's.

    Raises
    ------
    InputError
        For fewer than 4 draws or sweeps that are no whole numbers.

    Examples
    --------
    >>> LadderOptions(n_draws=16).n_sweeps
    400
    """

    n_draws: int = 64
    burn_in_sweeps: int = 400
    n_sweeps: int = 400
    most_rounds: int = 3

    def __post_init__(self) -> None:
        check_count("n_draws", self.n_draws, 4)
        check_count("burn_in_sweeps", self.burn_in_sweeps, 0)
        check_count("n_sweeps", self.n_sweeps, SWEEPS_BETWEEN_SWAPS * TIME_BLOCKS)
        check_count("most_rounds", self.most_rounds, 1)

    @property
    def steps(self) -> tuple[int, int]:
        """Burn-in and samples in steps between exchanges."""
        return (
            self.burn_in_sweeps // SWEEPS_BETWEEN_SWAPS, self.n_sweeps // SWEEPS_BETWEEN_SWAPS
        )  # fmt: skip


class PieceCounter:
    """Counts pieces of work for a progress callback that wants a total."""

    def __init__(self, progress: Callable[[int, int], Any] | None) -> None:
        self.progress, self.done, self.known = progress, 0, 0

    def expect(self, pieces: int) -> None:
        """Announce more pieces."""
        self.known += pieces

    def __call__(self) -> None:
        """Count one piece."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, max(self.known, self.done))


def rung_coordinates(wanted: Float, n_sites: int, pull: float) -> Float:
    """Return ascending rungs that hold all wanted temperatures and reach up to weak coupling.

    Parameters
    ----------
    wanted
        Ascending temperatures.
    n_sites
        Of the crystal: neighbouring rungs must overlap, at relative steps of about n ** -1/2.
    pull
        Largest sum of couplings on a site at temperature 1, in kT.

    Examples
    --------
    >>> rung_coordinates(np.array([1.0]), 400, 0.3).tolist()
    [1.0]
    """
    step = SPACING / np.sqrt(n_sites)
    hottest = min(max(wanted[-1], pull / HOT_PULL), LARGEST_HEATING * wanted[-1])
    ends = np.append(wanted, hottest) if hottest > wanted[-1] * 1.001 else wanted
    rungs = [ends[:1]]
    for low, high in pairwise(ends):
        n = max(int(np.ceil(np.log(high / low) / step)), 1)
        rungs.append(np.geomspace(low, high, n + 1)[1:])
        rungs[-1][-1] = high
    return np.concatenate(rungs)


def simulate_ladders(
    family: LatticeFamily,
    crystal: PeriodicCrystal,
    modes: OrderModes,
    theta: Float,
    ratios: Float,
    options: LadderOptions,
    rng: np.random.Generator,
    *,
    needed: NDArray[np.int64],
    composition: Float | None = None,
    workers: Workers | None = None,
    progress: PieceCounter | None = None,
) -> tuple[dict[str, Float], dict[str, Any]]:
    """Sample draws (D, d) at ratios (D, J); return quantities at the ``needed`` rungs, and numbers.

    Quantities have shape (1 + time blocks, D, n_needed), see ``Averages``. Rounds go on until
    the Monte Carlo error of energy and order is below .3 of their posterior standard deviation
    at every needed rung, or the options' rounds are done.
    """
    natural = theta[:, None, :] / ratios[:, :, None]
    tasks = make_tasks(family, crystal, modes, natural, options.steps, rng, composition)
    n_steps = options.steps[1]
    whole: list[LadderSamples] = []
    for round_ in range(options.most_rounds):
        if progress is not None:
            progress.expect(len(tasks))
        found = sample_blocks(tasks, workers, progress)
        whole = [
            join_samples([*old, new], 0)
            for *old, new in (zip(whole, found, strict=True) if whole else zip(found, strict=True))
        ]
        chosen = at_rungs(join_samples(whole, 1), needed)
        averages = average_ladders(chosen, natural[:, needed], crystal.graph.n_sites)
        values = quantities_of(averages, theta, ratios[:, needed], modes, crystal)
        if round_ == options.most_rounds - 1 or _quiet(values):
            break
        tasks = continue_tasks(tasks, found, n_steps, rng)
        n_steps *= 2
    swaps = np.mean([part.swaps for part in whole], axis=0)
    return values, {
        "least_swap_acceptance": float(swaps.min()) if len(swaps) else 1.0,
        "effective_replicas": averages.overlap.tolist(), "rounds": round_ + 1,
    }  # fmt: skip


def _quiet(values: dict[str, Float]) -> bool:
    """Whether Monte Carlo errors are small against the posterior's spread."""
    for name in ("energy", "order_parameter"):
        noise = np.sqrt((jackknife_error(values[name]) ** 2).mean(axis=0))
        if np.any(noise > SMALL_NOISE * values[name][0].std(axis=0)):
            return False
    return True


def quantities_of(
    averages: Averages, theta: Float, ratios: Float, modes: OrderModes, crystal: PeriodicCrystal
) -> dict[str, Float]:
    """Return every quantity of every (time block, draw, rung)."""
    n = averages.n_sites
    natural = theta[:, None, :] / ratios[:, :, None]
    covariance = averages.second - np.einsum(
        "...i,...j->...ij", averages.statistics, averages.statistics
    )
    capacity = np.einsum("kji,bkjil,kjl->bkj", natural, covariance, natural) / n
    order, length = averages.order, averages.length
    variance = order[..., 1] - order[..., 0] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        binder = 1 - order[..., 2] / (3 * order[..., 1] ** 2)
    return {
        "energy": -np.einsum("ki,bkji->bkj", theta, averages.statistics) / n,
        "heat_capacity": capacity,
        "magnetization": length[..., 0],
        "order_parameter": order[..., 0],
        "susceptibility": n * variance,
        "correlation_length": _correlation_length(averages, modes, crystal),
        "binder_cumulant": binder,
    }


def _correlation_length(averages: Averages, modes: OrderModes, crystal: PeriodicCrystal) -> Float:
    """Return the second-moment length from the structure factor at the star and beside it.

    With S(q) ~ 1 / (1 + xi^2 k^2), k the distance to the star: of two k with S ratio r,
    xi^2 = (r - 1) / (k2^2 - r k1^2); 0 where S does not fall that way. What a field imposes on the
    mean is no correlation and is left out.
    """
    lengths, peak = modes.rows(crystal)[1], averages.peak
    if modes.uniform:
        peak = peak - averages.n_sites * (averages.uniform**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = peak[..., None] / averages.beside
        squared = ((ratio - 1) / (lengths[1:] - ratio * lengths[0])).mean(axis=-1)
    return np.where(squared >= 0, np.sqrt(np.maximum(squared, 0.0)), 0.0)


def jackknife_error(values: Float) -> Float:
    """Return standard errors from time blocks: values (1 + blocks, ...), 0 being all of time."""
    without = values[1:]
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt(spread * (len(without) - 1) / len(without)))


def check_quantities(quantities: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the quantities asked for; None stands for all."""
    if quantities is None:
        return QUANTITIES
    wrong = [name for name in quantities if name not in QUANTITIES]
    if wrong or not quantities:
        raise InputError(
            f"quantities must name some of {', '.join(QUANTITIES)}; got {tuple(quantities)!r}."
        )
    return tuple(quantities)
