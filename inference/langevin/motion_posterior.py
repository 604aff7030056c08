"""The posterior of the equations of motion: Laplace, importance weights, and a model for PyMC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["MotionPosterior", "draw_motion", "motion_model"]

Float = NDArray[np.float64]
N_DRAWS = 4000
N_PROPOSED = 12_000
DEGREES = 8
"""Of the Student t that proposes: tails wider than the posterior's."""
WORST_SHAPE = 0.7


@dataclass(frozen=True, eq=False)
class MotionPosterior:
    """A posterior from the expansion of estimating equations around their solution.

    log p = -1/2 r' W r - 1/2 (x - m)' P (x - m), r(x) = residual - slope dx - 1/2 bend dx dx,
    dx = x - center: the prior and what the first frame says are in (m, P).

    Attributes
    ----------
    center, residual, slope, bend, weight
        As of ``Equations``.
    mean, precision
        Gaussian factor that the equations are joined with.
    """

    center: Float
    residual: Float
    slope: Float
    bend: Float
    weight: Float
    mean: Float
    precision: Float

    def log_density(self, at: Float) -> Float:
        """Return the log posterior up to a constant at points (n, p + 1)."""
        move = at - self.center
        left = self.residual - move @ self.slope.T
        left = left - 0.5 * np.einsum("qab,na,nb->nq", self.bend, move, move)
        away = at - self.mean
        value = np.einsum("nq,qr,nr->n", left, self.weight, left)
        return np.asarray(-0.5 * (value + np.einsum("na,ab,nb->n", away, self.precision, away)))

    def mode(self) -> tuple[Float, Float]:
        """Return the highest point and the covariance there."""
        from scipy.optimize import minimize

        def depth(at: Any) -> float:
            return -float(self.log_density(at[None])[0])

        found = minimize(depth, self.center, method="BFGS")
        move = found.x - self.center
        slope = self.slope + np.einsum("qab,b->qa", self.bend, move)
        return found.x, np.linalg.inv(slope.T @ self.weight @ slope + self.precision)


def draw_motion(posterior: MotionPosterior, rng: np.random.Generator) -> tuple[Float, float, str]:
    """Return equally weighted draws (n, p + 1), Pareto's k, and how they were made.

    Student t around the mode, importance weights; where their tail is too long (k above 0.7), a
    random walk samples the same density instead.
    """
    mode, covariance = posterior.mode()
    factor: Float = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    n = len(mode)
    normal = rng.standard_normal((N_PROPOSED, n))
    stretch = np.sqrt(DEGREES / rng.chisquare(DEGREES, N_PROPOSED))
    standard = normal * stretch[:, None]
    proposed = mode + standard @ factor.T
    square = (standard**2).sum(axis=1)
    log_proposal = -0.5 * (DEGREES + n) * np.log1p(square / DEGREES)
    weights, shape = smoothed_weights(posterior.log_density(proposed) - log_proposal)
    if shape <= WORST_SHAPE:
        chosen = rng.choice(N_PROPOSED, N_DRAWS, p=weights)
        return proposed[chosen], shape, "Laplace and importance weights"
    return _walk(posterior, mode, factor, rng), shape, "random-walk Metropolis"


def _walk(
    posterior: MotionPosterior, mode: Float, factor: Float, rng: np.random.Generator
) -> Float:
    """Forty chains side by side from around the mode; the first half of each is left out."""
    n_chains, n_steps = 40, 2000
    at = mode + rng.standard_normal((n_chains, len(mode))) @ factor.T
    height, kept = posterior.log_density(at), []
    for step in range(n_steps):
        jump = 2.38 / np.sqrt(len(mode)) * rng.standard_normal(at.shape) @ factor.T
        new = posterior.log_density(at + jump)
        taken = np.log(rng.random(n_chains)) < new - height
        at = np.where(taken[:, None], at + jump, at)
        height = np.where(taken, new, height)
        if step >= n_steps // 2 and step % 10 == 0:
            kept.append(at)
    return np.concatenate(kept)


def motion_model(fit: Any) -> Any:
    """Return the posterior of ``fit_langevin`` as a ``pymc.Model`` to join or to sample by NUTS.

    Its one variable ``theta`` holds the unconstrained parameters and, last, ln(diffusion).

    Raises
    ------
    InputError
        For a fit that holds no equations of motion.
    """
    from importlib import import_module

    import pymc

    from physlearn.checks import InputError

    if "constant_data" not in fit.idata or "motion_center" not in fit.idata["constant_data"]:
        raise InputError(
            f"fit must come from fit_langevin by short runs; this is one of {fit.model}."
        )
    kept = {
        name.removeprefix("motion_"): fit.idata["constant_data"][name].to_numpy()
        for name in fit.idata["constant_data"].data_vars
    }
    pt: Any = import_module("pytensor.tensor")
    with pymc.Model() as model:
        # flat: the prior stands in the Gaussian factor
        theta = pymc.Flat("theta", shape=len(kept["center"]), initval=kept["center"])
        move = theta - kept["center"]
        bent = pt.dot(pt.tensordot(pt.as_tensor(kept["bend"]), move, axes=[[2], [0]]), move)
        left = kept["residual"] - pt.dot(kept["slope"], move) - 0.5 * bent
        away = theta - kept["mean"]
        value = pt.dot(left, pt.dot(kept["weight"], left))
        pymc.Potential("motion", -0.5 * (value + pt.dot(away, pt.dot(kept["precision"], away))))
    return model
