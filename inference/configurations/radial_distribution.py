"""How often particles are found at a distance: measured, and predicted from a fitted potential."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from physlearn.checks import InputError, as_generator, check_count, check_positive
from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.inference.configurations.snapshots import (
    Snapshot,
    check_reach,
    read_snapshots,
    wrapped,
)
from physlearn.inference.potential_families.fit_contents import interaction_of, theta_draws
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.particles import MetropolisSettings, sample_positions
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table
from physlearn.results import Fit

__all__ = [
    "RadialPrediction",
    "check_pair_potential",
    "measure_radial_distribution",
    "predict_radial_distribution",
]

Float = NDArray[np.float64]
N_BINS = 60
BURN_IN = 600
BETWEEN = 60
REPLICAS = 4
"""Simulated snapshots from one draw of the posterior."""
LEVEL = 0.01
"""Probability below which a potential is said to fail."""


@dataclass(frozen=True, eq=False)
class RadialPrediction:
    """g(r) that a fitted potential predicts, beside that of the data.

    Attributes
    ----------
    table
        Columns distance, predicted, q05, q95 (of one snapshot as large as the data's), and, with
        data, observed and inside (whether it lies in the 90 % interval).
    p_value
        Share of simulated snapshots that differ from the mean prediction at least as much as the
        data do; None without data.
    discrepancy
        Mean square of the data's differences in standard deviations of a snapshot; None likewise.
    warnings
        What limits the judgement.

    Examples
    --------
    >>> RadialPrediction(pd.DataFrame({"distance": [1.0, 1.1]}), None, None)
    RadialPrediction of 2 distances
    """

    table: pd.DataFrame
    p_value: float | None
    discrepancy: float | None
    warnings: tuple[str, ...] = ()

    _repr_html_ = html_table

    def __repr__(self) -> str:
        if self.p_value is None:
            return f"RadialPrediction of {len(self.table)} distances"
        inside = int(self.table["inside"].sum())
        return (
            f"RadialPrediction: p = {self.p_value:.3g}; {inside} of {len(self.table)} distances "
            "within their 90 % intervals"
        )


def measure_radial_distribution(
    configurations: Any, *, longest: float | None = None, n_bins: int = N_BINS
) -> pd.DataFrame:
    """Count pairs over distance, in units of what the same density without order would give.

    g(r) = pairs at r / (n density volume of the shell / 2). In a field of view only particles
    farther than ``longest`` from the edge are centres. Errors of positions smear it.

    Parameters
    ----------
    configurations
        ``AtomicConfiguration``, a list of them or a ``Trajectory``.
    longest
        Longest distance; None: four typical spacings, at most half the box.
    n_bins
        Number of shells.

    Returns
    -------
    DataFrame
        Columns distance (middle of the shell), g, sd (from frame to frame; NaN for one frame).

    Examples
    --------
    >>> places = np.random.default_rng(1).uniform(0, 30, (2000, 2))
    >>> gas = AtomicConfiguration(places, unit="um", cell=30 * np.eye(2))
    >>> g = measure_radial_distribution(gas, longest=3.0, n_bins=6)["g"]
    >>> bool(abs(g.mean() - 1) < 0.05)
    True
    """
    snapshots = read_snapshots(configurations, 0.0)
    reach = _longest(snapshots, longest)
    edges = np.linspace(0.0, reach, check_count("n_bins", n_bins, 1) + 1)
    curves = np.array([_distribution(snapshot, edges) for snapshot in snapshots])
    n = len(curves)
    sd = curves.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(n_bins, np.nan)
    middle = 0.5 * (edges[1:] + edges[:-1])
    return pd.DataFrame({"distance": middle, "g": curves.mean(axis=0), "sd": sd})


def predict_radial_distribution(
    fit: Fit,
    configurations: Any,
    *,
    longest: float | None = None,
    n_bins: int = N_BINS,
    n_draws: int = 25,
    compare: bool = True,
    position_sd: float | None = None,
    function: Callable[..., NDArray[np.float64]] | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> RadialPrediction:
    """Simulate snapshots from a fitted potential and compare their g(r) with that of data.

    Potentials are drawn from the posterior; from each, four snapshots of as many particles, at the
    density of the data, with the same errors of positions. The data are best ones that the fit has
    not seen; for the fit's own the check is lenient (see ``check_pair_potential``).

    Parameters
    ----------
    fit
        Of a pair potential (``fit_pair_potential``, ``fit_langevin`` ...).
    configurations
        What to compare with, or, with ``compare=False``, what gives box, density and species.
    longest, n_bins
        As of ``measure_radial_distribution``.
    n_draws
        Draws of the posterior.
    compare
        Whether the configurations are data.
    position_sd
        As of ``fit_pair_potential``; the simulated positions get the same errors.
    function
        The user's own potential, where the fit is of one.
    rng, progress
        Seed or generator; called with (draws done, draws).

    Raises
    ------
    InputError
        For a fit without a pair potential, or a box too small for it.

    Examples
    --------
    >>> from physlearn.inference import fit_pair_potential
    >>> from physlearn.lattice_models import particles
    >>> grid = np.stack(np.meshgrid(*[np.arange(8) * 1.2] * 2), -1).reshape(-1, 2)
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=9.6 * np.eye(2))
    >>> frames = particles.sample_positions(particles.LennardJones(), start, 8, 40, rng=1)
    >>> fit = fit_pair_potential(frames[:7], sampling="thermal_snapshot", method="score",
    ...     cutoff=2.5, position_sd=0.0, rng=1)
    >>> check = predict_radial_distribution(fit, frames[7], position_sd=0.0, n_draws=4, rng=1)
    >>> check.p_value > 0.01
    True
    """
    check_count("n_draws", n_draws, 2)
    check_count("n_bins", n_bins, 1)
    generator, _ = as_generator(rng)
    snapshots = read_snapshots(configurations, position_sd)
    if "three_body_strength" in fit.variables:
        raise InputError(
            "fit holds a three-body term, which the simulation of g(r) has not: its pair part "
            "alone would be judged; compare the potentials with compare_potentials."
        )
    family = interaction_of(fit, function)
    check_reach(snapshots, family.cutoff)
    reach = _longest(snapshots, longest)
    edges = np.linspace(0.0, reach, n_bins + 1)
    draws = theta_draws(fit, family)
    chosen = draws[generator.choice(len(draws), n_draws, replace=len(draws) < n_draws)]
    curves = []
    for done, theta in enumerate(chosen):
        curves.append(_simulated(family, theta, snapshots[0], edges, generator))
        if progress is not None:
            progress(done + 1, n_draws)
    observed = None
    if compare:
        observed = np.array([_distribution(snapshot, edges) for snapshot in snapshots])
    return _compared(np.array(curves), observed, edges)


def check_pair_potential(
    fit: Fit,
    configurations: Any,
    *,
    position_sd: float | None = None,
    n_draws: int = 25,
    function: Callable[..., NDArray[np.float64]] | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> RadialPrediction:
    """Ask whether a fitted potential explains the structure of configurations.

    As ``predict_radial_distribution``, with a warning where the fit fails (p < .01) or has seen
    these very positions: p-values then lie nearer to 1 than they should, so that a small one counts
    and a large one says little.

    Raises
    ------
    InputError
        As ``predict_radial_distribution``.

    Examples
    --------
    >>> from physlearn.inference import fit_pair_potential
    >>> from physlearn.lattice_models import particles
    >>> grid = np.stack(np.meshgrid(*[np.arange(8) * 1.2] * 2), -1).reshape(-1, 2)
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=9.6 * np.eye(2))
    >>> frame = particles.sample_positions(particles.LennardJones(), start, 1, rng=1)[0]
    >>> fit = fit_pair_potential(frame, sampling="thermal_snapshot", method="score", cutoff=2.5,
    ...     position_sd=0.0, rng=1)
    >>> check = check_pair_potential(fit, frame, position_sd=0.0, n_draws=4, rng=1)
    >>> "has seen" in check.warnings[0]
    True
    """
    from physlearn.results import data_fingerprint

    found = predict_radial_distribution(
        fit, configurations, position_sd=position_sd, n_draws=n_draws, function=function, rng=rng,
        progress=progress,
    )  # fmt: skip
    warnings = list(found.warnings)
    snapshots = read_snapshots(configurations, position_sd)
    if data_fingerprint([s.positions for s in snapshots]) == fit.attrs["data_sha256"]:
        warnings.append(
            "The fit has seen these positions: a small p-value counts, a large one says little."
        )
    if found.p_value is not None and found.p_value < LEVEL:
        warnings.append(
            f"The fitted potential fails (p = {found.p_value:.2g}): try another family, a longer "
            "cutoff or three_body."
        )
    return RadialPrediction(found.table, found.p_value, found.discrepancy, tuple(warnings))


def _longest(snapshots: Sequence[Snapshot], longest: float | None) -> float:
    first = snapshots[0]
    widest = 0.5 if first.box is not None else 0.3
    most = widest * float(min((s.window[1] - s.window[0]).min() for s in snapshots))
    if longest is None:
        return float(min(4.0 * first.density ** (-1.0 / first.dimension), most))
    longest = check_positive("longest", longest)
    if longest > most:
        raise InputError(
            f"longest must not exceed {widest:g} of the shortest edge, {most:g}; got {longest:g}."
        )
    return longest


def _distribution(snapshot: Snapshot, edges: Float) -> Float:
    """g(r) of one frame, (n_bins,)."""
    reach, d = float(edges[-1]), snapshot.dimension
    pairs, _, distance = close_pairs(snapshot.positions, reach, snapshot.box)
    inner = snapshot.inner(reach)
    centres = inner[pairs].sum(axis=1).astype(np.float64)  # each pair once for each end inside
    counts = np.histogram(distance, edges, weights=centres)[0]
    ball = np.pi * edges**2 if d == 2 else 4.0 / 3.0 * np.pi * edges**3
    return np.asarray(counts / (inner.sum() * snapshot.density * np.diff(ball)))


def _simulated(
    family: InteractionFamily, theta: Float, data: Snapshot, edges: Float, rng: np.random.Generator
) -> Float:
    """g(r) of snapshots from one potential, (REPLICAS, n_bins), seen as the data were."""
    start = data.configuration()
    if data.box is None:
        # a box as large as the field; the same field is then looked at from inside
        start = AtomicConfiguration(
            data.positions - data.window[0], unit=data.unit,
            species=start.species, cell=np.diag(data.window[1] - data.window[0] + _seam(data)),
        )  # fmt: skip
    frames = sample_positions(
        family.potential(theta), start, REPLICAS, BETWEEN,
        settings=MetropolisSettings(burn_in_sweeps=BURN_IN), rng=rng,
    )  # fmt: skip
    curves = []
    for frame in frames:
        noisy = frame.positions + data.position_sd[:, None] * rng.standard_normal(
            frame.positions.shape
        )
        box = np.diag(frame.cell) if frame.cell is not None else None
        seen = Snapshot(
            wrapped(noisy, np.asarray(box)), data.species, box,
            np.stack([np.zeros(data.dimension), np.asarray(box)]), data.position_sd, data.unit,
        )  # fmt: skip
        if data.box is None:
            seen = Snapshot(
                seen.positions, seen.species, None, seen.window, seen.position_sd, seen.unit
            )
        curves.append(_distribution(seen, edges))
    return np.array(curves)


def _seam(data: Snapshot) -> float:
    """Room that keeps particles of opposite edges apart where a field is closed to a box."""
    return 0.5 * float(data.density ** (-1.0 / data.dimension))


def _compared(curves: Float, observed: Float | None, edges: Float) -> RadialPrediction:
    """Table and p-value from curves (draws, replicas, n_bins) and those of the data."""
    flat = curves.reshape(-1, curves.shape[-1])
    low, high = np.quantile(flat, [0.05, 0.95], axis=0)
    mean = flat.mean(axis=0)
    table = pd.DataFrame(
        {"distance": 0.5 * (edges[1:] + edges[:-1]), "predicted": mean, "q05": low, "q95": high}
    )
    if observed is None:
        return RadialPrediction(table, None, None)
    # what one data set (the mean of its frames) would look like, drawn from each potential
    size = len(observed)
    sets = curves if size == 1 else curves[:, : max(min(size, REPLICAS), 1)].mean(1, keepdims=True)
    sets = sets.reshape(-1, curves.shape[-1])
    used = flat.std(axis=0) > 0.0
    spread = np.maximum(sets.std(axis=0, ddof=1), 1e-12)
    data = observed.mean(axis=0)

    def differ(curve: Float, others: Float) -> float:
        away = (curve - others.mean(axis=0))[used] / spread[used]
        return float(np.mean(away**2))

    own = differ(data, sets)
    # each simulated set is judged by the others, as the data are
    rest = [differ(sets[k], np.delete(sets, k, axis=0)) for k in range(len(sets))]
    p_value = (1.0 + sum(value >= own for value in rest)) / (1.0 + len(rest))
    if own > max(rest):
        # beyond all that were simulated: the tail of a log-normal through them
        logs = np.log(np.maximum(rest, 1e-300))
        tail = norm.sf((np.log(own) - logs.mean()) / max(float(logs.std(ddof=1)), 1e-12))
        p_value = min(p_value, float(tail))
    table["observed"] = data
    table["inside"] = (data >= low) & (data <= high)
    warnings = []
    if size > REPLICAS:
        warnings.append(
            f"The scatter of {REPLICAS} frames stands for that of {size}: the check is lenient."
        )
    return RadialPrediction(table, float(p_value), own, tuple(warnings))
