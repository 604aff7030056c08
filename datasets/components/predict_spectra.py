"""Spectra from patches and patches from spectra, with intervals tested on held-out blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_choice
from physlearn.datasets.components.block_folds import BlockFolds
from physlearn.datasets.components.block_regression import (
    MODELS,
    conformal_factor,
    regress_in_blocks,
    widening_elsewhere,
)
from physlearn.datasets.components.known_rows import folds_beyond, rows_of
from physlearn.datasets.components.prepared_table import PreparedTable, prepare_table
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "predict_patches", "predict_spectra"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
FEWEST_KNOWN = 20
KEPT_VARIANCE = 0.999
MOST_PATTERNS = 12
USELESS_Z = 2.0
FAR_P = 0.999
FEW_AREAS = 10.0
"""Independent areas below which it is said that intervals are little tested."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """Rows foretold from other rows, with a 90 % interval each.

    Attributes
    ----------
    mean
        float64 (n_patches, m): for patches with a known target what the others say (held-out
        blocks), else what all known ones say.
    low, high
        float64 (n_patches, m): 90 % interval of the *measured* value, noise included.
    names
        Names of the m columns (spectral channels, or descriptors).
    known
        bool (n_patches,): the target was given.
    model
        ``ridge``, ``gaussian_process``, or ``mean`` when neither does better than the mean.
    comparison
        pandas: held-out error of each model relative to the mean, the standard error of the
        difference over blocks.
    skill
        1 - held-out squared error / that of the mean, by column (m,); NaN where a column is
        constant.
    coverage, coverage_se
        Share of held-out values inside intervals made without their fold, before these are
        widened, and its standard error over blocks; 0.90 is promised.
    widening
        float64 (m,): by what intervals are widened (at least 1) because what the inputs leave
        unexplained is alike over a length of which the known patches hold few independent areas.
    extrapolated
        bool (n_patches,): inputs beyond those of the known patches; the interval does not hold.
    seed
        Repeats the result.
    warnings
        What to know before using it.

    Examples
    --------
    >>> import pandas as pd
    >>> y, x = np.mgrid[:8, :8].reshape(2, -1) * 1.0
    >>> table = PatchTable.from_frame(pd.DataFrame({"slope": x}), np.stack([x, y], axis=1), 1.0)
    >>> found = predict_spectra(table, np.stack([x, 2 * x], axis=1), model="ridge", rng=0)
    >>> found.mean.shape, found.model
    ((64, 2), 'ridge')
    """

    mean: Floats
    low: Floats
    high: Floats
    names: tuple[str, ...]
    known: Flags
    model: str
    comparison: pd.DataFrame
    skill: Floats
    coverage: float
    coverage_se: float
    widening: Floats
    extrapolated: Flags
    seed: int
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def predict_spectra(
    table: PatchTable,
    spectra: xr.DataArray | ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    model: str = "auto",
    folds: BlockFolds | None = None,
    rng: int | np.random.Generator | None = None,
) -> Prediction:
    """Foretell the spectrum of each patch from its descriptors, with a 90 % interval.

    Spectra are written in their principal components, and these are regressed on the descriptors
    (ridge or Gaussian process, whichever foretells held-out blocks better; the mean spectrum where
    neither helps). The interval of a channel is the quantile of held-out errors (conformal, in
    blocks), so that it holds noise and misfit alike; its coverage is tested on blocks that it was
    not made from. Blocks are longer than descriptors and held-out errors are alike. Where even so
    the known patches hold few independent areas (a cause that no descriptor shows and that varies
    slowly), intervals are widened by what another region may differ; of unseen thirds of fields
    with 2 to 4 such areas they held .86 to .89, not .90.

    Parameters
    ----------
    table
        Descriptors of the patches.
    spectra
        Shape (n_patches, m), or an array with the dim ``patch``; rows with NaN values are unknown
        and are foretold.
    columns
        Descriptors to use; by default all but derived ones and those without signal.
    model
        ``auto``, ``ridge``, ``gaussian_process`` or ``mean``.
    folds
        From ``block_folds`` of the table; made here when None.
    rng
        Folds and starts.

    Returns
    -------
    Prediction
        Spectra with intervals, skill against the mean spectrum, tested coverage.

    Raises
    ------
    InputError
        For spectra of another length, or fewer than 20 known ones.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005),
    doi:10.1007/b106715 (conformal intervals).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> random = np.random.default_rng(0)
    >>> y, x = np.mgrid[:12, :12].reshape(2, -1) * 8.0
    >>> strain = random.normal(size=144)
    >>> table = PatchTable.from_frame(pd.DataFrame({"strain": strain}), np.stack([x, y], 1), 8.0)
    >>> spectra = strain[:, None] * np.sin(np.arange(20) / 3) + random.normal(0, 0.1, (144, 20))
    >>> found = predict_spectra(table, spectra, rng=0)
    >>> bool(np.median(found.skill) > 0.8), round(found.coverage, 1)
    (True, 0.9)
    """
    data = prepare_table(table, columns)
    rows, names = rows_of(spectra, data.n, "spectra")
    return _predict(data, data.scaled(), rows, names, model, folds, rng)


def predict_patches(
    table: PatchTable,
    spectra: xr.DataArray | ArrayLike,
    *,
    columns: Sequence[str] | None = None,
    unknown: ArrayLike | None = None,
    model: str = "auto",
    folds: BlockFolds | None = None,
    rng: int | np.random.Generator | None = None,
) -> Prediction:
    """Foretell the descriptors of each patch from its spectrum, with 90 % intervals.

    The inverse of ``predict_spectra``, by the same means: spectra enter as their principal
    components.

    Parameters
    ----------
    table
        Descriptors of the patches.
    spectra
        Shape (n_patches, m), all known.
    columns
        Descriptors to foretell; by default all but derived ones and those without signal.
    unknown
        bool (n_patches,): patches whose descriptors are not to be learned from.
    model, folds, rng
        As in ``predict_spectra``.

    Returns
    -------
    Prediction
        Descriptors with intervals.

    Raises
    ------
    InputError
        As in ``predict_spectra``, and for spectra with NaN values.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> random = np.random.default_rng(0)
    >>> y, x = np.mgrid[:12, :12].reshape(2, -1) * 8.0
    >>> strain = random.normal(size=144)
    >>> table = PatchTable.from_frame(pd.DataFrame({"strain": strain}), np.stack([x, y], 1), 8.0)
    >>> spectra = strain[:, None] * np.sin(np.arange(20) / 3) + random.normal(0, 0.1, (144, 20))
    >>> bool(predict_patches(table, spectra, rng=0).skill[0] > 0.9)
    True
    """
    data = prepare_table(table, columns)
    rows, _ = rows_of(spectra, data.n, "spectra")
    if not np.isfinite(rows).all():
        raise InputError("spectra must be finite: a patch is foretold from a whole spectrum.")
    hidden = np.zeros(data.n, dtype=bool) if unknown is None else np.asarray(unknown, dtype=bool)
    if hidden.shape != (data.n,):
        raise InputError(f"unknown must have shape ({data.n},), got {hidden.shape}.")
    targets = np.where(hidden[:, None], np.nan, data.values)
    center, patterns = _patterns(rows)
    inputs = (rows - center) @ patterns.T
    return _predict(data, inputs, targets, data.columns, model, folds, rng, reduce=False)


def _predict(
    data: PreparedTable,
    inputs: Floats,
    targets: Floats,
    names: tuple[str, ...],
    model: str,
    folds: BlockFolds | None,
    rng: int | np.random.Generator | None,
    *,
    reduce: bool = True,
) -> Prediction:
    """Return the prediction of targets (n, m), NaN rows unknown, from inputs (n, d)."""
    check_choice("model", model, ("auto", *MODELS))
    _, seed = as_generator(rng)
    whole = np.asarray(np.isfinite(targets).all(axis=1))
    known = np.flatnonzero(whole)
    if len(known) < FEWEST_KNOWN:
        raise InputError(
            f"at least {FEWEST_KNOWN} patches must have a known target; {len(known)} have."
        )
    measured = targets[known]
    center, patterns = _patterns(measured) if reduce else (0.0, np.eye(measured.shape[1]))
    coordinates = (measured - center) @ patterns.T
    # patterns are orthonormal: their squared errors add up to the spectrum's
    spread = 1.0 if reduce else 1.0 / np.maximum(measured.std(axis=0), 1e-300)
    weights = np.broadcast_to(spread, (coordinates.shape[1],))
    with one_blas_thread():
        models = MODELS if model == "auto" else tuple(dict.fromkeys(("mean", model)))
        splits, length = folds_beyond(data, known, inputs, coordinates, weights, folds, seed)
        fit = regress_in_blocks(inputs, coordinates, known, splits, models, weights, seed)
    held_out = fit.held_out @ patterns + center
    mean = fit.predictions @ patterns + center
    mean[known] = held_out
    wrong = np.abs(measured - held_out)
    coverage, coverage_se = _coverage(wrong, splits)
    width = conformal_factor(wrong, splits.block)
    wider, areas = np.ones(width.shape), np.inf
    if data.centers is not None:
        wider, areas = widening_elsewhere(measured - held_out, data.centers[known], length, seed)
    width = width * wider
    constant = np.ptp(measured, axis=0) <= 1e-12 * np.abs(measured).max(axis=0)
    power = _power_of_mean(measured, splits)
    far = _far(inputs, known)
    notes = [*data.warnings, *splits.warnings]
    table, useless = _comparison(fit.comparison, splits.block)
    notes += _reach_notes(length, areas, float(wider.max()), splits, folds is not None)
    if constant.any():
        notes.append(f"{int(constant.sum())} columns are constant: nothing is to be foretold.")
    if useless:
        notes.append("nothing is foretold better than by the mean: intervals are its spread.")
    if far.any():
        notes.append(
            f"{int(far.sum())} patches lie beyond the known ones: their intervals do not hold."
        )
    return Prediction(
        mean, mean - width, mean + width, names, whole, fit.model, table,
        np.where(constant, np.nan, 1.0 - (wrong**2).mean(axis=0) / power), coverage, coverage_se,
        wider, far, seed, tuple(notes),
    )  # fmt: skip


def _power_of_mean(measured: Floats, splits: BlockFolds) -> Floats:
    """Return the mean square error (m,) of foretelling held-out rows by the others' mean."""
    naive = np.empty_like(measured)
    for learned, held in splits.split():
        naive[held] = measured[learned].mean(axis=0)
    return np.asarray(np.maximum(((measured - naive) ** 2).mean(axis=0), 1e-300))


