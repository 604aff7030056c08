"""Hypotheses from fitted laws of driven walls and from Ginzburg-Landau fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import Action
from physlearn.causal.hypotheses import Hypothesis, NoiseSd
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    Draws,
    hypothesis_from_draws,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError

if TYPE_CHECKING:
    from physlearn.results import Fit

__all__ = ["equilibrium_order", "hypotheses_from_landau_fits", "hypotheses_from_wall_laws"]

WALL_LAWS: Mapping[str, tuple[str, ...]] = {
    "linear": ("drive_mobility",),
    "creep": ("creep_exponent", "log_creep_velocity", "log_creep_field"),
    "depinning": ("depinning_field", "depinning_exponent", "depinning_velocity"),
}
POWERS: Mapping[str, int] = {
    "alpha": 1, "cubic": 2, "beta": 3, "gamma": 5, "a": 1, "b": 2, "c": 3, "e": 5,
}  # fmt: skip
"""Power of the order parameter in the equation of state: names of films, and of loops."""
GRID = 257
HALVINGS = 48


def hypotheses_from_wall_laws(
    fits: Mapping[str, Fit],
    *,
    noise_sd: NoiseSd,
    argument: str = "bias_V",
    weights: Mapping[str, float] | None = None,
    unit: str = "1",
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each fitted law of a wall's velocity: linear, creep, depinning.

    Parameters
    ----------
    fits
        Name -> `Fit` of `fit_drive_law` or `fit_wall_dynamics`, told apart by its variables.
    noise_sd
        Of one measured velocity, in `unit`.
    argument
        The action's argument that sets the drive; acts without it show nothing.
    weights
        Name -> weight; equal when None.
    unit
        Of the velocity.

    Raises
    ------
    InputError
        For a fit without the variables of any of these laws.

    Notes
    -----
    v = m E; v = exp(log v0 - (E0 / E)^mu) (creep, Lemerle et al. 1998,
    doi:10.1103/PhysRevLett.80.849); v = v_d (E / E_d - 1)^beta above E_d, 0 below; odd in E.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> rng = np.random.default_rng(1)
    >>> said = dict(model="wall", likelihood="Gauss", approximation="none", seed=1, data=b"x")
    >>> free = fit_from_draws({"drive_mobility": rng.normal(0.5, 0.02, 500)}, **said)
    >>> pinned = fit_from_draws({"depinning_field": rng.normal(1.0, 0.05, 500),
    ...     "depinning_exponent": np.ones(500), "depinning_velocity": np.ones(500)}, **said)
    >>> laws = hypotheses_from_wall_laws({"free": free, "pinned": pinned}, noise_sd=0.05)
    >>> weak = Action("change_bias", {"bias_V": 0.5}, 0, 1, 1)
    >>> [round(h.mean_sd(weak, 0)[0], 2) for h in laws]
    [0.25, 0.0]
    """
    asked = Asked("how the wall's velocity follows the drive", "wall velocity", unit)
    result = []
    for name, fit in _checked(fits).items():
        law = next(
            (law for law, needs in WALL_LAWS.items() if set(needs) <= set(fit.variables)), ""
        )
        if not law:
            raise InputError(
                f"fits must hold laws of a wall ({', '.join(WALL_LAWS)}); {name!r} has the "
                f"variables {', '.join(fit.variables)}."
            )
        draws = {variable: fit[variable].reshape(-1) for variable in WALL_LAWS[law]}
        weight = 1.0 if weights is None else weights[name]
        result.append(
            hypothesis_from_draws(
                name, draws, _velocity(law, argument), noise_sd=noise_sd, weight=weight,
                asked=asked,
            )
        )  # fmt: skip
    return tuple(result)


def _velocity(law: str, argument: str) -> Callable[[Action, Draws], Floats | None]:
    def expected(action: Action, p: Draws) -> Floats | None:
        if argument not in action.args:
            return None
        drive = action.number(argument)
        sign = math.copysign(1.0, drive)
        if law == "linear":
            return np.asarray(p["drive_mobility"] * drive)
        if drive == 0:
            return np.zeros(len(next(iter(p.values()))))
        if law == "creep":
            barrier = np.exp(p["creep_exponent"] * (p["log_creep_field"] - np.log(abs(drive))))
            return np.asarray(sign * np.exp(p["log_creep_velocity"] - barrier))
        above = np.maximum(abs(drive) / p["depinning_field"] - 1.0, 0.0)
        return np.asarray(sign * p["depinning_velocity"] * above ** p["depinning_exponent"])

    return expected


