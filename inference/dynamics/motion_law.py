"""Ordinary differential equations from time series: terms weighed by the motions' likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count
from physlearn.inference.dynamics.motion_fit import MotionFit, Problem, build_problem
from physlearn.inference.dynamics.motion_library import default_texts, read_terms
from physlearn.inference.dynamics.motion_search import Searched, search_motion
from physlearn.inference.dynamics.motion_series import (
    MotionSeries,
    Table,
    read_series,
    smooth_paths,
)
from physlearn.inference.dynamics.motion_start import (
    Curves,
    path_columns,
    rate_of,
    undefined_terms,
    weak_rows,
)
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.expression import floats_of
from physlearn.one_thread import one_blas_thread
from physlearn.option_fields import check_fields

__all__ = ["MotionLawOptions", "discover_motion_law"]

Floats = NDArray[np.float64]

ORDERS = ("auto", "1", "2")
STEP = 0.12  # of the integration, over the time in which the motion changes
CORRELATED = 0.25
FIXED_ORDER = 3.0  # nats ahead of the other, 20 to 1


@dataclass(frozen=True)
class MotionLawOptions:
    """Settings of `discover_motion_law`.

    Attributes
    ----------
    order
        ``1``: rates of the variables; ``2``: accelerations, velocities (``v_x`` for ``x``) being
        states that were not measured; ``auto`` weighs both.
    degree
        Highest total degree of the monomials; None: 5 for one state, 3 for two, 2 up to four.
    terms
        Candidate terms as texts such as ``x*v_x`` or ``1/(d + x)**2``, in place of the default
        library; with ``order="auto"`` not allowed.
    extra_terms
        Texts beside the default library.
    constants
        Name -> starting value of constants within terms; each place where one stands is fitted on
        its own.
    angles
        Variables that are angles: sin and cos join the library.
    largest_support
        Most terms of one equation.
    n_kept
        Laws to list.
    smooth_drives
        Drives between the times: cubic; False: linear, for drives with jumps.
    stop
        Called between rounds; True ends the search with the best so far.

    Examples
    --------
    >>> MotionLawOptions(order="2", angles=("q",)).largest_support
    6
    """

    order: str = "auto"
    degree: int | None = None
    terms: Sequence[str] | None = None
    extra_terms: Sequence[str] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    angles: Sequence[str] = ()
    largest_support: int = 6
    n_kept: int = 8
    smooth_drives: bool = True
    stop: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        check_choice("order", str(self.order), ORDERS)
        check_count("largest_support", self.largest_support, 1)
        check_count("n_kept", self.n_kept, 1)
        if self.degree is not None:
            check_count("degree", self.degree, 1)
        for name in ("terms", "extra_terms", "angles"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} must be a list of texts, got {getattr(self, name)!r}.")
        if self.terms is not None and str(self.order) == "auto":
            raise InputError("order must be 1 or 2 when terms are given, got 'auto'.")
        check_fields(self)


def discover_motion_law(
    series: Table | Sequence[Table],
    *,
    time: str = "t",
    variables: Sequence[str] | None = None,
    drives: Sequence[str] = (),
    options: MotionLawOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> EquationSet | dict[str, EquationSet]:
    """Find the ordinary differential equations of time series, as weighted sets of short sums.

    A first law comes from smoothed paths in the weak form. Then the likelihood of the measurements
    themselves decides: candidate laws are integrated (multiple shooting: the series is cut into
    pieces whose starting states are fitted, and pieces are joined as far as the law predicts), and
    constants, starting states and noise are fitted together. Noise in the variables therefore does
    not bias the constants. Missing values and irregular times are no special case.

    Parameters
    ----------
    series
        A table (DataFrame, or a mapping of columns), or a list of tables that share the law; of a
        film `film_coordinates` makes one, of tracked particles `track_series` a list.
    time
        Name of the column of times; they increase within a table.
    variables
        Columns that move; None: all but the time and the drives. NaN where not measured.
    drives
        Columns that act from outside, known without noise at every time.
    options
        See `MotionLawOptions`.
    rng
        Checked, not used: the search holds no chance.

    Returns
    -------
    EquationSet or dict
        Target ``dx/dt`` or ``d2x/dt2``; for several variables a dict of targets. The weights of one
        target's laws are averaged over the near laws of the others, fitted together two by two.
        Units of a constant: those of the target over its term.

    Raises
    ------
    InputError
        For series that cannot be used, or terms that cannot be read.

    Notes
    -----
    Multiple shooting: Bock 1983, 10.1007/978-1-4684-8515-8_6; weak form: Messenger and Bortz 2021,
    10.1137/20M1343166; extended Bayesian information: Chen and Chen 2008, 10.1093/biomet/asn034.
    Noise is taken as Gaussian, independent, of one size a variable; where the residuals of the best
    law are correlated, measurements count less and a warning says so.

    Examples
    --------
    >>> t = np.linspace(0.0, 5.0, 60)
    >>> noise = 0.01 * np.random.default_rng(0).normal(size=60)
    >>> table = {"t": t, "x": 2.0 * np.exp(-0.7 * t) + noise}
    >>> laws = discover_motion_law(table, options=MotionLawOptions(order="1", degree=3))
    >>> [(term.program, round(term.coefficient, 1)) for term in laws.best.terms]
    [(('x',), -0.7)]
    """
    as_generator(rng)
    settings = MotionLawOptions() if options is None else options
    if not isinstance(settings, MotionLawOptions):
        raise InputError(f"options must be a MotionLawOptions, got {type(options).__name__}.")
    read = read_series(series, time, variables, drives)
    unknown = set(settings.angles) - set(read.variables)
    if unknown:
        raise InputError(f"angles must be variables of the series, got {sorted(unknown)[0]!r}.")
    curves = smooth_paths(read)
    orders = (1, 2) if str(settings.order) == "auto" else (int(settings.order),)
    with one_blas_thread():
        searched = [_search(read, curves, order == 2, settings) for order in orders]
    share = max(found.share for found in searched)
    best = min(searched, key=lambda found: found.length(found.best, share))
    remarks = _remarks(best)
    if len(searched) > 1:
        other = next(found for found in searched if found is not best)
        ahead = other.length(other.best, share) - best.length(best.best, share)
        remarks.append(_said_of_order(2 if best.problem.second else 1, ahead))
    found = dict(
        _equation_set(best, curves, target, settings, tuple(remarks))
        for target in range(len(read.variables))
    )
    return found if len(found) > 1 else next(iter(found.values()))


def _said_of_order(order: int, ahead: float) -> str:
    """Say which order was taken, and whether it is fixed."""
    if ahead < FIXED_ORDER:
        return (
            f"the order of the law is not fixed: order {order} was taken, the other lies only "
            f"{ahead:.1f} nats behind; weights and verdict are given order {order}"
        )
    return f"order {order} was taken; the other lies {ahead:.0f} nats behind"


def _search(
    series: MotionSeries, curves: Curves, second: bool, settings: MotionLawOptions
) -> Searched:
    velocities = tuple(f"v_{name}" for name in series.variables) if second else ()
    states = (*series.variables, *velocities)
    columns = (*states, *series.drive_names)
    if len(set(columns)) != len(columns):
        raise InputError("columns named like a velocity (v_x for x) must be renamed.")
    texts = settings.terms
    if texts is None:
        texts = default_texts(states, series.drive_names, settings.angles, settings.degree)
    wanted = [*texts, *settings.extra_terms]
    programs = read_terms(wanted, columns, settings.constants)
    undefined = undefined_terms(series, curves, programs, columns, second)
    if undefined:
        raise InputError(
            f"terms must have a value all along the motion; {wanted[undefined[0]]!r} has none "
            "somewhere: leave it out, or shift its argument."
        )
    if np.isfinite(series.values).sum() < 2 * len(programs):
        raise InputError(
            f"series hold {np.isfinite(series.values).sum()} measurements, fewer than twice the "
            f"{len(programs)} candidate terms: measure more, or give fewer terms."
        )
    rate = rate_of(series, curves)
    scales = np.concatenate([series.spread, series.spread * rate if second else []])
    problem = build_problem(
        series, programs, second, columns, scales, STEP / rate, settings.smooth_drives
    )
    rows = weak_rows(problem, curves, rate, settings.smooth_drives)
    return search_motion(
        problem, curves, rows, rate, settings.largest_support, settings.n_kept,
        settings.smooth_drives, settings.stop,
    )  # fmt: skip


def _remarks(found: Searched) -> list[str]:
    pieces = len(found.best.starts) - 1
    n_series = len(found.problem.series.first) - 1
    remarks = []
    if found.loses_the_motion:
        remarks.append(
            f"the best law loses the motion: it had to be started {pieces} times in {n_series} "
            "series (random forcing, or a term that lacks); each piece counts as one measurement"
        )
    elif pieces > n_series:
        remarks.append(
            f"the motion is chaotic: the best law was followed over {pieces} pieces of "
            f"{n_series} series"
        )
    if found.correlation > CORRELATED:
        remarks.append(
            f"neighbouring residuals of the best law correlate by {found.correlation:.2f}: "
            "something else drives the motion (random forcing, a term that lacks), or the noise "
            "lasts; measurements are counted accordingly"
        )
    if found.stopped:
        remarks.append("the search was stopped before its end")
    return remarks


def _equation_set(
    found: Searched, curves: Curves, target: int, settings: MotionLawOptions,
    remarks: tuple[str, ...],
) -> tuple[str, EquationSet]:  # fmt: skip
    problem, series = found.problem, found.problem.series
    laws = sorted(found.laws[target].values(), key=lambda fit: found.marginal_length(fit, target))
    bare = [fit for fit in laws[settings.n_kept :] if _is_bare(problem, fit.support[target])]
    equations = tuple(_equation(found, fit, target) for fit in [*laws[: settings.n_kept], *bare])
    columns = [
        np.concatenate(parts)
        for parts in zip(
            *[
                path_columns(series, curves, place, series.times[begin:end], problem.second,
                             settings.smooth_drives)
                for place, (begin, end) in enumerate(
                    zip(series.first[:-1], series.first[1:], strict=True))
            ],
            strict=True,
        )
    ]  # fmt: skip
    ranges = np.array([[c.min(), c.max()] for c in columns])
    name = series.variables[target]
    label = f"d2{name}/dt2" if problem.second else f"d{name}/dt"
    noise = math.sqrt(_mean_square(problem, found.best, target))
    return label, EquationSet(equations, problem.columns, label, ranges, noise, remarks)


def _is_bare(problem: Problem, places: tuple[int, ...]) -> bool:
    return all(problem.programs[k] == (1,) for k in places)


def _mean_square(problem: Problem, fit: MotionFit, target: int) -> float:
    return float(np.nanmean((problem.series.values[:, target] - fit.paths[:, target]) ** 2))


def _equation(found: Searched, fit: MotionFit, target: int) -> Equation:
    """Take one variable's law out of the fit of all."""
    problem = found.problem
    before = sum(len(places) for places in fit.support[:target])
    spot = sum(len(floats_of(problem.programs[k])) for p in fit.support[:target] for k in p)
    terms, order = [], []
    for number, k in enumerate(fit.support[target]):
        program = problem.programs[k]
        count = len(floats_of(program))
        values = iter(fit.inner[spot : spot + count])
        filled = tuple(float(next(values)) if isinstance(t, float) else t for t in program)
        terms.append(Term(float(fit.coefficients[before + number]), filled))
        order += [before + number, *(len(fit.coefficients) + spot + np.arange(count)).tolist()]
        spot += count
    loss = _mean_square(problem, fit, target)
    length = found.marginal_length(fit, target)
    if not terms:
        return Equation((Term(0, (1,)),), loss, length, 0, None, -length, math.sqrt(loss))
    size = np.sqrt(np.maximum(np.diag(fit.normal.gram), 1e-300))
    inverse = np.linalg.pinv(fit.normal.gram / size[:, None] / size[None], rcond=1e-13)
    n = int(np.isfinite(problem.series.values).sum())
    spent = fit.states.size + len(fit.coefficients) + len(fit.inner)
    # The noise was put at its most likely value, which is too small by what the fit has spent
    widened = n / max(n - spent, 1) / found.share
    covariance = widened * (inverse / size[:, None] / size[None])[np.ix_(order, order)]
    return Equation(
        tuple(terms), loss, length, len(order), 0.5 * (covariance + covariance.T), -length,
        math.sqrt(loss),
    )  # fmt: skip
