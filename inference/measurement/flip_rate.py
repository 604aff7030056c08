"""Unknown parameters of the measurement, sampled together with those of the Hamiltonian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.inference.posteriors.prior_shapes import Marginal
from physlearn.inference.posteriors.priors import Prior
from physlearn.records.storage import html_table, short_repr

__all__ = ["FLIP_RATE_PRIOR", "FlipRate"]

Float = NDArray[np.float64]
FLIP_RATE_PRIOR = (0.05, 0.04)
"""Mean and standard deviation of the usual prior of a flip rate: 90 % between 0.007 and 0.13."""
REACH = 60.0


@dataclass(frozen=True, slots=True)
class FlipRate:
    """The probability eps that a label is wrong, any of the q - 1 other states alike.

    Its coordinate is lambda = log((1 - eps) (q - 1) / eps), the natural parameter of the number of
    right labels; for two states half of it is eta = atanh(1 - 2 eps). The prior of eps is a Beta
    distribution of the given mean and standard deviation.

    Attributes
    ----------
    n_states
        q.
    mean, sd
        Of the prior of eps.

    Raises
    ------
    InputError
        For a mean outside 0 to (q - 1) / q, or a standard deviation that no Beta distribution has.

    Examples
    --------
    >>> rate = FlipRate(2)
    >>> round(float(rate.value(rate.coordinate(0.03))), 12)
    0.03
    """

    n_states: int
    mean: float = FLIP_RATE_PRIOR[0]
    sd: float = FLIP_RATE_PRIOR[1]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_count("n_states", self.n_states, 2)
        most = 1.0 - 1.0 / self.n_states
        if not 0 < self.mean < most or not 0 < self.sd**2 < self.mean * (1 - self.mean):
            raise InputError(
                f"flip_rate must have a prior with mean between 0 and {most:.3g} and a standard "
                f"deviation above 0 and below sqrt(mean (1 - mean)); got {self.mean!r} and "
                f"{self.sd!r}."
            )

    @property
    def shape(self) -> tuple[float, float]:
        """The Beta distribution's two parameters."""
        total = self.mean * (1 - self.mean) / self.sd**2 - 1
        return self.mean * total, (1 - self.mean) * total

    def coordinate(self, rate: float | Float) -> Float:
        """Return lambda at flip rates."""
        eps = check_array("rate", rate, finite=False, allow_empty=True)
        if np.any((eps < 0) | (eps > 1)):
            raise InputError(f"rate must lie between 0 and 1; got {eps.min():g} to {eps.max():g}.")
        return np.asarray(np.log1p(-eps) + np.log(self.n_states - 1) - np.log(eps))

    def value(self, coordinate: float | Float) -> Float:
        """Return flip rates at lambda."""
        from scipy.special import expit

        given = check_array("coordinate", coordinate, finite=False, allow_empty=True)
        return np.asarray(expit(np.log(self.n_states - 1) - given))

    def log_constant(self, coordinate: Float) -> Float:
        """Return log(eps / (q - 1)), what every label adds to lambda times the right ones."""
        return -np.logaddexp(np.log(self.n_states - 1), coordinate)

    def prior(self) -> Prior:
        """Return the prior of the coordinate, its Jacobian included."""
        from scipy.special import betaln, digamma, log_expit, polygamma

        a, b = self.shape
        states = np.log(self.n_states - 1)

        def exact(x: Float) -> Float:
            return np.asarray(a * log_expit(states - x) + b * log_expit(x - states) - betaln(a, b))

        center = float(states - digamma(a) + digamma(b))
        width = float(np.sqrt(polygamma(1, a) + polygamma(1, b)))
        # tails fall as exp(-a x) and exp(b x)
        points = np.sort(np.concatenate([
            np.linspace(center - 8 * width, center + 8 * width, 801),
            center + np.linspace(8 * width, max(REACH / a, 9 * width), 101)[1:],
            center - np.linspace(8 * width, max(REACH / b, 9 * width), 101)[1:],
        ]))  # fmt: skip
        shape = Marginal(center, width, -np.inf, np.inf, points, exact(points), exact)
        return Prior(
            ("flip_rate",), np.array([center]), np.array([width]), np.array([-np.inf]),
            np.array([np.inf]), (shape,),
        )  # fmt: skip
