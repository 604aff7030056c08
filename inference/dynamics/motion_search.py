"""Search of a law of motion: supports proposed by the linearised likelihood, weighed by the whole.

At the paths of the best law so far the likelihood is linear in the coefficients of every candidate
term, so that all supports are ranked at once; features are values on a path without noise, hence
free of its bias. The best proposals are then shot and fitted themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.motion_fit import (
    MotionFit,
    Problem,
    Support,
    fit_motion,
    inner_of,
    linearised,
    merged_starts,
    own_coefficients,
    with_pieces,
)
from physlearn.inference.dynamics.motion_joint import weigh_pairs
from physlearn.inference.dynamics.motion_start import (
    Curves,
    Supports,
    WeakRows,
    first_supports,
    path_columns,
    rank_supports,
)

__all__ = ["Searched", "search_motion"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

FIRST_PIECE = 2.0  # over the time in which the motion changes
SHORTEST_PIECE = 6  # nodes
STARTS_TRIED = 12
MOST_ROUNDS = 8
PROPOSALS = 4
LONGEST_BEHIND = 12.0  # nats behind the best proposal
LARGEST_GROWTH = 1e3
SIGNIFICANT = 3.0


@dataclass
class Searched:
    """Laws fitted on the final pieces.

    Attributes
    ----------
    problem
        What they share.
    best
        The best law.
    laws
        For each variable every fitted law that differs from the best in this variable alone.
    shifts
        For each variable what averaging over the others' laws adds to the length of its laws.
    share
        Independent measurements over all, from the correlation of the best law's residuals.
    correlation
        Of neighbouring residuals.
    stopped
        Whether the search was ended from outside.
    n_first_pieces
        Pieces that the search began with.
    """

    problem: Problem
    best: MotionFit
    laws: list[dict[tuple[int, ...], MotionFit]] = field(default_factory=list)
    shifts: list[dict[tuple[int, ...], float]] = field(default_factory=list)
    share: float = 1.0
    correlation: float = 0.0
    stopped: bool = False
    n_first_pieces: int = 1

    @property
    def loses_the_motion(self) -> bool:
        """Whether the law is followed over part of a series only, and not for being chaotic.

        Chaos doubles its exponent with the piece's length, and a true law has been followed for
        longer than the first pieces.
        """
        broken = len(self.best.starts) > len(self.problem.series.first)
        joined = 2 * (len(self.best.starts) - 1) <= self.n_first_pieces + 1
        return broken and not (joined and self.best.growth**2 >= LARGEST_GROWTH)

    def length(self, fit: MotionFit, share: float | None = None) -> float:
        """Return the description length in nats, with another share of measurements if given."""
        counted = self.share if share is None else share
        n = max(counted * np.isfinite(self.problem.series.values).sum(), 3.0)
        price = 0.5 * np.log(n) + np.log(len(self.problem.programs))
        return float(
            counted * fit.objective
            + fit.state_price
            + price * len(fit.coefficients)
            + 0.5 * np.log(n) * len(fit.inner)
        )

    def marginal_length(self, fit: MotionFit, target: int) -> float:
        """Return the length of one variable's law, averaged over the laws of the others."""
        shift = self.shifts[target].get(fit.support[target], 0.0) if self.shifts else 0.0
        return self.length(fit) + shift


def search_motion(
    problem: Problem, curves: Curves, rows: WeakRows, rate: float, largest: int, n_kept: int,
    smooth_drives: bool, stop: Callable[[], bool] | None,
) -> Searched:  # fmt: skip
    """Return the best law and its rivals."""
    found = Searched(problem, _first_fit(problem, curves, rows, rate, largest, smooth_drives))
    found.n_first_pieces = len(found.best.starts) - 1
    found.best = _longer(found)
    weigh_residuals(found)
    try:
        _improve(found, largest, stop)
        for _ in range(MOST_ROUNDS):
            if found.stopped or not _join(found, largest, stop):
                break
        for last in (False, False, True):
            _count_pieces(found)
            # A rival that turns out better becomes the law that the others are compared with
            changed = _round(found, largest, n_kept, every=True)
            better = weigh_pairs(found) if last or not changed else None
            if better is not None and not last:
                found.best, found.shifts = better, []
            elif not changed:
                break
            weigh_residuals(found)
        _count_pieces(found)
    except KeyboardInterrupt:
        found.stopped = True
        _round(found, largest, 1, every=True)
    return found


def _improve(found: Searched, largest: int, stop: Callable[[], bool] | None) -> None:
    """Exchange the best law for better ones and join pieces until nothing changes."""
    for _ in range(MOST_ROUNDS):
        if stop is not None and stop():
            found.stopped = True
            return
        if not _round(found, largest, PROPOSALS):
            return
        found.best = _longer(found)
        weigh_residuals(found)


