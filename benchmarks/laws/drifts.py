"""Laws of drift from tracks of Langevin motion: true laws, constants, free diffusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from physlearn.checks import NotIdentified

__all__ = ["CHECKS", "WORLDS", "DriftWorld", "score_world", "tracks_of"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
Drift = Callable[[Floats], Floats]
HALF_WIDTH = 1.6448536269514722
SUB_STEP = 0.002
REFUSED = "refused: "


@dataclass(frozen=True)
class DriftWorld:
    """A motion of known law: columns of its drift's terms with their constants, D, the frames.

    ``terms``: structure of each term -> constant, for each axis; a second number in a structure is
    the place of an inner constant.
    """

    drift: Drift
    terms: tuple[dict[tuple[str, ...], tuple[float, ...]], ...]
    interval: float
    n_particles: int = 20
    n_frames: int = 300
    diffusion: tuple[float, float] = (1.0, 0.0)  # D = d0 + d1 x^2
    noise: float = 0.0
    start: float = 1.0


def _along(function: Callable[[Floats], Floats]) -> Drift:
    return lambda at: function(at[0])[None]


X, CUBE, ONE = ("x",), ("x", "cube"), ("c",)
SINE = ("x", "c", "mul", "sin")


def _well(interval: float, a: float = 1.6, b: float = 0.8, **more: Any) -> DriftWorld:
    terms = ({X: (a,), CUBE: (-b,)},)
    return DriftWorld(_along(lambda x: a * x - b * x**3), terms, interval, **more)


def _rotating(at: Floats) -> Floats:
    return np.stack([-at[0] - 0.6 * at[1], 0.6 * at[0] - at[1]])


WORLDS: dict[str, DriftWorld] = {
    "double well, dt x slope 0.06": _well(0.02, n_frames=1500),
    "double well, dt x slope 0.3": _well(0.1),
    "double well, dt x slope 1": _well(0.3),
    "harmonic trap, dt x slope 0.3": DriftWorld(
        _along(lambda x: -1.5 * x), ({X: (-1.5,)},), 0.2),
    "tilted washboard": DriftWorld(
        _along(lambda x: 1.0 + 3.0 * np.sin(1.7 * x)), ({ONE: (1.0,), SINE: (3.0, 1.7)},), 0.1,
        n_frames=200),
    "trap with D = 0.5 + 0.3 x^2": DriftWorld(
        _along(lambda x: -1.5 * x), ({X: (-1.5,)},), 0.05, diffusion=(0.5, 0.3), n_frames=400),
    "double well with localisation errors": _well(0.05, noise=0.1, n_frames=400),
    "trap with rotation": DriftWorld(
        _rotating, ({("x",): (-1.0,), ("y",): (-0.6,)}, {("x",): (0.6,), ("y",): (-1.0,)}), 0.1),
}  # fmt: skip


def tracks_of(world: DriftWorld, seed: int) -> list[dict[str, Floats]]:
    """Simulate tracks, one table a particle: Ito steps of 0.002 (weak order 2 where D is one)."""
    rng = np.random.default_rng((seed, 29))
    n_sub = max(5, round(world.interval / SUB_STEP))
    h = world.interval / n_sub
    d = len(world.terms)
    at = world.start * rng.standard_normal((d, world.n_particles))
    d0, d1 = world.diffusion
    seen = [at]
    for _ in range(world.n_frames):
        for _ in range(n_sub):
            kick = rng.standard_normal(at.shape)
            if d1:
                # Milstein's scheme of Ito's equation
                spread = np.sqrt(2.0 * (d0 + d1 * at**2))
                bent = 0.5 * (2.0 * d1 * at) * h * (kick**2 - 1.0)
                at = at + world.drift(at) * h + spread * np.sqrt(h) * kick + bent
            else:
                move = np.sqrt(2.0 * d0 * h) * kick
                first = world.drift(at)
                at = at + 0.5 * h * (first + world.drift(at + h * first + move)) + move
        seen.append(at)
    places = np.array(seen)
    places = places + world.noise * rng.standard_normal(places.shape)
    times = world.interval * np.arange(len(places))
    return [
        {"t": times, **dict(zip("xy", places[:, :, k].T, strict=False))}
        for k in range(world.n_particles)
    ]


@dataclass(frozen=True)
class DriftScore:
    """One world: the true law of every axis selected, listed; intervals; regression's bias."""

    selected: bool
    listed: bool
    claimed: bool
    diffusion_claimed: bool
    inside: tuple[bool, ...]
    found: tuple[float, ...]
    regression: tuple[float, ...]
    seconds: float
    text: str


