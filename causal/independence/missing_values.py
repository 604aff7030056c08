"""Tables with gaps: complete rows, or several tables with the gaps drawn from the other columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial import cKDTree

from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.causal.spatial_test import IndependenceResult, spatial_independence
from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.records import PatchTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["complete_table", "imputed_tables", "pooled_independence"]

FEWEST_ROWS = 30
MANY_GAPS = 0.4
DONORS = 5
"""A gap takes the value of one of so many rows of nearest prediction."""
NEIGHBOURS = 8
SWEEPS = 8
RIDGE = 1e-3


def complete_table(
    frame: pd.DataFrame,
    centers: ArrayLike | None,
    patch_size: float = 1.0,
    *,
    how: str = "rows",
    rng: int | np.random.Generator | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> PatchTable:
    """Return the patch table of a frame with gaps (NaN); its warnings say what became of them.

    Parameters
    ----------
    frame
        Descriptors, numbers or NaN, shape (n, n_columns).
    centers
        Patch centres x, y, shape (n, 2); None for rows without places (`PatchTable.from_rows`).
    patch_size
        Edge of a patch.
    how
        "rows": rows with a gap are left out, right where gaps have nothing to do with what the
        row would show given the other columns. "impute": gaps are drawn once from the other
        columns and the neighbours (`imputed_tables` draws several times, so that what the gaps
        leave unknown can be counted).
    rng
        Seed of the draws.
    attributes
        Further attributes of the `PatchTable` by name: unit, units, tiers...

    Raises
    ------
    InputError
        For columns without any value, or that are no numbers.
    NotIdentified
        For fewer than 30 complete rows.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"a": np.arange(40.0), "b": [np.nan, *np.arange(39.0)]})
    >>> table = complete_table(frame, None)
    >>> table.n_patches, table.selection
    (39, '39 of 40 rows, those without gaps')
    """
    check_choice("how", how, ("rows", "impute"))
    check_positive("patch_size", patch_size)
    if how == "impute":
        return imputed_tables(
            frame, centers, patch_size, n_imputations=1, rng=rng, attributes=attributes
        )[0]
    values, names = _numbers(frame)
    complete = ~np.isnan(values).any(axis=1)
    if complete.all():
        return _table(values, names, centers, patch_size, attributes, ())
    kept = int(complete.sum())
    if kept < FEWEST_ROWS:
        share = np.isnan(values).mean(axis=0)
        worst = int(np.argmax(share))
        raise NotIdentified(
            f"only {kept} of {len(values)} rows have no gap; at least {FEWEST_ROWS} are needed: "
            f'leave out column {names[worst]!r} ({share[worst]:.0%} gaps), or use how="impute".'
        )
    note = (
        f"{len(values) - kept} of {len(values)} rows with gaps ({_gap_words(values, names)}) were "
        "left out: right only if a gap has nothing to do with what the row would have shown."
    )
    filled = np.where(np.isnan(values), 0.0, values)
    whole = _table(filled, names, centers, patch_size, attributes, (note,))
    return whole.take(complete, selection=f"{kept} of {len(values)} rows, those without gaps")


def imputed_tables(
    frame: pd.DataFrame,
    centers: ArrayLike | None,
    patch_size: float = 1.0,
    *,
    n_imputations: int = 5,
    rng: int | np.random.Generator | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> tuple[PatchTable, ...]:
    """Return several patch tables of a frame with gaps, the gaps drawn by chained regressions.

    Each column with gaps is regressed in turn on all other columns, their squares, the place, and
    the mean of its eight nearest neighbours; coefficients are drawn from their posterior, and a
    gap takes the value of one of the five rows with the nearest prediction, so that levels stay
    levels and counts counts.

    Parameters
    ----------
    frame, centers, patch_size, rng, attributes
        As in `complete_table`.
    n_imputations
        Number of tables.

    Raises
    ------
    InputError
        For columns without any value, or that are no numbers.
    NotIdentified
        For a column with fewer than 30 values.

    Notes
    -----
    Chained equations and predictive mean matching: van Buuren and Groothuis-Oudshoorn,
    doi:10.18637/jss.v045.i03. Right where gaps depend only on what other columns show (missing at
    random).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"a": np.arange(40.0), "b": [np.nan, *np.arange(39.0)]})
    >>> [float(table.frame["b"][0]) < 8 for table in imputed_tables(frame, None, rng=0)]
    [True, True, True, True, True]
    """
    check_count("n_imputations", n_imputations, 1)
    check_positive("patch_size", patch_size)
    values, names = _numbers(frame)
    gaps = np.isnan(values)
    seen = (~gaps).sum(axis=0)
    least = int(np.argmin(seen))
    if seen[least] < FEWEST_ROWS:
        raise NotIdentified(
            f"column {names[least]!r} holds {seen[least]} values; at least {FEWEST_ROWS} are "
            "needed to draw its gaps: leave it out."
        )
    if not gaps.any():
        return (_table(values, names, centers, patch_size, attributes, ()),) * n_imputations
    generator, seed = as_generator(rng)
    places, near = _neighbours(centers, len(values))
    tables = []
    for number in range(n_imputations):
        filled = _drawn(values, gaps, places, near, generator)
        note = (
            f"gaps ({_gap_words(values, names)}) were drawn from the other columns"
            f"{'' if near is None else ' and the neighbours'}: table {number + 1} of "
            f"{n_imputations}, seed {seed}; right only if a gap depends on nothing but what the "
            "other columns show"
            + ("." if n_imputations > 1 else ", and surer than it is: imputed_tables draws more.")
        )
        heavy = [names[k] for k in np.flatnonzero(gaps.mean(axis=0) > MANY_GAPS)]
        notes = [note]
        if heavy:
            notes.append(f"column(s) {', '.join(heavy)}: more than {MANY_GAPS:.0%} were drawn.")
        tables.append(_table(filled, names, centers, patch_size, attributes, notes))
    return tuple(tables)


def pooled_independence(
    tables: Sequence[PatchTable],
    x: str,
    y: str,
    given: Sequence[str] = (),
    *,
    test: str = "auto",
    alpha: float = 0.05,
) -> IndependenceResult:
    """Test two columns on several imputed tables, with what the gaps leave unknown counted.

    Partial correlations are averaged; their variance is that within a table plus that between
    tables (Rubin's rules). The median score of the tables, lowered by what the latter adds,
    decides.

    Parameters
    ----------
    tables
        What `imputed_tables` returned.
    x, y, given
        Column names.
    test, alpha
        As in `spatial_independence`.

    Raises
    ------
    InputError
        For fewer than 2 tables.

    Notes
    -----
    Rubin, Multiple Imputation for Nonresponse in Surveys (Wiley, 1987), section 3.1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> a = rng.normal(size=400)
    >>> frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=400)})
    >>> frame.loc[:40, "b"] = np.nan
    >>> pooled_independence(imputed_tables(frame, None, rng=0), "a", "b", test="mixed").verdict
    'dependent'
    """
    if len(tables) < 2:
        raise InputError(f"tables must hold at least 2 imputed tables, got {len(tables)}.")
    results = [spatial_independence(t, x, y, given, test=test, alpha=alpha) for t in tables]
    without = [r for r in results if not np.isfinite(r.partial_correlation)]
    return without[0] if without else _pooled(results, alpha)


def _pooled(results: Sequence[IndependenceResult], alpha: float) -> IndependenceResult:
    """Return what the results of imputed tables say together."""
    m = len(results)
    p_values = np.array([r.p_value for r in results])
    turned = np.arctanh(np.clip([r.partial_correlation for r in results], -0.999999, 0.999999))
    within = float(np.mean([1.0 / max(r.n_effective - 3.0, 1.0) for r in results]))
    between = (1.0 + 1.0 / m) * float(np.var(turned, ddof=1))
    variance = within + between
    # what the gaps leave unknown weakens every score of a single table alike
    scores = stats.norm.isf(np.clip(p_values, 1e-300, 1.0) / 2.0) * np.sqrt(within / variance)
    p_value = float(2.0 * stats.norm.sf(np.median(scores)))
    typical = results[int(np.argsort(p_values)[m // 2])]
    verdict, reason = typical.verdict, typical.reason
    if verdict == "dependent" and p_value >= alpha:
        verdict = "undecided"
        reason = (
            f"the tables with drawn gaps do not agree (p {p_values.min():.2g} to "
            f"{p_values.max():.2g}); fewer gaps would decide"
        )
    return replace(
        typical,
        verdict=verdict,
        p_value=p_value,
        p_value_envelope=max(p_value, typical.p_value_envelope),
        partial_correlation=float(np.tanh(turned.mean())),
        n_effective=1.0 / variance + 3.0,
        detectable=typical.detectable * float(np.sqrt(variance / within)),
        reason=reason,
    )


def _numbers(frame: pd.DataFrame) -> tuple[Floats, list[str]]:
    """Return values (n, p) and names; refuse texts and columns without any value."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"frame must be a pandas DataFrame; got {type(frame).__name__}.")
    names = [str(name) for name in frame.columns]
    columns = []
    for k, name in enumerate(names):
        try:
            columns.append(frame.iloc[:, k].to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError):
            raise InputError(
                f"frame must hold numbers; column {name!r} holds {frame.dtypes.iloc[k]}: code its "
                "levels as whole numbers, or leave it out."
            ) from None
    values = np.stack(columns, axis=1)
    empty = [
        repr(name) for name, none in zip(names, np.isnan(values).all(axis=0), strict=True) if none
    ]
    if empty:
        raise InputError(
            f"column(s) {', '.join(empty)} of frame hold no value at all; leave them out."
        )
    return values, names


