"""Classes of patches from a few labels, with probabilities that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
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
    spot_log_probabilities,
    temperature_weights,
    tempered,
)
from physlearn.datasets.components.left_out_labels import find_spots, left_out, untested_note
from physlearn.datasets.components.prepared_table import PreparedTable, prepare_table
from physlearn.datasets.components.signal_space import signal_space
from physlearn.one_thread import one_blas_thread
from physlearn.records import PatchTable
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PatchClasses", "classify_patches", "read_labels"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
UNKNOWN_NAMES = ("", "-1", "-1.0", "nan", "NaN", "None", "NaT", "<NA>")
"""Texts that stand for no label: an array of texts turns None and NaN into such."""
UNLIKE_P = 1e-3
"""A patch farther from every class than all but this share of a class is like none."""
UNLIKE_SHARE = 0.05
"""Share of patches like none above which a class may lack labels."""
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
        patches what the others say. They are of the labelled classes only: see ``unlike``.
    unlike
        bool (n_patches,): farther from every class than 99.9 % of its patches: perhaps none of
        them.
    accuracy, accuracy_interval
        Share of left-out labels that were foretold (labels of one spot count as one), and its 90 %
        interval; NaN and (0, 1) where all labels of a class lie on one spot.
    comparison
        pandas: accuracy and log loss of left-out labels by model, after the temperature; its
        temperature (what ln p was divided by, the geometric mean over those that left-out labels
        bear out) and its weight in the probabilities.
    model, temperature
        The one that weighs most, ``discriminant`` or ``heaps``, and its temperature.
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
    _repr_html_ = html_table

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
    those that share its pixels, repeat it, or lie so near that patches of one class are alike
    there (though not farther than most patches are from a label). Probabilities are drawn together
    or apart by temperatures, and averaged over these and both models as left-out labels bear them
    out. Where all labels of a class lie on one such spot, nothing tests
    what is said elsewhere: classes are then told by spots with the spread of all patches.

    Parameters
    ----------
    table, columns, errors, n_components
        As in ``find_components`` and ``cluster_patches``.
    labels
        One a patch, None, NaN, "" or -1 (also as texts: "None", "nan", "-1") where unknown; at
        least two patches of each class. 1 and 1.0 are one class.
    rng
        Groups of labels when there are more than 30.

    Returns
    -------
    PatchClasses
        Classes, calibrated probabilities, the accuracy to expect and which patches are like none.

    Raises
    ------
    InputError
        For fewer than two classes, a class with one label, labels of another length, or texts
        such as "1" and "1.0" that write one number in two ways.

    Notes
    -----
    With five labels a class in four columns, answers said to be right with .80 or more were said
    to be so too often by .04 (standard error .03; three classes about 2 sd apart), -.01 (.01; 4 sd
    apart) and .02 (.01; two classes, 2 sd apart). The interval of the accuracy heeds only roughly
    how alike labels are in space: over slowly varying fields it held in three of four cases, not
    in nine of ten.

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
    k, truth = len(classes), codes[known]
    with one_blas_thread():
        scores = signal_space(data, n_components, seed)
        spots = find_spots(data, scores, codes, k, seed)
        alone = untested_note(classes, spots, codes)
        heed = spots.weights if alone is None else np.zeros(len(known))
        left = dict.fromkeys(MODELS, np.zeros((len(known), k)))
        if alone is None:
            left = {name: left_out(name, scores, codes, k, spots) for name in MODELS}
        heat = {name: temperature_weights(log_p, truth, heed) for name, log_p in left.items()}
        comparison = _comparison(left, heat, truth, heed)
        share = comparison["weight"].to_numpy()
        chance = np.exp(spot_log_probabilities(scores, codes, spots.spot, k))
        if alone is None:
            full = {name: class_log_probabilities(name, scores, codes, k) for name in MODELS}
            chance = _together(full, heat, share)
            chance[known] = _together(left, heat, share)
    n_spots = round(float(heed.sum()))
    hits = round(float(heed @ (chance[known].argmax(axis=1) == truth)))
    if alone is not None:
        notes.append(alone)
    elif _by_chance(hits, n_spots, k):
        notes.append(
            f"left-out labels are foretold no better than by chance ({hits} of {n_spots}): the "
            "columns do not tell these classes apart."
        )
    accuracy = float(heed @ (chance[known].argmax(axis=1) == truth)) / max(heed.sum(), 1e-300)
    return _record(
        data, scores, chance, codes, classes, (accuracy, hits, n_spots), comparison, seed, notes
    )


def _together(
    log_p: dict[str, Floats], heat: dict[str, tuple[Floats, float]], share: Floats
) -> Floats:
    """Return the probabilities of the models, averaged by their share."""
    parts = [tempered(each, heat[name][0]) for name, each in log_p.items()]
    return np.asarray(np.tensordot(share, np.stack(parts), axes=1))


def _comparison(
    left: dict[str, Floats],
    heat: dict[str, tuple[Floats, float]],
    truth: Integers,
    heed: Floats,
) -> pd.DataFrame:
    """Return accuracy and log loss of left-out labels by model; NaN where none is a test."""
    import pandas as pd

    rows, total = [], float(heed.sum())
    most = max(evidence for _, evidence in heat.values())
    for name, log_p in left.items():
        weights, evidence = heat[name]
        chance = tempered(log_p, weights)
        loss = -np.log(np.maximum(chance[np.arange(len(truth)), truth], 1e-12))
        right = chance.argmax(axis=1) == truth
        rows.append(
            {
                "model": name,
                "accuracy": float(heed @ right) / total if total else np.nan,
                "log_loss": float(heed @ loss) / total if total else np.nan,
                "temperature": float(np.exp(weights @ np.log(TEMPERATURES))),
                # few left-out labels are heeded by half: what they choose is partly their luck
                "weight": float(np.exp(0.5 * (evidence - most))),
            }
        )
    table = pd.DataFrame(rows)
    table["weight"] /= table["weight"].sum()
    return table


def _by_chance(hits: int, n: int, k: int) -> bool:
    """Return whether guesses would be right as often."""
    return bool(stats.binomtest(hits, n, 1 / k, alternative="greater").pvalue > CHANCE_P)


def read_labels(labels: object, n: int) -> tuple[tuple[str, ...], Integers]:
    """Return the names of the classes and the code of each row, -1 where unknown."""
    import pandas as pd

    given = pd.Series(np.asarray(labels, dtype=object).ravel())
    if len(given) != n:
        raise InputError(f"labels must name {n} patches (None where unknown), got {len(given)}.")
    names = given.map(_label_name)
    unknown = (given.isna() | names.isin(UNKNOWN_NAMES)).to_numpy()
    codes = np.full(n, UNKNOWN, dtype=np.int64)
    kinds, index = np.unique(names[~unknown].to_numpy(dtype=str), return_inverse=True)
    codes[~unknown] = index
    same = [f"{a} and {b}" for a, b in combinations(kinds, 2) if _one_number(a, b)]
    if same:
        raise InputError(f"labels must write a class in one way; {same[0]} are one number.")
    if len(kinds) < 2:
        raise InputError(f"labels must name at least two classes; got {len(kinds)}.")
    number = np.bincount(index)
    if number.min() < 2:
        raise InputError(
            f"labels must name at least two patches of each class; class {kinds[number.argmin()]} "
            "has one."
        )
    return tuple(str(kind) for kind in kinds), codes


def _label_name(label: object) -> str:
    """Return the name of a label; 1 and 1.0 are one class."""
    if isinstance(label, int | float | np.integer | np.floating) and not isinstance(label, bool):
        number = float(label)
        return str(int(number)) if number.is_integer() else str(number)
    return str(label).strip()


def _one_number(first: str, second: str) -> bool:
    """Return whether two names are the same number, written in two ways."""
    try:
        return float(first) == float(second)
    except ValueError:
        return False


def _record(
    data: PreparedTable,
    scores: Floats,
    chance: Floats,
    codes: Integers,
    classes: tuple[str, ...],
    test: tuple[float, int, int],
    comparison: pd.DataFrame,
    seed: int,
    notes: list[str],
) -> PatchClasses:
    """Return the record; ``test``: accuracy, spots foretold, of how many (0: no test)."""
    known = codes != UNKNOWN
    best = np.where(known, codes, chance.argmax(axis=1))
    chosen = comparison.loc[int(comparison["weight"].argmax())]
    accuracy, hits, n_spots = test
    interval = (0.0, 1.0)
    if n_spots:
        found = stats.binomtest(hits, n_spots).proportion_ci(CREDIBLE_MASS, method="wilson")
        interval = (float(found.low), float(found.high))
    distance = nearest_distance(scores, codes, best, len(classes))
    unlike = distance > stats.chi2.isf(UNLIKE_P, scores.shape[1])
    if unlike.mean() > UNLIKE_SHARE:
        notes.append(
            f"{int(unlike.sum())} of {data.n} patches are like no labelled class (a class without "
            "a label?): their probabilities say nothing."
        )
    return PatchClasses(
        np.array(classes, dtype=object)[best], classes, chance, unlike,
        accuracy if n_spots else np.nan, interval, comparison, str(chosen["model"]),
        float(str(chosen["temperature"])), data.columns, data.centers, seed, tuple(notes),
    )  # fmt: skip