def score_world(world: DriftWorld, seed: int) -> DriftScore:
    """Score one set of tracks."""
    from physlearn.inference import DriftLawOptions, discover_drift_law

    tables = tracks_of(world, seed)
    begun = time.process_time()
    try:
        laws = discover_drift_law(tables, options=DriftLawOptions(localization_sd=world.noise))
    except NotIdentified as refusal:  # counts as not found
        spent = time.process_time() - begun
        return DriftScore(False, False, False, False, (), (), (), spent, f"{REFUSED}{refusal}")
    seconds = time.process_time() - begun
    selected, listed, inside, found = True, True, [], []
    for name, terms in zip("xy", world.terms, strict=False):
        own = laws[f"d{name}/dt"]
        wanted = frozenset(terms)
        places = [k for k, law in enumerate(own.equations)
                  if law.structure == wanted and (terms or not law.n_constants)]  # fmt: skip
        selected &= places[:1] == [0]
        listed &= bool(places)
        if not places or own.law(places[0]).covariance is None:
            continue
        law = own.law(places[0])
        truth = np.array([value for term in law.terms for value in terms[term.structure]])
        if len(truth):
            width = HALF_WIDTH * np.sqrt(np.diag(law.covariance))
            inside += (np.abs(law.constants - truth) <= width).tolist()
            found += (law.constants / truth).tolist()
    claimed = any(laws[name].claims_law for name in laws if name != "D")
    return DriftScore(
        selected, listed, claimed, laws["D"].claims_law, tuple(inside), tuple(found),
        _regressed(tables, world), seconds, str(laws["dx/dt"].table["equation"][0]),
    )  # fmt: skip


def _regressed(tables: Sequence[dict[str, Floats]], world: DriftWorld) -> tuple[float, ...]:
    """Regress displacements on the true terms: found over true constants, where linear."""
    terms = world.terms[0]
    if not terms or any(len(values) > 1 for values in terms.values()):
        return ()
    names = [name for name in "xy" if name in tables[0]]
    before = {name: np.concatenate([t[name][:-1] for t in tables]) for name in names}
    moves = np.concatenate([np.diff(t["x"]) for t in tables]) / world.interval
    powers = {"cube": 3, "square": 2}
    columns = [before[key[0]] ** powers.get(key[-1], 1) for key in terms]
    fitted = np.linalg.lstsq(np.stack(columns, axis=1), moves, rcond=None)[0]
    return tuple((fitted / np.array([value[0] for value in terms.values()])).tolist())


def row_of(what: str, scores: Sequence[DriftScore]) -> Row:
    """Return one row: laws, constants, and what a regression finds."""
    n = len(scores)
    inside = [one for score in scores for one in score.inside]
    chance = float(binomtest(sum(inside), len(inside), 0.9).pvalue) if inside else 0.0
    cover = float(np.mean(inside)) if inside else float("nan")
    selected = sum(score.selected for score in scores)
    wrong = [score.text for score in scores if not score.selected]
    regressed = [score.regression for score in scores if score.regression]
    beside = ""
    if regressed:
        ratios = ", ".join(f"{value:.2f}" for value in np.mean(regressed, axis=0))
        most = max(len(score.found) for score in scores)
        whole = [score.found for score in scores if len(score.found) == most]
        ours = ", ".join(f"{value:.2f}" for value in np.mean(whole, axis=0))
        beside = f"; constants over truth {ours}, by regression of displacements {ratios}"
    return {
        "what": f"{what}, {n} sets",
        "measured": f"law selected {selected}/{n}, listed {sum(s.listed for s in scores)}/{n}; "
        f"cov90 {cover:.2f} of {len(inside)} constants, exact binomial p = {chance:.2g}{beside}; "
        f"a law of D claimed in {sum(s.diffusion_claimed for s in scores)}; refused "
        f"{sum(s.text.startswith(REFUSED) for s in scores)}; median "
        f"{np.median([s.seconds for s in scores]):.1f} CPU s"
        + (f"; a wrong one: {wrong[0]}" if wrong else ""),
        "goal": "selected >= 90 %, cov90 with p > .01",
        "met": bool(selected >= 0.9 * n and chance > 0.01),
    }


def known_law(name: str, quick: bool) -> list[Row]:
    """Score sets of tracks of one world."""
    scores = [score_world(WORLDS[name], seed) for seed in range(2 if quick else 60)]
    return [row_of(name, scores)]


def free_diffusion(noise: float, quick: bool) -> list[Row]:
    """Particles without a force: how often a law of drift is claimed."""
    world = DriftWorld(_along(np.zeros_like), ({},), 0.1, n_particles=10, n_frames=200,
                       noise=noise)  # fmt: skip
    scores = [score_world(world, seed) for seed in range(4 if quick else 100)]
    n, claims = len(scores), sum(score.claimed for score in scores)
    return [{
        "what": f"free diffusion, error of places {noise}, {n} sets",
        "measured": f"a law of drift is claimed in {claims}, one of D in "
        f"{sum(s.diffusion_claimed for s in scores)}; median "
        f"{np.median([s.seconds for s in scores]):.1f} CPU s",
        "goal": "no law of drift in >= 95 %",
        "met": bool(claims <= 0.05 * n),
    }]  # fmt: skip


CHECKS = {
    **{f"drift of {name}": partial(known_law, name) for name in WORLDS},
    **{f"free diffusion with error {noise}": partial(free_diffusion, noise)
       for noise in (0.0, 0.2)},
}  # fmt: skip
