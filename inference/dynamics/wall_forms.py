"""Forms that a wall's speed may take as a function of the drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.wall_units import takes_units
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.laws.expression import Program, floats_of

__all__ = ["WallForm", "drive_forms"]

Floats = NDArray[np.float64]

FEWEST_LEVELS = 5  # to search for a form beyond the known ones
HIGHEST_PRICE = 13
SEARCHED = SearchOptions(
    highest_price=HIGHEST_PRICE, unary=("exp", "log", "sqrt", "inv", "square", "cube"), n_terms=2,
    n_kept=12,
)  # fmt: skip
EXPONENTS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class WallForm:
    """Programs of a sum, each with a factor to fit, and starts of the constants inside them."""

    programs: tuple[Program, ...]
    starts: tuple[tuple[float, ...], ...] = ((),)

    @property
    def n_constants(self) -> int:
        """Factors and constants inside."""
        return len(self.programs) + sum(len(floats_of(program)) for program in self.programs)


def drive_forms(
    drive: Floats, speed: Floats, covariance: Floats, *, search: bool = True
) -> list[WallForm]:
    """Return the forms to try: at rest, the known laws of walls, and what a search finds.

    Known: constant, linear, with a threshold or an imprint, square, cube, power, creep
    exp(-(E0 / E)^mu) with mu free, 1/4 and 1. For drives of both signs the wall goes the other way
    as fast, up to an imprint.
    """
    forms = [WallForm(()), WallForm(((1,),))]
    if drive.size == 1:
        return forms
    both = drive.min() < 0
    strength: Program = ("drive", "abs") if both else ("drive",)
    turned: Program = ("drive", "drive", "abs", "div", "mul") if both else ()
    size = float(np.median(np.abs(drive[drive != 0])))
    line: Program = ("drive",)
    square: Program = ("drive", "drive", "abs", "mul") if both else ("drive", "square")
    cube: Program = ("drive", "cube")
    forms += [WallForm(p) for p in ((line,), (line, (1,)), (square,), (cube,), (line, square),
                                    (line, cube))]  # fmt: skip
    if both:
        forms.append(WallForm((line, ("drive", "drive", "abs", "div"))))
    forms.append(WallForm(((*strength, 1.5, "pow", *turned),), ((0.5,), (1.5,), (3.0,))))
    barrier: Program = (*strength, "inv", size, "mul")
    fields = tuple((factor * size,) for factor in (0.3, 1.0, 3.0, 10.0))
    forms += [
        WallForm(((*barrier, "neg", "exp", *turned),), fields),
        WallForm(((*barrier, "sqrt", "sqrt", "neg", "exp", *turned),),
                 tuple((factor * size,) for factor in (0.1, 1.0, 10.0, 100.0, 1000.0))),
        WallForm(((*barrier, 1.0, "pow", "neg", "exp", *turned),),
                 tuple((f[0], mu) for f in fields for mu in EXPONENTS)),
    ]  # fmt: skip
    known = [form for form in forms if form.n_constants <= drive.size]
    return known + (_searched(drive, speed, covariance, known) if search else [])


def _searched(
    drive: Floats, speed: Floats, covariance: Floats, known: list[WallForm]
) -> list[WallForm]:
    """Forms of few tokens that follow the speeds, errors taken as independent: proposals only."""
    if drive.size < FEWEST_LEVELS:
        return []
    data = SearchData(drive[None], speed, 1.0 / np.diag(covariance)[: drive.size], True, ("drive",))
    there = {_shape(form.programs) for form in known}
    found = []
    for law in find_laws(data, SEARCHED).laws:
        if not all(isinstance(term.coefficient, float) for term in law.terms):
            continue
        programs = tuple(term.program for term in law.terms)
        # An exact number may not stand for a drive: it would mean another law in another unit
        if not all(takes_units(program) for program in programs):
            continue
        inside = tuple(value for program in programs for value in floats_of(program))
        form = WallForm(programs, (inside,))
        if form.n_constants <= drive.size and _shape(programs) not in there:
            there.add(_shape(programs))
            found.append(form)
    return found


def _shape(programs: tuple[Program, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(
        tuple("c" if isinstance(token, float) else str(token) for token in program)
        for program in programs
    )