def _table(
    values: Floats,
    names: Sequence[str],
    centers: ArrayLike | None,
    patch_size: float,
    attributes: Mapping[str, Any] | None,
    notes: Sequence[str],
) -> PatchTable:
    import pandas as pd

    frame = pd.DataFrame(values, columns=list(names))
    more = dict(attributes or {})
    more["warnings"] = (*more.get("warnings", ()), *notes)
    if centers is None:
        return PatchTable.from_rows(frame, **more)
    return PatchTable.from_frame(frame, centers, patch_size, **more)


def _gap_words(values: Floats, names: Sequence[str]) -> str:
    share = np.isnan(values).mean(axis=0)
    return ", ".join(f"{names[k]} {share[k]:.1%}" for k in map(int, np.flatnonzero(share)))


def _neighbours(centers: ArrayLike | None, n: int) -> tuple[Floats, Integers | None]:
    """Return places (n, 2 or 0) and the nearest rows (n, 8) of each row."""
    if centers is None:
        return np.zeros((n, 0)), None
    places = np.asarray(centers, dtype=np.float64)
    near = np.asarray(cKDTree(places).query(places, k=min(NEIGHBOURS + 1, n))[1])[:, 1:]
    size = places.std(axis=0)
    return (places - places.mean(axis=0)) / np.where(size > 0, size, 1.0), np.asarray(
        near, np.int64
    )


