"""Columns of any kind as scores and basis functions: two values, levels, counts, continuous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special, stats

from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import InputError, check_choice

KINDS = ("binary", "ordinal", "categorical", "count", "continuous")
FEW_LEVELS = 12
"""A column of at most so many whole numbers holds levels; which are in order unless told."""
RARE_LEVEL = 10
"""A level seen in fewer rows is joined to its neighbour."""
HEAVY_TAILS = 3.0
"""From this excess kurtosis on normal scores stand for the values."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedColumn:
    """One column, ready to be tested or held fixed.

    Attributes
    ----------
    kind
        "binary", "ordinal", "categorical", "count" or "continuous".
    ordered
        Whether the first score is a direction (all but categorical columns).
    scores
        Functions of the column, shape (n, n_scores), mean 0 and variance 1: the value itself, its
        normal score where its tails are heavy, or contrasts of levels, their order first.
    codes, contrasts
        Level of each row (n,), and the scores of each level (n_levels, n_scores); None for counts
        and continuous columns.
    counts
        The values where they are counts, else None.
    """

    kind: str
    ordered: bool
    scores: Floats
    codes: Integers | None = None
    contrasts: Floats | None = None
    counts: Floats | None = None
    _splines: dict[int, Floats] = field(default_factory=dict)

    @property
    def n_levels(self) -> int:
        """Number of levels, 0 for a column without."""
        return 0 if self.contrasts is None else len(self.contrasts)

    @property
    def step(self) -> float:
        """Step of the first score of a column of two values, else 0."""
        if self.contrasts is None or len(self.contrasts) != 2:
            return 0.0
        return float(np.ptp(self.contrasts[:, 0]))

    def splines(self, n_functions: int) -> Floats:
        """Return natural cubic splines (n, <= n_functions) of a column without levels."""
        if n_functions not in self._splines:
            self._splines[n_functions] = natural_splines(self.scores[:, 0], n_functions)
        return self._splines[n_functions]

    @property
    def rarest(self) -> float:
        """Share of the rows at the rarest level, 1 for a column without levels."""
        return 1.0 if self.codes is None else float(np.bincount(self.codes).min() / len(self.codes))


def column_kind(values: Floats) -> str:
    """Return the kind of a column as its values show it.

    Two values are binary; up to 12 equal steps (not all taken), each many times, are levels in
    order, whatever the unit and the origin; more whole numbers from 0 on, many times each, are
    counts; all else is continuous. Only you know that levels are in no order (categorical).

    Examples
    --------
    >>> column_kind(np.array([0.0, 1.0, 1.0])), column_kind(np.array([0.2, 0.5, 1.7]))
    ('binary', 'continuous')
    """
    levels = np.unique(values)
    if len(levels) <= 2:
        return "binary"
    if len(levels) <= FEW_LEVELS and len(levels) <= len(values) / 3 and _equal_steps(levels):
        return "ordinal"
    if not np.array_equal(levels, np.rint(levels)):
        return "continuous"
    return "count" if levels[0] >= 0 and len(levels) <= len(values) / 3 else "continuous"


def _equal_steps(levels: Floats) -> bool:
    """Whether sorted levels are multiples of their smallest step, up to rounding."""
    place = (levels - levels[0]) / np.diff(levels).min()
    return bool(np.abs(place - np.rint(place)).max() < 1e-6 and place[-1] <= 10 * len(levels))


