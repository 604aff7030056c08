"""Which law several short series share, and which of its constants are each series' own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, check_count
from physlearn.inference.law_data.grouped_laws import (
    Grouped,
    GroupedLaw,
    grouped_law,
    places_of,
    series_of,
)
from physlearn.inference.law_data.likelihood_fit import Limits, Optimum, maximise
from physlearn.inference.law_data.noise_models import NoiseModel, Observations, observe
from physlearn.inference.law_data.noisy_laws import prepare
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_data.template_forms import TemplateForm
from physlearn.inference.law_data.template_starts import solve_linear
from physlearn.inference.law_data.true_values import TrueValues, true_values
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.law_search.expression_search import find_laws
from physlearn.inference.law_search.search_options import DEFAULT_UNARY, SearchOptions
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_text import formula_of
from physlearn.inference.laws.law_differences import CONSTANT_REFUTED
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["GroupedLaws", "GroupedSearchOptions", "discover_grouped_law"]

Floats = NDArray[np.float64]

SEARCHED_GROUPS = 3
STARTS = 3
MOST_CONSTANTS = 5
FEWEST_POINTS = 5


@dataclass(frozen=True, slots=True)
class GroupedSearchOptions:
    """What a search for the law of several series may use.

    Attributes
    ----------
    unary
        Functions of one argument.
    highest_price
        Longest expressions of the screening searches (`SearchOptions`).
    n_structures
        Most structures that are fitted to all series together.
    n_refined
        Most of them for which it is asked which constants are the series' own.

    Examples
    --------
    >>> GroupedSearchOptions(n_structures=10).n_refined
    8
    """

    unary: Sequence[str] = DEFAULT_UNARY
    highest_price: int = 14
    n_structures: int = 30
    n_refined: int = 8

    def __post_init__(self) -> None:
        check_count("n_structures", self.n_structures, 1)
        check_count("n_refined", self.n_refined, 1)
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedLaws:
    """Laws that several series share, weighed, with what is each series' own.

    Attributes
    ----------
    table
        Best first; equation (constants as c0, c1, ...), own (those that differ by series, as
        text), n_constants (of all series), description_length (nats), weight.
    best
        The first law, with its constants' tables.
    claims_law
        Whether laws in which y does not depend on the columns hold less than 5 %.
    warnings
        What to know before use.
    """

    table: pd.DataFrame
    best: GroupedLaw
    claims_law: bool
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __str__(self) -> str:
        first = self.table.iloc[0]
        own = f"{first['own']} of each series" if first["own"] else "all constants shared"
        said = f"{first['equation']}, {own} (weight {100 * first['weight']:.3g} %)"
        if not self.claims_law:
            said = "no law claimed: a constant, shared or of each series, explains these data"
        elif first["weight"] < CREDIBLE_MASS:
            said = f"these data do not fix the law; the first is {said}"
        return "\n".join([said, *(f"! {text}" for text in self.warnings)])


def discover_grouped_law(
    columns: Mapping[str, ArrayLike],
    y: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic],
    noise: NoiseModel | None = None,
    options: GroupedSearchOptions | None = None,
) -> GroupedLaws:
    """Search the law that several series share, each with some constants of its own.

    Structures are proposed by searches on all points together, on points with every series scaled
    by its size or standardised, and on the fullest series; the best are fitted to all series
    jointly, with each choice of which constants are the series' own. A choice costs ln 2 a
    constant, and every constant of every series the evidence's price, so that series share what
    the data do not tell apart.

    Parameters
    ----------
    columns
        Name -> values (n,) of each variable.
    y
        Shape (n,).
    groups
        One label a point.
    noise
        How y scatters; None is additive noise of one unknown size for all series.
    options
        What the search may use.

    Raises
    ------
    InputError
        For data that cannot be used, one series only, or fewer than 5 points.

    Examples
    --------
    >>> x, sample = np.tile(np.linspace(0.5, 2.0, 6), 5), np.repeat(list("abcde"), 6)
    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat([1.0, 1.6, 2.3, 0.7, 3.0], 6) * np.exp(-1.2 / x)
    >>> options = GroupedSearchOptions(highest_price=10, n_structures=6, n_refined=2)
    >>> noisy = y + 0.01 * rng.normal(size=30)
    >>> found = discover_grouped_law({"x": x}, noisy, sample, NoiseModel(sd=0.01), options)
    >>> found.table["equation"][0], found.table["own"][0], found.claims_law
    ('c0 * exp(1 / x * c1)', 'c0', True)
    """
    noise, options = noise or NoiseModel(), options or GroupedSearchOptions()
    data = observe(columns, y, noise)
    labels = np.asarray(groups).tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(labels) != data.y.size:
        raise InputError(f"groups must hold one label a point, {data.y.size}; got {len(labels)}.")
    if data.y.size < FEWEST_POINTS:
        raise InputError(f"y must hold at least {FEWEST_POINTS} points, got {data.y.size}.")
    order, member = series_of(labels)
    world = _World(data, noise, order, member, true_values(data, noise))
    proposals = _proposals(world, options)
    quick = [one for law in proposals if (one := _quickly(world, law)) is not None]
    quick.sort(key=lambda one: one.length)
    candidates = quick[: options.n_refined]
    constant = Equation((Term(float(data.y.mean()), (1,)),), 0.0, 0.0, 1)
    found = [one for law in candidates for one in _choices(world, law)]
    found += _choices(world, _Candidate(constant, (), np.array([[data.y.mean()]]), None, math.inf))
    found = [one for one in found if one.optimum is not None]
    if not found:
        raise InputError("no law is defined on these data under this noise: look for signs.")
    found.sort(key=lambda one: one.length)
    return _reported(world, found)


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    data: Observations
    noise: NoiseModel
    labels: tuple[object, ...]
    member: NDArray[np.int64]
    spread: TrueValues | None


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A structure, which constants are own, where to start from (m, k), and how it fits."""

    law: Equation
    own: tuple[int, ...]
    starts: Floats
    optimum: Optimum | None
    length: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"c{index}" for index in range(self.law.constants.size))


