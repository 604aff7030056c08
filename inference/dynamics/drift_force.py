"""What is left of a drift when the diffusion's gradient is taken off: the part that a force makes.

Of a particle at one temperature whose diffusion depends on the place, Ito's drift is force over
friction plus dD/dx (Lau and Lubensky 2007, 10.1103/PhysRevE.76.011123): it drifts without a force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.drift_fit import Bench, Climb, MotionLaw, gradient_of
from physlearn.inference.dynamics.drift_forms import zero_law
from physlearn.inference.dynamics.drift_grid import GridMotion
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Program

__all__ = ["force_laws"]

Floats = NDArray[np.float64]

MOST = {0: 9, 1: 6, 2: 4}  # laws that are fitted: on a grid, by moments of one axis, of two
FEWEST = 2
LIKE = 3  # laws of the drift whose shapes the force may have


def force_laws(
    bench: Bench, law: MotionLaw, drifts: list[list[Equation]], stopped: Callable[[], bool]
) -> tuple[MotionLaw, list[list[Equation]]] | None:
    """Fit drifts that are the gradient of D and more; None where no likelihood is found.

    Parameters
    ----------
    bench
        Of the fits.
    law
        The best laws, the drift not tied.
    drifts
        Of each axis: laws, the fitted ones with a covariance.
    stopped
        Whether only what must be known is fitted.

    Returns
    -------
    tuple
        The best tied law, and for each axis the laws of what the gradient leaves of the drift.
    """
    points = np.stack([bench.columns[name] for name in bench.names])
    rest = np.stack([one.predict(bench.columns) for one in law.drift])
    rest = rest - gradient_of(law.diffusion, bench.names, points)
    shapes = [
        _shapes(name, own, law.diffusion) for name, own in zip(bench.names, drifts, strict=True)
    ]
    begun = tuple(
        _started(own[1], row, bench.columns) for own, row in zip(shapes, rest, strict=True)
    )
    tied = replace(law, drift=begun, tied=True)
    most = MOST[0 if isinstance(bench.motion, GridMotion) else len(bench.names)]
    found: list[list[Equation]] = []
    for axis, own in enumerate(shapes):
        fits: list[tuple[Equation, MotionLaw, Climb]] = []
        for k, shape in enumerate(own[:most]):
            if k >= FEWEST and fits and stopped():
                break
            start = _started(shape, rest[axis], bench.columns)
            drift = tuple(start if k == axis else one for k, one in enumerate(tied.drift))
            fitted = bench.measured(replace(tied, drift=drift), axis)
            if fitted is not None:
                fits.append(fitted)
        if not fits:
            return None
        fits.sort(key=lambda one: one[0].description_length)
        tied = fits[0][1]
        found.append([one[0] for one in fits])
    return tied, found


def _shapes(name: str, drifts: list[Equation], diffusion: Equation) -> list[tuple[Program, ...]]:
    """Return what is tried: nothing, all of drift and gradient, a trap, a flow, the drift's own."""
    slopes = _gradient_programs(name, diffusion)
    fitted = [law for law in drifts if law.covariance is not None or not law.n_constants]
    best = _programs(fitted[0] if fitted else drifts[0])
    both = (*best, *(program for program in slopes if program not in best))
    less = tuple(program for program in best if program not in slopes)
    wanted = [(), both or ((name,),), ((name,),), ((1,),), less, best, ((name,), (1,))]
    wanted += [_programs(law) for law in fitted[1 : 1 + LIKE]]
    found: list[tuple[Program, ...]] = []
    seen = set()
    for shape in wanted:
        key = frozenset(Term(1.0, program).structure for program in shape)
        if key not in seen:
            seen.add(key)
            found.append(shape)
    return found


def _programs(law: Equation) -> tuple[Program, ...]:
    return tuple(term.program for term in law.terms) if law.n_constants else ()


def _gradient_programs(name: str, diffusion: Equation) -> list[Program]:
    """Programs of the derivative of sums of powers and exponentials along an axis."""
    found: list[Program] = []
    for term in diffusion.terms:
        if term.program == (name,):
            found.append((1,))
        elif term.program == (name, "square"):
            found.append((name,))
        elif name in term.program:
            found.append(term.program)
    return found


def _started(shape: tuple[Program, ...], values: Floats, columns: dict[str, Floats]) -> Equation:
    """Return a sum that follows values, the constants inside its terms as they are."""
    if not shape:
        return zero_law()
    design = np.stack([Term(1.0, program).values(columns) for program in shape], axis=1)
    usable = np.isfinite(design).all(axis=1) & np.isfinite(values)
    factors = np.linalg.lstsq(design[usable], values[usable], rcond=None)[0]
    terms = tuple(Term(float(f), program) for f, program in zip(factors, shape, strict=True))
    return Equation(terms, 0.0, 0.0, len(Equation(terms, 0.0, 0.0, 0).constants))
