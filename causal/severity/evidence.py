"""What the shots say so far: for every member of every hypothesis and every declared deviation."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.actions import strict_number
from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.deviation_classes import (
    DeviationClass,
    deviation_classes,
    region_mask,
)
from physlearn.causal.severity.evidence_kernels import add_shot, log_mean_likelihood
from physlearn.causal.severity.history import History
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, as_generator
from physlearn.records.storage import html_table, short_repr

__all__ = ["Evidence", "SeverityTest", "declare_test", "follow"]

Singles = NDArray[np.float32]

NONE_SIZES = (1.0, 2.0, 4.0)
"""Multiples of the declared deviations that stand for "none of these"."""
LEVEL_SD = 100.0
"""Prior sd of the reference readout, in noise sd around its first reading: as good as flat."""


@dataclass(frozen=True, slots=True, eq=False)
class SeverityTest:
    """A declared test: table, options, and the deviations drawn for every hypothesis.

    Attributes
    ----------
    table, options
        What was declared.
    classes
        One tuple of deviation classes a hypothesis.
    columns
        One array (n_actions, n_members) a hypothesis: the table's members, by action.
    n_directions
        Directions in which each hypothesis can move: its parameters that the region can tell.
    region
        bool, (n_actions,).
    seed
        Seed that the deviations were drawn with.
    digest
        sha256 of table, options and seed: goes into the plan before the first shot.
    """

    table: DesignTable
    options: SeverityOptions
    classes: tuple[tuple[DeviationClass, ...], ...]
    columns: tuple[Floats, ...]
    n_directions: tuple[int, ...]
    region: NDArray[np.bool_]
    seed: int
    digest: str

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What the shots say about one hypothesis and its deviations."""

    squares: Floats
    log_scale: float
    products: tuple[Singles, ...]
    deviation_squares: tuple[Singles, ...]
    factor: Floats
    residuals: Floats
    deviations: tuple[Singles, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the shots say so far; `after` returns the evidence with one shot more.

    Attributes
    ----------
    test
        The declared test.
    history
        The shots.
    parts
        One a hypothesis: sums over the shots.
    n_counted
        Shots that count in the likelihood.
    """

    test: SeverityTest
    history: History
    parts: tuple[Part, ...]
    n_counted: int = 0

    __repr__ = short_repr
    _repr_html_ = html_table

    def after(
        self,
        action_index: int,
        readout: float,
        *,
        time_s: float | None = None,
        reference: bool = False,
        expected: Sequence[Floats] | None = None,
        noise_sd: float | None = None,
    ) -> Evidence:
        """Return the evidence with one more shot.

        Parameters
        ----------
        action_index, readout
            The act and what was read; the act nearest to what was done when it was missed.
        time_s, reference
            As in `History`.
        expected
            What the members of every hypothesis expect of what was done in fact, an array
            (n_members,) each; those of the act when None. Deviations stay those of the act.
        noise_sd
            Of this readout; that of the act when None.
        """
        if not 0 <= action_index < self.test.table.n_actions:
            raise InputError(
                f"action_index must be from 0 to {self.test.table.n_actions - 1}; "
                f"got {action_index!r}."
            )
        if noise_sd is not None:
            strict_number("noise_sd", noise_sd, above=0)
        if expected is not None:
            _check_expected(self.test, expected)
        history = self.history.after(action_index, readout, time_s, reference)
        drifting = self.test.options.drift_sd > 0
        if reference and not drifting:
            return Evidence(self.test, history, self.parts, self.n_counted)
        parts = tuple(
            _added(self, k, history, None if expected is None else expected[k], noise_sd)
            for k in range(len(self.parts))
        )
        return Evidence(self.test, history, parts, self.n_counted + 1)

    def log_likelihood(self, hypothesis: int) -> Floats:
        """Return the log likelihood of every member, (n_members,), less what all share."""
        squares, dof = self.parts[hypothesis].squares, self.test.options.dof
        if math.isinf(dof):
            return np.asarray(-0.5 * squares)
        return np.asarray(-0.5 * (dof + self.n_counted) * np.log1p(squares / dof))

    def log_marginal(self) -> Floats:
        """Return the log marginal likelihood of every hypothesis, (n_hypotheses,)."""
        return np.array(
            [
                _log_mean_exp(self.log_likelihood(k)) - part.log_scale
                for k, part in enumerate(self.parts)
            ]
        )

    def weights(self) -> Floats:
        """Return the posterior weights of the hypotheses, (n_hypotheses,)."""
        with np.errstate(divide="ignore"):
            joint = np.log(self.test.table.prior) + self.log_marginal()
        share = np.exp(joint - joint.max())
        return np.asarray(share / share.sum())

    def member_weights(self, hypothesis: int) -> Floats:
        """Return the posterior weights of the members of one hypothesis."""
        logs = self.log_likelihood(hypothesis)
        share = np.exp(logs - logs.max())
        return np.asarray(share / share.sum())

    def log_class_marginal(
        self, hypothesis: int, sizes: tuple[float, ...] = (1.0,)
    ) -> NDArray[np.float64]:
        """Return log marginal likelihoods of the deviation classes, (n_classes, n_sizes).

        ``sizes`` are multiples of the declared size.
        """
        part = self.parts[hypothesis]
        result = np.empty((len(part.products), len(sizes)))
        for c, declared in enumerate(self.test.classes[hypothesis]):
            log_mean_likelihood(
                part.squares, declared.member, part.products[c], part.deviation_squares[c],
                declared.size * np.asarray(sizes, dtype=np.float64), self.test.options.dof,
                self.n_counted, result[c],
            )  # fmt: skip
        return result - part.log_scale

    def log_e_values(self, hypothesis: int, size: float = 1.0) -> Floats:
        """Return log evidence of a hypothesis against each of its deviation classes.

        Under the class, the ratio of marginal likelihoods is a nonnegative martingale that
        starts at 1: it ever reaches B with probability at most 1 / B, however the shots are
        chosen and whenever one stops (Ville).
        """
        own = self.log_marginal()[hypothesis]
        return np.asarray(own - self.log_class_marginal(hypothesis, (size,))[:, 0])

    def log_none(self) -> float:
        """Return log evidence of "none of these" against all hypotheses together.

        "None of these" is the average of all declared deviations of all hypotheses at 1, 2 and 4
        times the declared size.
        """
        with np.errstate(divide="ignore"):
            log_prior = np.log(self.test.table.prior)
        named = log_prior + self.log_marginal()
        none = [
            log_prior[k] + _log_mean_exp(self.log_class_marginal(k, NONE_SIZES).ravel())
            for k in range(len(self.parts))
        ]
        return float(_log_sum_exp(np.array(none)) - _log_sum_exp(named))

    def noise_scale(self, hypothesis: int) -> float:
        """Return the noise of the readouts over the stated one: 1 when it is known."""
        dof = self.test.options.dof
        if math.isinf(dof):
            return 1.0
        squares = float(self.member_weights(hypothesis) @ self.parts[hypothesis].squares)
        return math.sqrt((dof + squares) / (dof + self.n_counted))


def declare_test(
    table: DesignTable,
    options: SeverityOptions | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> SeverityTest:
    """Declare, before the first shot, what a claim must have evidence against.

    Parameters
    ----------
    table
        Expected readouts of the hypotheses.
    options
        Region, deviations, evidence; defaults when None.
    rng
        Seed of the drawn deviations: the same table, options and seed give the same test.

    Raises
    ------
    InputError
        When the region holds actions that the table has not, or a hypothesis can take up every
        deviation there.

    Examples
    --------
    >>> x = np.linspace(0, 1, 12)
    >>> slopes = np.random.default_rng(0).normal(size=(200, 1))
    >>> table = DesignTable(("linear",), (slopes * x,), 0.1 * np.ones(12), x)
    >>> test = declare_test(table, rng=0)
    >>> [c.kind for c in test.classes[0]], test.n_directions
    (['smooth', 'local'], (1,))
    """
    if not isinstance(table, DesignTable):
        raise InputError(f"table must be a DesignTable; got {type(table).__name__}.")
    declared = SeverityOptions() if options is None else options
    if not isinstance(declared, SeverityOptions):
        raise InputError(f"options must be SeverityOptions; got {type(declared).__name__}.")
    _, seed = as_generator(rng)
    streams = np.random.SeedSequence(seed).spawn(len(table.hypotheses))
    drawn = [
        deviation_classes(table, k, declared, np.random.default_rng(stream))
        for k, stream in enumerate(streams)
    ]
    return SeverityTest(
        table,
        declared,
        tuple(classes for classes, _ in drawn),
        tuple(np.ascontiguousarray(members.T) for members in table.members),
        tuple(rank for _, rank in drawn),
        region_mask(table, declared),
        seed,
        _digest(table, declared, seed),
    )


def follow(test: SeverityTest, history: History | None = None) -> Evidence:
    """Return the evidence of the shots in a history, the prior when it is None.

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> table = DesignTable(("flat", "line"), (0 * x[None], x[None]), 0.2, x)
    >>> evidence = follow(declare_test(table, rng=0), History([8, 4], [0.9, 0.6]))
    >>> evidence.weights().round(3).tolist()
    [0.0, 1.0]
    """
    parts = tuple(_empty(test, k) for k in range(len(test.table.hypotheses)))
    evidence = Evidence(test, History(), parts)
    if history is not None:
        for j, y, t, mark in zip(
            history.action_index, history.readout, history.time_s, history.reference, strict=True
        ):
            evidence = evidence.after(int(j), float(y), time_s=float(t), reference=bool(mark))
    return evidence


def drift_covariance(options: SeverityOptions, first: Floats, second: Floats) -> Floats:
    """Return the covariance of the drift between times since the first shot."""
    early, late = np.maximum(first, 0.0)[:, None], np.maximum(second, 0.0)[None]
    if options.drift_kind == "steady":
        return np.asarray(options.drift_sd**2 * early * late / options.drift_time_s**2)
    return np.asarray(options.drift_sd**2 * np.minimum(early, late) / options.drift_time_s)


def _empty(test: SeverityTest, k: int) -> Part:
    zeros = tuple(np.zeros(len(c.member), dtype=np.float32) for c in test.classes[k])
    n = len(test.table.members[k])
    nothing = tuple(np.zeros((0, len(c.member)), dtype=np.float32) for c in test.classes[k])
    return Part(np.zeros(n), 0.0, zeros, zeros, np.zeros((0, 0)), np.zeros((0, n)), nothing)


def _check_expected(test: SeverityTest, expected: Sequence[Floats]) -> None:
    shapes = [(len(members),) for members in test.table.members]
    given = [np.shape(values) for values in expected]
    if given != shapes or not all(np.isfinite(values).all() for values in expected):
        raise InputError(
            f"expected must hold finite arrays of shapes {shapes}, one per hypothesis; got {given}."
        )


def _added(
    evidence: Evidence, k: int, history: History, expected: Floats | None, noise_sd: float | None
) -> Part:
    """Return the part of hypothesis k with the last shot of the history added."""
    test, part = evidence.test, evidence.parts[k]
    j, reference = int(history.action_index[-1]), bool(history.reference[-1])
    scale = float(test.table.noise_sd[k, j])
    noise = scale if noise_sd is None else noise_sd
    if reference:
        start = history.readout[history.reference][0]
        residual = np.full(len(part.squares), history.readout[-1] - start)
        shapes = [np.zeros(len(c.member), np.float32) for c in test.classes[k]]
    else:
        residual = history.readout[-1] - (test.columns[k][j] if expected is None else expected)
        shapes = [c.shape[j] * np.float32(scale) for c in test.classes[k]]
    factor, residuals, deviations = part.factor, part.residuals, part.deviations
    sd = noise
    if test.options.drift_sd > 0:
        row, sd = _factor_row(test, history, factor, noise)
        residual = residual - row @ residuals
        shapes = [s - row.astype(np.float32) @ d for s, d in zip(shapes, deviations, strict=True)]
        factor = np.block([[factor, np.zeros((len(row), 1))], [row[None], np.array([[sd]])]])
        residuals = np.vstack([residuals, residual / sd])
        deviations = tuple(
            np.vstack([d, s / np.float32(sd)]) for d, s in zip(deviations, shapes, strict=True)
        )
    residual = residual / sd
    products = tuple(p.copy() for p in part.products)
    squares = tuple(s.copy() for s in part.deviation_squares)
    for c, declared in enumerate(test.classes[k]):
        shape = (shapes[c] / np.float32(sd)).astype(np.float32)
        add_shot(residual, declared.member, shape, products[c], squares[c])
    return Part(
        part.squares + residual**2, part.log_scale + math.log(sd), products, squares,
        factor, residuals, deviations,
    )  # fmt: skip


def _factor_row(
    test: SeverityTest, history: History, factor: Floats, noise: float
) -> tuple[Floats, float]:
    """Return the next row of the Cholesky factor of the shots' covariance, and its corner."""
    times, marks = history.time_s - history.time_s[0], history.reference
    covariance = drift_covariance(test.options, times[-1:], times)[0]
    if marks[-1]:
        level = test.table.noise_sd[:, history.action_index[-1]].mean()
        covariance = covariance + marks * (LEVEL_SD * level) ** 2
    covariance[-1] += noise**2
    row = np.linalg.solve(factor, covariance[:-1]) if len(factor) else np.zeros(0)
    return row, math.sqrt(float(covariance[-1] - row @ row))


def _log_sum_exp(values: Floats) -> float:
    best = float(values.max())
    return best if math.isinf(best) else best + math.log(float(np.exp(values - best).sum()))


def _log_mean_exp(values: Floats) -> float:
    return _log_sum_exp(values) - math.log(values.size)


def _digest(table: DesignTable, options: SeverityOptions, seed: int) -> str:
    found = hashlib.sha256(json.dumps([table.hypotheses, asdict(options), seed]).encode())
    for array in (*table.members, table.noise_sd, table.coordinates, table.prior):
        found.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return found.hexdigest()