def _proposals(world: _World, options: GroupedSearchOptions) -> list[_Candidate]:
    """Structures by their best place in any of the searches, each with its starts."""
    search = SearchOptions(
        unary=options.unary, highest_price=options.highest_price, n_kept=options.n_structures
    )
    ranked: dict[tuple[object, ...], tuple[int, list[Equation]]] = {}
    for data in _screens(world):
        laws = find_laws(data, search).laws
        place = 0
        seen: set[tuple[object, ...]] = set()
        for law in laws:
            free = _freed(law)
            if not free.variables or free.constants.size > MOST_CONSTANTS:
                continue
            key = tuple(sorted(term.structure for term in free.terms))
            if key in seen:
                continue
            seen.add(key)
            best, starts = ranked.get(key, (place, []))
            starts.append(free)
            ranked[key] = (min(best, place), starts)
            place += 1
    first = sorted(ranked.values(), key=lambda one: one[0])[: options.n_structures]
    proposals = []
    for _, laws_of_one in first:
        law = laws_of_one[0]
        alike = [one for one in laws_of_one if _order(one) == _order(law)][:STARTS]
        guesses: Floats = np.array([one.constants for one in alike])
        proposals.append(_Candidate(law, (), guesses, None, math.inf))
    return proposals


def _order(law: Equation) -> list[tuple[str, ...]]:
    return [term.structure for term in law.terms]


def _freed(law: Equation) -> Equation:
    """Return the law with every coefficient a constant: an exact one may differ by series."""
    return replace(
        law, terms=tuple(Term(float(term.coefficient), term.program) for term in law.terms),
        covariance=None,
    )  # fmt: skip


def _screens(world: _World) -> list[SearchData]:
    """All points as they are, scaled by series, standardised by series, and the fullest series."""
    data, member = world.data, world.member
    plain = prepare(data, world.noise)
    counts = np.bincount(member)
    size, middle, spread = np.ones((3, member.size))
    for group in range(counts.size):
        rows = member == group
        size[rows] = float(np.sqrt(np.mean(data.y[rows] ** 2))) or 1.0
        middle[rows] = float(data.y[rows].mean())
        spread[rows] = float(data.y[rows].std()) or 1.0
    screens = [plain]
    for values, scale in ((data.y / size, size), ((data.y - middle) / spread, spread)):
        weight = plain.weight * scale**2
        screens.append(replace(plain, y=values, weight=weight / weight.mean(), noise_known=False))
    for group in np.argsort(-counts, kind="stable")[:SEARCHED_GROUPS]:
        rows = member == group
        enough = len(np.unique(data.x[:, rows], axis=1).T) >= FEWEST_POINTS
        if enough and (np.ptp(data.x[:, rows], axis=1) > 0).all() and np.ptp(data.y[rows]) > 0:
            screens.append(
                replace(plain, x=np.ascontiguousarray(data.x[:, rows]), y=data.y[rows],
                        weight=plain.weight[rows])
            )  # fmt: skip
    return screens