def _reach_notes(
    length: float, areas: float, wider: float, splits: BlockFolds, given: bool
) -> list[str]:
    """Say where what is left unexplained is alike over much of the field, or beyond the folds."""
    if areas < FEW_AREAS:
        return [
            f"what is left unexplained is alike over {length:.3g}, so that the known patches hold "
            f"about {areas:.1f} independent areas: intervals are up to {wider:.2f} times "
            "wider for it, and their coverage elsewhere is little tested."
        ]
    if given and length > splits.gap:
        return [
            f"held-out errors are alike over {length:.3g}, beyond the gap of the folds "
            f"({splits.gap:.3g}): skill and coverage may be too good."
        ]
    return []


def _patterns(rows: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the orthonormal patterns that hold all but a thousandth of the power."""
    center = rows.mean(axis=0)
    _, size, patterns = np.linalg.svd(rows - center, full_matrices=False)
    share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-300)
    number = int(np.searchsorted(share, KEPT_VARIANCE)) + 1
    return center, np.asarray(patterns[: min(number, MOST_PATTERNS, len(size))])


def _coverage(wrong: Floats, folds: BlockFolds) -> tuple[float, float]:
    """Return the share of held-out errors within quantiles of other folds, and its se by blocks."""
    inside = np.empty(len(wrong))
    for number in range(folds.n_folds):
        held = folds.fold == number
        width = conformal_factor(wrong[~held], folds.block[~held])
        inside[held] = (wrong[held] <= width).mean(axis=1)
    count = np.bincount(folds.block)
    by_block = np.bincount(folds.block, weights=inside - inside.mean())
    n = max(len(count) - 1, 1)
    se = np.sqrt((by_block**2).sum() * len(count) / n) / len(inside)
    return float(inside.mean()), float(se)


def _far(inputs: Floats, known: Integers) -> Flags:
    """Return which rows lie beyond the known ones, by Mahalanobis distance."""
    center = inputs[known].mean(axis=0)
    offset = inputs - center
    scatter = np.cov(inputs[known].T, ddof=0).reshape(inputs.shape[1], -1)
    scatter += 1e-9 * np.trace(scatter) * np.eye(len(scatter))
    distance = np.einsum("ni,ni->n", offset, np.linalg.solve(scatter, offset.T).T)
    far = distance > 1.5 * np.quantile(distance[known], FAR_P)
    far[known] = False
    return np.asarray(far)


def _comparison(errors: dict[str, Floats], blocks: Integers) -> tuple[pd.DataFrame, bool]:
    """Return each model's held-out error relative to the mean, and whether none is better."""
    import pandas as pd

    base = errors["mean"].mean()
    rows, useless = [], True
    for name, error in errors.items():
        by_block = np.bincount(blocks, weights=error - errors["mean"]) / len(error)
        n = len(by_block)
        se = float(np.sqrt(((by_block - by_block.mean()) ** 2).sum() * n / max(n - 1, 1)))
        better = (errors["mean"].mean() - error.mean()) > USELESS_Z * se
        useless = useless and not (name != "mean" and better)
        rows.append({"model": name, "error": float(error.mean() / base), "se": se / float(base)})
    return pd.DataFrame(rows), useless
