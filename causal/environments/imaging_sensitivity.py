"""The same field under other imaging settings: which descriptors are not matter alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.causal.environments.field_moments import field_moments, score_covariance
from physlearn.causal.environments.match_patches import PatchPairs, match_patches
from physlearn.causal.environments.spatial_means import mean_of_field, wave_basis
from physlearn.checks import InputError, check_positive
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.records import PatchTable

__all__ = ["ImagingSensitivity", "imaging_sensitivity"]

Floats = NDArray[np.float64]
MOVES = "moves with the imaging"


@dataclass(frozen=True, slots=True, eq=False)
class ImagingSensitivity:
    """Which descriptors move with the imaging.

    Attributes
    ----------
    table
        pandas, one row a descriptor: ``column``, ``shift`` (second less first, in ``unit``),
        ``shift_sds`` (in standard deviations over the patches), ``largest_shift_sds`` (what is
        not excluded), ``spread_ratio`` (NaN where the errors are unknown), ``p_value``,
        ``p_adjusted`` (false discoveries controlled), ``p_repeat``, ``verdict``, ``words``.
    n_pairs
        Patches seen in both.
    shift
        (x, y) of the second scan against the first.
    warnings
        What the reader must know.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"column": ["a"], "verdict": ["stands"], "words": ["a stands."]})
    >>> ImagingSensitivity(rows, 64, (0.0, 0.0), ()).moving
    ()
    """

    table: pd.DataFrame
    n_pairs: int
    shift: tuple[float, float]
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def moving(self) -> tuple[str, ...]:
        """Columns that move with the imaging."""
        return tuple(self.table["column"][self.table["verdict"] == MOVES])

    def __str__(self) -> str:
        """Return a sentence a descriptor."""
        return "\n".join(self.table["words"])


def imaging_sensitivity(
    first: PatchTable,
    second: PatchTable,
    *,
    repeat: PatchTable | None = None,
    level: float = 0.05,
    stands_below: float = 0.25,
    shift: Sequence[float] | None = None,
) -> ImagingSensitivity:
    """Test which descriptors of one field change with focus, dose or bias of the imaging.

    The matter is the same in both scans: a descriptor whose mean, or whose noise-free spread,
    differs is not matter alone. Patches are paired by their centres; errors of the mean of the
    differences count neighbours by the slow waves of the differences.

    Parameters
    ----------
    first, second
        Tables of the same field with the same columns.
    repeat
        A second scan with the settings of ``first``: what moves there too moves on its own.
    level
        Share of false ones among the descriptors that are said to move.
    stands_below
        A descriptor "stands" when changes above this many standard deviations are excluded.
    shift
        (x, y) of the second scan's centres; None measures it from the maps.

    Returns
    -------
    ImagingSensitivity
        Verdicts "moves with the imaging", "stands" (with what was excluded) or "undecided".

    Raises
    ------
    InputError
        For tables without a common column, other units, or the same numbers twice.
    NotIdentified
        For fewer than 30 patches in common.

    Notes
    -----
    A change of style that leaves the content: Schoelkopf et al., Proc. IEEE 109, 612 (2021),
    doi:10.1109/JPROC.2021.3058954. False discoveries: Benjamini and Hochberg, JRSS B 57, 289
    (1995), doi:10.1111/j.2517-6161.1995.tb02031.x. The spread is compared where both tables give
    their measurement errors: more noise is a larger spread, too.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:24, :24].reshape(2, -1)
    >>> matter = rng.normal(size=(576, 2))
    >>> def scan(offset):
    ...     seen = matter + rng.normal(0, 0.2, (576, 2)) + [0.0, offset]
    ...     frame = pd.DataFrame(seen, columns=["spacing", "width"])
    ...     return PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> imaging_sensitivity(scan(0.0), scan(0.5)).table["verdict"].tolist()
    ['stands', 'moves with the imaging']
    """
    import pandas as pd

    if not 0 < level < 0.5:
        raise InputError(f"level must lie between 0 and 0.5; got {level!r}.")
    check_positive("stands_below", stands_below)
    pairs = match_patches(first, second, shift)
    notes = list(pairs.warnings)
    names = [name for name in pairs.columns if _varies(first, name, notes)]
    if not names:
        raise InputError("first must hold a column that varies from patch to patch; it has none.")
    known = first.measurement_covariance is not None and second.measurement_covariance is not None
    if not known:
        notes.append(
            "the measurement errors are unknown: only the means are compared, for more noise is a "
            "larger spread, too."
        )
    rows = [_row(first, second, pairs, name, known, level) for name in names]
    if repeat is not None:
        same = match_patches(first, repeat, None)
        for row, name in zip(rows, names, strict=True):
            if name in same.columns:
                row["p_repeat"] = _row(first, repeat, same, name, known, level)["p_value"]
    else:
        notes.append(
            "what changed in the sample between the scans (dose, drift of the state) moves "
            "descriptors as the imaging does; a repeat with the first settings tells them apart."
        )
    adjusted = stats.false_discovery_control([row["p_value"] for row in rows])
    for row, p_adjusted in zip(rows, adjusted, strict=True):
        row["p_adjusted"] = float(p_adjusted)
        _judge(row, level, stands_below)
    order = [
        "column", "shift", "unit", "shift_sds", "largest_shift_sds", "spread_ratio",
        "largest_spread_change", "p_value", "p_adjusted", "p_repeat", "verdict", "words",
    ]  # fmt: skip
    return ImagingSensitivity(
        pd.DataFrame(rows)[order], len(pairs.first), pairs.shift, tuple(notes)
    )


def _varies(table: PatchTable, name: str, notes: list[str]) -> bool:
    values = table.frame[name].to_numpy(dtype=np.float64)
    if values.std() > 1e-12 * max(float(np.abs(values).max()), 1e-300):
        return True
    notes.append(f"column {name!r} is constant in the first scan and was left out.")
    return False


def _noise_of(table: PatchTable, name: str) -> float:
    if table.measurement_covariance is None:
        return 0.0
    place = table.columns.index(name)
    return float(table.measurement_covariance[:, place, place].mean())


def _row(
    first: PatchTable, second: PatchTable, pairs: PatchPairs, name: str, known: bool, level: float
) -> dict[str, Any]:
    one = first.frame[name].to_numpy(dtype=np.float64)[pairs.first]
    two = second.frame[name].to_numpy(dtype=np.float64)[pairs.second]
    if np.array_equal(one, two):
        raise InputError(
            f"second must be another scan; column {name!r} holds the numbers of the first."
        )
    centers = first.centers[pairs.first]
    noise = np.array([_noise_of(first, name), _noise_of(second, name)])
    difference = two - one
    true = max(float(one.var()) - noise[0], 0.05 * float(one.var()))
    error = mean_of_field(
        difference - difference.mean(), wave_basis(centers), least=float(noise.sum()) / len(one)
    )
    mean, sd = float(difference.mean()), float(np.sqrt(error.variance))
    p_shift = 2.0 * float(stats.t.sf(abs(mean) / max(sd, 1e-300), error.freedom))
    reach = float(stats.t.isf(level, error.freedom)) * sd
    scale = float(np.sqrt(true))
    row: dict[str, Any] = {
        "column": name, "shift": mean, "unit": first.units.get(name, "1"),
        "shift_sds": mean / scale, "largest_shift_sds": (abs(mean) + reach) / scale,
        "spread_ratio": np.nan, "largest_spread_change": np.nan, "p_value": p_shift,
        "p_repeat": np.nan,
    }  # fmt: skip
    unknown = {*first.errors_unknown, *second.errors_unknown}
    if known and name not in unknown:
        p_spread = _compare_spread(row, one, two, centers, noise, level)
        row["p_value"] = min(1.0, 2.0 * min(p_shift, p_spread))
    return row


def _compare_spread(
    row: dict[str, Any], one: Floats, two: Floats, centers: Floats, noise: Floats, level: float
) -> float:
    """Return p that the noise-free variances agree: of difference with sum (Pitman, Morgan)."""
    errors = np.array([[noise.sum(), noise[1] - noise[0]], [noise[1] - noise[0], noise.sum()]])
    scale = float(one.std())
    pair = np.stack([two - one, two + one], axis=1) / scale
    field = field_moments(pair, centers, errors / scale**2)
    observed = float(field.covariance[0, 1] - field.noise[0, 1])
    before = 0.25 * float(np.sum(field.covariance * [[1, -1], [-1, 1]]))
    before = max(before - float(noise[0]) / scale**2, 0.05)
    # what of the difference follows the sum is the change itself, not its error
    slope = observed / max(float(field.covariance[1, 1]), 1e-300)
    spread, effective = score_covariance(field, [1], np.array([1.0, -slope]), 1)
    sd, freedom = float(np.sqrt(spread[0, 0])), max(effective - 2.0, 3.0)
    row["spread_ratio"] = float(np.sqrt(max(1.0 + observed / before, 0.0)))
    reach = float(stats.t.isf(level, freedom)) * sd
    row["largest_spread_change"] = 0.5 * (abs(observed) + reach) / before
    return 2.0 * float(stats.t.sf(abs(observed) / max(sd, 1e-300), freedom))


def _judge(row: dict[str, Any], level: float, stands_below: float) -> None:
    name = row["column"]
    largest, spread = float(row["largest_shift_sds"]), float(row["largest_spread_change"])
    if float(row["p_adjusted"]) <= level:
        if float(row["p_repeat"]) <= level:
            row["verdict"] = "undecided"
            row["words"] = (
                f"{name} is undecided: it moves with the imaging, but also between scans with the "
                "same settings."
            )
            return
        row["verdict"] = MOVES
        ratio = row["spread_ratio"]
        more = "" if np.isnan(spread) else f", its spread by a factor of {ratio:.2f}"
        row["words"] = (
            f"{name} moves with the imaging: it is not matter alone (by {row['shift']:.3g} "
            f"{row['unit']}, {row['shift_sds']:.2f} standard deviations{more}; "
            f"p {row['p_adjusted']:.2g})."
        )
    elif largest <= stands_below and not spread > stands_below:
        row["verdict"] = "stands"
        row["words"] = (
            f"{name} stands: a shift above {largest:.2f} standard deviations is excluded."
        )
    else:
        row["verdict"] = "undecided"
        row["words"] = (
            f"{name} is undecided: a shift of {largest:.2f} standard deviations"
            + ("" if np.isnan(spread) else f", or a change of its spread by {spread:.0%},")
            + " is not excluded; a larger field or less noise would tell."
        )