def hypotheses_from_landau_fits(
    fits: Mapping[str, Fit],
    *,
    noise_sd: NoiseSd,
    argument: str = "field_T",
    weights: Mapping[str, float] | None = None,
    unit: str = "1",
) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each Ginzburg-Landau fit: the order at the field that is set.

    Parameters
    ----------
    fits
        Name -> `Fit` of `fit_ginzburg_landau` (with a field) or `fit_landau_loop` (with
        coefficients): variable ``landau`` with the names of its terms.
    noise_sd
        Of one measured order parameter, in `unit`.
    argument
        The action's argument that sets the field, in the unit of the fit.
    weights
        Name -> weight; equal when None.
    unit
        Of the order parameter.

    Raises
    ------
    InputError
        For a fit without ``landau``, without a field term (a film without a drive), or whose
        highest power is not above 0 (no order is stable).

    Notes
    -----
    The uniform order of lowest free energy: alpha P + cubic P^2 + beta P^3 + gamma P^5 = bias +
    field E. Only ratios count, which is what a film tells.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> rng = np.random.default_rng(1)
    >>> loop = {"landau": np.stack([rng.normal(-1, 0.05, 500), rng.normal(1, 0.05, 500)], 1)}
    >>> fit = fit_from_draws(loop, model="loop", likelihood="Gauss", approximation="none", seed=1,
    ...     data=b"x", dims={"landau": ["term"]}, coords={"term": ["a", "c"]})
    >>> order, = hypotheses_from_landau_fits({"fourth order": fit}, noise_sd=0.05)
    >>> mean, _ = order.mean_sd(Action("change_field", {"field_T": 6.0}, 0, 1, 1), 0)
    >>> round(mean, 1)
    2.0
    """
    asked = Asked("which free energy holds", "order parameter", unit)
    result = []
    for name, fit in _checked(fits).items():
        if "landau" not in fit.variables:
            raise InputError(
                f"fits must hold the variable landau; {name!r} has {', '.join(fit.variables)}."
            )
        table = fit.idata["posterior"]["landau"]
        terms = (
            [str(term) for term in table.coords["term"].to_numpy()] if "term" in table.dims else []
        )
        if not terms:
            raise InputError(f"landau of {name!r} must name its terms (dimension 'term').")
        if "a" not in terms and "field" not in terms:
            raise InputError(
                f"{name!r} has no field term ({', '.join(terms)}): without a drive in the film "
                "nothing is known of what a field does."
            )
        values = fit["landau"].reshape(-1, len(terms))
        draws = {term: values[:, k] for k, term in enumerate(terms)}
        equilibrium_order(draws, 0.0)  # says at once what cannot be stable
        weight = 1.0 if weights is None else weights[name]
        result.append(
            hypothesis_from_draws(
                name, draws, _order(argument), noise_sd=noise_sd, weight=weight, asked=asked
            )
        )
    return tuple(result)


def _order(argument: str) -> Callable[[Action, Draws], Floats | None]:
    def expected(action: Action, p: Draws) -> Floats | None:
        if argument not in action.args:
            return None
        return equilibrium_order(p, action.number(argument))

    return expected


def equilibrium_order(coefficients: Mapping[str, ArrayLike], field: float) -> Floats:
    """Return the uniform order of lowest free energy at a field, for every draw.

    Parameters
    ----------
    coefficients
        Term -> (n,): alpha, cubic, beta, gamma (a, b, c, e), with bias and field where fitted.
    field
        In the unit of the fit. At 0 field, of two orders that are equally low the negative one.

    Returns
    -------
    array
        (n,).

    Raises
    ------
    InputError
        When the highest power is not odd and above 0 in every draw.

    Examples
    --------
    >>> equilibrium_order({"a": [1.0], "c": [1.0]}, 2.0).round(6).tolist()
    [1.0]
    """
    held = {name: np.asarray(v, dtype=np.float64).reshape(-1) for name, v in coefficients.items()}
    powers = {POWERS[name]: values for name, values in held.items() if name in POWERS}
    top = max(powers, default=0)
    if top % 2 == 0 or not (powers[top] > 0).all():
        raise InputError(
            "the highest power of the order must be odd in the equation of state and its "
            f"coefficient above 0 in every draw; got powers {sorted(powers)}"
            + (f" with {powers[top].min():.3g} at the least." if top else ".")
        )
    n = len(powers[top])
    push = held.get("bias", np.zeros(n)) + held.get("field", np.ones(n)) * field
    terms = {**powers, 0: -push}
    # Fujiwara's bound holds every root
    reach = 2.0 * np.max(
        [np.abs(v / powers[top]) ** (1.0 / (top - k)) for k, v in terms.items() if k < top], axis=0
    )
    reach = np.maximum(reach, 1e-300)
    order = reach[:, None] * np.linspace(-1.0, 1.0, GRID)
    energy = sum(v[:, None] * order ** (k + 1) / (k + 1) for k, v in terms.items())
    found = np.take_along_axis(order, np.argmin(energy, axis=1)[:, None], 1)[:, 0]
    step = 2.0 * reach / (GRID - 1)
    low, high = found - step, found + step
    for _ in range(HALVINGS):
        # bisection: the force changes sign between the neighbours of the lowest grid point
        middle = 0.5 * (low + high)
        force = sum(v * middle**k for k, v in terms.items())
        low, high = np.where(force < 0, middle, low), np.where(force < 0, high, middle)
    return np.asarray(0.5 * (low + high))


def _checked(fits: Mapping[str, Fit]) -> Mapping[str, Fit]:
    if not isinstance(fits, Mapping) or not fits:
        raise InputError(f"fits must hold name -> Fit; got {fits!r}.")
    for name, fit in fits.items():
        if not hasattr(fit, "variables"):
            raise InputError(f"fits must hold Fit records; {name!r} is {type(fit).__name__}.")
    return fits