def _join(found: Searched, largest: int, stop: Callable[[], bool] | None) -> bool:
    """Join pieces against the evidence, look for a better law there, and keep it if it pays.

    A slow effect such as weak friction shows on long pieces only; and a chance of the noise that
    speaks against the first joining is outweighed by the states that later ones save.
    """
    fit = now = found.best
    while len(now.starts) > len(found.problem.series.first):
        starts = merged_starts(now.starts, found.problem.series.first)
        trial = with_pieces(found.problem, now, starts)
        if trial is None or trial.growth > LARGEST_GROWTH:
            return False
        other = Searched(found.problem, trial, n_first_pieces=found.n_first_pieces)
        weigh_residuals(other)
        _improve(other, largest, stop)
        if found.length(other.best) < found.length(fit):
            found.best, found.stopped = other.best, other.stopped
            weigh_residuals(found)
            return True
        if other.stopped:
            return False
        now = other.best
    return False


def _first_fit(
    problem: Problem, curves: Curves, rows: WeakRows, rate: float, largest: int,
    smooth_drives: bool,
) -> MotionFit:  # fmt: skip
    """Shoot the weak form's best law that stays finite, from short pieces of the smoothed path."""
    ranked = first_supports(rows, largest)
    starts = _pieces(problem, FIRST_PIECE / rate)
    states = np.array([_state(problem, curves, int(node), smooth_drives) for node in starts[:-1]])
    fits: list[MotionFit] = []
    for trial in range(STARTS_TRIED):
        chosen = [own[min(trial, len(own) - 1)] for own in ranked]
        fit = _fit_chosen(problem, chosen, starts, states)
        if fit is not None:
            fits.append(fit)
        if len(fits) == 2:
            break
    none = [Supports((), 0.0, np.zeros(0)) for _ in ranked]
    still = _fit_chosen(problem, none, starts, states)
    if still is not None:
        fits.append(still)
    return min(fits, key=lambda fit: fit.objective + 3.0 * len(fit.coefficients))


def _fit_chosen(
    problem: Problem, chosen: list[Supports], starts: NDArray[np.int64], states: Floats
) -> MotionFit | None:
    support = tuple(own.places for own in chosen)
    coefficients = np.concatenate([own.coefficients for own in chosen])
    return fit_motion(problem, support, coefficients, starts, states)


