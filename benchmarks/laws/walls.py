"""Laws of walls from films: planted drives, pins and bends; films without pins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binomtest

from benchmarks.laws.dynamics import HALF_WIDTH, FieldScore, row_of
from physlearn.checks import NotIdentified
from physlearn.datasets import track_walls
from physlearn.demo import demo_findings
from physlearn.inference import discover_dynamics, discover_wall_law
from physlearn.inference.dynamics.wall_options import WallLawOptions
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.walls.planted_domains import PlantedDomains, planted_domains
from physlearn.records import WallTrack

__all__ = ["CHECKS", "WALL_WORLDS", "WallWorld", "film_of", "make_walls", "score"]

Row = dict[str, Any]
Floats = NDArray[np.float64]

WIDTH = 2.0
NOISE = 0.1
CLAIMED = 0.5
REFUSED = "refused: "


@dataclass(frozen=True)
class WallWorld:
    """One law of walls.

    Attributes
    ----------
    terms
        Its terms, with the planted constants.
    drive
        Level of every frame.
    pinned, bent
        Whether the search is told of pins, and of bends that are not linear.
    n_films
        In the table.
    """

    terms: tuple[Term, ...]
    drive: tuple[float, ...]
    pinned: bool = False
    bent: bool = False
    n_films: int = 20


FOUR = (1.0, 0.4, -0.5, -1.0) * 4
EIGHT = (1.0, -0.8, 0.3, -0.5, 0.6, -1.2, 1.4, -0.4) * 3
TENSION = Term(-0.4, ("curvature",))
LINE = Term(0.5, ("drive",))
NEAR = ("pin_distance", 4.0, "div", "neg", "exp")
BOTH = (0.5, "drive", "mul", -0.4, "curvature", "mul", "add")
SIGN = ("drive", "drive", "abs", "div", "mul")
WALL_WORLDS = {
    "linear": WallWorld((LINE, TENSION), EIGHT, n_films=6),
    "imprint": WallWorld((LINE, Term(0.1, (1,)), TENSION), EIGHT, n_films=6),
    "square": WallWorld((Term(0.5, ("drive", "drive", "abs", "mul")), TENSION), EIGHT, n_films=6),
    "creep": WallWorld(
        (Term(1.5, ("drive", "abs", "inv", 1.0, "mul", "neg", "exp", *SIGN)), TENSION), EIGHT,
        n_films=6,
    ),
    "constant": WallWorld((Term(0.3, (1,)), TENSION), EIGHT, n_films=6),
    "slowed near pins": WallWorld(
        (Term(1, (*BOTH, 1, *NEAR, -0.8, "mul", "add", "mul")),), FOUR, pinned=True
    ),
    "pushed near pins": WallWorld((LINE, Term(-0.2, NEAR), TENSION), FOUR, pinned=True),
    "pushed as 1/d": WallWorld(
        (LINE, Term(-0.4, ("pin_distance", "inv")), TENSION), FOUR, pinned=True, n_films=10
    ),
    "drawn by pins": WallWorld(
        (LINE, Term(0.3, ("pin_facing", *NEAR, "mul")), TENSION), FOUR, pinned=True, n_films=10
    ),
    "pulled as d": WallWorld(
        (LINE, Term(0.01, ("pin_distance",)), TENSION), FOUR, pinned=True, n_films=10
    ),
    "saturating": WallWorld(
        (LINE, Term(-2.0, ("curvature", 1, "curvature", "abs", 20.0, "mul", "add", "div"))), FOUR,
        bent=True,
    ),
    "cubic bend": WallWorld(
        (LINE, Term(-20.0, ("curvature", "curvature", "abs", 2.0, "pow", "mul"))), FOUR, bent=True,
        n_films=10,
    ),
    "driven mobility": WallWorld(
        (LINE, Term(-0.1, ("curvature",)), Term(-0.9, ("curvature", "drive", "abs", "mul"))),
        (1.2, 0.1, -1.2, -0.1) * 8, bent=True, n_films=10,
    ),
}  # fmt: skip


def film_of(planted: PlantedDomains, noise: float, seed: int) -> Any:
    """Paint tanh of the distance to the walls, and add white noise."""
    import xarray as xr

    rng = np.random.default_rng((seed, 77))
    side = int(planted.track.metadata["frame_rows"])
    rows, columns = np.mgrid[:side, :side].astype(float)
    frames = np.full((len(planted.radii), side, side), -1.0)
    angles = 2 * np.pi * np.arange(planted.radii.shape[2]) / planted.radii.shape[2]
    dense = 2 * np.pi * np.arange(1500) / 1500
    for frame, shapes in zip(frames, planted.radii, strict=True):
        for center, radius in zip(planted.centers, shapes, strict=True):
            x, y = columns - center[0], rows - center[1]
            near = np.hypot(x, y) < radius.max() + 8 * WIDTH
            r = np.interp(dense, angles, radius, period=2 * np.pi)
            outline = r[:, None] * np.stack([np.cos(dense), np.sin(dense)], axis=1)
            away, _ = cKDTree(outline).query(np.stack([x[near], y[near]], axis=1))
            turn = np.arctan2(y[near], x[near]) % (2 * np.pi)
            inside = np.hypot(x[near], y[near]) < np.interp(turn, angles, radius, period=2 * np.pi)
            frame[near] = np.maximum(frame[near], np.tanh(np.where(inside, away, -away) / WIDTH))
    frames += noise * rng.standard_normal(frames.shape)
    video = xr.DataArray(
        frames, dims=("time", "y", "x"),
        coords={"time": np.arange(float(len(frames))), "y": np.arange(float(side)),
                "x": np.arange(float(side)), "drive": ("time", planted.drive)},
    )  # fmt: skip
    for name, unit in (("time", "frame"), ("y", "pixel"), ("x", "pixel"), ("drive", "")):
        video[name].attrs["units"] = unit
    return video


def make_walls(world: WallWorld, seed: int, noise: float = NOISE) -> tuple[WallTrack, Floats]:
    """Return the tracked walls of a film of a world, and the places of its pins."""
    law = Equation(world.terms, 0.0, 0.0, 0)

    def velocity(drive: float, bend: Floats, distance: Floats, facing: Floats) -> Floats:
        columns = {"drive": np.full(bend.size, drive), "curvature": bend.ravel(),
                   "pin_distance": distance.ravel(), "pin_facing": facing.ravel()}  # fmt: skip
        return law.predict(columns).reshape(bend.shape)

    drive = np.array(world.drive)
    planted = planted_domains(velocity, n_frames=drive.size, drive=drive, rng=seed)
    return track_walls(film_of(planted, noise, seed)), planted.pins


def _judged(laws: EquationSet, world: WallWorld, seconds: float) -> FieldScore:
    truth = Equation(world.terms, 0.0, 0.0, 0)
    place = laws.index_of([term.structure for term in truth.terms])
    inside = total = 0
    if place is not None:
        law = laws.equations[place]
        shapes = [term.structure for term in law.terms]
        order = [shapes.index(term.structure) for term in truth.terms]
        sds = np.sqrt(np.diag(law.covariance)) if law.covariance is not None else np.empty(0)
        ends = np.cumsum([len(Equation((term,), 0, 0, 0).constants) for term in law.terms])
        groups = np.split(np.arange(sds.size), ends[:-1])
        at = np.concatenate([groups[k] for k in order])
        hits = np.abs(law.constants[at] - truth.constants) <= HALF_WIDTH * sds[at]
        inside, total = int(hits.sum()), int(hits.size)
    size = len(laws.credible_set(0.9))
    listed = place is not None
    return FieldScore(place == 0, listed, listed and place < size, inside, total, seconds,
                      str(laws.table["equation"][0]))  # fmt: skip


def score(world: WallWorld, seed: int) -> FieldScore:
    """Score the laws of one film."""
    track, pins = make_walls(world, seed)
    options = WallLawOptions(pins=pins if world.pinned else None,
                             curvature="free" if world.bent else "linear")  # fmt: skip
    begun = time.process_time()
    laws = discover_wall_law(track, options=options, rng=seed)
    return _judged(laws, world, time.process_time() - begun)


def _score_or_refusal(world: WallWorld, seed: int) -> FieldScore:
    """Score one film; a refusal counts as not found."""
    begun = time.process_time()
    try:
        return score(world, seed)
    except NotIdentified as refusal:
        spent = time.process_time() - begun
        return FieldScore(False, False, False, 0, 0, spent, f"{REFUSED}{refusal}")


def _films(name: str) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        world = WALL_WORLDS[name]
        n_films = 1 if quick else world.n_films
        scores = [_score_or_refusal(world, seed) for seed in range(n_films)]
        refused = sum(s.found.startswith(REFUSED) for s in scores)
        told = "pins known, " if world.pinned else "free bends, " if world.bent else ""
        row = row_of(f"walls: {name}, {told}{n_films} films", scores, None)
        return [row | {"measured": f"{row['measured']}; refused {refused}"}]

    check.__doc__ = f"Films of walls: {name}."
    return check


def without_effect(quick: bool) -> list[Row]:
    """Search films whose walls no pin touches and whose tension is linear, told of both."""
    world, count, claims, wrong = WALL_WORLDS["linear"], 2 if quick else 40, 0, ""
    for seed in range(100, 100 + count):
        track, pins = make_walls(replace(world, drive=FOUR), seed)
        laws = discover_wall_law(
            track, options=WallLawOptions(pins=pins, curvature="free"), rng=seed
        )
        held = sum(
            float(weight)
            for law, weight in zip(laws.equations, laws.weights, strict=True)
            if "pin_distance" in law.variables or not law.structure <= _plain(laws)
        )
        claims += held > CLAIMED
        wrong = wrong or (str(laws.table["equation"][0]) if held > CLAIMED else "")
    low = float(binomtest(count - claims, count, 0.95).pvalue)
    return [{
        "what": f"walls without pins or bends, told to look for both, {count} films",
        "measured": f"neither claimed in {count - claims}/{count}"
        + (f"; a claim: {wrong}" if wrong else ""),
        "goal": "neither claimed in >= 95 %", "met": bool(claims <= 0.05 * count or low > 0.05),
    }]  # fmt: skip


def _plain(laws: EquationSet) -> set[tuple[str, ...]]:
    """Terms of the drive alone, and the linear curvature."""
    terms = {term for law in laws.equations for term in law.terms}
    return {t.structure for t in terms if t.variables <= {"drive"}} | {("curvature",)}


def the_demo(_: bool) -> list[Row]:
    """Find the law of the demo's film, beside what was planted."""
    findings, _ = demo_findings(1)
    truth = findings.truth.parameters if findings.truth is not None else {}
    laws = discover_dynamics(track_walls(findings.video), rng=1)["velocity"]
    sds = np.sqrt(np.diag(laws.best.covariance))
    names = {("drive",): truth["drive_mobility"], ("curvature",): -truth["curvature_mobility"]}
    found = laws.best.structure == frozenset(names)
    numbers = "; ".join(
        f"{term.program[0]}: {value:.4f} [{value - HALF_WIDTH * sd:.4f}, "
        f"{value + HALF_WIDTH * sd:.4f}], planted {names.get(term.program, float('nan'))}"
        for term, value, sd in zip(laws.best.terms, laws.best.constants, sds, strict=False)
    )
    return [{
        "what": "the film of `physlearn demo`",
        "measured": f"{laws.table['equation'][0]}, weight {laws.weights[0]:.3f}; {numbers}",
        "goal": "the planted law", "met": bool(found),
    }]  # fmt: skip


CHECKS = {
    **{f"walls: {name}": _films(name) for name in WALL_WORLDS},
    "walls without effect": without_effect,
    "the wall demo": the_demo,
}
