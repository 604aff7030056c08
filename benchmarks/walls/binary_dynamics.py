"""What moves the walls of thresholded films: errors, coverage and time against planted laws."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks.walls.binary_scenes import BinaryScene, make_crossing_wall, make_star_domains
from physlearn.checks import NotIdentified
from physlearn.datasets import WallSceneOptions, make_wall_scene
from physlearn.inference.binary_walls.binary_walls import fit_binary_walls
from physlearn.results import Fit

__all__ = ["CHECKS"]

Floats = NDArray[np.float64]
Row = dict[str, Any]
BAND = (0.85, 0.95)
SPEED_GOAL, LONGEST = 0.3, 4.0
NORMAL_90 = 1.645


class _Tally:
    """Errors, z values, times and refusals over films."""

    def __init__(self) -> None:
        self.errors: list[Floats] = []
        self.z: list[Floats] = []
        self.peers: list[Floats] = []
        self.seconds: list[float] = []
        self.refused = 0
        self.flagged = 0

    def add(self, fit: Callable[[], Fit], name: str, truth: Floats) -> Fit | None:
        """Run one fit and compare it with the truth; the last number is curvature_mobility."""
        begun = time.process_time()
        try:
            found = fit()
        except NotIdentified:
            self.refused += 1
            return None
        self.seconds.append(time.process_time() - begun)
        draws = np.column_stack([
            found[name].reshape(len(found[name]), -1), found["curvature_mobility"]
        ])  # fmt: skip
        mean, sd = draws.mean(axis=0), draws.std(axis=0)
        self.errors.append(100 * (mean / truth - 1))
        self.z.append((mean - truth) / sd)
        self.flagged += any("does not fit" in text for text in found.warnings)
        return found

    def rows(self, what: str, mobility_goal: float) -> list[Row]:
        """Rows of a table."""
        errors, z = np.array(self.errors), np.array(self.z)
        rms = np.sqrt((errors**2).mean(axis=0))
        speed = float(np.sqrt((rms[:-1] ** 2).mean()))
        covered = np.abs(z) < NORMAL_90
        share = float(covered.mean())
        # numbers of one film share its walls: one film counts as one independent interval or two
        near = any(
            binomtest(round(share * 2 * len(z)), 2 * len(z), edge).pvalue > 0.05 for edge in BAND
        )
        seconds = float(np.median(self.seconds))
        rows = [
            _row(f"{what}: speeds, root mean square error", f"{speed:.2f} % (worst level "
                 f"{rms[:-1].max():.2f} %)", f"<= {SPEED_GOAL} %", speed <= SPEED_GOAL),
            _row(f"{what}: mobility x tension", f"{rms[-1]:.2f} % (bias "
                 f"{errors[:, -1].mean():+.2f} %)", f"<= {mobility_goal:g} %",
                 rms[-1] <= mobility_goal),
            _row(f"{what}: cov90", f"{share:.3f} of {covered.size} intervals, {self.refused} "
                 f"refused, {self.flagged} flagged; z sd {z.std():.2f}", ".85-.95",
                 BAND[0] <= share <= BAND[1] or near),
            _row(f"{what}: time of a fit", f"{seconds:.1f} s", f"<= {LONGEST:g} s",
                 seconds <= LONGEST),
        ]  # fmt: skip
        if self.peers:
            worst = np.sqrt((np.array(self.peers) ** 2).mean(axis=0))
            rows.append(_row(
                f"{what}: regression of swept areas on length and turning (smoothed contours)",
                f"speeds {np.sqrt((worst[:-1] ** 2).mean()):.2f} %, mobility x tension "
                f"{worst[-1]:.0f} %", "", None,
            ))  # fmt: skip
        return rows


def _row(what: str, measured: str, goal: str, met: Any) -> Row:
    return {"what": what, "measured": measured, "goal": goal,
            "met": None if met is None else bool(met)}  # fmt: skip


def _regression(scene: BinaryScene) -> Floats:
    """Peer: contours of the smoothed film, areas regressed on lengths; no front, no pixels."""
    from physlearn.inference.binary_walls.binary_contours import cut_pieces, film_contours
    from physlearn.inference.binary_walls.binary_likelihood import BinaryFilm
    from physlearn.inference.binary_walls.binary_start import first_parameters

    labels = scene.labels.astype(np.uint8)
    usable = np.ones(labels.shape, dtype=bool)
    contours, _ = film_contours(labels, usable, 1.0)
    levels, which = np.unique(scene.drive, return_inverse=True)
    design = np.eye(levels.size)[which[:-1]]
    film = BinaryFilm(labels, usable, np.arange(len(labels), dtype=float), design, 0.01)
    return first_parameters(cut_pieces(contours)[0], film)


def _stars(flip: float, goal: float, exponent: float = 0.5) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        tally, creep = _Tally(), []
        n_films = 2 if quick else 30
        for seed in range(n_films):
            scene = make_star_domains(seed, flip=flip, exponent=exponent)
            truth = np.append(scene.speeds, scene.curvature_mobility)
            found = tally.add(
                lambda scene=scene, seed=seed: fit_binary_walls(
                    scene.labels, drive=scene.drive, law="creep", rng=seed
                ),
                "level_velocity", truth,
            )  # fmt: skip
            tally.peers.append(100 * (_regression(scene) / truth - 1))
            if found is not None:
                low, high = found.interval("creep_exponent")
                creep.append((low < exponent < high, high - low))
        what = f"3 domains, 6 levels x 10 frames, {flip:.0%} of the labels flipped"
        rows = tally.rows(what, goal)
        held, width = np.mean(creep, axis=0)
        rows.append(_row(
            f"{what}: creep exponent {exponent:g}",
            f"90 % interval {width:.3f} wide, holds the truth in {held:.2f} of {len(creep)}", "",
            None,
        ))  # fmt: skip
        return rows

    return check


def _topology(flip: float, goal: float) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        tally, events = _Tally(), 0
        for seed in range(2 if quick else 24):
            planted = WallSceneOptions(flip_rate=flip)
            scene = make_wall_scene("driven_topology", (128, 128), 40, options=planted, rng=seed)
            truth = np.array([planted.drive_mobility, planted.curvature_mobility])
            found = tally.add(
                lambda scene=scene, seed=seed: fit_binary_walls(scene.binary, rng=seed),
                "drive_mobility", truth,
            )  # fmt: skip
            if found is not None:
                events += found.diagnostics["n_merge"] > 0 and found.diagnostics["n_split"] > 0
        what = f"two domains merge, one splits, {flip:.0%} flipped"
        rows = tally.rows(what, goal)
        rows.append(_row(f"{what}: films whose merge and split were both seen",
                         f"{events} of {len(tally.z)}", "", None))  # fmt: skip
        return rows

    return check


def _crossing(flip: float, goal: float) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        tally = _Tally()
        for seed in range(2 if quick else 30):
            scene = make_crossing_wall(seed, flip=flip)
            tally.add(
                lambda scene=scene, seed=seed: fit_binary_walls(
                    scene.labels, drive=scene.drive, rng=seed
                ),
                "drive_mobility", np.append(scene.speeds, scene.curvature_mobility),
            )  # fmt: skip
        return tally.rows(f"a wall that crosses the picture, {flip:.0%} flipped", goal)

    return check


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "binary domains, no flips": _stars(0.0, 2.0),
    "binary domains, 2 % flips": _stars(0.02, 3.0),
    "binary merging and splitting, no flips": _topology(0.0, 2.0),
    "binary merging and splitting, 2 % flips": _topology(0.02, 3.0),
    "binary crossing wall, no flips": _crossing(0.0, 2.0),
    "binary crossing wall, 2 % flips": _crossing(0.02, 3.0),
}
