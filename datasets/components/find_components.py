"""Few patterns that stand for many columns, as many as held-out data bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.datasets.components.block_folds import BlockFolds, folds_of
from physlearn.datasets.components.factor_models import METHODS, FactorModel, factor_model
from physlearn.datasets.components.held_out import best_rank, held_out_errors, largest_rank
from physlearn.datasets.components.prepared_table import PreparedTable, prepare_table
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Components", "find_components"]

Floats = NDArray[np.float64]
COPIED = 0.999
"""Correlation of two columns above which one repeats the other."""
MOST_NAMED = 40
"""Columns up to which copies are looked for: more are a spectrum, whose neighbours are alike."""
NEGATIVE_SDS = 5.0
"""A value this many errors below 0 is no noise on a non-negative quantity."""
NEGATIVE_SHARE = 0.02
"""Share of the sum of absolute values that may lie below 0 when nobody knows the errors."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Components:
    """Patterns of columns and how much of each is in every patch: x = mean + scores @ loadings.

    Attributes
    ----------
    method
        ``pca``, ``nmf`` or ``dictionary``.
    scores
        float64 (n_patches, k): PCA in units of the measurement error (of the spread where errors
        are unknown); NMF and dictionary in units of ``loadings``.
    score_covariance
        float64 (n_patches or 1, k, k): measurement errors of the scores; None when unknown. For
        NMF and dictionaries it holds for the patterns that a patch uses, and is 0 for the others.
    loadings
        float64 (k, n_columns): patterns in the columns' units. Of NMF each sums to 1.
    mean
        float64 (n_columns,): 0 for NMF.
    explained
        float64 (k,): share of the variance (in the metric) that the first components explain
        together.
    held_out
        pandas, one row a number of components: relative error of held-out entries and the standard
        error of its difference from the least.
    columns
        Names of the columns used.
    centers
        (x, y) of the patches, or None.
    seed
        Repeats the result.
    warnings
        What was left out or doubtful.

    Examples
    --------
    >>> rows = np.outer(np.arange(60.0) % 7, [1.0, 2.0, 3.0, 4.0])
    >>> found = find_components(rows, n_components=1, rng=0)
    >>> found.scores.shape, bool(np.allclose(found.reconstruct(), rows))
    ((60, 1), True)
    """

    method: str
    scores: Floats
    score_covariance: Floats | None
    loadings: Floats
    mean: Floats
    explained: Floats
    held_out: pd.DataFrame
    columns: tuple[str, ...]
    centers: Floats | None
    seed: int
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_components(self) -> int:
        """Number of patterns."""
        return len(self.loadings)

    def reconstruct(self) -> Floats:
        """Return what the components say about each patch, shape (n_patches, n_columns)."""
        return np.asarray(self.mean + self.scores @ self.loadings)

    def to_pandas(self) -> pd.DataFrame:
        """Return places, scores and their standard errors, one row a patch."""
        import pandas as pd

        names = [f"component_{number}" for number in range(self.n_components)]
        parts = [pd.DataFrame(self.scores, columns=names)]
        if self.centers is not None:
            parts.insert(0, pd.DataFrame(self.centers, columns=["x", "y"]))
        if self.score_covariance is not None:
            sd = np.sqrt(np.einsum("nii->ni", self.score_covariance))
            sd = np.broadcast_to(sd, self.scores.shape)
            parts.append(pd.DataFrame(sd, columns=[f"{name}_sd" for name in names]))
        return pd.concat(parts, axis=1)


