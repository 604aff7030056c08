"""What a fit of a pair potential keeps, and what can be made of it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.inference.potential_families.make_family import make_family
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.inference.potential_families.user_function import family_from_function
from physlearn.lattice_models.kinetics.event_rates import BOLTZMANN_EV_PER_KELVIN
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.particles.pair_table import PairTable
from physlearn.results import Fit

__all__ = [
    "NamedDraws",
    "add_energies",
    "interaction_of",
    "name_draws",
    "potential_curve",
    "potential_of",
    "theta_draws",
    "write_interaction",
]

Float = NDArray[np.float64]
PRIOR_DRAWS = 4000
Function = Callable[..., NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class NamedDraws:
    """Arguments of ``fit_from_draws``: one variable a name, a dimension where there are several."""

    draws: dict[str, Float]
    units: dict[str, str]
    prior_sd: dict[str, Any]
    dims: dict[str, list[str]]
    coords: dict[str, list[str]]


def name_draws(family: InteractionFamily, theta: Float, unit: str) -> NamedDraws:
    """Return natural parameters of draws of theta (n, p) by name; ``unit``: of length.

    ``depth[0,1]`` is the element ``0,1`` of the variable ``depth``.
    """
    numbers = family.natural(theta)
    wild = np.random.default_rng(0).multivariate_normal(
        family.prior_mean, family.prior_covariance, PRIOR_DRAWS
    )
    with np.errstate(over="ignore"):
        prior = np.asarray(family.natural(wild).std(axis=0))
    named = NamedDraws({}, {}, {}, {}, {})
    for base, (columns, labels) in _grouped(family.names).items():
        shape = columns if labels else columns[0]
        named.draws[base] = numbers[:, shape]
        named.units[base] = family.units[columns[0]].replace("length", unit)
        named.prior_sd[base] = prior[shape]
        if labels:
            named.dims[base], named.coords[f"{base}_of"] = [f"{base}_of"], labels
    return named


def add_energies(named: NamedDraws, temperature: tuple[float, float], seed: int) -> None:
    """Add each energy (unit kT...) once more as ``<name>_mev``, at an uncertain temperature.

    ``temperature``: mean and standard deviation in kelvin; one temperature a draw, from a stream
    of its own (``[seed, 1]``), for the draws themselves came from ``seed``.
    """
    energies = [base for base, unit in named.units.items() if unit.startswith("kT")]
    if not energies:
        return
    generator = np.random.default_rng([seed, 1])
    kelvin = generator.normal(*temperature, len(named.draws[energies[0]]))
    for base in energies:
        factor = 1e3 * BOLTZMANN_EV_PER_KELVIN * kelvin
        named.draws[f"{base}_mev"] = (named.draws[base].T * factor).T
        named.units[f"{base}_mev"] = named.units[base].replace("kT", "meV")
        if base in named.dims:
            named.dims[f"{base}_mev"] = named.dims[base]


def write_interaction(family: InteractionFamily) -> dict[str, str]:
    """Return the attributes by which a fit remembers its families: give them as ``attrs``."""
    content = {
        "n_species": family.n_species,
        "names": list(family.names),
        "parts": [
            {
                "recipe": part.recipe, "mean": part.prior_mean.tolist(),
                "covariance": part.prior_covariance.tolist(),
            }
            for part in family.parts
        ],
    }  # fmt: skip
    return {"interaction": json.dumps(content)}


def interaction_of(fit: Fit, function: Function | None = None) -> InteractionFamily:
    """Return the families of a fit, with their priors.

    Raises
    ------
    InputError
        For a fit without a pair potential, or one of a user's function that is not given.
    """
    text = fit.attrs.get("interaction")
    if text is None:
        raise InputError(f"fit must be one of a pair potential; this is one of {fit.model}.")
    content = json.loads(text)
    return InteractionFamily(
        tuple(_part(part, function) for part in content["parts"]), int(content["n_species"])
    )


def theta_draws(fit: Fit, family: InteractionFamily) -> Float:
    """Return the fit's draws as unconstrained parameters, shape (n_draws, p)."""
    columns: list[Float] = [np.empty(0)] * family.n_parameters
    for base, (places, _) in _grouped(family.names).items():
        values = fit[base]
        values = values.reshape(len(values), -1)
        for k, place in enumerate(places):
            columns[place] = values[:, k]
    return family.unconstrained(np.stack(columns, axis=1))


