"""Snapshots of liquids: error over the bound, coverage and time of the simulated likelihood."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from physlearn.checks import NotIdentified
from physlearn.inference import PotentialCandidate, compare_potentials, fit_pair_potential
from physlearn.inference.configurations.score_matching import find_score_mode
from physlearn.inference.configurations.simulated_likelihood import fit_by_simulation
from physlearn.inference.configurations.snapshot_bound import snapshot_bound
from physlearn.inference.configurations.snapshot_energies import ThreeBody
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import (
    LennardJones,
    MetropolisSettings,
    Morse,
    PairTable,
    StillingerWeberAngle,
    Yukawa,
    sample_positions,
)
from physlearn.records import AtomicConfiguration

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
BURN_IN, BETWEEN = 3000, 600


def _start(dimension: int, density: float, side: int) -> tuple[Floats, Floats]:
    """Return places on a lattice of ``side`` particles along each axis, and the cell."""
    if dimension == 3:
        step = density ** (-1.0 / 3.0)
        axes = np.meshgrid(*[np.arange(side)] * 3, indexing="ij")
        return np.stack(axes, -1).reshape(-1, 3) * step, np.eye(3) * side * step
    step = float(np.sqrt(2.0 / np.sqrt(3.0) / density))
    rows, columns = np.divmod(np.arange(side * side), side)
    places = np.stack([(columns + 0.5 * (rows % 2)) * step, rows * step * np.sqrt(3) / 2], axis=1)
    return places, np.diag([side * step, side * step * np.sqrt(3) / 2])


CASES: dict[str, tuple[Any, str, dict[str, Any], int, float, list[float]]] = {
    "lennard_jones": (LennardJones(1.25, 1.0, cutoff=2.5), "lennard_jones", {}, 2, 0.7,
                      [1.25, 1.0]),
    "lennard_jones_3d": (LennardJones(1.0, 1.0, cutoff=2.5), "lennard_jones", {}, 3, 0.8,
                         [1.0, 1.0]),
    "morse": (Morse(1.5, 5.0, 1.1, cutoff=2.5), "morse", {}, 2, 0.6, [1.5, 5.0, 1.1]),
    "yukawa": (Yukawa(10.0, 0.5, cutoff=3.0), "yukawa", {"cutoff": 3.0}, 2, 0.5, [10.0, 0.5]),
    "two_species": (
        PairTable({(0, 0): LennardJones(1.25, 1.0, cutoff=2.5),
                   (0, 1): LennardJones(1.6, 0.9, cutoff=2.5),
                   (1, 1): LennardJones(1.0, 0.8, cutoff=2.5)}),
        "lennard_jones", {}, 2, 0.8, [1.25, 1.0, 1.6, 0.9, 1.0, 0.8],
    ),
}  # fmt: skip


SIDES = {"lennard_jones": 32, "lennard_jones_3d": 7}
"""Particles along each axis where they are not 18."""
NUMBERS = {"lennard_jones": 20, "lennard_jones_3d": 12, "morse": 6, "yukawa": 6, "two_species": 10}
"""Replicates of each case."""


def _frames(potential: Any, start: AtomicConfiguration, n: int, mixture: bool) -> Any:
    """Return snapshots in equilibrium; two species mix slowly: a long run of its own for each."""
    if not mixture:
        once = MetropolisSettings(burn_in_sweeps=BURN_IN)
        return sample_positions(potential, start, n, BETWEEN, settings=once, rng=11)
    longer = MetropolisSettings(burn_in_sweeps=5 * BURN_IN)
    return [sample_positions(potential, start, 1, 1, settings=longer, rng=11 + k)[0]
            for k in range(n)]  # fmt: skip


def _replicates(name: str, position_sd: float, n: int) -> list[Row]:
    potential, family_name, more, dimension, density, numbers = CASES[name]
    side = SIDES.get(name, 18)
    n_species = 2 if name == "two_species" else 1
    family = make_interaction(family_name, n_species, length=1.0, **more)
    places, cell = _start(dimension, density, side)
    species = np.random.default_rng(5).integers(0, 2, len(places)) if n_species == 2 else None
    start = AtomicConfiguration(places, unit="reduced", cell=cell, species=species)
    frames = _frames(potential, start, n, species is not None)
    bound = snapshot_bound(
        frames[0], family, numbers, position_sd=position_sd, n_records=1500, rng=3
    )
    truth = family.unconstrained(numbers)
    errors, holds, seconds, quick, refused = [], [], [], [], 0
    for index, frame in enumerate(frames):
        noise = position_sd * np.random.default_rng((index, 3)).standard_normal(places.shape)
        seen = AtomicConfiguration(
            frame.positions + noise, unit="reduced", cell=cell, species=species
        )
        snapshots = read_snapshots(seen, position_sd)
        begun = time.process_time()
        try:
            score = find_score_mode(snapshots, family).theta
            found = fit_by_simulation(snapshots, family, score, rng=index)
        except NotIdentified:
            refused += 1
            continue
        seconds.append(time.process_time() - begun)
        low, high = np.quantile(found.draws, [0.05, 0.95], axis=0)
        errors.append(found.draws.mean(axis=0) - truth)
        quick.append(score - truth)
        holds.append((low <= truth) & (truth <= high))
    what = f"{name}, {len(places)} particles, position error {position_sd:g}"
    return _rows(what, family.names, bound.theta_sd, np.array(errors), np.array(quick),
                 np.array(holds), seconds, refused)  # fmt: skip


def _rows(
    what: str, names: tuple[str, ...], bound: Floats, errors: Floats, quick: Floats,
    holds: Floats, seconds: list[float], refused: int,
) -> list[Row]:  # fmt: skip
    rows: list[Row] = []
    n = len(errors)
    for k, name in enumerate(names):
        ratio = float(np.sqrt(np.mean(errors[:, k] ** 2)) / bound[k])
        peer = float(np.sqrt(np.mean(quick[:, k] ** 2)) / bound[k])
        share = float(np.mean(holds[:, k]))
        p = 2 * float(min(binom.cdf(share * n, n, 0.9), binom.sf(share * n - 1, n, 0.9)))
        rows.append({"what": f"{what}: rmse of {name} over the bound (score matching {peer:.2f})",
                     "measured": ratio, "goal": "<= 1.3", "met": bool(ratio <= 1.3)})  # fmt: skip
        rows.append({"what": f"{what}: 90 % intervals of {name} that hold ({n} replicates)",
                     "measured": share, "goal": "binomial p > .01", "met": p > 0.01})  # fmt: skip
    rows.append({"what": f"{what}: CPU seconds, median", "measured": float(np.median(seconds)),
                 "goal": "<= 6", "met": bool(np.median(seconds) <= 6.0)})  # fmt: skip
    rows.append({"what": f"{what}: refused", "measured": refused, "goal": "", "met": None})
    return rows


def exact_positions(name: str, quick: bool) -> list[Row]:
    """Snapshots of one of the ``CASES``, positions exact."""
    return _replicates(name, 0.0, min(4, NUMBERS[name]) if quick else NUMBERS[name])


def noisy_positions(quick: bool) -> list[Row]:
    """Positions with a known error of 2 % of the diameter."""
    return _replicates("lennard_jones", 0.02, 4 if quick else 16)


def pair_or_three_body(quick: bool) -> list[Row]:
    """Odds for an angle term where one acts (strength 25) and where none does."""
    side = 12 if quick else 20
    places = np.stack(np.meshgrid(*[np.arange(side)] * 2), -1).reshape(-1, 2) / np.sqrt(0.6)
    start = AtomicConfiguration(places, unit="reduced", cell=np.eye(2) * side / np.sqrt(0.6))
    pair = LennardJones(1.25, 1.0, cutoff=2.0)
    shape = StillingerWeberAngle(strength=25.0, cosine=-0.5)
    family = make_interaction("lennard_jones", 1, length=1.0, cutoff=2.0)
    candidates = {
        "pair": PotentialCandidate(family),
        "pair + angle": PotentialCandidate(family, ThreeBody(shape, prior_sd=20.0)),
    }
    rows: list[Row] = []
    worlds: list[tuple[str, Any, str]] = [
        ("pair force and angles", [pair, shape], "pair + angle"), ("pair force alone", pair, "pair")
    ]  # fmt: skip
    for what, terms, right in worlds:
        frame = sample_positions(
            terms, start, 1, 1, settings=MetropolisSettings(burn_in_sweeps=2000), rng=4
        )[0]
        begun = time.process_time()
        found = compare_potentials(
            frame, candidates, sampling="thermal_snapshot", position_sd=0.0, rng=1
        )
        spent = time.process_time() - begun
        scores = found.table.set_index("name")["log_evidence"]
        odds = float(scores["pair + angle"] - scores["pair"])
        strength = found.posteriors["pair + angle"].draws[:, -1]
        low, high = np.quantile(strength, [0.05, 0.95])
        rows += [
            {"what": f"{what}, {len(places)} particles: log odds of an angle term over none",
             "measured": round(odds, 2), "goal": "> 3" if right != "pair" else "< 0",
             "met": bool(odds > 3.0 if right != "pair" else odds < 0.0)},
            {"what": f"{what}: strength of the angle term, 90 % interval, CPU seconds",
             "measured": f"{strength.mean():.1f} [{low:.1f}, {high:.1f}], {spent:.0f} s",
             "goal": "25" if right != "pair" else "0", "met": None},
        ]  # fmt: skip
    return rows


def public_liquid(quick: bool) -> list[Row]:
    """Four published frames of a Lennard-Jones liquid (diameter 1), three dimensions."""
    from physlearn.datasets import read_trajectory
    from physlearn.datasets.registry import fetch

    rows: list[Row] = []
    tracks = read_trajectory(fetch("lj_freud/LJsampletraj.gsd"))
    ways: list[tuple[float, str]] = [(2.5, "shift"), (2.5, "cut"), (3.0, "shift"), (3.0, "cut")]
    for cutoff, truncation in ways[:1] if quick else ways:
        begun = time.process_time()
        fit = fit_pair_potential(
            tracks, "lennard_jones", sampling="thermal_snapshot", method="likelihood",
            position_sd=0.0, cutoff=cutoff, truncation=truncation, rng=1,
        )  # fmt: skip
        spent = time.process_time() - begun
        (low, high), depth = fit.interval("diameter"), fit.interval("depth")
        what = f"lj_freud, {truncation} at {cutoff:g}"
        rows += [
            {"what": f"{what}: diameter, 90 % interval, of 1",
             "measured": f"{fit['diameter'].mean():.4f} [{low:.4f}, {high:.4f}]",
             "goal": "holds 1", "met": bool(low < 1.0 < high)},
            {"what": f"{what}: depth / kT, 90 % interval; inflation by correlation of the frames",
             "measured": f"{fit['depth'].mean():.3f} [{depth[0]:.3f}, {depth[1]:.3f}]; "
                         f"{fit.diagnostics['frame_inflation']:.2f}; {spent:.0f} CPU s",
             "goal": "", "met": None},
        ]  # fmt: skip
    return rows


CHECKS = {
    **{f"snapshot likelihood: {name}": partial(exact_positions, name) for name in CASES},
    "snapshot likelihood with noise": noisy_positions,
    "pair or three-body": pair_or_three_body,
    "published liquid by its likelihood": public_liquid,
}