def _linear(law: Equation) -> list[int]:
    """Places of the coefficients among the constants."""
    places, place = [], 0
    for term in law.terms:
        places.append(place)
        place += 1 + sum(isinstance(token, float) for token in term.program)
    return places


def _quickly(world: _World, candidate: _Candidate) -> _Candidate | None:
    """Fit with all constants shared, with the coefficients own, and with all own; keep the best."""
    once = replace(candidate, starts=candidate.starts[:1])
    every = tuple(range(candidate.law.constants.size))
    choices = dict.fromkeys(((), tuple(_linear(candidate.law)), every))
    tried = [_fitted(world, once, own) for own in choices]
    best = min(tried, key=lambda one: one.length)
    if best.optimum is None:
        return None
    return replace(best, starts=candidate.starts)


def _choices(world: _World, candidate: _Candidate) -> list[_Candidate]:
    """Fit with every choice of own constants; of many constants, change one after the other."""
    count = candidate.law.constants.size
    if count <= 3:
        every = itertools.chain.from_iterable(
            itertools.combinations(range(count), size) for size in range(count + 1)
        )
        return [_fitted(world, candidate, own) for own in every]
    found = {candidate.own: candidate}
    best = candidate
    while True:
        for place in range(count):
            own = tuple(sorted(set(best.own) ^ {place}))
            if own not in found:
                found[own] = _fitted(world, best, own)
        better = min(found.values(), key=lambda one: one.length)
        if better is best:
            return list(found.values())
        best = better


def _fitted(world: _World, candidate: _Candidate, own: tuple[int, ...]) -> _Candidate:
    """Fit one structure with one choice of own constants by the whole likelihood."""
    law, data, names = candidate.law, world.data, candidate.names
    form = TemplateForm("", law.program, names, np.arange(len(names)))
    places = places_of(names, [names[place] for place in own], len(world.labels))
    member = None if world.spread is None else world.member[world.spread.point]
    grouped = Grouped(form, world.labels, world.member, places, member)
    if grouped.count + len(world.noise.nuisance) >= data.y.size:
        return replace(candidate, own=own, optimum=None, length=math.inf)
    linear = sorted({int(p) for column in _linear(law) for p in places[:, column]})
    plain = world.noise.kind == "additive"
    best: Optimum | None = None
    for start in candidate.starts:
        whole = np.empty(grouped.count)
        whole[places] = start
        with np.errstate(all="ignore"):
            solved = solve_linear(grouped.model, whole, linear, data, world.noise)
        found = maximise(
            grouped.model,
            solved,
            data,
            world.noise,
            Limits.none(grouped.count),
            world.spread,
            grouped.blocks,
        )
        if found is None and not plain:
            found = maximise(
                grouped.model, whole, data, world.noise, None, world.spread, grouped.blocks
            )
        if found is None or not found.converged or not math.isfinite(found.log_evidence):
            continue
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
    if best is None:
        return replace(candidate, own=own, optimum=None, length=math.inf)
    # Own or shared: one bit a constant
    length = structure_length(law.terms, len(data.names)) + len(names) * math.log(2.0)
    return replace(candidate, own=own, optimum=best, length=length - best.log_evidence)


def _reported(world: _World, found: Sequence[_Candidate]) -> GroupedLaws:
    lengths = np.array([one.length for one in found])
    weights = np.exp(lengths.min() - lengths)
    weights = weights / weights.sum()
    table = pd.DataFrame({
        "equation": [formula_of(one.law) for one in found],
        "own": [", ".join(one.names[place] for place in one.own) for one in found],
        "n_constants": [one.optimum.constants.size for one in found if one.optimum is not None],
        "description_length": lengths,
        "weight": weights,
    })  # fmt: skip
    flat = sum(w for one, w in zip(found, weights, strict=True) if not one.law.variables)
    best, first = found[0], found[0].optimum
    if first is None:  # laws without an optimum have an infinite length and are left out before
        raise InputError("no law is defined on these data under this noise: look for signs.")
    form = TemplateForm(
        formula_of(best.law), best.law.program, best.names, np.arange(len(best.names))
    )
    own = [best.names[place] for place in best.own]
    places = places_of(best.names, own, len(world.labels))
    grouped = Grouped(form, world.labels, world.member, places)
    warnings = []
    if first.covariance is None:
        warnings.append("these data leave a combination of the first law's constants open")
    law = grouped_law(grouped, first, world.data, world.noise, own, list(warnings))
    return GroupedLaws(table, law, bool(flat < CONSTANT_REFUTED), tuple(warnings))