def column_kinds(
    values: Floats, names: Sequence[str], told: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the kind of each column of values (n, p); those told win.

    Raises
    ------
    InputError
        For an unknown kind, or one that the values contradict.
    """
    told = dict(told or {})
    kinds = {}
    for k, name in enumerate(names):
        kind = told.get(name)
        if kind is None:
            kinds[name] = column_kind(values[:, k])
            continue
        check_choice(f"kinds[{name!r}]", kind, KINDS)
        n_levels = len(np.unique(values[:, k]))
        if kind == "binary" and n_levels > 2:
            raise InputError(
                f"kinds[{name!r}] says binary, but the column holds {n_levels} different values."
            )
        if kind in ("ordinal", "categorical") and n_levels > max(FEW_LEVELS, len(values) // 20):
            raise InputError(
                f"kinds[{name!r}] says {kind}, but the column holds {n_levels} different values in "
                f"{len(values)} rows; join levels, or call it a count or continuous."
            )
        if kind == "count" and (values[:, k].min() < 0 or (values[:, k] % 1).any()):
            raise InputError(f"kinds[{name!r}] says count, but not all are whole numbers from 0.")
        kinds[name] = "binary" if n_levels <= 2 else kind
    return kinds


def mixed_column(values: Floats, kind: str) -> MixedColumn:
    """Return scores and basis functions of one column of values (n,)."""
    if kind in ("binary", "ordinal", "categorical"):
        return _with_levels(values, kind)
    normal = special.ndtri(stats.rankdata(values) / (len(values) + 1.0))
    plain = (values - values.mean()) / values.std()
    heavy = float((plain**4).mean()) - 3.0 > HEAVY_TAILS
    direct = _unit(normal) if heavy else plain
    return MixedColumn(
        kind,
        True,
        direct[:, None],
        counts=values if kind == "count" and not heavy else None,
    )


def natural_splines(values: Floats, n_functions: int) -> Floats:
    """Return natural cubic splines of values (n,), the values first, shape (n, <= n_functions).

    They are straight beyond the outer knots, so that no far row is given a wild value
    (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 5.2.1).

    Examples
    --------
    >>> natural_splines(np.arange(20.0), 3).shape
    (20, 3)
    """
    knots = np.unique(np.quantile(values, np.linspace(0.03, 0.97, n_functions + 1)))
    functions = [values]
    if len(knots) >= 3:
        cubes = np.maximum(values[:, None] - knots, 0.0) ** 3
        slopes = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
        functions += list((slopes[:, :-1] - slopes[:, -1:]).T)
    basis = np.stack(functions, axis=1)
    basis -= basis.mean(axis=0)
    basis = basis[:, (basis**2).sum(axis=0) > 1e-14 * max(float((basis[:, 0] ** 2).sum()), 1e-300)]
    basis = basis / np.sqrt((basis**2).mean(axis=0))
    # each less those before it: the second is then the bend, and none is nearly another
    gram = basis.T @ basis / len(basis)
    lower = np.linalg.cholesky(gram + 1e-9 * np.eye(len(gram)))
    return np.ascontiguousarray(np.linalg.solve(lower, basis.T).T)


def _unit(values: Floats) -> Floats:
    centred = values - values.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-300), dtype=np.float64)


def _with_levels(values: Floats, kind: str) -> MixedColumn:
    levels, codes = np.unique(values, return_inverse=True)
    codes, places = _joined(codes.astype(np.int64), levels, ordered=kind != "categorical")
    share = np.bincount(codes) / len(codes)
    if kind == "categorical":
        functions = np.eye(len(share))[:, :-1]
    else:
        # the order, its bend and the cubic; of five levels and fewer all contrasts
        scaled = (places - places @ share) / np.sqrt(share @ (places - places @ share) ** 2)
        functions = scaled[:, None] ** np.arange(1, min(len(share), 5 if len(share) <= 5 else 4))
    root = np.sqrt(share)[:, None]
    frame = root * np.column_stack([np.ones(len(share)), functions])
    left, right = np.linalg.qr(frame)
    contrasts = (left / root)[:, 1:] * np.sign(np.diag(right)[1:])
    return MixedColumn(
        kind if len(share) > 2 else "binary",
        kind != "categorical" or len(share) == 2,
        np.ascontiguousarray(contrasts[codes]),
        codes=codes,
        contrasts=np.ascontiguousarray(contrasts),
    )


def _joined(codes: Integers, places: Floats, *, ordered: bool) -> tuple[Integers, Floats]:
    """Return codes and places of levels, rare ones joined to a neighbour, while 3 are left."""
    places = np.asarray(places, dtype=np.float64)
    while True:
        counts = np.bincount(codes, minlength=len(places))
        rare = int(np.argmin(counts))
        if counts[rare] >= RARE_LEVEL or len(places) <= 2:
            return codes, places
        if ordered:
            beside = [k for k in (rare - 1, rare + 1) if 0 <= k < len(places)]
            into = min(beside, key=lambda k: counts[k])
        else:
            into = int(np.argsort(counts, kind="stable")[1])
        both = counts[[rare, into]]
        places[into] = float(both @ places[[rare, into]]) / max(int(both.sum()), 1)
        codes = np.where(codes == rare, into, codes)
        codes = codes - (codes > rare)
        places = np.delete(places, rare)
