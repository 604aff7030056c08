"""Before the experiment: what a picture of given dose, pixel, blur and overlap can tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from physlearn.checks import InputError, check_choice, check_count, check_positive
from physlearn.datasets.columns.column_bounds import column_bounds
from physlearn.datasets.columns.detection import false_maxima
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LATTICES", "EnvelopeCell", "OperatingEnvelope", "operating_envelope"]

Floats = NDArray[np.float64]
LATTICES = ("square", "triangular", "honeycomb")
PATCH_WIDTHS = 12.0
"""Half-edge of the patch about the columns whose bounds are taken."""
ABSENT_SHARE = 1e-3
SURE_POWER = 0.9
QUESTIONS = ("columns", "species", "vacancies", "displacement")
MOST_VERIFIED = 64


@dataclass(frozen=True, slots=True)
class EnvelopeCell:
    """One combination of conditions; lengths in one unit of the user's.

    Attributes
    ----------
    counts
        Counts that one bright column adds to the picture in all (dose times scattering share).
    pixel_size, width, spacing
        Length of a pixel, standard deviation of a column, distance of nearest columns.
    weak
        Intensity of the second species in units of the first; 1 means one species.
    background
        Background in units of a bright column's peak.
    displacement
        Shift of one column that is to be seen.
    lattice
        ``square``, ``triangular`` or ``honeycomb``; species alternate.
    """

    counts: float
    pixel_size: float
    width: float
    spacing: float
    weak: float
    background: float
    displacement: float
    lattice: str

    @property
    def width_px(self) -> float:
        """Standard deviation of a column in pixels."""
        return self.width / self.pixel_size

    @property
    def peak(self) -> float:
        """Counts of a bright column's central pixel above the background."""
        return self.counts / (2.0 * np.pi * self.width_px**2)

    def columns(self, half: float) -> tuple[Floats, NDArray[np.int64]]:
        """Return places (n, 2) within ``half`` pixels of a corner, and species 0 and 1.

        The column nearest to the middle comes first, its nearest of the other species second.
        """
        d = self.spacing / self.pixel_size
        n = int(np.ceil(half / d)) + 2
        j, i = np.mgrid[-n : n + 1, -n : n + 1]
        if self.lattice == "square":
            places = d * np.stack([i, j], axis=-1).reshape(-1, 2)
            species = ((i + j) % 2).ravel()
        elif self.lattice == "triangular":
            places = d * np.stack([i + 0.5 * (j % 2), j * np.sqrt(0.75)], axis=-1).reshape(-1, 2)
            species = (j % 2).ravel()
        else:
            corner = d * np.sqrt(3.0) * np.stack([i + 0.5 * (j % 2), j * np.sqrt(0.75)], axis=-1)
            corner = corner.reshape(-1, 2)
            places = np.concatenate([corner, corner + np.array([0.0, d])])
            species = np.repeat([0, 1], len(corner))
        distance = np.hypot(*places.T)
        inside = np.abs(places).max(axis=1) <= half
        order = np.argsort(distance[inside], kind="stable")
        places, species = places[inside][order], species[inside][order]
        other = int(np.argmax(species != species[0]))
        swap = np.arange(len(places))
        swap[[1, other]] = swap[[other, 1]]
        return np.asarray(places[swap] + half, dtype=np.float64), species[swap].astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class OperatingEnvelope:
    """What can be told under which conditions.

    Attributes
    ----------
    table
        One row a combination of conditions; see ``operating_envelope``.
    error_rate
        Errors that were called acceptable.

    Examples
    --------
    >>> envelope = operating_envelope([100, 10000], pixel_size=0.1, width=0.4, spacing=2.0)
    >>> len(envelope.table), len(envelope.verdict)
    (2, 4)
    """

    table: pd.DataFrame
    error_rate: float

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def verdict(self) -> tuple[str, ...]:
        """A sentence for each question: at which conditions it can be answered."""
        sentences = []
        for question in QUESTIONS:
            can = self.table[f"can_tell_{question}"].to_numpy(dtype=bool)
            words = f"{question}: told in {can.sum()} of {len(can)} combinations"
            if 0 < can.sum() < len(can):
                words += f", from {self.table['counts'][can].min():.4g} counts a column on"
            sentences.append(words + ".")
        return tuple(sentences)


