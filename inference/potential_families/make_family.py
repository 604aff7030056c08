"""The families that can be asked for by name, with priors that fit the scale of the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.lattice_models.particles.pair_potential import TRUNCATIONS, PairPotential
from physlearn.lattice_models.particles.potentials import (
    InversePower,
    LennardJones,
    Morse,
    Yukawa,
)
from physlearn.lattice_models.particles.spline_potential import SplinePotential

__all__ = ["FAMILIES", "make_family", "make_interaction"]

Float = NDArray[np.float64]
Builder = Callable[[Float], PairPotential]
Row = tuple[tuple[str, ...], tuple[str, ...], list[bool], Float, Float, Builder]
"""Names, units, which are positive, prior mean and sd of theta, and the builder."""
FAMILIES = ("lennard_jones", "morse", "yukawa", "inverse_power", "spline")


def make_family(
    name: str,
    *,
    length: float,
    cutoff: float | None = None,
    truncation: str = "shift",
    knots: ArrayLike | None = None,
) -> PairFamily:
    """Return a family by its name, its prior scaled to a distance.

    Parameters
    ----------
    name
        ``lennard_jones`` (depth, diameter), ``morse`` (depth, steepness, minimum), ``yukawa``
        (strength with a sign, screening_length), ``inverse_power`` (strength at distance
        ``length``, exponent) or ``spline`` (value at each knot but the last).
    length
        Typical distance of neighbours: the prior's scale of lengths.
    cutoff
        Where the energy ends; None: 2.5 lengths.
    truncation
        ``shift``, ``cut`` or ``switch``, as of the potentials of ``lattice_models``.
    knots
        Of the spline; None: 10 from 0.8 length to the cutoff, closer to each other near contact.

    Raises
    ------
    InputError
        For an unknown name, or numbers that are not above 0.

    Examples
    --------
    >>> family = make_family("lennard_jones", length=1.1)
    >>> family.names, float(family.potential([0.0, 0.0]).value(2 ** (1 / 6)).round(2))
    (('depth', 'diameter'), -0.99)
    """
    check_choice("potential", name, FAMILIES)
    check_choice("truncation", truncation, TRUNCATIONS)
    if knots is not None and name != "spline":
        raise InputError(f"knots must be None for a potential of form {name}: they are a spline's.")
    length = check_positive("length", length)
    end = 2.5 * length if cutoff is None else check_positive("cutoff", cutoff)
    recipe = json.dumps({"name": name, "length": length, "cutoff": end, "truncation": truncation})
    if name == "spline":
        return _spline_family(length, end, knots)
    near = np.log(length)
    tables: dict[str, Row] = {
        "lennard_jones": (
            ("depth", "diameter"), ("kT", "length"), [True, True],
            np.array([0.0, near]), np.array([1.5, 0.3]),
            partial(_lennard_jones, end, truncation),
        ),
        "morse": (
            ("depth", "steepness", "minimum"), ("kT", "1/length", "length"), [True, True, True],
            np.array([0.0, np.log(6.0) - near, near]), np.array([1.5, 0.7, 0.3]),
            partial(_morse, end, truncation),
        ),
        "yukawa": (
            ("strength", "screening_length"), ("kT length", "length"), [False, True],
            np.array([0.0, near - 1.0]), np.array([1e3 * length, 1.0]),
            partial(_yukawa, end, truncation),
        ),
        "inverse_power": (
            ("strength", "exponent"), ("kT", "1"), [True, True],
            np.array([0.0, np.log(8.0)]), np.array([2.0, 0.7]),
            partial(_inverse_power, length, end, truncation),
        ),
    }  # fmt: skip
    names, units, positive, mean, sd, build = tables[name]
    return PairFamily(
        name, names, units, np.array(positive), mean, np.diag(sd**2), end, build, recipe
    )


def make_interaction(
    potentials: str | PairFamily | Sequence[str | PairFamily],
    n_species: int = 1,
    *,
    length: float,
    cutoff: float | None = None,
    truncation: str = "shift",
) -> InteractionFamily:
    """Return the families of all pairs of species; one name or family serves every pair.

    Raises
    ------
    InputError
        For an unknown name, or a number of families that is not that of the pairs.

    Examples
    --------
    >>> make_interaction("yukawa", 2, length=1.0).names[:2]
    ('strength[0,0]', 'screening_length[0,0]')
    """
    n_pairs = n_species * (n_species + 1) // 2
    one = isinstance(potentials, str | PairFamily)
    given = [potentials] * n_pairs if one else list(potentials)  # type: ignore[arg-type]
    parts = [
        part if isinstance(part, PairFamily)
        else make_family(str(part), length=length, cutoff=cutoff, truncation=truncation)
        for part in given
    ]  # fmt: skip
    return InteractionFamily(tuple(parts), n_species)


def _lennard_jones(cutoff: float, truncation: str, numbers: Float) -> PairPotential:
    return LennardJones(*numbers.tolist(), cutoff=cutoff, truncation=truncation)


def _morse(cutoff: float, truncation: str, numbers: Float) -> PairPotential:
    return Morse(*numbers.tolist(), cutoff=cutoff, truncation=truncation)


def _yukawa(cutoff: float, truncation: str, numbers: Float) -> PairPotential:
    strength, screening_length = numbers.tolist()
    if strength == 0.0:
        return SplinePotential([0.25 * cutoff, 0.5 * cutoff, cutoff], np.zeros(3))
    return Yukawa(strength, screening_length, cutoff=cutoff, truncation=truncation)


def _inverse_power(length: float, cutoff: float, truncation: str, numbers: Float) -> PairPotential:
    strength, exponent = numbers.tolist()
    return InversePower(strength, length, exponent, cutoff=cutoff, truncation=truncation)


def _spline_family(length: float, cutoff: float, knots: ArrayLike | None) -> PairFamily:
    low = 0.8 * length
    even = low + (cutoff - low) * np.linspace(0.0, 1.0, 10) ** 2  # close where energies are steep
    chosen = even if knots is None else check_array("knots", knots)
    if len(chosen) < 3 or (np.diff(chosen) <= 0.0).any():
        raise InputError(f"knots must be at least 3 increasing distances; got {chosen.tolist()}.")
    n = len(chosen) - 1
    names = tuple(f"value[{knot:.3g}]" for knot in chosen[:-1])
    # a core of some 30 kT about 0.8 lengths, known no better than its own height; 2 kT beyond
    core = 30.0 * np.exp(-(chosen[:-1] - low) / (0.15 * length))
    core = np.minimum(core, 30.0)
    sd = 2.0 + core
    return PairFamily(
        "spline", names, ("kT",) * n, np.zeros(n, dtype=bool), core, np.diag(sd**2),
        float(chosen[-1]), partial(_spline, chosen),
        json.dumps({"name": "spline", "length": length, "knots": chosen.tolist()}),
    )  # fmt: skip


def _spline(knots: Float, values: Float) -> PairPotential:
    return SplinePotential(knots, np.append(values, 0.0))
