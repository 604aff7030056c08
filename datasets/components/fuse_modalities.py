"""Several modalities asked apart and weighed together, and what each one adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, as_generator
from physlearn.datasets.components.block_folds import BlockFolds, folds_of
from physlearn.datasets.components.classify_patches import read_labels
from physlearn.datasets.components.few_label_models import UNKNOWN
from physlearn.datasets.components.fusion_weights import (
    Loss,
    class_loss,
    class_opinions,
    fit_weights,
    line_loss,
    line_opinions,
)
from physlearn.datasets.components.prepared_table import (
    TIME_COLUMNS,
    PreparedTable,
    prepare_table,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FusedModalities", "fuse_modalities"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pairs = list[tuple[Integers, Integers]]
SAME_PLACE = 0.5
"""Share of a patch by which centres of two tables may differ and still be one patch."""
NEARER = 1e-6
"""Share of a patch by which another patch must be nearer to be the one that is meant."""
FEWEST_KNOWN = 8


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FusedModalities:
    """What the modalities say together, how much each is heeded, and what its loss costs.

    Attributes
    ----------
    kind
        ``classes`` or ``numbers``.
    prediction
        Of every patch: class names, object (n_patches,), or float64 numbers. Patches with a known
        target: what the others say (held-out blocks).
    probabilities
        float64 (n_patches, n_classes), or None for numbers.
    classes
        Names of the classes, () for numbers.
    weights
        Modality -> weight. Of classes: the power to which its probabilities are raised (1: heeded
        as it asks, 0: not at all). Of numbers: its share in the sum of the predictions.
    influence
        Modality -> share of the variance of the fused answer that it brings (they add up to 1).
    ablation
        pandas, one row a set of modalities (each alone, all, all but one, all with equal weights):
        held-out loss (log loss of classes; squared error relative to the mean's of numbers),
        accuracy (classes), its difference from all together and the standard error of that over
        blocks.
    seed
        Repeats the result.
    warnings
        What to know before using it.

    Examples
    --------
    >>> import pandas as pd
    >>> y, x = np.mgrid[:8, :8].reshape(2, -1) * 1.0
    >>> both = {name: PatchTable.from_frame(pd.DataFrame({name: column}), np.stack([x, y], 1), 1.0)
    ...         for name, column in (("right", x), ("down", y))}
    >>> fuse_modalities(both, x + y, rng=0).kind
    'numbers'
    """

    kind: str
    prediction: NDArray[np.object_] | Floats
    probabilities: Floats | None
    classes: tuple[str, ...]
    weights: Mapping[str, float]
    influence: Mapping[str, float]
    ablation: pd.DataFrame
    seed: int
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def fuse_modalities(
    tables: Mapping[str, PatchTable],
    target: Sequence[object] | ArrayLike,
    *,
    folds: BlockFolds | None = None,
    rng: int | np.random.Generator | None = None,
) -> FusedModalities:
    """Foretell a class or a number from several modalities, and tell what each contributes.

    Late fusion: each modality has its own model in its own principal components, so that one with
    many columns does not drown one with few. Their held-out answers are weighed: classes by
    ln p = sum of w_m ln p_m, numbers by y = mean + sum of w_m (y_m - mean), w_m at least 0 and
    fitted on held-out answers. The losses of the ablation table use weights fitted on other folds.

    Parameters
    ----------
    tables
        Modality -> table, all of the same patches in the same order; of several patches at one
        place each table must say the time or frame (covariate).
    target
        Floating-point numbers (NaN where unknown), or labels as in ``classify_patches``.
    folds
        From ``block_folds`` of one of the tables; made here when None.
    rng
        Folds.

    Returns
    -------
    FusedModalities
        Predictions, weights, influence and the ablation table.

    Raises
    ------
    InputError
        For fewer than two modalities, tables of other patches or in another order (of places, of
        times), or fewer than 8 known targets.

    References
    ----------
    Breiman, Mach. Learn. 24, 49 (1996), doi:10.1007/BF00117832 (stacking).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> random = np.random.default_rng(0)
    >>> y, x = np.mgrid[:15, :15].reshape(2, -1) * 8.0
    >>> truth = random.normal(size=225)
    >>> def table(noise):
    ...     column = pd.DataFrame({"value": truth + noise * random.normal(size=225)})
    ...     return PatchTable.from_frame(column, np.stack([x, y], axis=1), 8.0)
    >>> fused = fuse_modalities({"good": table(0.3), "poor": table(3.0)}, truth, rng=0)
    >>> fused.weights["good"] > fused.weights["poor"]
    True
    """
    names, prepared = _same_patches(tables)
    _, seed = as_generator(rng)
    splits = folds if folds is not None else folds_of(_joined(prepared), rng=seed)
    if len(splits.fold) != prepared[0].n:
        raise InputError(
            f"folds must be of these tables: {len(splits.fold)} rows, not {prepared[0].n}."
        )
    classes, codes, numbers = _read_target(target, prepared[0].n)
    known = np.flatnonzero(codes != UNKNOWN) if classes else np.flatnonzero(np.isfinite(numbers))
    if len(known) < FEWEST_KNOWN:
        raise InputError(f"at least {FEWEST_KNOWN} patches must have a target; {len(known)} have.")
    pairs, beside = _pairs(known, splits, codes if classes else None)
    with one_blas_thread():
        if classes:
            answers = [class_opinions(each, codes, len(classes), pairs, seed) for each in prepared]
            loss: Loss = class_loss(codes[known])
        else:
            answers = [line_opinions(each, numbers, pairs, seed) for each in prepared]
            loss = line_loss(numbers[known])
        opinions = np.stack(answers)
        weights = fit_weights(opinions[:, known], loss, bool(classes))
        ablation = _ablation(names, opinions[:, known], loss, pairs, splits.block, known, classes)
    fused = np.einsum("m,mnk->nk", weights, opinions)
    heeded = np.einsum("mnk,nk->m", weights[:, None, None] * _centred(opinions), _centred(fused))
    influence = heeded / max(float(heeded.sum()), 1e-300)
    notes = [f"{name}: {note}" for name, each in zip(names, prepared, strict=True)
             for note in each.warnings]  # fmt: skip
    notes += splits.warnings
    if beside:
        notes.append(
            f"{beside} labels have all others of a class beside them: what is held out was known "
            "from neighbours there, and losses are too good."
        )
    chance = _softmax(fused) if classes else None
    prediction: NDArray[np.object_] | Floats
    if chance is not None:
        prediction = np.array(classes, dtype=object)[chance.argmax(axis=1)]
    else:
        prediction = fused[:, 0] + loss.base
    return FusedModalities(
        "classes" if classes else "numbers", prediction, chance, classes,
        dict(zip(names, weights.tolist(), strict=True)),
        dict(zip(names, influence.tolist(), strict=True)), ablation, seed, tuple(notes),
    )  # fmt: skip


def _same_patches(tables: Mapping[str, PatchTable]) -> tuple[list[str], list[PreparedTable]]:
    """Return names and tables, all of the same patches."""
    if len(tables) < 2:
        raise InputError(f"tables must hold at least two modalities; got {len(tables)}.")
    names = [str(name) for name in tables]
    first = tables[next(iter(tables))]
    for name, table in tables.items():
        same = table.n_patches == first.n_patches and table.unit == first.unit
        if not same or not _same_places(table, first):
            raise InputError(
                f"tables must describe the same patches in the same order; those of {name} are "
                f"others than those of {names[0]}: describe both at the same centres."
            )
        _check_order_of_frames(table, first, (str(name), names[0]))
    return names, [prepare_table(table) for table in tables.values()]


def _same_places(table: PatchTable, first: PatchTable) -> bool:
    """Return whether each patch lies on its namesake, and nearer to it than to any other."""
    away = np.linalg.norm(table.centers - first.centers, axis=1)
    if (np.abs(table.centers - first.centers) > SAME_PLACE * first.patch_size).any():
        return False
    nearest, _ = cKDTree(first.centers).query(table.centers)
    return bool((away <= nearest + NEARER * first.patch_size).all())


def _check_order_of_frames(table: PatchTable, first: PatchTable, names: tuple[str, str]) -> None:
    """Refuse tables whose rows are of other times, or of places seen repeatedly without times."""
    given = [{} if each.covariates is None else dict(each.covariates.items())
             for each in (table, first)]  # fmt: skip
    both = [name for name in TIME_COLUMNS if all(name in each for each in given)]
    for name in both:
        one, other = (each[name].to_numpy(dtype=np.float64) for each in given)
        if not np.allclose(one, other, rtol=1e-9, atol=0.0, equal_nan=True):
            raise InputError(
                f"tables must describe the same patches in the same order; the covariate {name} of "
                f"{names[0]} differs from that of {names[1]}: sort both by place and time."
            )
    repeated = len(np.unique(first.centers, axis=0)) < first.n_patches
    if repeated and not both and table is not first:
        raise InputError(
            f"tables hold several patches at one place: {names[0]} and {names[1]} must both have "
            "the covariate time (or frame), so that their order can be compared."
        )


def _joined(prepared: list[PreparedTable]) -> PreparedTable:
    """Return one table of all columns, for the folds."""
    from dataclasses import replace

    return replace(
        prepared[0],
        values=np.hstack([each.scaled() for each in prepared]),
        error_length=max(each.error_length for each in prepared),
    )


def _read_target(target: object, n: int) -> tuple[tuple[str, ...], Integers, Floats]:
    """Return classes and codes, or () and numbers: floating point is a number, all else a label."""
    given = np.asarray(target)
    if given.dtype.kind == "f":
        if given.shape != (n,):
            raise InputError(f"target must have shape ({n},), got {given.shape}.")
        seen = given[np.isfinite(given)]
        if len(seen) > 1 and np.ptp(seen) == 0:
            raise InputError("target is constant: there is nothing to foretell.")
        return (), np.empty(0, dtype=np.int64), given.astype(np.float64)
    classes, codes = read_labels(target, n)
    return classes, codes, np.empty(0)


def _pairs(known: Integers, folds: BlockFolds, codes: Integers | None) -> tuple[Pairs, int]:
    """Return (learned from, held out) row numbers among the known ones, and doubtful ones.

    Folds, when each leaves labels of every class; else each label by itself. Doubtful are those
    whose neighbours hold all other labels of a class, which then are learned from.
    """
    pairs = [(np.intersect1d(learned, known), np.intersect1d(held, known))
             for learned, held in folds.split()]  # fmt: skip
    pairs = [(learned, held) for learned, held in pairs if len(held)]
    if codes is None:
        return pairs, 0
    kinds = len(np.unique(codes[known]))
    if all(len(np.unique(codes[learned])) == kinds for learned, _ in pairs):
        return pairs, 0
    single: Pairs = []
    beside = 0
    for row in known:
        held = np.array([row])
        learned = np.intersect1d(folds.away_from(held), known)
        if len(np.unique(codes[learned])) < kinds:
            learned = known[known != row]
            beside += 1
        single.append((learned, held))
    return single, beside


def _ablation(
    names: list[str],
    opinions: Floats,
    loss: Loss,
    pairs: Pairs,
    blocks: Integers,
    known: Integers,
    classes: tuple[str, ...],
) -> pd.DataFrame:
    """Return the held-out loss of sets of modalities, against all together."""
    import pandas as pd

    m = len(names)
    every = tuple(range(m))
    sets = [("all", every), ("all, equal weights", every)]
    sets += [(f"{names[each]} alone", (each,)) for each in every]
    if m > 2:
        sets += [(f"all but {names[each]}", tuple(set(every) - {each})) for each in every]
    place = np.full(int(known.max()) + 1, -1)
    place[known] = np.arange(len(known))
    losses, rows = [], []
    for title, used in sets:
        own = opinions[list(used)]
        fused = np.empty(own.shape[1:])
        for _, held in pairs:
            mine = place[held]
            others = np.setdiff1d(np.arange(len(known)), mine)
            if "equal" in title:
                weights = np.full(len(used), 1.0 if classes else 1.0 / len(used))
            else:
                weights = fit_weights(own[:, others], loss.rows(others), bool(classes))
            fused[mine] = np.einsum("m,mnk->nk", weights, own[:, mine])
        each = loss.each(fused)
        losses.append(each)
        row: dict[str, object] = {"modalities": title, "loss": float(each.mean() / loss.scale)}
        if classes:
            row["accuracy"] = float((fused.argmax(axis=1) == loss.truth).mean())
        worse = each - losses[0]
        _, block = np.unique(blocks[known], return_inverse=True)
        sums = np.bincount(block, weights=worse - worse.mean()) / len(worse)
        n = max(len(sums) - 1, 1)
        row["worse_than_all"] = float(worse.mean() / loss.scale)
        row["se"] = float(np.sqrt((sums**2).sum() * len(sums) / n) / loss.scale)
        rows.append(row)
    return pd.DataFrame(rows)


def _centred(answers: Floats) -> Floats:
    """Return answers less their mean over patches, and over classes where there are several."""
    result = answers - answers.mean(axis=-2, keepdims=True)
    if answers.shape[-1] > 1:
        result = result - result.mean(axis=-1, keepdims=True)
    return np.asarray(result)


def _softmax(log_p: Floats) -> Floats:
    """Return probabilities of each row."""
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