def find_components(
    table: PatchTable | xr.DataArray | ArrayLike,
    method: str = "pca",
    n_components: int | str = "auto",
    *,
    columns: Sequence[str] | None = None,
    errors: ArrayLike | str | None = None,
    folds: BlockFolds | None = None,
    rng: int | np.random.Generator | None = None,
) -> Components:
    """Find patterns that many patches or spectra share, and their number by held-out error.

    Columns are weighted by their measurement errors where these are known (PCA in the metric in
    which errors are uncorrelated and of variance 1), else by their spread. The number of components
    is the smallest whose held-out error is within one standard error (over blocks of space and
    time) of the least. Held out are whole blocks of patches, and of these either the second half
    of a thinned measurement (errors known: data thinning) or groups of columns
    (bi-cross-validation): an error over entries that were used for the scores would always fall.

    Parameters
    ----------
    table
        Patches; a stack of spectra (y, x, spectral); or rows (n, c).
    method
        ``pca``; ``nmf`` (non-negative: counts, spectra, concentrations); ``dictionary`` (each patch
        uses at most 2 patterns).
    n_components
        A number, or ``auto``.
    columns
        Columns of a ``PatchTable``; by default all but derived ones and those without signal.
    errors
        For stacks and arrays: ``poisson`` (counts) or standard deviations, a number, (c,) or
        (n, c). A table brings its own.
    folds
        From ``block_folds``; made here when None.
    rng
        Folds, thinning and starts.

    Returns
    -------
    Components
        Patterns, scores with errors, and the held-out error of every number tried.

    Raises
    ------
    InputError
        For constant tables, more components than columns or patches, or negative data with ``nmf``.
    NotIdentified
        When no number of components predicts held-out entries better than the mean.

    References
    ----------
    Owen and Perry, Ann. Appl. Stat. 3, 564 (2009), doi:10.1214/08-AOAS227 (bi-cross-validation).

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> rows = random.normal(size=(200, 2)) @ random.normal(size=(2, 12))
    >>> found = find_components(rows + 0.3 * random.normal(size=(200, 12)), errors=0.3, rng=0)
    >>> found.n_components
    2
    """
    check_choice("method", method, METHODS)
    model = factor_model(method)
    data = prepare_table(table, columns, errors, full_metric=model.centered)
    notes = list(data.warnings)
    if method == "nmf":
        notes += _check_sign(data)
    if not isinstance(table, xr.DataArray):
        notes += _copies(data)
    _, seed = as_generator(rng)
    splits = folds if folds is not None else folds_of(data, rng=seed)
    if len(splits.fold) != data.n:
        raise InputError(f"folds must be of this table: {len(splits.fold)} rows, not {data.n}.")
    notes += splits.warnings
    most = largest_rank(data, splits)
    with one_blas_thread():
        if n_components != "auto":
            rank = check_count("n_components", n_components, 1)
            if rank > min(data.n, len(data.columns)):
                raise InputError(
                    f"n_components must not exceed the {len(data.columns)} columns nor the "
                    f"{data.n} patches; got {rank}."
                )
            most = min(most, rank)
        patch_errors = held_out_errors(data, model, splits, most, seed)
        best, mean, se = best_rank(patch_errors, splits.block)
        if n_components == "auto":
            rank = max(best, 0 if model.centered else 1)
            if rank == 0:
                raise NotIdentified(
                    "no component predicts held-out entries better than the column means: the "
                    "columns share nothing beyond their noise; give n_components to see patterns."
                )
        result = _fitted(data, model, rank, seed)
    if n_components == "auto" and rank == most < len(data.columns):
        notes.append(f"the largest number tried ({most}) is the best: there may be more.")
    return _record(data, model, result, _errors_table(mean, se), seed, notes)


def _copies(data: PreparedTable) -> list[str]:
    """Return a sentence about columns that repeat one another, where errors do not weigh them."""
    if data.noise is not None or len(data.columns) > MOST_NAMED:
        return []
    alike = np.abs(np.corrcoef(data.values.T).reshape(len(data.columns), -1)) > COPIED
    groups = {tuple(np.flatnonzero(row).tolist()) for row in alike if row.sum() > 1}
    return [
        f"columns {', '.join(data.columns[i] for i in group)} repeat one another and count "
        f"{len(group)} times in the spread: leave all but one out."
        for group in sorted(groups)
    ]