def _drawn(
    values: Floats,
    gaps: np.ndarray,
    places: Floats,
    near: Integers | None,
    rng: np.random.Generator,
) -> Floats:
    """Return the values (n, p) with every gap drawn."""
    center, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    filled = (values - center) / np.where(spread > 0, spread, 1.0)
    with_gaps = [int(k) for k in np.argsort(gaps.sum(axis=0), kind="stable") if gaps[:, k].any()]
    for k in with_gaps:
        filled[gaps[:, k], k] = rng.choice(filled[~gaps[:, k], k], int(gaps[:, k].sum()))
    chosen = values.copy()
    for _ in range(SWEEPS if len(with_gaps) > 1 or near is not None else 1):
        for k in with_gaps:
            others = np.delete(filled, k, axis=1)
            terms = [np.ones((len(values), 1)), others, np.clip(others, -4, 4) ** 2 - 1.0, places]
            if near is not None:
                terms.append(filled[near, k].mean(axis=1, keepdims=True))
            donors = _donors(np.concatenate(terms, axis=1), filled[:, k], gaps[:, k], rng)
            filled[gaps[:, k], k] = filled[donors, k]
            chosen[gaps[:, k], k] = values[donors, k]
    return chosen


def _donors(design: Floats, target: Floats, gap: np.ndarray, rng: np.random.Generator) -> Integers:
    """Return for each gap a row whose value it takes: one of the nearest by prediction."""
    seen = np.flatnonzero(~gap)
    rows = design[seen]
    inverse = np.linalg.inv(rows.T @ rows + RIDGE * len(seen) * np.eye(design.shape[1]))
    weights = inverse @ (rows.T @ target[seen])
    left = target[seen] - rows @ weights
    freedom = max(len(seen) - design.shape[1], 2)
    scatter = np.sqrt(float(left @ left) / float(rng.chisquare(freedom)))
    root = np.linalg.cholesky(inverse + 1e-14 * np.eye(len(inverse)))
    drawn = weights + scatter * (root @ rng.standard_normal(len(weights)))
    # predictions of the seen rows by the fit, of the gaps by the draw: gaps are then not too sure
    order = np.argsort(rows @ weights, kind="stable")
    predicted = (rows @ weights)[order]
    reach = min(DONORS, len(seen))
    start = np.searchsorted(predicted, design[gap] @ drawn) - reach // 2
    start = np.clip(start, 0, len(seen) - reach)
    return np.asarray(seen[order[start + rng.integers(0, reach, len(start))]], dtype=np.int64)