def potential_of(
    fit: Fit, draw: int | None = None, *, function: Function | None = None
) -> PairPotential | PairTable:
    """Return the pair potential of a fit, as the simulators take it; energies in kT.

    Parameters
    ----------
    fit
        Of ``fit_pair_potential``, ``fit_langevin`` or any other with a pair potential.
    draw
        Number of a draw; None: the mean of the unconstrained parameters.
    function
        The user's own function, where the family was made of one (a fit can't keep it).

    Raises
    ------
    InputError
        For a fit without a pair potential, or a draw that it does not have.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.results import fit_from_draws
    >>> family = make_interaction("lennard_jones", length=1.0)
    >>> named = name_draws(family, np.zeros((10, 2)), "nm")
    >>> fit = fit_from_draws(named.draws, model="m", likelihood="l", approximation="a", seed=0,
    ...     data=b"x", attrs=write_interaction(family))
    >>> potential_of(fit).depth
    1.0
    """
    family = interaction_of(fit, function)
    draws = theta_draws(fit, family)
    if draw is not None and not 0 <= draw < len(draws):
        raise InputError(f"draw must lie between 0 and {len(draws) - 1}; got {draw!r}.")
    return family.potential(draws.mean(axis=0) if draw is None else draws[draw])


def potential_curve(
    fit: Fit, distance: ArrayLike, *, n_draws: int = 200, function: Function | None = None
) -> pd.DataFrame:
    """Return the pair potential over distance with its 90 % interval, in kT.

    Columns: distance, kind (``0-1``: the pair of species), mean, q05, q95.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.results import fit_from_draws
    >>> family = make_interaction("morse", length=1.0)
    >>> named = name_draws(family, np.tile(family.prior_mean, (10, 1)), "nm")
    >>> fit = fit_from_draws(named.draws, model="m", likelihood="l", approximation="a", seed=0,
    ...     data=b"x", attrs=write_interaction(family))
    >>> potential_curve(fit, [1.0, 3.0])["mean"].round(3).tolist()
    [-1.0, 0.0]
    """
    family = interaction_of(fit, function)
    places = check_array("distance", distance, ndim=1)
    n_draws = check_count("n_draws", n_draws, 1)
    draws = theta_draws(fit, family)
    chosen = draws[np.linspace(0, len(draws) - 1, min(n_draws, len(draws))).astype(np.int64)]
    tables = []
    for (a, b), part, at in zip(family.pairs, family.parts, family.slices(), strict=True):
        curves = np.array([part.radial(theta[at], places)[0] for theta in chosen])
        low, high = np.quantile(curves, [0.05, 0.95], axis=0)
        tables.append(
            pd.DataFrame(
                {"distance": places, "kind": f"{a}-{b}", "mean": curves.mean(axis=0),
                 "q05": low, "q95": high}
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _grouped(names: Sequence[str]) -> dict[str, tuple[list[int], list[str]]]:
    """Variable -> columns and labels."""
    found: dict[str, tuple[list[int], list[str]]] = {}
    for column, name in enumerate(names):
        base, _, rest = name.partition("[")
        columns, labels = found.setdefault(base, ([], []))
        columns.append(column)
        if rest:
            labels.append(rest.rstrip("]").replace("][", "; "))
    return found


def _part(content: dict[str, Any], function: Function | None) -> PairFamily:
    if not content["recipe"]:
        raise InputError("fit must be of a family that can be made again; this one can not.")
    recipe = json.loads(content["recipe"])
    if recipe.pop("function", False):
        if function is None:
            raise InputError(
                f"function must be given again: {recipe['name']} is a function of your own, "
                "which a fit can't keep."
            )
        part = family_from_function(function, recipe.pop("parameters"), **recipe)
    else:
        part = make_family(**recipe)
    return replace(
        part,
        prior_mean=np.asarray(content["mean"], dtype=np.float64),
        prior_covariance=np.asarray(content["covariance"], dtype=np.float64),
    )