def operating_envelope(
    counts: ArrayLike,
    *,
    pixel_size: ArrayLike,
    width: ArrayLike,
    spacing: ArrayLike,
    weak: ArrayLike = 0.5,
    background: ArrayLike = 0.1,
    displacement: ArrayLike | None = None,
    lattice: str = "square",
    error_rate: float = 0.01,
    columns_per_picture: int = 1000,
    verify: int = 0,
    rng: int | np.random.Generator | None = None,
) -> OperatingEnvelope:
    """Return which positions, species, vacancies and displacements a picture can tell.

    Each condition is a number or a sequence; all combinations are computed from the joint
    Cramer-Rao bound (``column_bounds``: neighbours, widths and background free), some of them
    simulated.

    Parameters
    ----------
    counts
        Counts that one bright column adds to the picture in all: dose x area x scattering share.
        It does not depend on the pixel.
    pixel_size, width, spacing
        Length of a pixel, standard deviation of a column's picture (the blur), distance of nearest
        columns, all in one unit of your choice.
    weak
        Intensity of the second species in units of the first; 1 for one species.
    background
        In units of a bright column's peak.
    displacement
        Shift of one column that is to be seen; None takes a tenth of the width.
    lattice
        ``square``, ``triangular`` or ``honeycomb``; the two species alternate on it.
    error_rate
        Acceptable share of wrong labels, missed columns or false alarms.
    columns_per_picture
        Sets the detection threshold (share of false columns, over so many).
    verify
        Combinations that are simulated and measured with ``find_atoms``, spread over the table.
    rng
        Seed or generator of the simulations.

    Returns
    -------
    OperatingEnvelope
        A table with the conditions and, for bright and weak columns: ``position_sd``,
        ``position_sd_weak`` (unit of the lengths), ``found`` and ``found_weak`` (probability of
        detection), ``species_error`` (wrong labels at equal shares), ``vacancy_error`` (wrong
        verdicts, present or absent, on a weak column's known site), ``displacement_power``
        (probability that the shift of one weak column is seen), ``smallest_displacement`` (seen
        with probability .9); ``can_tell_*``; and ``simulated_*`` where simulated (vacancies there
        without knowing the sites; the shift's power from the simulated error).

    Raises
    ------
    InputError
        For conditions that are not above 0 or a lattice that is not known.

    Examples
    --------
    >>> envelope = operating_envelope([100, 10000], pixel_size=0.1, width=0.4, spacing=2.0)
    >>> envelope.table["can_tell_species"].tolist()
    [False, True]
    """
    check_choice("lattice", lattice, LATTICES)
    check_positive("error_rate", error_rate)
    check_count("columns_per_picture", columns_per_picture, 1)
    if not error_rate < 0.5:
        raise InputError(f"error_rate must be below 0.5; got {error_rate}.")
    if not 0 <= verify <= MOST_VERIFIED:
        raise InputError(f"verify must be from 0 to {MOST_VERIFIED}; got {verify}.")
    axes = {
        "counts": counts, "pixel_size": pixel_size, "width": width, "spacing": spacing,
        "weak": weak, "background": background,
        "displacement": 0.0 if displacement is None else displacement,
    }  # fmt: skip
    lists = {name: np.atleast_1d(np.asarray(axis, dtype=np.float64)) for name, axis in axes.items()}
    for name, values in lists.items():
        if not values.size:
            raise InputError(f"{name} must hold at least one value; it is empty.")
        low = name == "background" or (name == "displacement" and displacement is None)
        for value in values:
            check_positive(name, float(value), allow_zero=low)
    if lists["weak"].max() > 1:
        raise InputError("weak must be at most 1: the first species is the brighter one.")
    rows = []
    for combination in product(*lists.values()):
        numbers = dict(zip(lists, map(float, combination), strict=True))
        if displacement is None:
            numbers["displacement"] = 0.1 * numbers["width"]
        rows.append(EnvelopeCell(**numbers, lattice=lattice))
    import pandas as pd

    table = pd.DataFrame([_predict(cell, error_rate, columns_per_picture) for cell in rows])
    if verify:
        from physlearn.datasets.columns.envelope_trials import add_trials

        table = add_trials(table, rows, verify, rng)
        ratio = table["displacement"] / table["simulated_position_rms_weak"]
        table["simulated_displacement_power"] = [_displacement_power(r, error_rate) for r in ratio]
    return OperatingEnvelope(table, error_rate)


