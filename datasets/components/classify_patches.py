"""Classes of patches from a few labels, with probabilities that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physlearn.checks import CREDIBLE_MASS, InputError, as_generator
from physlearn.datasets.components.few_label_models import (
    MODELS,
    TEMPERATURES,
    UNKNOWN,
    class_log_probabilities,
    nearest_distance,
    temperature_weights,
    tempered,
)
from physlearn.datasets.components.prepared_table import (
    PreparedTable,
    prepare_table,
    repeated_rows,
)
from physlearn.datasets.components.signal_space import signal_space
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PatchClasses", "classify_patches", "read_labels"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MOST_LEFT_OUT = 30
"""Labels up to which each is left out by itself; beyond, they are left out in so many groups."""
UNLIKE_P = 1e-3
"""A patch farther from every class than all but this share of a class is like none."""
CHANCE_P = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatchClasses:
    """Which labelled class each patch belongs to.

    Attributes
    ----------
    labels
        object (n_patches,): the most probable class of every patch, the labelled ones as labelled.
    classes
        Names of the classes, in the order of ``probabilities``.
    probabilities
        float64 (n_patches, n_classes), calibrated on labels that were left out; for labelled
        patches what the others say.
    unlike
        bool (n_patches,): farther from every class than 99.9 % of its patches: perhaps none of
        them.
    accuracy, accuracy_interval
        Share of left-out labels that were foretold, and its 90 % interval.
    comparison
        pandas: accuracy and log loss of left-out labels by model, after the temperature.
    model
        ``discriminant`` or ``heaps``, chosen by that log loss.
    temperature
        What ln p was divided by (geometric mean over those that left-out labels bear out).
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
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[40:] += 9.0
    >>> labels = np.full(60, -1)
    >>> labels[:3], labels[-3:] = 0, 1
    >>> classify_patches(rows, labels, rng=0).classes
    ('0', '1')
    """

    labels: NDArray[np.object_]
    classes: tuple[str, ...]
    probabilities: Floats
    unlike: NDArray[np.bool_]
    accuracy: float
    accuracy_interval: tuple[float, float]
    comparison: pd.DataFrame
    model: str
    temperature: float
    columns: tuple[str, ...]
    centers: Floats | None
    seed: int
    warnings: tuple[str, ...]

    __repr__ = short_repr

    def to_pandas(self) -> pd.DataFrame:
        """Return places, class, probability of each class and ``unlike``, one row a patch."""
        import pandas as pd

        frame = pd.DataFrame(self.probabilities, columns=[f"p_{name}" for name in self.classes])
        frame.insert(0, "class", self.labels)
        frame["unlike"] = self.unlike
        if self.centers is not None:
            frame.insert(0, "x", self.centers[:, 0])
            frame.insert(1, "y", self.centers[:, 1])
        return frame


def classify_patches(
    table: PatchTable | xr.DataArray | ArrayLike,
    labels: Sequence[object] | NDArray[np.object_] | NDArray[np.int64],
    *,
    columns: Sequence[str] | None = None,
    errors: ArrayLike | str | None = None,
    n_components: int | str = "auto",
    rng: int | np.random.Generator | None = None,
) -> PatchClasses:
    """Classify all patches from a few that are labelled (five a class will do).

    Patches are compared in the principal components that carry signal, made from all patches.
    Two models: a discriminant (classes share one spread, from the labels) and heaps (each class a
    Gaussian that the unlabelled patches shape too). Each label is left out in turn, together with
    patches that share its pixels or repeat it; the model with the smaller log loss is taken, and
    its probabilities are drawn together or apart by temperatures, averaged as those labels bear
    them out.

    Parameters
    ----------
    table, columns, errors, n_components
        As in ``find_components`` and ``cluster_patches``.
    labels
        One a patch, None, NaN, "" or -1 where unknown; at least two patches of each class.
    rng
        Groups of labels when there are more than 30.

    Returns
    -------
    PatchClasses
        Classes, calibrated probabilities, the accuracy to expect and which patches are like none.

    Raises
    ------
    InputError
        For fewer than two classes, a class with one label, or labels of another length.

    References
    ----------
    Guo et al., Proc. Mach. Learn. Res. 70, 1321 (2017) (temperature).

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> rows = np.concatenate([random.normal(0, 1, (80, 3)), random.normal(4, 1, (80, 3))])
    >>> labels = np.full(160, None, dtype=object)
    >>> labels[:5], labels[80:85] = "matrix", "defect"
    >>> found = classify_patches(rows, labels, rng=0)
    >>> bool((found.labels[80:] == "defect").mean() > 0.95)
    True
    """
    data = prepare_table(table, columns, errors)
    classes, codes = read_labels(labels, data.n)
    _, seed = as_generator(rng)
    known = np.flatnonzero(codes != UNKNOWN)
    notes = list(data.warnings)
    with one_blas_thread():
        scores = signal_space(data, n_components, seed)
        left = {name: _left_out(name, data, scores, codes, len(classes), seed) for name in MODELS}
        truth = codes[known]
        rows: list[dict[str, object]] = []
        heat: dict[str, Floats] = {}
        for name, log_p in left.items():
            heat[name] = temperature_weights(log_p, truth)
            chance = tempered(log_p, heat[name])
            loss = -np.log(np.maximum(chance[np.arange(len(known)), truth], 1e-12)).mean()
            right = float((chance.argmax(axis=1) == truth).mean())
            typical = float(np.exp(heat[name] @ np.log(TEMPERATURES)))
            rows.append(
                {"model": name, "accuracy": right, "log_loss": float(loss), "temperature": typical}
            )
        best = min(rows, key=lambda row: float(str(row["log_loss"])))
        model, temperature = str(best["model"]), float(str(best["temperature"]))
        chance = tempered(class_log_probabilities(model, scores, codes, len(classes)), heat[model])
        chance[known] = tempered(left[model], heat[model])
    hits = round(float(str(best["accuracy"])) * len(known))
    if stats.binomtest(hits, len(known), 1 / len(classes), alternative="greater").pvalue > CHANCE_P:
        notes.append(
            f"left-out labels are foretold no better than by chance ({hits} of {len(known)}): the "
            "columns do not tell these classes apart."
        )
    return _record(
        data, scores, chance, codes, classes, hits, rows, model, temperature, seed, notes
    )


def read_labels(labels: object, n: int) -> tuple[tuple[str, ...], Integers]:
    """Return the names of the classes and the code of each row, -1 where unknown."""
    import pandas as pd

    given = pd.Series(np.asarray(labels, dtype=object).ravel())
    if len(given) != n:
        raise InputError(f"labels must name {n} patches (None where unknown), got {len(given)}.")
    unknown = given.isna() | given.isin(["", UNKNOWN])
    codes = np.full(n, UNKNOWN, dtype=np.int64)
    kinds, index = np.unique(given[~unknown].astype(str).to_numpy(), return_inverse=True)
    codes[~unknown.to_numpy()] = index
    if len(kinds) < 2:
        raise InputError(f"labels must name at least two classes; got {len(kinds)}.")
    number = np.bincount(index)
    if number.min() < 2:
        raise InputError(
            f"labels must name at least two patches of each class; class {kinds[number.argmin()]} "
            "has one."
        )
    return tuple(str(kind) for kind in kinds), codes


def _left_out(
    model: str, data: PreparedTable, scores: Floats, codes: Integers, k: int, seed: int
) -> Floats:
    """Return ln p of each labelled patch by a model that has not seen its label."""
    known = np.flatnonzero(codes != UNKNOWN)
    group = np.arange(len(known))
    if len(known) > MOST_LEFT_OUT:
        group = np.random.default_rng(seed).permutation(len(known)) % MOST_LEFT_OUT
    repeats = repeated_rows(data.values)
    result = np.empty((len(known), k))
    for number in range(int(group.max()) + 1):
        held = known[group == number]
        near = np.isin(repeats[known], repeats[held])
        if data.centers is not None:
            apart = np.abs(data.centers[known][:, None] - data.centers[held][None]).max(axis=2)
            if data.times is not None:
                apart[data.times[known][:, None] != data.times[held][None]] = np.inf
            near |= (apart < data.patch_size * (1 - 1e-9)).any(axis=1)
        others = codes.copy()
        others[known[near]] = UNKNOWN
        others[held] = UNKNOWN
        if len(np.unique(others[others != UNKNOWN])) < k:
            # all labels of a class lie on one spot: leave out only the label itself
            others = codes.copy()
            others[held] = UNKNOWN
        log_p = class_log_probabilities(model, scores, others, k)
        result[group == number] = log_p[held]
    return result


def _record(
    data: PreparedTable,
    scores: Floats,
    chance: Floats,
    codes: Integers,
    classes: tuple[str, ...],
    hits: int,
    rows: list[dict[str, object]],
    model: str,
    temperature: float,
    seed: int,
    notes: list[str],
) -> PatchClasses:
    """Return the record of the classes."""
    import pandas as pd

    known = codes != UNKNOWN
    best = np.where(known, codes, chance.argmax(axis=1))
    n = int(known.sum())
    interval = stats.binomtest(hits, n).proportion_ci(CREDIBLE_MASS, method="wilson")
    share = chance.copy()
    share[known] = np.eye(len(classes))[codes[known]]
    unlike = nearest_distance(scores, share) > stats.chi2.isf(UNLIKE_P, scores.shape[1])
    return PatchClasses(
        np.array(classes, dtype=object)[best], classes, chance, unlike, hits / n,
        (float(interval.low), float(interval.high)), pd.DataFrame(rows), model, temperature,
        data.columns, data.centers, seed, tuple(notes),
    )  # fmt: skip
