"""How well a law of motion fits tracked walls, and what must be said about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.fronts.wall_fronts import FrontModel
from physlearn.inference.walls.wall_posterior import WallOptimum

__all__ = ["check_settled", "doubts_of_draws", "judge_walls", "verdict_of"]

LARGEST_PARETO_K = 0.7
INADEQUATE_SIGMA = 4.0
INADEQUATE_MARGIN = 1.15
NEAR_ZERO = 3.0
"""Standard deviations: a parameter nearer to zero, where it ends, has a sign by construction."""
HEAVY = 2.0
"""Sd over that of a Gaussian with the same 90 % interval, above which a ratio has no useful sd."""


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
    if not optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
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
    return diagnostics, texts


def check_settled(optimum: WallOptimum, pareto_k: float, doubts: list[str]) -> None:
    """Refuse numbers that neither a mode nor weights of the likelihood stand behind."""
    if not optimum.converged and not np.isfinite(pareto_k):
        misfit = next((text.split(" (")[0] for text in doubts if "does not fit" in text), "")
        raise NotIdentified(
            "the wall law does not settle on these walls: the fit did not converge, and the "
            f"likelihood gives its draws no weight{f'; {misfit}' if misfit else ''}. Crop the film "
            "to walls that stay apart, or take measure_wall_advance, which needs no law."
        )


def doubts_of_draws(named: dict[str, NDArray[np.float64]]) -> list[str]:
    """Return what a reader of means, errors and signs would misread."""
    texts = []
    bend = named.get("curvature_mobility")
    if bend is not None and bend.mean() < NEAR_ZERO * bend.std():
        texts.append(
            "curvature_mobility cannot be negative in this model: only the upper end of its "
            "interval means something"
        )
    for name in ("tension", "drive_pressure", "mobility"):
        if name not in named:
            continue
        low, high = np.quantile(named[name], (0.05, 0.95))
        if named[name].std() > HEAVY * (high - low) / 3.29:
            texts.append(
                f"{name} is a ratio whose denominator comes near zero: its mean and sd mean "
                "nothing, quote the interval"
            )
    return texts


def verdict_of(texts: list[str]) -> str:
    """Return the word for all numbers of a fit that was judged so."""
    if any("law does not fit" in text for text in texts):
        return "model inadequate: the interval is too narrow"
    if any("do not trust" in text for text in texts):
        return "not to be trusted: see the fit's warnings"
    return ""


def _used_freedom(models: list[FrontModel], optimum: WallOptimum) -> float:
    """Parameters that the points fix: the shape's prior takes its share of the shapes."""
    used = float(optimum.n_law)
    for model, jacobian in zip(models, optimum.jacobians, strict=True):
        own = jacobian[: model.n_points, -model.n_shape :]
        whole = own.T @ own + model.prior.T @ model.prior
        used += float(np.trace(np.linalg.solve(whole, own.T @ own)))
    return used
