"""A pair potential that the user writes as a plain function, as a family."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.declared_types import shown
from physlearn.inference.potential_families.pair_family import PairFamily
from physlearn.lattice_models.particles.spline_potential import SplinePotential

__all__ = ["family_from_function", "with_prior"]

Float = NDArray[np.float64]
N_KNOTS = 160
"""Of the spline that stands for the function in the simulators."""


def family_from_function(
    energy: Callable[..., NDArray[np.float64]],
    parameters: Mapping[str, tuple[float, float]],
    *,
    cutoff: float,
    closest: float,
    positive: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    name: str = "user's potential",
) -> PairFamily:
    """Return a family of pair potentials written as a plain function.

    The estimators and simulators read it as a cubic spline u(r) - u(cutoff) through 160 knots,
    closer to each other where particles meet.

    Parameters
    ----------
    energy
        ``energy(r, *parameters)`` in kT: r float64, shape (m,); returns shape (m,).
    parameters
        Name -> (typical value, standard deviation) of its prior, in the order that ``energy``
        takes them. A positive parameter gets a log-normal prior with that median and, over it,
        that relative width.
    cutoff
        Distance from which on the energy is 0.
    closest
        Distance below which no pair can be expected: the energy goes on as a straight line.
    positive
        Names of the parameters that must be above 0.
    units
        Name -> ``kT``, ``length``, ``1/length``, ``kT length`` or ``1`` (where not given).

    Raises
    ------
    InputError
        For a function that does not return finite energies of the right shape, or bad numbers.

    Examples
    --------
    >>> shoulder = family_from_function(lambda r, height, width: height * np.exp(-((r / width)**2)),
    ...     {"height": (2.0, 2.0), "width": (1.0, 0.3)}, cutoff=2.5, closest=0.1,
    ...     positive=["width"], units={"height": "kT", "width": "length"})
    >>> shoulder.names, float(shoulder.potential([2.0, 0.0]).value(1.0).round(3))
    (('height', 'width'), 0.732)
    """
    names = tuple(parameters)
    closest, cutoff = check_positive("closest", closest), check_positive("cutoff", cutoff)
    if not names or closest >= cutoff or any(key not in names for key in positive):
        raise InputError(
            "parameters must name at least one parameter, positive only names among them, and "
            f"closest must lie below cutoff; got {list(names)}, {list(positive)}, {closest:g}."
        )
    values = np.array([parameters[key][0] for key in names], dtype=np.float64)
    widths = np.array([check_positive(key, parameters[key][1]) for key in names])
    is_positive = np.array([key in positive for key in names])
    if (values[is_positive] <= 0.0).any():
        raise InputError(f"the typical values of {list(positive)} must be above 0.")
    # equal steps of a power of r: where u ~ r^-n rises steeply, knots are close
    knots = np.linspace(closest**0.5, cutoff**0.5, N_KNOTS) ** 2
    knots[0], knots[-1] = closest, cutoff
    build = partial(_tabulated, energy, knots)
    said = units or {}
    recipe = json.dumps({
        "function": True, "parameters": {key: list(pair) for key, pair in parameters.items()},
        "cutoff": cutoff, "closest": closest, "positive": list(positive), "units": dict(said),
        "name": name,
    })  # fmt: skip
    mean = np.where(is_positive, np.log(np.where(is_positive, values, 1.0)), values)
    sd = np.where(is_positive, widths / np.abs(values), widths)
    family = PairFamily(
        name, names, tuple(said.get(key, "1") for key in names), is_positive, mean,
        np.diag(sd**2), cutoff, build, recipe,
    )  # fmt: skip
    build(values)
    return family


def check_prior(prior: object) -> None:
    """Refuse what is no mapping of names to a value and its standard deviation."""
    if not isinstance(prior, Mapping):
        raise InputError(
            f"prior must be a mapping of a name to (value, standard deviation); got {shown(prior)}."
        )
    for name, pair in prior.items():
        if not isinstance(pair, Sequence | np.ndarray) or isinstance(pair, str) or len(pair) != 2:
            raise InputError(
                f"prior[{name!r}] must be (value, standard deviation); got {shown(pair)}."
            )


def with_prior(family: PairFamily, prior: Mapping[str, tuple[float, float]]) -> PairFamily:
    """Return the family with other priors: name -> (value, standard deviation).

    Raises
    ------
    InputError
        For a name that is not a parameter, or numbers that a parameter can't have.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_family
    >>> family = with_prior(make_family("morse", length=1.0), {"depth": (2.0, 0.5)})
    >>> [float(number.round(3)) for number in (family.prior_mean[0], family.prior_covariance[0, 0])]
    [0.693, 0.062]
    """
    check_prior(prior)
    mean, covariance = family.prior_mean.copy(), family.prior_covariance.copy()
    for name, (value, sd) in prior.items():
        if name not in family.names:
            raise InputError(
                f"prior must name parameters of {family.name} ({', '.join(family.names)}); "
                f"got {name!r}."
            )
        k = family.names.index(name)
        sd = check_positive(f"prior[{name!r}][1]", sd)
        if family.is_positive[k]:
            value = check_positive(f"prior[{name!r}][0]", value)
            mean[k], sd = np.log(value), sd / value
        else:
            mean[k] = value
        covariance[k, :] = covariance[:, k] = 0.0
        covariance[k, k] = sd * sd
    return replace(family, prior_mean=mean, prior_covariance=covariance)


def _tabulated(
    energy: Callable[..., NDArray[np.float64]], knots: Float, numbers: Float
) -> SplinePotential:
    """Tabulate the function at the knots, shifted to 0 at the last."""
    with np.errstate(over="ignore"):
        values = np.asarray(energy(knots, *numbers.tolist()), dtype=np.float64)
    if values.shape != knots.shape or not np.isfinite(values).all():
        raise InputError(
            f"the function must return finite energies, shape {knots.shape}, for distances from "
            f"{knots[0]:g} to {knots[-1]:g} and parameters {numbers.tolist()}; got shape "
            f"{values.shape}."
        )
    return SplinePotential(knots, values - values[-1])
