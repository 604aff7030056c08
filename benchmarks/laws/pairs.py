"""Laws of the force between particles: orbits, springs, gases, colloids, and no force at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks.laws.dynamics import HALF_WIDTH, FieldScore, row_of
from benchmarks.laws.judge import refit
from benchmarks.laws.null_data import row_of as null_row
from benchmarks.laws.pair_worlds import (
    PairWorld,
    make_bodies,
    make_free_walk,
    make_liquid,
    make_orbits,
)
from physlearn import Trajectory
from physlearn.inference import EquationSet, PairLawOptions, discover_pair_law

__all__ = ["CHECKS", "score_world"]

Row = dict[str, Any]
EXACT = 1e-6
N_CONSTANTS = {"inverse_square": 1, "inverse": 1, "screened": 2, "spring": 1, "lennard_jones": 2,
               "yukawa": 2}  # fmt: skip
POWER = [("r", "c", "pow")]
TRACKS = "colloid_bulk_water/tracks_300frames.csv"


def place_of(laws: EquationSet, world: PairWorld, n_constants: int) -> int | None:
    """Place of the first law that can be the truth, with no constant more than it has."""
    r = np.linspace(*laws.ranges[0], 60)
    wanted = world.force(r) * world.scale
    for place, law in enumerate(laws.equations):
        if law.n_constants <= n_constants and law.variables:
            rest = refit(law.program, {"r": r}, wanted, law.constants)[1]
            if rest < EXACT * float(wanted.std()):
                return place
    return None


def score_world(
    name: str, world: PairWorld, options: PairLawOptions | None = None
) -> tuple[FieldScore, EquationSet]:
    """Score one film."""
    begun = time.process_time()
    laws = discover_pair_law(world.film, options=options, rng=1)
    seconds = time.process_time() - begun
    place = place_of(laws, world, N_CONSTANTS[name])
    inside = intervals = 0
    if place is not None:
        law = laws.law(place)
        r = np.linspace(*laws.ranges[0], 60)
        truth, _ = refit(law.program, {"r": r}, world.force(r) * world.scale, law.constants)
        width = HALF_WIDTH * np.sqrt(np.diag(law.covariance))
        inside, intervals = int((np.abs(law.constants - truth) <= width).sum()), len(truth)
    credible = place is not None and place < laws.n_credible(0.9)
    said = str(laws.table["equation"][0])
    return FieldScore(
        place == 0, place is not None, credible, inside, intervals, seconds, said
    ), laws


def orbits(quick: bool) -> list[Row]:
    """A star and 3 to 5 planets, strengths unknown; the exponent as a free constant, too."""
    rows = []
    for noise in (0.01, 0.03):
        scores, held, wide = [], [], []
        for seed in range(1 if quick else 20):
            world = make_orbits(seed, n_planets=3 + seed % 3, noise=noise)
            score, laws = score_world("inverse_square", world)
            scores.append(score)
            place = laws.index_of(POWER)
            if place is not None:
                law = laws.law(place)
                error = HALF_WIDTH * float(np.sqrt(law.covariance[1, 1]))
                held.append(abs(law.constants[1] + 2.0) <= error)
                wide.append(error)
        what = f"star and 3 to 5 planets, noise {noise:.0%} of the innermost orbit's radius"
        row = row_of(f"{what}, {len(scores)} worlds", scores, 0.9)
        p = binomtest(sum(held), len(held), 0.90).pvalue if held else 0.0
        row["measured"] += (
            f"; r**p: 90 % interval holds -2 in {sum(held)}/{len(held)} (p = {p:.2g}), median "
            f"half width {np.median(wide) if wide else np.nan:.2g}"
        )
        rows.append(row)
    return rows


def _bodies(name: str, n_bodies: int) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        options = PairLawOptions(regime="newtonian", strengths="equal")
        scores = [
            score_world(name, make_bodies(name, seed, n_bodies=n_bodies), options)[0]
            for seed in range(1 if quick else 5)
        ]
        return [
            row_of(
                f"{n_bodies} equal bodies, {name}, noise 0.01, {len(scores)} worlds", scores, None
            )
        ]

    return check


def films(quick: bool) -> list[Row]:
    """Films of Lennard-Jones and Yukawa liquids, exact positions."""
    rows = []
    for name in ("lennard_jones", "yukawa"):
        scores = []
        for seed in range(1 if quick else 5):
            world, cutoff = make_liquid(name, seed)
            options = PairLawOptions(localization_sd=0.0, cutoff=cutoff)
            scores.append(score_world(name, world, options)[0])
        rows.append(
            row_of(f"film of 144 colloids, {name}, 60 frames, {len(scores)} films", scores, None)
        )
    return rows


def free_motion(quick: bool) -> list[Row]:
    """Particles that do not act on each other."""
    claims, seconds, examples = [], [], []
    for seed in range(2 if quick else 20):
        begun = time.process_time()
        laws = discover_pair_law(make_free_walk(seed), rng=1)
        seconds.append(time.process_time() - begun)
        claims.append(laws.claims_law)
        if laws.claims_law:
            examples.append(str(laws.table["equation"][0]))
    return [null_row("free diffusion of 150 particles, 200 frames", claims, seconds, examples)]


def colloids(_quick: bool) -> list[Row]:
    """Public tracks of latex spheres in water."""
    from physlearn.datasets import read_trajectory, registry, set_scale

    film: Trajectory = set_scale(
        read_trajectory(registry.fetch(TRACKS)), pixel_size=1 / 2.85, unit="um",
        frame_interval_s=1 / 24,
    )  # fmt: skip
    begun = time.process_time()
    laws = discover_pair_law(film, options=PairLawOptions(projected=True), rng=1)
    return [{
        "what": "colloid_bulk_water, tracks of 300 frames",
        "measured": f"{laws.verdict}; {time.process_time() - begun:.1f} CPU s",
        "goal": "free diffusion: no force law",
        "met": not laws.claims_law,
    }]  # fmt: skip


CHECKS = {
    "force between planets": orbits,
    "force between equal bodies, inverse": _bodies("inverse", 4),
    "force between equal bodies, screened": _bodies("screened", 4),
    "force between equal bodies, spring": _bodies("spring", 4),
    "force between equal bodies, Lennard-Jones": _bodies("lennard_jones", 7),
    "force between colloids": films,
    "no force between walkers": free_motion,
    "no force between colloids in water": colloids,
}
