"""How well a law of motion fits tracked walls, and what must be said about it."""

from __future__ import annotations

import numpy as np

from physlearn.inference.fronts.wall_fronts import FrontModel
from physlearn.inference.walls.wall_posterior import WallOptimum

__all__ = ["judge_walls"]

LARGEST_PARETO_K = 0.7
INADEQUATE_SIGMA = 4.0
INADEQUATE_MARGIN = 1.15


def judge_walls(
    models: list[FrontModel], optimum: WallOptimum, pareto_k: float
) -> tuple[dict[str, object], list[str]]:
    """How well the law fits, and what must be said about it."""
    residuals = [
        part[: model.n_points] for model, part in zip(models, optimum.residuals, strict=True)
    ]
    residual = np.concatenate(residuals)
    freedom = max(residual.size - _used_freedom(models, optimum), 1.0)
    chi2 = float((residual**2).sum()) / freedom
    low = np.concatenate([
        model.low_modes(part).ravel()
        for model, part in zip(models, optimum.residuals, strict=True)
    ])  # fmt: skip
    low_freedom = max(low.size - 5 * len(models) - optimum.n_law, 1)
    low_chi2 = float((low**2).sum()) / low_freedom
    errors = np.concatenate([1.0 / model.weights for model in models])
    excess = float(np.mean((residual**2 - freedom / residual.size) * errors**2))
    diagnostics: dict[str, object] = {
        "chi2_per_point": chi2,
        "low_mode_chi2": low_chi2,
        "excess_roughness": float(np.sqrt(max(excess, 0.0))),
        "pareto_k": pareto_k,
        "largest_frame_shift": float(np.abs(optimum.globals[optimum.n_law :]).max()),
        "converged": optimum.converged,
        "n_walls": len(models),
        "n_open_walls": sum(not model.run.closed for model in models),
        "n_points": int(residual.size),
        "n_shape_modes": [model.n_modes for model in models],
    }
    texts = []
    for value, count, what in (
        (chi2, freedom, "the contour points"), (low_chi2, low_freedom, "the walls as a whole")
    ):  # fmt: skip
        if value > INADEQUATE_MARGIN + INADEQUATE_SIGMA * np.sqrt(2.0 / count):
            texts.append(
                f"the law does not fit: {what} scatter {np.sqrt(value):.1f} times their errors "
                "(pinning, thermal motion or another law); the intervals are too narrow"
            )
    if not pareto_k < LARGEST_PARETO_K:
        texts.append(
            f"the posterior is not near a Gaussian (Pareto k {pareto_k:.2f}): do not trust it"
        )
    if not optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
    return diagnostics, texts


def _used_freedom(models: list[FrontModel], optimum: WallOptimum) -> float:
    """Parameters that the points fix: the shape's prior takes its share of the shapes."""
    used = float(optimum.n_law)
    for model, jacobian in zip(models, optimum.jacobians, strict=True):
        own = jacobian[: model.n_points, -model.n_shape :]
        whole = own.T @ own + model.prior.T @ model.prior
        used += float(np.trace(np.linalg.solve(whole, own.T @ own)))
    return used
