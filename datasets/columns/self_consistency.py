"""Do the error bars hold on THIS picture? Two independent halves of it must agree within them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["ConsistencyCheck", "check_consistency"]

Floats = NDArray[np.float64]
Report = Callable[[float, str], None]
METHODS = ("auto", "repeat", "rows", "thin")
LARGEST_ROW_CORRELATION = 0.1
SAME_WIDTHS = 1.0
FEWEST_PAIRS = 20
MANY = 4000.0
CLOSE, LARGEST_Z = 0.05, 4.0


@dataclass(frozen=True, slots=True, eq=False)
class ConsistencyCheck:
    """How two halves of a picture, or two pictures, agree.

    Attributes
    ----------
    method
        ``repeat`` (two pictures), ``rows`` (even and odd rows) or ``thin`` (counts dealt out).
    z
        Shape (n_both, 2): differences of x and y over their joint standard deviations.
    z_sd, z_sd_error
        (x, y): their standard deviations and the standard errors of these.
    expected_z_sd
        What right error bars give: 1, or less where the noise of neighbouring rows is correlated.
    n_both, n_only_first, n_only_second
        Atoms found in both halves, and in one only.
    noise_correlation
        (x, y): correlation of the noise of neighbouring pixels of the whole picture.
    residual_chi_square
        Mean squared residual of the whole picture over its noise model's variance.
    judged
        Whether this counts as a test; else the numbers are reported and mean little.
    passed
        Both standard deviations agree with the expected one: within .05 from 4,000 pairs on, within
        4 standard errors below. None when not judged.
    reason
        Why it was not judged; or what was compared, passed or not, and with which numbers.

    Examples
    --------
    >>> pair = AtomicConfiguration([[0.0, 0.0]], position_covariance=np.eye(2)[None])
    >>> _z_scores(pair, pair, (np.array([0]), np.array([0])), np.zeros(2)).tolist()
    [[0.0, 0.0]]
    """

    method: str
    z: Floats
    z_sd: tuple[float, float]
    z_sd_error: tuple[float, float]
    expected_z_sd: float
    n_both: int
    n_only_first: int
    n_only_second: int
    noise_correlation: tuple[float, float]
    residual_chi_square: float
    judged: bool
    passed: bool | None
    reason: str

    __repr__ = short_repr
    _repr_html_ = html_table


def check_consistency(
    image: xr.DataArray | ArrayLike,
    *,
    second: xr.DataArray | ArrayLike | None = None,
    method: str = "auto",
    noise: str = "auto",
    mask: ArrayLike | None = None,
    options: FindAtomsOptions | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Report | None = None,
) -> ConsistencyCheck:
    """Compare the atoms of two independent halves of a picture, or of two pictures of one field.

    Parameters
    ----------
    image
        As for ``find_atoms``.
    second
        A repeated picture of the same field; a common shift is taken off.
    method
        ``repeat`` needs ``second``. ``rows`` fits even and odd rows apart; it is judged where the
        noise of neighbouring rows correlates by less than .1, and the reduction sqrt(1 - 2 rho)
        that such a correlation makes is expected. It sees everything that differs from row to row,
        scan jitter too. ``thin`` deals each count to one of two pictures at random, which needs
        counts, and tests the fit given Poisson noise, not the noise itself. ``auto`` takes the
        first of these that can be judged.
    noise, mask, options
        As for ``find_atoms``.
    rng
        Seed or generator, for ``thin``.
    progress
        Called with the share done (0 to 1) and a word.

    Returns
    -------
    ConsistencyCheck
        z-scores and a verdict.

    Raises
    ------
    InputError
        For ``repeat`` without a second picture, or ``thin`` without counts.
    NotIdentified
        When fewer than 20 atoms stand in both halves.

    Examples
    --------
    >>> from physlearn.datasets import image_columns
    >>> sites = 12.0 + 12.0 * np.argwhere(np.ones((6, 6)))
    >>> check = check_consistency(image_columns(sites, 200.0, (84, 84), rng=1).image,
    ...                           method="thin", rng=1)
    >>> check.n_both, check.passed
    (36, True)
    """
    check_choice("method", method, METHODS)
    options = options or FindAtomsOptions()
    report = progress or _silent
    frame = picture_frame(image)
    given = np.ones(frame.values.shape, dtype=np.bool_) if mask is None else np.asarray(mask, bool)
    whole = find_atoms(image, noise=noise, mask=mask, options=options)
    report(0.4, "whole picture")
    correlation = tuple(
        float(whole.metadata.get(f"pixel_correlation_{axis}", 0.0)) for axis in "xy"
    )
    chosen = _choose(method, frame, second, correlation[1])
    width = float(whole.metadata["column_width_px"]) if whole.n else None
    expected, judged, reason = 1.0, True, ""
    if chosen == "repeat":
        if second is None:
            raise InputError("method 'repeat' compares two pictures: give second.")
        halves = (whole, find_atoms(second, noise=noise, width=width, mask=mask, options=options))
        reason = "two pictures of one field"
    elif chosen == "rows":
        halves = _row_halves(image, given, noise, width, options)
        expected = float(np.sqrt(max(0.0, 1.0 - 2.0 * correlation[1])))
        judged = correlation[1] < LARGEST_ROW_CORRELATION
        reason = (
            "even rows against odd rows" if judged else
            f"the noise of neighbouring rows correlates by {correlation[1]:.2f}, so even and odd "
            "rows are not independent"
        )  # fmt: skip
    else:
        halves = _thinned(frame, given, noise, width, options, rng)
        reason = "each count dealt to one of two pictures"
    report(0.9, "halves")
    return _verdict(chosen, halves, whole, expected, judged=judged, reason=reason)


def _silent(_share: float, _word: str) -> None:
    """Say nothing."""


def _choose(method: str, frame: PictureFrame, second: object | None, row_correlation: float) -> str:
    """Return the method to use."""
    if method != "auto":
        return method
    if second is not None:
        return "repeat"
    if row_correlation >= LARGEST_ROW_CORRELATION and frame.counts_known:
        return "thin"
    return "rows"


def _row_halves(
    image: xr.DataArray | ArrayLike,
    given: NDArray[np.bool_],
    noise: str,
    width: float | None,
    options: FindAtomsOptions,
) -> tuple[AtomicConfiguration, AtomicConfiguration]:
    """Return the atoms of even rows alone and of odd rows alone, in the geometry of the whole."""
    halves = []
    for first in (0, 1):
        mask = given.copy()
        mask[1 - first :: 2] = False
        halves.append(find_atoms(image, noise=noise, width=width, mask=mask, options=options))
    return halves[0], halves[1]


def _thinned(
    frame: PictureFrame,
    given: NDArray[np.bool_],
    noise: str,
    width: float | None,
    options: FindAtomsOptions,
    rng: int | np.random.Generator | None,
) -> tuple[AtomicConfiguration, AtomicConfiguration]:
    """Return the atoms of two pictures between which the counts were dealt out."""
    counts = np.round(frame.values)
    if np.abs(frame.values - counts).max() > 1e-6 or counts.min() < 0:
        raise InputError(
            "method 'thin' deals out counts, and the picture does not hold whole numbers of 0 or "
            "more; take method 'rows'."
        )
    generator, _ = as_generator(rng)
    first = generator.binomial(counts.astype(np.int64), 0.5).astype(np.float64)
    kind = "poisson" if noise == "auto" else noise
    scale, origin = np.array(frame.pixel_size), np.array(frame.origin)
    halves = []
    for values in (first, counts - first):
        atoms = find_atoms(values, noise=kind, width=width, mask=given, options=options)
        covariance = atoms.position_covariance
        assert covariance is not None  # noqa: S101 -- find_atoms gives it
        halves.append(
            AtomicConfiguration(
                origin + atoms.positions * scale,
                unit=frame.unit,
                position_covariance=covariance * scale[:, None] * scale,
                width=None if atoms.width is None else atoms.width * float(scale.mean()),
            )
        )
    return halves[0], halves[1]


def _verdict(
    method: str,
    halves: tuple[AtomicConfiguration, AtomicConfiguration],
    whole: AtomicConfiguration,
    expected: float,
    *,
    judged: bool,
    reason: str,
) -> ConsistencyCheck:
    first, second = halves
    shift = np.zeros(2)
    pairs = _pairs(first, second, shift)
    if method == "repeat":
        for _ in range(3):
            off = second.positions[pairs[1]] - first.positions[pairs[0]]
            shift = np.median(off, axis=0) if len(off) else shift
            pairs = _pairs(first, second, shift)
    n = len(pairs[0])
    if n < FEWEST_PAIRS:
        raise NotIdentified(
            f"{n} atoms stand in both halves; at least {FEWEST_PAIRS} are needed to judge errors."
        )
    z = _z_scores(first, second, pairs, shift)
    sd = np.sqrt(np.mean(z**2, axis=0))
    # standard error of a root mean square, whatever the tails
    error = np.sqrt(np.var(z**2, axis=0) / n) / (2 * np.maximum(sd, 1e-300))
    allowed = np.full(2, CLOSE) if n >= MANY else LARGEST_Z * error
    close = bool(np.all(np.abs(sd - expected) <= allowed))
    if judged:
        word = "passed" if close else "not passed"
        said = ", ".join(f"{value:.2f} +- {e:.2f}" for value, e in zip(sd, error, strict=True))
        reason += f": {word}, z sd {said} (x, y) for {expected:.2f} expected"
    correlation = [float(whole.metadata.get(f"pixel_correlation_{a}", np.nan)) for a in "xy"]
    return ConsistencyCheck(
        method, z, (float(sd[0]), float(sd[1])), (float(error[0]), float(error[1])), expected,
        n, first.n - n, second.n - n, (correlation[0], correlation[1]),
        float(whole.metadata.get("residual_chi_square_per_pixel", np.nan)), judged,
        close if judged else None, reason,
    )  # fmt: skip


def _pairs(
    first: AtomicConfiguration, second: AtomicConfiguration, shift: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return atoms that are each other's nearest, closer than a width."""
    if first.n == 0 or second.n == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    moved = second.positions - shift
    distance, there = cKDTree(moved).query(first.positions)
    _, back = cKDTree(first.positions).query(moved)
    width = np.inf if first.width is None else SAME_WIDTHS * first.width
    mutual = (np.asarray(back)[there] == np.arange(first.n)) & (np.asarray(distance) < width)
    rows = np.flatnonzero(mutual)
    return rows, np.asarray(there)[rows].astype(np.int64)


def _z_scores(
    first: AtomicConfiguration,
    second: AtomicConfiguration,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    shift: Floats,
) -> Floats:
    """Return differences over joint errors; a repeat's own scatter about the shift stays in."""
    a, b = pairs
    assert first.position_covariance is not None  # noqa: S101 -- find_atoms gives it
    assert second.position_covariance is not None  # noqa: S101
    joint = first.position_covariance[a] + second.position_covariance[b]
    off = second.positions[b] - first.positions[a] - shift
    return np.asarray(off / np.sqrt(np.einsum("nii->ni", joint)))