def _check_sign(data: PreparedTable) -> list[str]:
    """Refuse data that are negative beyond their errors; say what is cut off."""
    negative = data.values < 0
    if not negative.any():
        return []
    if data.noise is None:
        bad = -data.values[negative].sum() > NEGATIVE_SHARE * np.abs(data.values).sum()
    else:
        sd = np.sqrt(np.einsum("nii->ni", data.noise))
        bad = bool((data.values < -NEGATIVE_SDS * np.maximum(sd, 1e-300)).any())
    if bad:
        raise InputError(
            "method 'nmf' needs values of at least 0 (within their errors); "
            f"{negative.mean():.1%} are negative: subtract an offset or use 'pca'."
        )
    return [f"{negative.mean():.1%} of the values are negative by noise and count as 0."]


def _fitted(
    data: PreparedTable, model: FactorModel, rank: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return patterns and weights in the metric, and the share of the variance explained."""
    rows = model.rows(data, data.values)
    patterns = model.fit(rows, rank, seed)
    every = np.arange(rows.shape[1])
    weights = model.encode(patterns, rows, every)
    strength = np.einsum("nk,kc->k", weights**2, patterns**2)
    order = np.argsort(-strength, kind="stable") if not model.nested else np.arange(len(patterns))
    patterns, weights = patterns[order], weights[:, order]
    total = ((rows - rows.mean(axis=0)) ** 2).sum()
    explained = []
    for k in range(1, len(patterns) + 1):
        part = model.encode(patterns[:k], rows, every)
        explained.append(1.0 - ((rows - part @ patterns[:k]) ** 2).sum() / total)
    return patterns, weights, np.array(explained)


def _record(
    data: PreparedTable,
    model: FactorModel,
    result: tuple[Floats, Floats, Floats],
    held_out: pd.DataFrame,
    seed: int,
    notes: list[str],
) -> Components:
    """Return the components in the columns' units."""
    patterns, weights, explained = result
    loadings = patterns @ data.inverse
    covariance = None
    if data.noise is not None:
        covariance = _score_covariance(data, model, patterns, weights)
    if model.name == "nmf":
        size = np.maximum(loadings.sum(axis=1), 1e-300)
        loadings = loadings / size[:, None]
        weights = weights * size
        covariance = None if covariance is None else covariance * np.outer(size, size)
    return Components(
        model.name, weights, covariance, loadings,
        data.center if model.centered else np.zeros(len(data.columns)), explained, held_out,
        data.columns, data.centers, seed, tuple(notes),
    )  # fmt: skip


def _score_covariance(
    data: PreparedTable, model: FactorModel, patterns: Floats, weights: Floats
) -> Floats:
    """Return the errors of the weights, for the patterns that each patch uses."""
    noise = data.metric.T @ (data.noise if data.noise is not None else 0.0) @ data.metric
    k = len(patterns)
    if model.name == "pca":
        return np.asarray(patterns @ noise @ patterns.T)
    used = np.abs(weights) > 1e-6 * np.abs(weights).max(axis=0)
    result = np.zeros((len(weights), k, k))
    kinds, kind = np.unique(used, axis=0, return_inverse=True)
    for number, pattern in enumerate(kinds):
        if not pattern.any():
            continue
        rows = np.flatnonzero(kind.ravel() == number)
        solve = np.linalg.pinv(patterns[pattern].T)
        each = solve @ (noise if len(noise) == 1 else noise[rows]) @ solve.T
        full = np.zeros((len(each), k, k))
        full[np.ix_(np.arange(len(each)), pattern, pattern)] = each
        result[rows] = full
    return result


def _errors_table(mean: Floats, se: Floats) -> pd.DataFrame:
    """Return the held-out errors relative to no component."""
    import pandas as pd

    return pd.DataFrame(
        {
            "n_components": np.arange(len(mean)),
            "error": mean / mean[0],
            "difference_se": se / mean[0],
        }
    )
