"""Laws that are right in their units: the search runs on dimensionless groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.law_data.law_constraints import allowed
from physlearn.inference.law_data.pi_groups import (
    Monomial,
    check_units_make,
    dimensionless_groups,
    independent_groups,
    monomials_of_unit,
)
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_data.units import DIMENSIONLESS, Unit
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.exact_numbers import with_exact_numbers
from physlearn.inference.law_search.expression_search import find_laws
from physlearn.inference.law_search.group_programs import law_of_groups
from physlearn.inference.law_search.refinement import fit_terms
from physlearn.inference.law_search.search_options import SearchOptions, SearchOutcome
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression_text import to_infix

__all__ = ["Quantities", "find_laws_with_units"]

Floats = NDArray[np.float64]

NATS_OF_POWER = 0.55  # one step of an exponent in a prefactor or a group
MOST_PREFACTORS = 24
MOST_SINGLE = 24
SEARCHED_SINGLE = 2
SEARCHED_WHOLE = 2
MOST_GROUPS = 5
# Prices (half nats) of the expressions fitted, by the number of groups; see SearchOptions
PRICES = {1: 18, 2: 15, 3: 13, 4: 11, 5: 10}
SINGLE_IS_ENOUGH = 3.0  # times the noise variance that is left
SAME_VALUES = 1e-6
GROUP = re.compile(r"group_(\d+)")


@dataclass(frozen=True, slots=True)
class Quantities:
    """Units of the variables and of the target, and constants known with theirs.

    Attributes
    ----------
    variables
        One unit per row of the search data's x.
    target
        Unit of y.
    known
        Names of known constants with their values and units: they may enter any law.
    """

    variables: tuple[Unit, ...]
    target: Unit
    known: tuple[tuple[str, float, Unit], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """One choice of prefactor and groups: y / prefactor is a number, a function of numbers."""

    prefactor: Monomial
    groups: tuple[Monomial, ...]
    data: SearchData
    offset: float  # nats that bring description lengths of this choice to those of y

    def price(self, law: Equation) -> float:
        used = [g for i, g in enumerate(self.groups) if _name(i) in law.variables]
        return NATS_OF_POWER * (self.prefactor.price + sum(max(g.price - 1, 0) for g in used))


def find_laws_with_units(
    data: SearchData,
    quantities: Quantities,
    options: SearchOptions | None = None,
    engine: Callable[[SearchData, SearchOptions], SearchOutcome] = find_laws,
) -> SearchOutcome:
    """Search laws y = prefactor f(groups): nothing else has the right unit.

    The prefactor is a product of powers that has the target's unit, the groups are dimensionless
    (Buckingham, Phys. Rev. 4:345, 1914, https://doi.org/10.1103/PhysRev.4.345), and the constants
    of f are numbers, exact ones where the data allow. Tried are power laws, functions of the one
    group that orders y best, and functions of all groups; every choice is measured on the same y,
    so that the description lengths compare.

    Parameters
    ----------
    data
        Points in the user's units.
    quantities
        Units of all, and known constants.
    options
        As for `find_laws`.
    engine
        What searches among dimensionless numbers.

    Returns
    -------
    SearchOutcome
        Laws in the user's variables and units: conversion factors are exact numbers in them.

    Raises
    ------
    InputError
        If no product of powers has the target's unit; the sentence names what is missing.
    """
    options = options or SearchOptions()
    data, quantities = _by_name(data, quantities)
    names = [*data.names, *(name for name, *_ in quantities.known)]
    units = [*quantities.variables, *(unit for *_, unit in quantities.known)]
    check_units_make(units, names, quantities.target, "the target")
    columns = _si_columns(data, quantities)
    prefactors = monomials_of_unit(units, quantities.target, MOST_PREFACTORS)
    groups = independent_groups(units, lambda group: _defined(group, columns))
    # A group of known constants alone is a number
    groups = [g for g in groups if _defined(g, columns) and np.ptp(g.values(columns)) > 0]
    factor = float(quantities.target.factor)
    laws: list[tuple[float, _World, Equation]] = []
    warnings = _not_divided_by(data, units)
    count = 0
    worlds = [
        world for prefactor in prefactors
        if (world := _world(data, factor, columns, prefactor, groups)) is not None
    ]  # fmt: skip
    if not worlds:
        raise InputError(
            "no prefactor with the target's unit is finite and different from 0 on all rows of X: "
            "drop rows with zeros, or leave the units out."
        )
    laws += _power_laws(columns, factor, worlds[0], prefactors[0], groups, data)
    chosen = _single_worlds(data, factor, columns, prefactors, units)
    several = worlds[:SEARCHED_WHOLE] if 1 < len(groups) <= MOST_GROUPS else []
    chosen += several or worlds[:1]
    for number, world in enumerate(chosen):
        begun, share = number / len(chosen), 1.0 / len(chosen)
        outcome = engine(world.data, _options_of(options, world, begun, share))
        count += outcome.n_candidates
        said = [_in_names(text, world, names) for text in outcome.warnings]
        warnings += [text for text in said if text not in warnings]
        exact = with_exact_numbers(world.data, outcome.laws)
        laws += [(_total(world, law), world, law) for law in exact]
        if any("stopped" in text for text in outcome.warnings):  # Ctrl-C or options.stop
            break
    kept, said = _merge(data, quantities, laws, options)
    return SearchOutcome(tuple(kept), (*warnings, *said), count)


def _by_name(data: SearchData, quantities: Quantities) -> tuple[SearchData, Quantities]:
    """Order the columns by their names: groups of one price are taken in the columns' order."""
    order = sorted(range(len(data.names)), key=lambda place: data.names[place])
    return (
        replace(data, x=data.x[order], names=tuple(data.names[place] for place in order)),
        replace(
            quantities, variables=tuple(quantities.variables[place] for place in order),
            known=tuple(sorted(quantities.known, key=lambda one: one[0])),
        ),
    )  # fmt: skip


def _defined(group: Monomial, columns: Floats) -> bool:
    return bool(np.isfinite(group.values(columns)).all())


def _not_divided_by(data: SearchData, units: Sequence[Unit]) -> list[str]:
    """Say which columns hold 0: with units, whole families of groups divide by each of them."""
    texts = []
    for name, column, unit in zip(data.names, data.x, units, strict=False):
        zeros = np.flatnonzero(column == 0.0)
        if zeros.size and not unit.is_number:
            texts.append(
                f"{name} is 0 in {zeros.size} row(s), first row {zeros[0]}: laws that divide by it "
                "or are proportional to a power of it alone were left out; without these rows more "
                "laws are tried"
            )
    return texts


def _name(index: int) -> str:
    return f"group_{index}"


def _in_names(text: str, world: _World, names: Sequence[str]) -> str:
    """Write groups in the user's names: a sentence on group_0 says nothing to anybody."""

    def written(found: re.Match[str]) -> str:
        place = int(found[1])
        if place >= len(world.groups):
            return "a number"
        return to_infix(world.groups[place].program([(name,) for name in names]), [])

    return GROUP.sub(written, text)


def _si_columns(data: SearchData, quantities: Quantities) -> Floats:
    rows = [c * float(u.factor) for c, u in zip(data.x, quantities.variables, strict=True)]
    rows += [np.full(data.y.size, v * float(u.factor)) for _, v, u in quantities.known]
    return np.array(rows)


def _world(
    data: SearchData, factor: float, columns: Floats, prefactor: Monomial,
    groups: Sequence[Monomial],
) -> _World | None:  # fmt: skip
    scale = prefactor.values(columns) / factor  # of y in the user's unit
    x = np.array([group.values(columns) for group in groups]).reshape(len(groups), data.y.size)
    if not (np.isfinite(scale).all() and (scale != 0).all() and np.isfinite(x).all()):
        return None
    ratio = data.y / scale
    weight = data.weight * scale**2
    if not (np.isfinite(ratio).all() and np.isfinite(weight).all() and (weight > 0).all()):
        return None
    # p(y) = p(y / scale) / |scale|
    offset = float(np.log(np.abs(scale)).sum())
    if not groups:
        x = np.ones((1, data.y.size))
    names = tuple(_name(i) for i in range(max(len(groups), 1)))
    return _World(
        prefactor, tuple(groups), SearchData(x, ratio, weight, data.noise_known, names), offset
    )


def _total(world: _World, law: Equation) -> float:
    return law.description_length + world.offset + world.price(law)


def _options_of(
    options: SearchOptions, world: _World, begun: float, share: float
) -> SearchOptions:  # fmt: skip
    price = options.highest_price or PRICES.get(len(world.groups), 15)
    told = options.progress
    progress = None
    if told is not None:
        progress = lambda done, text: told(begun + share * done, text)  # noqa: E731
    return replace(options, highest_price=price, progress=progress, constraints=None)


def _power_laws(
    columns: Floats, factor: float, world: _World, prefactor: Monomial,
    groups: Sequence[Monomial], data: SearchData,
) -> list[tuple[float, _World, Equation]]:  # fmt: skip
    """Products of powers: exponents of the groups by regression of logarithms, rounded."""
    found = []
    x, ratio = world.data.x, world.data.y
    exponents = [Fraction(0)] * len(groups)
    if groups and (x > 0).all() and (ratio * np.sign(ratio[0]) > 0).all():
        root = np.sqrt(world.data.weight) * np.abs(ratio)  # error of log y
        design = np.column_stack([np.ones(ratio.size), np.log(x).T])
        solution = np.linalg.lstsq(
            design * root[:, None], np.log(np.abs(ratio)) * root, rcond=None
        )[0]
        exponents = [Fraction(round(2 * e), 2) for e in np.clip(solution[1:], -8, 8)]
    product = prefactor
    for group, exponent in zip(groups, exponents, strict=True):
        product = product * group**exponent
    for choice in {prefactor, product}:
        own = _world(data, factor, columns, choice, groups)
        law = fit_terms(own.data, [(1,)]) if own is not None else None
        if own is not None and law is not None:
            found += [(_total(own, one), own, one) for one in with_exact_numbers(own.data, [law])]
    return found


def _single_worlds(
    data: SearchData, factor: float, columns: Floats, prefactors: Sequence[Monomial],
    units: Sequence[Unit],
) -> list[_World]:  # fmt: skip
    """Prefactors and single groups of which y / prefactor is the smoothest function."""
    scored: list[tuple[float, float, Monomial, Monomial]] = []
    total = float(np.average((data.y - np.average(data.y, weights=data.weight)) ** 2,
                             weights=data.weight))  # fmt: skip
    for group in dimensionless_groups(units, DIMENSIONLESS, MOST_SINGLE):
        group = group if _defined(group, columns) else group ** Fraction(-1)
        x = group.values(columns)
        if not (np.isfinite(x).all() and np.ptp(x) > 1e-9 * np.abs(x).max()):
            continue
        order = np.argsort(x, kind="stable")
        for prefactor in prefactors:
            scale = prefactor.values(columns) / factor
            if not (np.isfinite(scale).all() and (scale != 0).all()):
                continue
            rough = _roughness(data.y[order], scale[order], x[order]) / total
            scored.append((rough, group.price + prefactor.price, group, prefactor))
    if not scored:
        return []
    least = min(rough for rough, *_ in scored)
    near = [one for one in scored if one[0] <= SINGLE_IS_ENOUGH * least]
    near.sort(key=lambda one: one[1])
    worlds: list[_World] = []
    for _, _, group, prefactor in near:
        world = _world(data, factor, columns, prefactor, [group])
        if world is not None and len(worlds) < SEARCHED_SINGLE:
            worlds.append(world)
        if worlds and len(units) <= 2:
            break
    return worlds


def _roughness(y: Floats, scale: Floats, x: Floats) -> float:
    """Mean squared error of y from neighbours along the group, interpolated on y / scale."""
    ratio = y / scale
    gap = x[2:] - x[:-2]
    share = np.divide(x[1:-1] - x[:-2], gap, out=np.full(gap.shape, 0.5), where=gap > 0)
    guess = ratio[:-2] * (1 - share) + ratio[2:] * share
    squares = ((ratio[1:-1] - guess) * scale[1:-1]) ** 2
    return float(np.mean(np.minimum(squares, np.quantile(squares, 0.95))))


def _merge(
    data: SearchData, quantities: Quantities,
    laws: list[tuple[float, _World, Equation]], options: SearchOptions,
) -> tuple[list[Equation], list[str]]:  # fmt: skip
    """Bring laws to the user's variables, one of each, shortest first."""
    laws.sort(key=lambda one: one[0])
    spread = float(np.std(data.y)) or 1.0
    kept: list[Equation] = []
    seen: dict[int, list[Floats]] = {}
    for length, world, law in laws:
        if not np.isfinite(length):
            continue
        terms = law_of_groups(law, world.prefactor, world.groups, data.names, quantities)
        if terms is None:
            continue
        measured = measure_law(data, terms)
        values = measured.predict(data.columns)
        if not np.isfinite(values).all():
            continue
        others = seen.setdefault(law.n_constants, [])
        if any(np.abs(values - other).max() < SAME_VALUES * spread for other in others):
            continue
        kept.append(replace(measured, description_length=length))
        others.append(values)
        if len(kept) == options.n_kept and options.constraints is None:
            break
    sound, texts = allowed(kept, options.constraints)
    return sound[: options.n_kept], texts