def _pieces(problem: Problem, length: float) -> NDArray[np.int64]:
    series = problem.series
    found = []
    for begin, end in zip(series.first[:-1], series.first[1:], strict=True):
        times = series.times[begin:end]
        most = max(1, min(int((times[-1] - times[0]) / length), len(times) // SHORTEST_PIECE))
        marks = times[0] + (times[-1] - times[0]) * np.arange(most) / most
        nodes = np.unique(np.searchsorted(times, marks))
        # Uneven times: no piece shorter than the shortest
        kept = [0]
        for node in nodes[1:]:
            if node - kept[-1] >= SHORTEST_PIECE and len(times) - node >= SHORTEST_PIECE:
                kept.append(int(node))
        found.append(np.array(kept, dtype=np.int64) + begin)
    return np.concatenate([*found, [len(series.times)]]).astype(np.int64)


def _state(problem: Problem, curves: Curves, node: int, smooth_drives: bool) -> Floats:
    place = int(np.searchsorted(problem.series.first, node, side="right")) - 1
    time = problem.series.times[node : node + 1]
    columns = path_columns(
        problem.series, curves, place, time, problem.second, smooth_drives
    )  # fmt: skip
    return np.array([float(c[0]) for c in columns[: problem.n_states]])


def _longer(found: Searched) -> MotionFit:
    """Join pieces while the evidence does not fall and the law stays predictable over them."""
    fit = found.best
    while len(fit.starts) > len(found.problem.series.first):
        starts = merged_starts(fit.starts, found.problem.series.first)
        trial = with_pieces(found.problem, fit, starts)
        if trial is None or trial.growth > LARGEST_GROWTH:
            break
        before = found.share * fit.objective + fit.state_price
        if found.share * trial.objective + trial.state_price > before:
            break
        fit = trial
    return fit


def weigh_residuals(found: Searched) -> None:
    """Count independent measurements from the correlation of neighbouring residuals."""
    values = found.problem.series.values
    residual = values - found.best.paths[:, : values.shape[1]]
    inner = np.ones(len(values), dtype=bool)
    inner[found.problem.series.first[1:] - 1] = False
    left, right = residual[:-1][inner[:-1]], residual[1:][inner[:-1]]
    both = np.isfinite(left) & np.isfinite(right)
    shares, sizes = [], []
    for k in range(values.shape[1]):
        a, b = left[both[:, k], k], right[both[:, k], k]
        if len(a) < 3:
            continue
        size = float(np.sqrt((a @ a) * (b @ b)))
        floor = (1e-3 * found.problem.series.spread[k]) ** 2 * len(a)
        correlation = float(a @ b) / size if size > floor else 0.0
        sizes.append(correlation)
        significant = correlation > SIGNIFICANT / np.sqrt(len(a))
        shares.append((1.0 - correlation) / (1.0 + correlation) if significant else 1.0)
    found.share = max(min(shares, default=1.0), 3.0 / len(values))
    found.correlation = max(sizes, default=0.0)


def _count_pieces(found: Searched) -> None:
    """Let a piece count once where the law loses the motion at its end.

    Random forcing is then what the fresh starting states take up, and the measurements within a
    piece share it.
    """
    if found.loses_the_motion:
        count = np.isfinite(found.problem.series.values).any(axis=1).sum()
        found.share = min(found.share, max((len(found.best.starts) - 1) / count, 3.0 / count))


def _round(found: Searched, largest: int, proposals: int, every: bool = False) -> bool:
    """Fit the best proposals for each variable; return whether the best law changed.

    ``every``: keep all fits as rivals, and the laws without any term and with a constant alone.
    """
    changed = False
    if every:
        found.laws = [{} for _ in found.best.support]
    for target in range(len(found.best.support)):
        for support, coefficients in _proposals(found, target, largest, proposals, every):
            fit = _fit_proposal(found, target, support, coefficients)
            if fit is None:
                continue
            if every:
                found.laws[target][support] = fit
            if found.length(fit) < found.length(found.best) - 0.05:
                found.best, changed = fit, True
                if not every:
                    break
    return changed


def _fit_proposal(
    found: Searched, target: int, places: tuple[int, ...], coefficients: Floats
) -> MotionFit | None:
    best = found.best
    if places == best.support[target]:
        return best
    support: Support = tuple(places if k == target else own for k, own in enumerate(best.support))
    parts = [own_coefficients(best, k) for k in range(len(best.support))]
    parts[target] = coefficients
    inner = inner_of(found.problem, best, support)
    return fit_motion(
        found.problem, support, np.concatenate(parts), best.starts, best.states, inner
    )


def _proposals(
    found: Searched, target: int, largest: int, count: int, every: bool
) -> list[tuple[tuple[int, ...], Floats]]:
    """Rank all supports of one variable by the likelihood made linear at the best law."""
    problem, best = found.problem, found.best
    size = len(problem.programs)
    try:
        normal, values = linearised(problem, best, target)
    except FloatingPointError:
        # A candidate has no finite value on this path: only what was fitted remains
        logger.warning("a candidate term runs away along the best law's path")
        own = own_coefficients(best, target)
        none = [((), np.zeros(0))] if every and best.support[target] else []
        return [(best.support[target], own), *none]
    right = normal.right + normal.gram @ values
    gram = normal.gram
    if len(right) > size:
        other = gram[size:, size:] + 1e-10 * np.diag(np.diag(gram)[size:])
        other[np.diag_indices(len(other))] += 1e-300
        solved = np.linalg.solve(other, np.column_stack([gram[size:, :size], right[size:]]))
        gram = gram[:size, :size] - gram[:size, size:] @ solved[:, :-1]
        right = right[:size] - normal.gram[:size, size:] @ solved[:, -1]
    n = float(np.isfinite(problem.series.values).sum())
    # Scaled, so that the cut of small directions does not depend on the units of the terms
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = np.linalg.lstsq(gram / scale[:, None] / scale[None], right / scale, rcond=1e-12)[0]
    whole = n + float(right / scale @ scaled)
    ranked = rank_supports(
        gram, right, whole, found.share * n, 1.0 / found.share, largest, best.support[target]
    )
    ranked = [own for own in ranked if len(own.places) <= max(largest, len(best.support[target]))]
    chosen = [
        (own.places, own.coefficients) for own in ranked[:count]
        if own.length < ranked[0].length + LONGEST_BEHIND
    ]  # fmt: skip
    if every:
        names = {places for places, _ in chosen}
        present = next(own for own in ranked if own.places == best.support[target])
        extra = [present] if present.places not in names else []
        constants = [k for k, program in enumerate(problem.programs) if program == (1,)]
        bare = [(), *[(k,) for k in constants]]
        extra += [own for own in ranked if own.places in bare and own.places not in names]
        chosen += [(own.places, own.coefficients) for own in extra]
    return chosen
