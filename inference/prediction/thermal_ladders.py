"""Samples of many posterior draws, each over a ladder of temperatures, and averages from them.

Every pair of a draw and a rung is one replica. Rungs of a draw exchange their states (parallel
tempering); samples of all draws at a rung serve all draws by MBAR, which narrows the Monte Carlo
error where the posterior is narrow and changes nothing where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.executors import Workers
from physlearn.inference.energies.periodic_crystal import (
    OrderModes,
    PeriodicCrystal,
    state_vectors,
)
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.posteriors.lattice_population import make_population
from physlearn.lattice_models.tempering.mbar import solve_partition

__all__ = ["LadderSamples", "LadderTask", "run_ladders", "sample_blocks"]

Float = NDArray[np.float64]
DRAWS_A_BLOCK = 32
SWEEPS_BETWEEN_SWAPS = 4
STEPS_A_SAMPLE = 2
TIME_BLOCKS = 5
ENOUGH_FOR_WEIGHTS = 25


@dataclass(frozen=True, eq=False)
class LadderTask:
    """Ladders of some draws on one crystal, as a worker gets them.

    Attributes
    ----------
    family
        The model.
    crystal
        Where it is simulated.
    modes
        In which the order is measured.
    natural
        float64, shape (n_draws, n_rungs, d): parameters of each replica.
    codes
        uint8, shape (n_sites, n_draws * n_rungs): where to start.
    burn_in, n_steps
        In units of ``SWEEPS_BETWEEN_SWAPS`` sweeps; every other step is a sample.
    seed
        Of this piece of work.
    """

    family: LatticeFamily
    crystal: PeriodicCrystal
    modes: OrderModes
    natural: Float
    codes: NDArray[np.uint8]
    burn_in: int
    n_steps: int
    seed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LadderSamples:
    """What the ladders gave; axes are sample, draw, rung.

    Attributes
    ----------
    statistics
        T, shape (n, D, J, d).
    uniform
        Mean vector of the states, shape (n, D, J, c).
    peak
        Structure factor summed over the star and its contrasts, shape (n, D, J).
    beside
        The same one step off the star, by axis, shape (n, D, J, axes).
    codes
        Last states, shape (n_sites, D * J).
    swaps
        Share of exchanges made between neighbouring rungs, shape (J - 1,).
    """

    statistics: Float
    uniform: Float
    peak: Float
    beside: Float
    codes: NDArray[np.uint8]
    swaps: Float


def run_ladders(task: LadderTask) -> LadderSamples:
    """Run the ladders of one block of draws."""
    n_draws, n_rungs, d = task.natural.shape
    rng = np.random.default_rng(task.seed)
    population = make_population(
        task.family, task.crystal.graph, task.codes, n_draws * n_rungs, rng,
        parts=np.zeros(task.crystal.graph.n_sites, np.int64),
    )  # fmt: skip
    where = np.arange(n_draws * n_rungs).reshape(n_draws, n_rungs)
    measure = _Modes(task)
    flat = np.empty((n_draws * n_rungs, d))
    kept: list[tuple[Float, ...]] = []
    made, tried = np.zeros(max(n_rungs - 1, 0)), np.zeros(max(n_rungs - 1, 0))
    for step in range(task.burn_in + task.n_steps):
        flat[where.ravel()] = task.natural.reshape(-1, d)
        population.sweep(flat, SWEEPS_BETWEEN_SWAPS)
        sums = population.statistics()[where]
        if step >= task.burn_in and (step - task.burn_in) % STEPS_A_SAMPLE == 0:
            kept.append((sums, *measure(population.codes(), where)))
        lower = np.arange(step % 2, n_rungs - 1, 2)
        gain = np.einsum(
            "kjd,kjd->kj",
            task.natural[:, lower + 1] - task.natural[:, lower],
            sums[:, lower] - sums[:, lower + 1],
        )
        accepted = np.log(rng.random(gain.shape)) < gain
        tried[lower] += n_draws
        made[lower] += accepted.sum(axis=0)
        draw, pair = np.nonzero(accepted)
        one, two = lower[pair], lower[pair] + 1
        where[draw, one], where[draw, two] = where[draw, two], where[draw, one]
    columns = [np.array(column) for column in zip(*kept, strict=True)]
    return LadderSamples(
        columns[0], columns[1], columns[2], columns[3],
        population.codes()[:, where.ravel()], made / np.maximum(tried, 1),
    )  # fmt: skip


class _Modes:
    """Measures the uniform vector and the structure factor on and beside the star."""

    def __init__(self, task: LadderTask) -> None:
        self.vectors = state_vectors(task.family).astype(np.float32)
        rows, _ = task.modes.rows(task.crystal)
        self.shape = np.stack(rows).shape[:3]
        self.matrix = np.concatenate([part.reshape(-1, part.shape[-1]) for part in rows])

    def __call__(self, codes: NDArray[np.uint8], where: NDArray[np.int64]) -> tuple[Float, ...]:
        uniform, power = [], np.zeros((len(self.matrix), codes.shape[1]))
        for component in self.vectors.T:
            field = component[codes]
            uniform.append(field.mean(axis=0, dtype=np.float64))
            power += np.abs(self.matrix @ field) ** 2
        by_point = power.reshape(*self.shape, -1).sum(axis=(1, 2))
        return (
            np.stack(uniform, axis=-1)[where], by_point[0][where],
            np.moveaxis(by_point[1:], 0, -1)[where],
        )  # fmt: skip


def sample_blocks(
    tasks: list[LadderTask],
    workers: Workers | None = None,
    progress: Callable[[], Any] | None = None,
) -> list[LadderSamples]:
    """Run blocks one after the other, or spread over workers."""
    each = ((task,) for task in tasks)
    runs = enumerate(map(run_ladders, tasks)) if workers is None else workers.run(run_ladders, each)
    out = []
    for _, samples in runs:
        out.append(samples)
        if progress is not None:
            progress()
    return out


def make_tasks(
    family: LatticeFamily,
    crystal: PeriodicCrystal,
    modes: OrderModes,
    natural: Float,
    n_steps: tuple[int, int],
    rng: np.random.Generator,
    composition: Float | None = None,
) -> list[LadderTask]:
    """Cut (n_draws, n_rungs, d) parameters into blocks, each from independent random states."""
    n_sites, (_, n_rungs, _) = crystal.graph.n_sites, natural.shape
    tasks = []
    for first in range(0, len(natural), DRAWS_A_BLOCK):
        block = natural[first : first + DRAWS_A_BLOCK]
        size = (n_sites, len(block) * n_rungs)
        if composition is None:
            codes = rng.integers(family.n_states, size=size).astype(np.uint8)
        else:
            pattern = composition_codes(composition, n_sites)
            codes = rng.permuted(np.broadcast_to(pattern[:, None], size), axis=0)
        seed = tuple(int(word) for word in rng.integers(2**32, size=4))
        tasks.append(LadderTask(family, crystal, modes, block, codes, *n_steps, seed))
    return tasks


def composition_codes(composition: Float, n_sites: int) -> NDArray[np.uint8]:
    """Return codes in the given shares, rounded to whole sites by largest remainders."""
    exact = np.asarray(composition) * n_sites
    counts = np.floor(exact).astype(int)
    rest = n_sites - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return np.repeat(np.arange(len(counts)), counts).astype(np.uint8)


def continue_tasks(
    tasks: list[LadderTask], samples: list[LadderSamples], n_steps: int, rng: np.random.Generator
) -> list[LadderTask]:
    """Return tasks that go on where the last ones ended."""
    return [
        replace(
            task, codes=found.codes, burn_in=0, n_steps=n_steps,
            seed=tuple(int(word) for word in rng.integers(2**32, size=4)),
        )
        for task, found in zip(tasks, samples, strict=True)
    ]  # fmt: skip


def at_rungs(samples: LadderSamples, rungs: NDArray[np.int64]) -> LadderSamples:
    """Return the samples of some rungs only."""
    return replace(
        samples, statistics=samples.statistics[:, :, rungs], uniform=samples.uniform[:, :, rungs],
        peak=samples.peak[:, :, rungs], beside=samples.beside[:, :, rungs],
    )  # fmt: skip


def join_samples(parts: list[LadderSamples], along: int) -> LadderSamples:
    """Join blocks of draws (``along`` 1) or successive runs of the same block (0)."""

    def join(name: str) -> Float:
        return np.concatenate([getattr(part, name) for part in parts], axis=along)

    last = parts[-1].codes if along == 0 else np.concatenate([p.codes for p in parts], axis=1)
    return LadderSamples(
        join("statistics"), join("uniform"), join("peak"), join("beside"), last,
        np.asarray(np.mean([part.swaps for part in parts], axis=0)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Averages:
    """Averages of every draw at every rung, in axes (block, draw, rung): block 0 is all of time.

    Blocks 1 to 5 leave out a fifth of the time each, for Monte Carlo errors.

    ``statistics`` (..., d) and ``second`` (..., d, d) are means of T and T T', ``uniform``
    (..., c), ``length`` and ``length_4`` of |m|, m^2 and m^4; ``order`` likewise of the star's
    amplitude; ``peak`` and ``beside`` of the structure factor.
    """

    statistics: Float
    second: Float
    uniform: Float
    length: Float
    order: Float
    peak: Float
    beside: Float
    n_sites: int
    overlap: Float


def average_ladders(
    samples: LadderSamples, natural: Float, n_sites: int, share: bool = True
) -> Averages:
    """Average the samples, at each rung over those of all draws as MBAR weighs them.

    ``overlap`` (n_rungs,): effective number of replicas that speak for one draw.
    """
    n, n_draws, n_rungs, d = samples.statistics.shape
    length = np.sqrt((samples.uniform**2).sum(axis=-1))
    order = np.sqrt(samples.peak / n_sites)
    columns = [
        samples.statistics,
        np.einsum("...i,...j->...ij", samples.statistics, samples.statistics).reshape(
            n, n_draws, n_rungs, -1
        ),
        samples.uniform,
        np.stack([length, length**2, length**4], axis=-1),
        np.stack([order, order**2, order**4], axis=-1),
        samples.peak[..., None],
        samples.beside,
    ]
    ends = np.cumsum([column.shape[-1] for column in columns])
    values = np.concatenate(columns, axis=-1)
    block = np.arange(n) * TIME_BLOCKS // n
    out = np.empty((TIME_BLOCKS + 1, n_draws, n_rungs, ends[-1]))
    overlap = np.ones(n_rungs)
    for rung in range(n_rungs):
        weights = _weights(samples.statistics[:, :, rung], natural[:, rung], share)
        if weights is not None:
            overlap[rung] = _effective(weights)
        here = values[:, :, rung]
        for left_out in range(-1, TIME_BLOCKS):
            keep = block != left_out
            if weights is None:
                out[left_out + 1, :, rung] = here[keep].mean(axis=0)
            else:
                w = weights[keep].reshape(-1, n_draws)
                total = w.T @ here[keep].reshape(len(w), -1)
                out[left_out + 1, :, rung] = total / w.sum(axis=0)[:, None]
    parts = np.split(out, ends[:-1], axis=-1)
    return Averages(
        parts[0], parts[1].reshape(*parts[1].shape[:-1], d, d), parts[2], parts[3], parts[4],
        parts[5][..., 0], parts[6], n_sites, overlap,
    )  # fmt: skip


def _weights(sums: Float, natural: Float, share: bool) -> Float | None:
    """Return MBAR weights of samples (n, D) for each of D draws, or None: own samples only."""
    n_draws = len(natural)
    if not share or n_draws < 2:
        return None
    own = sums.mean(axis=0)
    centre = natural - natural.mean(axis=0)
    # the trapezoid rule from the middle of all draws is close where they overlap
    guess = 0.5 * ((own + own.mean(axis=0)) * centre).sum(axis=1)
    # log Z needs few samples a draw for its error to be small beside that of any average
    few = sums[:: max(len(sums) // ENOUGH_FOR_WEIGHTS, 1)]
    log_partition, settled = solve_partition(few.reshape(-1, few.shape[-1]) @ centre.T, guess)
    if not settled:
        return None
    exponent = sums.reshape(-1, sums.shape[-1]) @ centre.T - log_partition
    exponent -= exponent.max(axis=1, keepdims=True)
    weights = np.exp(exponent)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights.reshape(len(sums), n_draws, n_draws))


def _effective(weights: Float) -> float:
    """Return the mean over draws of the effective number of replicas behind its average."""
    by_replica = weights.sum(axis=0)
    total = by_replica.sum(axis=0)
    return float(np.mean(total**2 / (by_replica**2).sum(axis=0)))
