"""One form for several series: some constants shared by all, some each series' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array
from physlearn.inference.law_data.likelihood_fit import Limits, Optimum, maximise
from physlearn.inference.law_data.noise_models import NoiseModel, Observations, observe
from physlearn.inference.law_data.series_alike import apart_notes
from physlearn.inference.law_data.template_forms import TemplateForm, TemplateOptions, read_form
from physlearn.inference.law_data.template_starts import (
    linear_constants,
    solve_linear,
    starting_points,
)
from physlearn.inference.law_data.templates import interval_factor
from physlearn.inference.law_data.true_values import true_values
from physlearn.inference.laws.equation import Equation
from physlearn.records.storage import html_table, short_repr

__all__ = ["Grouped", "GroupedLaw", "fit_grouped_law", "grouped_law", "places_of", "series_of"]

Floats = NDArray[np.float64]

FULLEST_GROUPS = 4
STARTS_OF_GROUP = 3
SAME_HEIGHT = 1e-3  # nats: two climbs that end there agree


@dataclass(frozen=True, slots=True, eq=False)
class GroupedLaw:
    """A form fitted to several series at once.

    Attributes
    ----------
    text
        The form.
    shared
        Index: names of the shared constants; columns value, sd, low, high (90 %).
    own
        One row a series and own constant: group, constant, value, sd, low, high.
    equations
        The law of each series, by its label.
    log_evidence
        Logarithm of the marginal likelihood (nats). Less the one with all constants own, under the
        same noise model, it is the evidence for sharing.
    warnings
        What to know before use.
    """

    text: str
    shared: pd.DataFrame
    own: pd.DataFrame
    equations: Mapping[object, Equation]
    log_evidence: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def predict(self, columns: Mapping[str, ArrayLike], group: object) -> Floats:
        """Return what the law says for one series, shape (n,).

        Raises
        ------
        InputError
            If there is no such series.
        """
        if group not in self.equations:
            known = ", ".join(str(label) for label in list(self.equations)[:10])
            raise InputError(f"group must be one of {known}; got {group!r}.")
        given = {name: check_array(name, value, ndim=1) for name, value in columns.items()}
        return self.equations[group].predict(given)


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """Where the constants of every series stand among all: shared first, then group by group.

    ``member`` (n,) says which series a point belongs to, ``places`` (n_groups, n_names) where its
    constants stand; ``spread_member`` is for the normals that hold true values, where columns have
    errors.
    """

    form: TemplateForm
    labels: tuple[object, ...]
    member: NDArray[np.int64]
    places: NDArray[np.int64]
    spread_member: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """Return the number of all constants."""
        return int(self.places.max(initial=-1)) + 1

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Places of each series' own constants, (n_groups, n_own)."""
        return self.places[:, (self.places != self.places[0]).any(axis=0)]

    @property
    def rows(self) -> list[NDArray[np.int64]]:
        """Rows of every series."""
        return [np.flatnonzero(self.member == place) for place in range(len(self.labels))]

    def model(self, constants: Floats, columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Values (n,) and slopes by all constants (k, n)."""
        n = len(next(iter(columns.values())))
        member = self.member
        if self.spread_member is not None and n != member.size:
            member = self.spread_member
        places = self.places[member].T
        values, own = self.form.model_of_rows(constants[places], columns)
        slopes = np.zeros((constants.size, n))
        for row, place in zip(own, places, strict=True):
            slopes[place, np.arange(n)] = row
        return values, slopes

    def limits(self, limits: Limits) -> Limits:
        """Return the limits of all constants from those of the names."""
        first = np.zeros(self.count, dtype=np.int64)
        first[self.places] = np.arange(self.places.shape[1])
        return Limits(
            limits.low[first], limits.high[first], limits.prior_mean[first], limits.prior_sd[first]
        )


def fit_grouped_law(
    text: str,
    columns: Mapping[str, ArrayLike],
    y: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic],
    own: Sequence[str],
    noise: NoiseModel | None = None,
    options: TemplateOptions | None = None,
    *,
    below: ArrayLike | None = None,
    above: ArrayLike | None = None,
) -> GroupedLaw:
    """Fit one form to several series that share some constants and have others of their own.

    Short series that fix nothing alone do so together: own amplitudes, one barrier.

    Parameters
    ----------
    text
        The form, as in `fit_template`.
    columns, y
        All series one after the other, each (n,).
    groups
        Label of the series of every point, (n,).
    own
        Names of the constants that each series has for itself; all others are shared.
    noise
        How y scatters, the same in all series; None is additive noise of unknown size.
    options
        Starts, bounds and priors by name, for own constants the same in every series.
    below, above
        As in `fit_template`.

    Raises
    ------
    InputError
        As `fit_template`; for labels that do not fit y, or names in ``own`` that are no constants.

    Examples
    --------
    >>> x = np.tile([1.0, 2.0, 3.0, 4.0], 3)
    >>> groups = np.repeat(["a", "b", "c"], 4)
    >>> y = np.repeat([1.0, 2.0, 5.0], 4) * np.exp(-0.5 * x)
    >>> law = fit_grouped_law("A*exp(-k*x)", {"x": x}, y, groups, own=["A"])
    >>> round(float(law.shared.loc["k", "value"]), 6), law.own["value"].round(6).tolist()
    (0.5, [1.0, 2.0, 5.0])
    """
    noise, options = noise or NoiseModel(), options or TemplateOptions()
    data = observe(columns, y, noise, below=below, above=above)
    form = read_form(text, data.names)
    grouped = _grouped(form, groups, own, data.y.size)
    free = int(np.isinf(grouped.limits(options.limits(form.names)).prior_sd).sum())
    if data.y.size < free + len(noise.nuisance):
        raise InputError(
            f"y has {data.y.size} points for {free} constants of {len(grouped.labels)} "
            "series: share more of them, or state priors and sd."
        )
    found = _best(grouped, data, noise, options)
    warnings = []
    if found.covariance is None:
        warnings.append("these data leave a combination of the constants open: share or fix one")
    elif not found.converged:
        warnings.append("the fit did not converge: give a start")
    warnings += apart_notes(grouped, found, data, noise)
    return grouped_law(grouped, found, data, noise, own, warnings)


def _grouped(
    form: TemplateForm,
    groups: Sequence[object] | NDArray[np.generic],
    own: Sequence[str],
    n: int,
) -> Grouped:
    labels = np.asarray(groups).tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(labels) != n:
        raise InputError(f"groups must hold one label a point, {n}; got {len(labels)}.")
    if isinstance(own, str) or not set(own) <= set(form.names):
        raise InputError(
            f"own must be a list of constants out of {', '.join(form.names)}; got {own!r}."
        )
    order, member = series_of(labels)
    return Grouped(form, order, member, places_of(form.names, own, len(order)))


def series_of(labels: Sequence[object]) -> tuple[tuple[object, ...], NDArray[np.int64]]:
    """Labels of the series in the order of their first points, and which one each point is of."""
    missing = pd.Series(list(labels), dtype=object).isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise InputError(
            f"groups must hold a label for every point, got {labels[row]} in row {row}: drop these "
            "rows or name their series."
        )
    order = tuple(dict.fromkeys(labels))
    if len(order) < 2:
        raise InputError("groups must hold at least 2 different labels; use fit_template for one.")
    code = {label: place for place, label in enumerate(order)}
    return order, np.array([code[label] for label in labels])


def places_of(names: Sequence[str], own: Sequence[str], n_groups: int) -> NDArray[np.int64]:
    """Return where each series' constants stand among all, (n_groups, n_names): shared first."""
    shared = [name for name in names if name not in own]
    apart = [name for name in names if name in own]
    places = np.empty((n_groups, len(names)), dtype=np.int64)
    for group in range(n_groups):
        for column, name in enumerate(names):
            places[group, column] = (
                shared.index(name) if name in shared
                else len(shared) + group * len(apart) + apart.index(name)
            )  # fmt: skip
    return places


def _best(
    grouped: Grouped, data: Observations, noise: NoiseModel, options: TemplateOptions
) -> Optimum:
    """Climb from what the fullest series say alone, linear constants solved for in all."""
    form = grouped.form
    named = options.limits(form.names)
    limits = grouped.limits(named)
    given = {form.names.index(name): float(value) for name, value in options.start.items()}
    generator, _ = as_generator(options.rng)
    straight = [
        place for place in linear_constants(form.model, len(form.names), data.columns)
        if place not in given
    ]  # fmt: skip
    linear = sorted({int(place) for column in straight for place in grouped.places[:, column]})
    fullest = sorted(grouped.rows, key=len, reverse=True)[:FULLEST_GROUPS]
    best: Optimum | None = None
    spread = true_values(data, noise)
    if spread is not None:
        grouped = replace(grouped, spread_member=grouped.member[spread.point])
    for rows in (np.arange(data.y.size), *fullest):
        part = Observations(data.x[:, rows], data.y[rows], data.names, data.censored[rows])
        single = _of_rows(noise, rows)
        starts = starting_points(
            form.model, part, single, named, given, options.n_starts, generator
        )
        for start in starts[:STARTS_OF_GROUP]:
            whole = np.empty(grouped.count)
            whole[grouped.places] = start
            if linear:
                with np.errstate(all="ignore"):
                    whole = solve_linear(grouped.model, whole, linear, data, noise)
            found = maximise(
                grouped.model,
                np.clip(whole, limits.low, limits.high),
                data,
                noise,
                limits,
                spread,
                grouped.blocks,
            )
            if found is None:
                continue
            if best is not None and abs(found.log_likelihood - best.log_likelihood) < SAME_HEIGHT:
                return best
            if best is None or found.log_likelihood > best.log_likelihood:
                best = found
    if best is None:
        raise InputError(
            f"{form.text!r} is undefined on these data wherever it was tried: give a start or "
            "bounds, or change the form."
        )
    return best


def _of_rows(noise: NoiseModel, rows: NDArray[np.int64]) -> NoiseModel:
    """Return the noise model of some of the points; errors of x do not matter for a start."""
    sd = noise.sd if noise.sd is None or np.ndim(noise.sd) == 0 else np.asarray(noise.sd)[rows]
    return NoiseModel(noise.kind, sd, {}, noise.degrees, noise.widening)


def grouped_law(
    grouped: Grouped,
    found: Optimum,
    data: Observations,
    noise: NoiseModel,
    own: Sequence[str],
    warnings: list[str],
) -> GroupedLaw:
    """Put the constants found into tables, shared and each series' own, and laws by series."""
    form = grouped.form
    sd = np.full(grouped.count, np.nan)
    if found.covariance is not None:
        sd = np.sqrt(np.maximum(np.diag(found.covariance), 0.0))
    reach = interval_factor(data.y.size, grouped.count, noise) * sd
    table = pd.DataFrame({
        "value": found.constants, "sd": sd, "low": found.constants - reach,
        "high": found.constants + reach,
    })  # fmt: skip
    shared = [name for name in form.names if name not in own]
    common = table.iloc[: len(shared)].set_axis(pd.Index(shared, name="constant"))
    places = grouped.places[:, [form.names.index(name) for name in form.names if name in own]]
    apart = [name for name in form.names if name in own]
    each = table.iloc[places.ravel()].reset_index(drop=True)
    each.insert(0, "group", [label for label in grouped.labels for _ in apart])
    each.insert(1, "constant", apart * len(grouped.labels))
    equations = {
        label: form.equation(found.constants[place])
        for label, place in zip(grouped.labels, grouped.places, strict=True)
    }
    bound = [
        name for column, name in enumerate(form.names)
        if found.at_bound[grouped.places[:, column]].any()
    ]  # fmt: skip
    if bound:
        warnings.append(f"{', '.join(bound)} stands at a bound")
    return GroupedLaw(form.text, common, each, equations, found.log_evidence, tuple(warnings))
