"""How many components: the error of entries that the components have not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.components.block_folds import BlockFolds
from physlearn.datasets.components.factor_models import FactorModel
from physlearn.datasets.components.prepared_table import PreparedTable

__all__ = ["best_rank", "held_out_errors", "largest_rank"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COLUMN_GROUPS = 5
EXTRA_NOISE = 0.5
"""Share of a measurement's own noise that thinning adds to the half that is learned from."""
MOST_COMPONENTS = 15
PATIENCE = 3
"""Numbers of components without a better one after which the search ends."""


def largest_rank(table: PreparedTable, folds: BlockFolds) -> int:
    """Return the largest number of components that held-out entries can judge."""
    learned = min(len(learned) for learned, _ in folds.split())
    c = len(table.columns)
    columns = c if table.noise is not None else c - -(-c // min(COLUMN_GROUPS, c))
    return max(1, min(MOST_COMPONENTS, columns, learned - 1))


def held_out_errors(
    table: PreparedTable, model: FactorModel, folds: BlockFolds, most: int, rng: int
) -> Floats:
    """Return the mean squared error of held-out entries, (rank 0 to most, n_patches).

    With known errors each measurement is thinned into two of independent noise: one half of
    the learned patches makes the components, one half of the held-out patches their weights, and
    the other half is predicted. Without errors, groups of the held-out patches' columns are
    predicted from the other columns (bi-cross-validation). Every rank is judged around the mean of
    the learned patches: a mean of all would know the held-out ones, and rank 0 would lose to it.
    """
    generator = np.random.default_rng(rng)
    known = table.noise is not None
    given, target = _thinned(table, model, generator) if known else _twice(table, model)
    every = np.arange(given.shape[1])
    groups = [every] if known else _column_groups(len(every), generator)
    splits = list(folds.split())
    errors = [np.empty(table.n)]
    widest, middles = [], []
    for learned, held in splits:
        mean = given[learned].mean(axis=0)
        errors[0][held] = ((target[held] - mean) ** 2).mean(axis=1)
        middles.append(mean if model.centered else np.zeros_like(mean))
        rows = given[learned] - middles[-1]
        widest.append(model.fit(rows, most, rng) if model.nested else None)
    for rank in range(1, most + 1):
        errors.append(np.zeros(table.n))
        for (learned, held), middle, all_patterns in zip(splits, middles, widest, strict=True):
            if all_patterns is None:
                patterns = model.fit(given[learned] - middle, rank, rng)
            else:
                patterns = all_patterns[:rank]
            shrink: Floats | float = 1.0
            if known and model.nested:
                shrink = _shrinkage(patterns, given[learned])
            for group in groups:
                kept = every if known else np.setdiff1d(every, group)
                entries = given[np.ix_(held, kept)] - middle[kept]
                weights = shrink * model.encode(patterns, entries, kept)
                wrong = target[np.ix_(held, group)] - middle[group] - weights @ patterns[:, group]
                errors[rank][held] += (wrong**2).sum(axis=1) / len(every)
        if not model.nested and rank - int(np.argmin([each.mean() for each in errors])) >= PATIENCE:
            break
    return np.array(errors)


def best_rank(errors: Floats, blocks: Integers) -> tuple[int, Floats, Floats]:
    """Return the smallest rank within one standard error of the least error, errors and their se.

    The standard error is that of the difference between two ranks, over blocks.
    """
    count = np.bincount(blocks)
    used = count > 0
    by_block = (
        np.array([np.bincount(blocks, weights=row)[used] for row in errors]) / errors.shape[1]
    )
    mean = errors.mean(axis=1)
    least = int(mean.argmin())
    difference = by_block - by_block[least]
    n = difference.shape[1]
    se = np.sqrt(((difference - difference.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    se *= np.sqrt(n / max(n - 1, 1))
    near = np.flatnonzero(mean - mean[least] <= se)
    return int(near[0]), mean, se


def _twice(table: PreparedTable, model: FactorModel) -> tuple[Floats, Floats]:
    """Return the rows, as what is given and as what is to be predicted."""
    rows = model.rows(table, table.values)
    return rows, rows


def _thinned(
    table: PreparedTable, model: FactorModel, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return two measurements of every patch with independent noise.

    Counts are split by tossing a coin for each; else x + e and x - e / share, e drawn from
    share times the noise, have independent noise (data thinning).
    """
    if table.counts:
        keep = 1.0 / (1.0 + EXTRA_NOISE)
        first = generator.binomial(table.values.astype(np.int64), keep).astype(np.float64)
        pair = (first / keep, (table.values - first) / (1.0 - keep))
    else:
        noise = table.noise if table.noise is not None else np.zeros((1, 1, 1))
        sizes, axes = np.linalg.eigh(noise)
        root = axes * np.sqrt(np.maximum(sizes, 0.0))[:, None, :]
        drawn = generator.normal(size=table.values.shape)
        extra = np.sqrt(EXTRA_NOISE) * np.einsum(
            "nij,nj->ni", np.broadcast_to(root, (table.n, *root.shape[1:])), drawn
        )
        pair = (table.values + extra, table.values - extra / EXTRA_NOISE)
    first, second = pair
    # what is predicted keeps its negative noise: cutting it off would bias the error
    raw = (second - table.center if model.centered else second) @ table.metric
    return model.rows(table, first), np.asarray(raw)


def _shrinkage(patterns: Floats, rows: Floats) -> Floats:
    """Return the share of each component's variance that is signal, noise being 1 + extra."""
    variance = ((rows - rows.mean(axis=0)) @ patterns.T).var(axis=0)
    return np.asarray(np.maximum(1.0 - (1.0 + EXTRA_NOISE) / np.maximum(variance, 1e-300), 0.0))


def _column_groups(c: int, generator: np.random.Generator) -> list[Integers]:
    """Return groups of columns that are predicted together."""
    n = min(COLUMN_GROUPS, c)
    return [np.sort(each) for each in np.array_split(generator.permutation(c), n)]