def _predict(cell: EnvelopeCell, error_rate: float, n_columns: int) -> dict[str, object]:
    """Return one row of the table."""
    places, species = cell.columns(PATCH_WIDTHS * cell.width_px + cell.spacing / cell.pixel_size)
    peaks = cell.peak * np.where(species == species[0], 1.0, cell.weak)
    shape = (int(places.max()) + 1,) * 2
    # a picture without background has dark pixels: their variance is set by what they may hold
    level = max(cell.background * cell.peak, 1e-3 * cell.peak)
    bounds = column_bounds(
        places, peaks, cell.width_px, background=level, shape=shape, which=[0, 1]
    )
    empty = peaks.copy()
    empty[1] *= ABSENT_SHARE
    absent = column_bounds(places, empty, cell.width_px, background=level, shape=shape, which=[1])
    position = np.sqrt((bounds.position_sd**2).mean(axis=1)) * cell.pixel_size
    # amplitude at its own place and width, all else free: what a score test sees
    information = np.linalg.inv(bounds.covariance)
    snr = np.sqrt(information[:, 2, 2])
    sd_absent = ABSENT_SHARE / np.sqrt(np.linalg.inv(absent.covariance)[0, 2, 2])
    threshold = _threshold(cell, n_columns, error_rate)
    found = norm.cdf(snr - threshold)
    power = _displacement_power(cell.displacement / position[1], error_rate)
    needed = norm.isf(error_rate / 2) + norm.ppf(SURE_POWER)
    vacancy = float(norm.sf(1.0 / (sd_absent + 1.0 / snr[1])))
    row: dict[str, object] = {
        "counts": cell.counts, "pixel_size": cell.pixel_size, "width": cell.width,
        "spacing": cell.spacing, "weak": cell.weak, "background": cell.background,
        "displacement": cell.displacement, "lattice": cell.lattice,
        "peak": cell.peak, "matched_snr": bounds.matched_snr[0],
        "position_sd": position[0], "position_sd_weak": position[1],
        "found": found[0], "found_weak": found[1],
        "species_error": _label_error(bounds.intensity, bounds.intensity_sd),
        "vacancy_error": vacancy, "displacement_power": power,
        "smallest_displacement": float(needed * position[1]),
    }  # fmt: skip
    row["can_tell_columns"] = bool(found.min() >= 1 - error_rate)
    row["can_tell_species"] = bool(
        cell.weak < 1 and found.min() >= SURE_POWER and row["species_error"] <= error_rate  # type: ignore[operator]
    )
    row["can_tell_vacancies"] = vacancy <= error_rate
    row["can_tell_displacement"] = bool(found.min() >= SURE_POWER and power >= SURE_POWER)
    return row


def _threshold(cell: EnvelopeCell, n_columns: int, share: float) -> float:
    """Return the z above which noise shows ``share`` of the columns of a picture."""
    area = {"square": 1.0, "triangular": np.sqrt(0.75), "honeycomb": 1.299038}[cell.lattice]
    n_pixels = int(np.ceil(n_columns * area * (cell.spacing / cell.pixel_size) ** 2))
    allowed = share * n_columns

    def excess(z: float) -> float:
        return float(false_maxima(z, cell.width_px, n_pixels)) - allowed

    return brentq(excess, 1.0, 40.0) if excess(1.0) > 0 else 1.0


def _displacement_power(ratio: float, error_rate: float) -> float:
    """Return the power of a two-sided test for a shift of ``ratio`` standard errors."""
    edge = norm.isf(error_rate / 2)
    return float(norm.sf(edge - ratio) + norm.cdf(-edge - ratio))


def _label_error(centers: Floats, sds: Floats) -> float:
    """Return the share of wrong labels of two normal classes of equal size (Bayes' rule)."""
    low = (centers - 10 * sds).min()
    high = (centers + 10 * sds).max()
    grid = np.linspace(low, high, 20_001)
    densities = norm.pdf(grid[:, None], centers, sds)
    return float(0.5 * densities.min(axis=1).sum() * (grid[1] - grid[0]))
