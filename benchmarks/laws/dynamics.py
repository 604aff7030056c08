"""Laws of fields from films: exact terms, coefficients, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from scipy.stats import binomtest

from benchmarks.laws.field_worlds import FieldWorld, make_world, with_noise
from benchmarks.laws.suite import is_design
from physlearn.inference.dynamics.field_law import discover_field_law
from physlearn.inference.dynamics.field_options import FieldLawOptions

__all__ = ["CHECKS", "FILMS", "FieldScore", "half_of", "row_of", "score_film"]

Row = dict[str, Any]
HALF_WIDTH = 1.6448536269514722
CHANCE = 0.01
SEEN = ("allen_cahn", "burgers", "fitzhugh_nagumo")  # of the kept-out half, but goals name them
# world, noise over the field's sd, films, least share of films with the exact terms
FILMS = (
    ("allen_cahn", 0.1, 5, None), ("allen_cahn", 0.3, 10, 0.9),
    ("cahn_hilliard", 0.1, 5, None), ("cahn_hilliard", 0.3, 10, 0.9),
    ("fisher_kpp", 0.1, 5, 0.8), ("burgers", 0.1, 5, 0.8), ("kuramoto_sivashinsky", 0.1, 5, 0.8),
    ("fitzhugh_nagumo", 0.1, 5, 0.8), ("lambda_omega", 0.1, 5, 0.8), ("diffusion", 0.1, 3, None),
    ("advection_diffusion", 0.1, 3, None), ("swift_hohenberg", 0.1, 3, None),
    ("phase_field_crystal", 0.1, 3, None), ("driven_allen_cahn", 0.1, 3, None),
    ("gray_scott", 0.1, 3, None),
)  # fmt: skip


@dataclass(frozen=True)
class FieldScore:
    """One film: exact terms selected, listed, in the 90 % set; intervals that hold the truth."""

    selected: bool
    listed: bool
    credible: bool
    inside: int
    intervals: int
    seconds: float
    found: str


def terms_of(equation: Any) -> dict[str, float]:
    """Return feature -> coefficient; the constant is ``"1"``."""
    found = {}
    for term in equation.terms:
        name = str(term.program[0])
        if not (term.program == (1,) and term.coefficient == 0.0):
            found[name] = float(term.coefficient)
    return found


def score_film(
    world: FieldWorld, video: Any, options: FieldLawOptions | None = None
) -> FieldScore:  # fmt: skip
    """Score one film; two fields count as found only where both laws are."""
    begun = time.process_time()
    found = discover_field_law(video, options=options)
    seconds = time.process_time() - begun
    sets: Mapping[str, Any]
    sets = found if isinstance(found, Mapping) else {found.target: found}
    verdicts = []
    inside = intervals = 0
    for field, law in world.law.items():
        laws = sets[f"d{field}/dt"]
        places = [k for k, e in enumerate(laws.equations) if set(terms_of(e)) == set(law)]
        place = places[0] if places else None
        verdicts.append((
            place == 0, place is not None, place is not None and place < len(laws.credible_set(0.9))
        ))  # fmt: skip
        equation = laws.equations[place or 0]
        if place is not None and equation.covariance is not None:
            truth = np.array([law[name] for name in terms_of(equation)])
            width = HALF_WIDTH * np.sqrt(np.diag(equation.covariance))
            inside += int((np.abs(equation.constants - truth) <= width).sum())
            intervals += len(truth)
    text = "; ".join(str(laws.table["equation"][0]) for laws in sets.values())
    selected, listed, credible = (all(column) for column in zip(*verdicts, strict=True))
    return FieldScore(selected, listed, credible, inside, intervals, seconds, text)


def row_of(what: str, scores: Sequence[FieldScore], least: float | None) -> Row:
    """Return one row: exact terms, coverage, seconds, and a wrong law where there is one."""
    n = len(scores)
    inside, total = sum(s.inside for s in scores), sum(s.intervals for s in scores)
    chance = float(binomtest(inside, total, 0.90).pvalue) if total else 0.0
    wrong = [s.found for s in scores if not s.selected]
    selected = sum(s.selected for s in scores)
    goal, met = "none stated", None
    if least is not None:
        goal = f"exact terms in >= {least:.0%}, cov90 with p > {CHANCE:g}"
        met = selected >= least * n - 1e-9 and chance > CHANCE
    return {
        "what": what,
        "measured": f"exact terms selected {selected}/{n}, listed {sum(s.listed for s in scores)}"
        f"/{n}, in the 90 % set {sum(s.credible for s in scores)}/{n}; cov90 "
        f"{inside / max(total, 1):.2f} of {total} coefficients, exact binomial p = {chance:.2g}; "
        f"median {np.median([s.seconds for s in scores]):.2f} CPU s"
        + (f"; a wrong one: {wrong[0]}" if wrong else ""),
        "goal": goal,
        "met": None if met is None else bool(met),
    }


def half_of(name: str) -> str:
    """Say in which half of the suite a world stands, and whether it was looked at all the same."""
    if is_design(name):
        return "design half"
    return "kept-out half by its name, but seen" if name in SEEN else "kept-out half"


def _film(name: str, noise: float, n: int, least: float | None) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        scores = []
        for seed in range(1 if quick else n):
            world = make_world(name, seed)
            scores.append(score_film(world, with_noise(world, noise, 100 + seed)))
            Console(highlight=False).print(f"{name} {seed}: {scores[-1].found}")
        what = f"{name} ({half_of(name)}), noise {noise:.0%} of the field's sd, {len(scores)} films"
        return [row_of(what, scores, least)]

    check.__doc__ = f"Films of {name} at {noise:.0%}."
    return check


def noise_films(quick: bool) -> list[Row]:
    """Show whether films of noise alone, and of smooth patterns at rest, get a law."""
    from benchmarks.laws.null_data import row_of as null_row

    rows = []
    for what, smooth in (("white noise", 0.0), ("a pattern at rest with noise", 1.0)):
        claims, seconds, examples = [], [], []
        for seed in range(2 if quick else 20):
            rng = np.random.default_rng((seed, 17))
            still = np.kron(rng.standard_normal((8, 8)), np.ones((6, 6)))
            values = smooth * still + rng.standard_normal((40, 48, 48))
            video = xr.DataArray(
                values, dims=("time", "y", "x"),
                coords={"time": 0.1 * np.arange(40), "y": 0.5 * np.arange(48),
                        "x": 0.5 * np.arange(48)},
            )  # fmt: skip
            begun = time.process_time()
            laws = discover_field_law(video)
            seconds.append(time.process_time() - begun)
            claims.append(bool(laws.claims_law))
            if claims[-1]:
                examples.append(str(laws.table["equation"][0]))
        rows.append(null_row(f"films: {what}, 40 frames of 48 x 48", claims, seconds, examples))
    return rows


CHECKS = {
    **{
        f"film of {name} at {noise:.0%}": _film(name, noise, n, least)
        for name, noise, n, least in FILMS
    },
    "films without a law": noise_films,
}
