"""Whether what a fitted film leaves over is white: drift, thermal noise and missing terms show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.field_model import FieldModel
from physlearn.inference.fields.gauss_newton import FieldOptimum, Problem

__all__ = [
    "GUARD_WORDS",
    "ResidualGuard",
    "guard_residual",
    "kick_score",
    "residual_correlations",
]

Floats = NDArray[np.float64]

GUARD_WORDS = {
    "time": "time", "space": "space", "space_time": "space and time", "blocks": "blocks of pixels",
    "kicks": "the tracks of kicks between the frames",
}  # fmt: skip
"""What each score is about, for sentences."""
FLAGGED = {"time": 4.0, "space": 4.0, "space_time": 4.0, "blocks": 4.0, "kicks": 3.5}
"""Score beyond which it is said; of 120 right films one had kicks above 3 (3.2)."""
BLOCK = 4


@dataclass(frozen=True)
class ResidualGuard:
    """Scores of the residual's correlations, standard normal where the model holds."""

    scores: dict[str, float]

    @property
    def flagged(self) -> tuple[str, ...]:
        """Statistics beyond `FLAGGED`."""
        return tuple(name for name, score in self.scores.items() if abs(score) > FLAGGED[name])


def residual_correlations(residual: Floats, weights: Floats, noise_sd: float) -> Floats:
    """Correlations of neighbours, each divided by its standard deviation for white noise.

    Next frame, next pixel (both axes), next frame and next pixel, and the power of block means.
    """
    r = residual / noise_sd
    pairs = [
        [(r[1:], r[:-1], weights[1:], weights[:-1])],
        [(r[:, 1:], r[:, :-1], weights[:, 1:], weights[:, :-1]),
         (r[:, :, 1:], r[:, :, :-1], weights[:, :, 1:], weights[:, :, :-1])],
        [(r[1:, 1:], r[:-1, :-1], weights[1:, 1:], weights[:-1, :-1]),
         (r[1:, :-1], r[:-1, 1:], weights[1:, :-1], weights[:-1, 1:]),
         (r[1:, :, 1:], r[:-1, :, :-1], weights[1:, :, 1:], weights[:-1, :, :-1]),
         (r[1:, :, :-1], r[:-1, :, 1:], weights[1:, :, :-1], weights[:-1, :, 1:])],
    ]  # fmt: skip
    found = []
    for group in pairs:
        total = sum(float(np.vdot(a, b)) for a, b, _, _ in group)
        count = sum(float(np.vdot(v, w)) for _, _, v, w in group)
        found.append(total / np.sqrt(max(count, 1.0)))
    rows, columns = (n // BLOCK * BLOCK for n in r.shape[1:])
    shape = (len(r), rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    sums = r[:, :rows, :columns].reshape(shape).sum(axis=(2, 4))
    own = (r[:, :rows, :columns] ** 2).reshape(shape).sum(axis=(2, 4))
    seen = weights[:, :rows, :columns].reshape(shape).sum(axis=(2, 4))
    spread = float((2 * seen * (seen - 1)).sum())
    found.append(float((sums**2 - own).sum()) / np.sqrt(max(spread, 1.0)))
    return np.array(found)


def guard_residual(
    residual: Floats, weights: Floats, noise_sd: float, probes: list[tuple[Floats, Floats]]
) -> dict[str, float]:
    """Score the residual; the fit's own effect is known from noise that went through the same fit.

    ``probes``: white noise and what the fit leaves of it, of standard deviation 1.
    """
    names = [name for name in GUARD_WORDS if name != "kicks"]
    shift = np.zeros(len(names))
    for noise, left in probes:
        shift += residual_correlations(left, weights, 1.0)
        shift -= residual_correlations(noise, weights, 1.0)
    scores = residual_correlations(residual, weights, noise_sd)
    if probes:
        scores = scores - shift / len(probes)
    return dict(zip(names, scores.tolist(), strict=True))


def kick_score(
    problem: Problem, optimum: FieldOptimum, interval_model: Callable[[int], FieldModel],
    probes: list[tuple[Floats, Floats]], *, conserved: bool,
) -> float:  # fmt: skip
    """Score the residual against white kicks that the field gets before every frame.

    The slope of the log likelihood by the kicks' variance: the power of the residual that the
    adjoint film carries back to every frame (of its gradient where kicks are fluxes). It is the
    locally most powerful test of thermal noise, which single neighbours hardly show. Mean and
    variance are those of the ``probes``, noise that went through the same fit.
    """
    left = np.stack([optimum.residual, *(field for _, field in probes)])
    freedom = float(np.vdot(left[1:], left[1:])) / len(probes)
    # each has its own noise taken as that of the camera, so that only the pattern counts
    left *= np.sqrt(freedom / np.einsum("mtij,mtij->m", left, left))[:, None, None, None]
    forces = problem.camera.spread(left)
    carried = forces[:, -1].copy()
    power = np.zeros((len(left), len(left)))
    for index in range(problem.model.n_frames - 2, -1, -1):
        parts = (np.diff(carried, axis=1), np.diff(carried, axis=2)) if conserved else (carried,)
        power += sum(np.tensordot(part, part, ((1, 2), (1, 2))) for part in parts)
        model = interval_model(index)
        model.forward(optimum.frames[index], optimum.point.theta)
        back, _ = model.adjoint(np.stack([np.zeros_like(carried), carried], axis=1), theta=False)
        carried = back + forces[:, index]
    own, mixed = np.diag(power)[1:], power[1:, 1:][np.triu_indices(len(probes), 1)]
    variance = 2.0 * max(float((mixed**2).mean() - own.mean() ** 2 / freedom), 1e-300)
    error = np.sqrt(variance * (1.0 + 1.0 / len(probes)))
    return float((power[0, 0] - own.mean()) / error)
