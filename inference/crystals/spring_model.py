"""Parameters of a crystal's springs and of the position error, with their priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive

__all__ = ["PositionError", "SpringModel", "read_position_error"]

Float = NDArray[np.float64]
TYPICAL_STIFFNESS = 500.0
"""First spring x spacing squared in kT: a crystal of Lindemann ratio .1 has about 300."""
LOG_SPREAD = 2.0
LONGITUDINAL_SPREAD, TRANSVERSE_SPREAD = 0.5, 0.25
"""Of a spring over the reference; r^-3 repulsion: .06 (second shell) and -.25."""
FREE_ERROR = 0.1
"""Of the spacing: spread of the half-normal prior of an unknown position error."""


@dataclass(frozen=True)
class PositionError:
    """Standard deviation of measured positions per axis: known, with a prior, or free.

    ``mean``, ``sd``: of the normal prior; sd 0: known. ``spread``: largest over mean of the
    atoms' own variances, 1 where they are equal.
    """

    mean: float
    sd: float
    spread: float = 1.0

    @property
    def is_known(self) -> bool:
        """Whether the error is not inferred."""
        return self.sd == 0.0


def read_position_error(given: Any, covariance: Float | None, spacing: float) -> PositionError:
    """Return the error that was stated, or that the record carries.

    Raises
    ------
    InputError
        Where nothing is said of it, or a value is not a number or a pair.
    """
    if given is None and covariance is not None:
        variance = np.trace(covariance, axis1=-2, axis2=-1) / covariance.shape[-1]
        mean = float(variance.mean())
        spread = float(variance.max() / mean) if mean > 0.0 else 1.0
        return PositionError(float(np.sqrt(mean)), 0.0, spread)
    if given is None:
        raise InputError(
            "position_sd must be said: error of the positions per axis as a number (0: none), "
            "(mean, sd), or 'free'; unmodelled error softens every spring."
        )
    if isinstance(given, str):
        if given != "free":
            raise InputError(f"position_sd must be a number, (mean, sd) or 'free'; got {given!r}.")
        return PositionError(0.0, FREE_ERROR * spacing)
    if np.ndim(given) == 0:
        return PositionError(check_positive("position_sd", given, allow_zero=True), 0.0)
    if np.shape(given) != (2,):
        raise InputError(f"position_sd must be a number, (mean, sd) or 'free'; got {given!r}.")
    return PositionError(
        check_positive("position_sd mean", given[0], allow_zero=True),
        check_positive("position_sd sd", given[1]),
    )


@dataclass(frozen=True, eq=False)
class SpringModel:
    """theta = ln k1, each other spring over a reference, and the error where it is not known.

    The reference is fixed by the data's scale, and is not k1: with priors of ratios to k1, a soft
    k1 would leave each other spring more room, by a factor 1 / k1 for each.

    ``n_springs`` k; ``spacing`` of nearest neighbours; ``error`` of the positions; ``reference``
    spring, kT over length squared.
    """

    n_springs: int
    spacing: float
    error: PositionError
    reference: float

    @property
    def n_parameters(self) -> int:
        """Of theta."""
        return self.n_springs + (not self.error.is_known)

    @property
    def prior_mean(self) -> Float:
        """Of theta."""
        mean = np.zeros(self.n_parameters)
        mean[0] = np.log(TYPICAL_STIFFNESS / self.spacing**2)
        if not self.error.is_known:
            mean[-1] = self.error.mean
        return mean

    @property
    def prior_sd(self) -> Float:
        """Of theta."""
        ratios = np.where(
            np.arange(1, self.n_springs) % 2 == 0, LONGITUDINAL_SPREAD, TRANSVERSE_SPREAD
        )
        sd = np.concatenate([[LOG_SPREAD], ratios])
        return sd if self.error.is_known else np.append(sd, self.error.sd)

    def log_prior(self, theta: Float) -> Float:
        """Return ln prior up to a constant, shape (m,).

        A free error has a prior flat in its variance up to the spread (Rayleigh), and its sign
        is folded. A prior with a mean counts above 0.
        """
        value = -0.5 * (((theta - self.prior_mean) / self.prior_sd) ** 2).sum(axis=1)
        if not self.error.is_known and self.error.mean > 0.0:
            value = np.where(theta[:, -1] >= 0.0, value, -np.inf)
        elif not self.error.is_known:
            value = value + np.log(np.maximum(np.abs(theta[:, -1]), 1e-300))
        return np.asarray(value)

    def springs(self, theta: Float) -> Float:
        """Return the springs in kT over length squared, shape (m, k)."""
        springs = self.reference * theta[:, : self.n_springs]
        springs[:, 0] = np.exp(theta[:, 0])
        return np.ascontiguousarray(springs)

    def noise(self, theta: Float) -> Float:
        """Return the variance of positions per axis, shape (m,)."""
        if self.error.is_known:
            return np.full(len(theta), self.error.mean**2)
        return np.ascontiguousarray(theta[:, -1] ** 2)

    def turn(self, theta: Float, gradient: Float, information: Float) -> tuple[Float, Float]:
        """Return gradient and information of theta, prior included, from those of springs, noise.

        The variance is a square: at an error of 0 all curvature comes from the slope in it.
        """
        change = self.jacobian(theta)
        known = np.diag(self.prior_sd**-2.0)
        whole = change.T @ information @ change + known
        if not self.error.is_known:
            whole[-1, -1] += max(-2.0 * gradient[-1], 0.0)
        slope = change.T @ gradient - known @ (theta - self.prior_mean)
        if not self.error.is_known and self.error.mean == 0.0:
            slope[-1] += 1.0 / theta[-1]
            whole[-1, -1] += 1.0 / theta[-1] ** 2
        return slope, whole

    def jacobian(self, theta: Float) -> Float:
        """Return d (springs, noise variance) / d theta of one theta, shape (k + 1, p)."""
        k = self.n_springs
        out = np.zeros((k + 1, self.n_parameters))
        out[0, 0] = np.exp(theta[0])
        out[np.arange(1, k), np.arange(1, k)] = self.reference
        if not self.error.is_known:
            out[k, -1] = 2.0 * theta[-1]
        return out
