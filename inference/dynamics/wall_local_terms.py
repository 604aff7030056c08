"""Local laws of walls written as equations, their unknowns as constants with units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Program, floats_of

__all__ = ["written_out"]

Floats = NDArray[np.float64]

STEP = 1e-6
CURVATURE: Program = ("curvature",)
DISTANCE: Program = ("pin_distance",)


def written_out(law: Equation, local: LocalLaw, n_drive: int, *, both_signs: bool) -> Equation:
    """Return a law of speeds, with placeholders of the unknowns at its end, as what it says.

    Parameters
    ----------
    law
        Its first ``n_drive`` terms are those of the drive; then the curvature's, if it has a say;
        then one placeholder an unknown of the local law.
    local
        What the unknowns mean.
    n_drive
        Terms of the drive.
    both_signs
        Whether the drive has both signs, so that its size needs writing.
    """
    constants = law.constants

    def built(point: Floats) -> tuple[Term, ...]:
        return _terms(law.with_constants(point).terms, local, n_drive, both_signs)

    def numbers(point: Floats) -> Floats:
        found: list[float] = []
        for term in built(point):
            found += [term.coefficient] if isinstance(term.coefficient, float) else []
            found += floats_of(term.program)
        return np.array(found)

    steps = STEP * np.maximum(np.abs(constants), 1e-3)
    jacobian = np.stack(
        [
            (numbers(constants + step) - numbers(constants - step)) / (2 * step.sum())
            for step in np.diag(steps)
        ],
        axis=1,
    )
    covariance = law.covariance
    if covariance is not None:
        covariance = jacobian @ covariance @ jacobian.T
        covariance = 0.5 * (covariance + covariance.T)
    return replace(law, terms=built(constants), covariance=covariance)


def _terms(
    terms: tuple[Term, ...], local: LocalLaw, n_drive: int, both_signs: bool
) -> tuple[Term, ...]:
    """Terms of the whole law; a factor makes one of them."""
    unknown = {
        name: float(term.coefficient)
        for name, term in zip(local.names, terms[len(terms) - len(local.names) :], strict=True)
    }
    plain = list(terms[:n_drive])
    if len(terms) > n_drive + len(local.names):
        plain += _bend(float(terms[n_drive].coefficient), local, unknown, both_signs)
    if local.pinning == "none":
        return tuple(plain)
    amplitude, reach = _reach(local, unknown)
    if local.pinning == "drawn":
        reach = ("pin_facing", *reach, "mul")
    if local.pinning != "factor":
        pinned = Term(local.speed * amplitude, reach)
        return (*plain[:n_drive], pinned, *plain[n_drive:])
    # (1 + a h) times the sum
    factor: Program = (1, *reach, amplitude, "mul", "add", "mul")
    if len(plain) == 1:
        return (Term(plain[0].coefficient, (*plain[0].program, *factor)),)
    total: Program = plain[0].whole
    for term in plain[1:]:
        total = (*total, *term.whole, "add")
    return (Term(1, (*total, *factor)),)


def _bend(share: float, local: LocalLaw, unknown: dict[str, float], both_signs: bool) -> list[Term]:
    if local.bending == "saturating":
        slope = unknown["saturating"] / local.curvature
        divisor: Program = (1, "curvature", "abs", slope, "mul", "add")
        return [Term(share, ("curvature", *divisor, "div"))]
    if local.bending == "power":
        power = unknown["power"]
        scale = math.exp(-power * math.log(local.curvature))
        return [Term(share * scale, ("curvature", "curvature", "abs", power, "pow", "mul"))]
    linear = Term(share, CURVATURE)
    if local.bending == "driven":
        size: Program = ("drive", "abs") if both_signs else ("drive",)
        change = share * unknown["driven"] / local.drive
        return [linear, Term(change, ("curvature", *size, "mul"))]
    return [linear]


def _reach(local: LocalLaw, unknown: dict[str, float]) -> tuple[float, Program]:
    """Amplitude in the distance's unit, and h."""
    amplitude = unknown["amplitude"]
    if local.reach == "inverse":
        return amplitude * local.length, ("pin_distance", "inv")
    if local.reach == "linear":
        return amplitude / local.length, DISTANCE
    length = local.length * math.exp(unknown["log_length"])
    return amplitude, ("pin_distance", length, "div", "neg", "exp")
