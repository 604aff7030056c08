"""Columns and row shifts fitted together, to finished positions or to the raw picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.scan.declared_lattice import IndexedColumns, index_columns
from physlearn.datasets.scan.row_model import (
    RowHyperparameters,
    RowPosterior,
    RowProblem,
    fit_hyperparameters,
    solve_rows,
)
from physlearn.datasets.scan.scan_image import Picture, ShiftedFit, quadratic_of, start_fit
from physlearn.records import AtomicConfiguration

__all__ = ["Fitted", "fit_picture", "fit_positions", "in_pixels", "straightened"]

Floats = NDArray[np.float64]
ROUNDS = 5
SETTLED_PX = 0.005
MEAN_ERROR, MEAN_SHRINKS = 0.25, 1.5
LIKELY_CORRELATION = 0.6
"""Of the spread of columns about the lattice: error of taking a column's place for the mean of its
rows' shifts, and by what single rows scatter more than such means."""
RAGGED_WIDTHS = 0.12
"""Jitter, in column widths, from which ragged columns are found anew on the straightened picture:
score tests on their ragged residual add columns that are not there."""
MOST_DETECTIONS = 2
GUEST_WIDTHS = 3.5


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Everything in pixels: corrected places, covariances, rows, and the last linear problem."""

    places: Floats
    covariance: Floats
    problem: RowProblem
    posterior: RowPosterior
    hyper: RowHyperparameters
    hyper_covariance: Floats
    lattice: Floats
    atoms: AtomicConfiguration
    indexed: IndexedColumns
    found_anew: bool = False


def _lattice_start(design: Floats, x: Floats, on_lattice: NDArray[np.bool_]) -> Floats:
    """Return the least-squares lattice parameters along one axis."""
    return np.asarray(np.linalg.lstsq(design[on_lattice], x[on_lattice], rcond=None)[0])


def in_pixels(atoms: AtomicConfiguration) -> tuple[Floats, Floats]:
    """Return pixel size and origin (2,), in the atoms' unit."""
    if atoms.pixel_size is None or atoms.field_of_view is None:
        raise InputError(
            "atoms must come from a picture (pixel_size and field_of_view): rows are needed."
        )
    return np.array(atoms.pixel_size), np.array(atoms.field_of_view)[:2]


def fit_positions(
    atoms: AtomicConfiguration,
    indexed: IndexedColumns,
    n_rows: int,
    order: int,
    *,
    infer: bool = True,
) -> Fitted:
    """Fit the rows to finished positions, each an average over the rows it crosses.

    Without ``infer`` the jitter is guessed: a smooth start for the fit of the pixels, which an
    overshooting zigzag from row to row would lead astray.
    """
    pixel, origin = in_pixels(atoms)
    places = (atoms.positions - origin) / pixel
    covariance = np.asarray(atoms.position_covariance) / pixel[:, None] / pixel
    width = np.asarray(atoms.width) / float(np.sqrt(pixel[0] * pixel[1]))
    window = int(np.ceil(6 * float(width.max()))) + 2
    first = np.clip(np.ceil(places[:, 1] - 3 * width).astype(np.int64), 0, n_rows - 1)
    rows = first[:, None] + np.arange(window)
    # the slope of a Gaussian column along x squared, summed over a row, falls as exp(-v^2)
    share = np.exp(-(((rows - places[:, 1:]) / width[:, None]) ** 2)) * (rows < n_rows)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    design = indexed.design(order, places)
    lattice = _lattice_start(design, places[:, 0], indexed.on_lattice)
    away = places[:, 0] - design @ lattice
    ragged = max(float(np.std(away[indexed.on_lattice])), 1e-3)
    belief = RowHyperparameters(MEAN_SHRINKS * ragged, LIKELY_CORRELATION, MEAN_ERROR * ragged)
    # a ragged column's place is only about the mean of its rows' shifts
    information = 1.0 / np.maximum(covariance[:, 0, 0] + (MEAN_ERROR * ragged) ** 2, 1e-12)
    shared = np.ascontiguousarray(share * information[:, None])
    band = np.zeros((window, n_rows))
    for a in range(window):
        products = shared[:, : window - a] * share[:, a:]
        seen = rows[:, : window - a]
        total = np.bincount(seen.ravel(), weights=products.ravel(), minlength=n_rows)
        band[a] = total[:n_rows]
    problem = RowProblem(
        information, np.zeros(len(places)), shared, first, band, np.zeros(n_rows),
        away, design, indexed.on_lattice, np.zeros(n_rows),
    )  # fmt: skip
    hyper, spread = belief, np.eye(3)
    if infer:
        hyper, spread = fit_hyperparameters(problem, belief, belief=belief)
    posterior = solve_rows(problem, hyper)
    corrected = places.copy()
    seen = np.minimum(rows, n_rows - 1)
    corrected[:, 0] -= (share * posterior.shift[seen]).sum(axis=1)
    return Fitted(
        corrected, covariance, problem, posterior, hyper, spread,
        lattice + posterior.lattice_step, atoms, indexed,
    )  # fmt: skip


def fit_picture(
    atoms: AtomicConfiguration,
    picture: Picture,
    indexed: IndexedColumns,
    order: int,
    options: FindAtomsOptions,
) -> Fitted:
    """Fit columns and rows on the raw pixels; find ragged columns anew once straightened."""
    first = fit_positions(atoms, indexed, picture.image.shape[0], order, infer=False)
    fitted = _fit_pixels(first, picture, order)
    for _ in range(MOST_DETECTIONS):
        width = float(np.median(np.asarray(fitted.atoms.width)))
        if fitted.hyper.jitter_px < RAGGED_WIDTHS * width / float(in_pixels(atoms)[0][0]):
            break
        again = _find_again(fitted, picture, options)
        if again.n < len(indexed.part) // 2 or _alike(fitted, again):
            break
        pixel, origin = in_pixels(again)
        try:
            places = (again.positions - origin) / pixel
            indexed = index_columns(places, np.asarray(again.intensity))
        except NotIdentified:
            # the first columns did show the lattice: theirs is the better answer
            break
        fitted = _fit_pixels(_restart(fitted, again, indexed, order), picture, order)
    return _fit_pixels(fitted, picture, order, calibrate=True)


def straightened(image: Floats, shift: Floats) -> Floats:
    """Return the picture with each row moved back by its shift (linear interpolation)."""
    rows, columns = np.indices(image.shape, dtype=np.float64)
    return np.asarray(
        map_coordinates(image, [rows, columns + shift[:, None]], order=1, mode="nearest")
    )


def _find_again(fitted: Fitted, picture: Picture, options: FindAtomsOptions) -> AtomicConfiguration:
    """Return the columns of the straightened picture, in the atoms' unit."""
    atoms = fitted.atoms
    pixel, origin = in_pixels(atoms)
    shift = fitted.posterior.shift
    straight = straightened(picture.sign * picture.image, shift)
    mask = None
    if not picture.usable.all():
        # a pixel that holds any share of one that does not count does not count
        mask = straightened(np.where(picture.usable, 0.0, 1.0), shift) < 1e-9
    found = find_atoms(straight, noise=_noise_kind(atoms), mask=mask, options=options)
    if found.n == 0:
        return found
    return atoms.with_changes(
        positions=origin + found.positions * pixel,
        position_covariance=np.asarray(found.position_covariance) * pixel[:, None] * pixel,
        width=np.asarray(found.width) * float(np.sqrt(pixel[0] * pixel[1])),
        intensity=found.intensity, intensity_sd=found.intensity_sd, covariance=None,
        detection_probability=found.detection_probability, species=None, species_names=(),
        species_log_likelihood=None,
    )  # fmt: skip


def _alike(fitted: Fitted, again: AtomicConfiguration) -> bool:
    """Return whether columns found anew are those that were fitted."""
    if again.n != len(fitted.places):
        return False
    pixel, origin = in_pixels(again)
    distance = np.asarray(cKDTree((again.positions - origin) / pixel).query(fitted.places)[0])
    width = float(np.median(np.asarray(fitted.atoms.width))) / pixel[0]
    return bool(distance.max() < 0.5 * width)


def _noise_kind(atoms: AtomicConfiguration) -> str:
    """Return the noise model that the columns were fitted with."""
    kind = str(atoms.metadata.get("noise_model", "gain"))
    return kind if kind in ("poisson", "gaussian") else "gain"


def _restart(
    fitted: Fitted, atoms: AtomicConfiguration, indexed: IndexedColumns, order: int
) -> Fitted:
    """Return the start of a fit with other columns, the row shifts kept."""
    pixel, origin = in_pixels(atoms)
    places = (atoms.positions - origin) / pixel
    covariance = np.asarray(atoms.position_covariance) / pixel[:, None] / pixel
    lattice = _lattice_start(indexed.design(order, places), places[:, 0], indexed.on_lattice)
    return Fitted(
        places, covariance, fitted.problem, fitted.posterior, fitted.hyper,
        fitted.hyper_covariance, lattice, atoms, indexed, found_anew=True,
    )  # fmt: skip


def _fit_pixels(start: Fitted, picture: Picture, order: int, *, calibrate: bool = False) -> Fitted:
    """Fit columns and rows on the raw pixels, by turns; at the end, measure the pixels' noise."""
    indexed = start.indexed
    fit = _pixel_fit(start, picture)
    fit.refit(6)
    n = len(start.places)
    design = indexed.design(order, start.places)
    guests = len(fit.columns) - n
    design = np.concatenate([design, np.zeros((guests, design.shape[1]))])
    on_lattice = np.concatenate([indexed.on_lattice, np.zeros(guests, dtype=np.bool_)])
    hyper, spread = start.hyper, start.hyper_covariance
    problem, posterior, covariance = start.problem, start.posterior, start.covariance
    lattice = start.lattice
    kind = _noise_kind(start.atoms)
    inflation = np.ones(4)
    settled = False
    for round_number in range(ROUNDS + 1):
        last = settled or round_number == ROUNDS
        if last and calibrate:
            # only now: before, the jitter's ragged residual would pass for correlated noise
            fit.refit_noise(kind)
            inflation = fit.inflation(kind)
        lattice = _lattice_start(design, fit.columns[:, 0], on_lattice)
        away = fit.columns[:, 0] - design @ lattice
        problem, covariance = quadratic_of(fit, away, design, on_lattice, inflation)
        hyper, spread = fit_hyperparameters(problem, hyper)
        posterior = solve_rows(problem, hyper)
        moved = float(np.abs(posterior.shift - fit.shift).max())
        fit.shift = posterior.shift.copy()
        fit.refit(6)
        if last:
            break
        settled = moved < SETTLED_PX and round_number > 0
    pixel, _ = in_pixels(start.atoms)
    columns, covariance = fit.columns[:n], covariance[:n]
    # log intensity = log amplitude + 2 log width
    relative = covariance[:, 2, 2] + 4 * covariance[:, 2, 3] + 4 * covariance[:, 3, 3]
    intensity = 2 * np.pi * np.exp(columns[:, 2] + 2 * columns[:, 3])
    atoms = start.atoms.with_changes(
        width=np.exp(columns[:, 3]) * float(np.sqrt(pixel[0] * pixel[1])),
        intensity=intensity, intensity_sd=intensity * np.sqrt(np.maximum(relative, 0.0)),
    )  # fmt: skip
    return Fitted(
        columns[:, :2].copy(), covariance, problem, posterior, hyper, spread,
        lattice + posterior.lattice_step, atoms, indexed, start.found_anew,
    )  # fmt: skip


def _pixel_fit(start: Fitted, picture: Picture) -> ShiftedFit:
    """Return the pixel fit that starts at the given columns and row shifts."""
    atoms = start.atoms
    pixel, _ = in_pixels(atoms)
    width = np.maximum(np.asarray(atoms.width) / float(np.sqrt(pixel[0] * pixel[1])), 0.5)
    width = np.clip(width, 0.6 * np.median(width), 1.6 * np.median(width))
    amplitude = np.asarray(atoms.intensity) / (2 * np.pi * width**2)
    amplitude = np.maximum(amplitude, 1e-6 * np.abs(picture.image).max())
    columns = np.column_stack([start.places, np.log(amplitude), np.log(width)])
    noise = (
        float(atoms.metadata.get("noise_offset", 0.0)),
        float(atoms.metadata.get("noise_gain", 1.0)),
    )
    guests = _guests(start, picture.image.shape, columns)
    return start_fit(picture, np.ascontiguousarray(columns), guests, start.posterior.shift, noise)


def _guests(start: Fitted, shape: tuple[int, ...], columns: Floats) -> Floats:
    """Return columns at lattice sites just outside the picture, whose flanks reach into it."""
    indexed = start.indexed
    on = indexed.on_lattice
    design = indexed.design(1, start.places)[on]
    line = np.linalg.lstsq(design, start.places[on], rcond=None)[0]
    typical = np.median(columns[on, 2:], axis=0)
    reach = GUEST_WIDTHS * float(np.exp(typical[1]))
    extent = np.array(shape)[::-1] - 1.0
    corners = np.array(
        [[x, y] for x in (-reach, extent[0] + reach) for y in (-reach, extent[1] + reach)]
    )
    found = [np.empty((0, 2))]
    for part in range(indexed.n_parts):
        at = (corners - line[part]) @ np.linalg.inv(line[-2:])
        low, high = np.floor(at.min(axis=0)).astype(int), np.ceil(at.max(axis=0)).astype(int)
        steps = np.stack(
            np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)), axis=-1
        ).reshape(-1, 2)
        sites = steps @ line[-2:] + line[part]
        beyond = np.maximum(-sites, sites - extent).max(axis=1)
        found.append(sites[(beyond > 0.0) & (beyond < reach)])
    sites = np.concatenate(found)
    if len(sites) == 0:
        return np.empty((0, 4))
    # fragments of one sublattice name a site twice, and found columns may stand there already
    found_pairs = cKDTree(np.concatenate([start.places, sites])).query(sites, k=2)
    distance, near = np.asarray(found_pairs[0]), np.asarray(found_pairs[1])
    own = np.arange(len(sites)) + len(start.places)
    other = np.where(near[:, 0] == own, near[:, 1], near[:, 0])
    apart = np.where(near[:, 0] == own, distance[:, 1], distance[:, 0])
    alone = (apart > 1.5 * float(np.exp(typical[1]))) | (
        (other >= len(start.places)) & (other > own)
    )
    sites = sites[alone]
    return np.column_stack([sites, np.tile(typical - [0.3, 0.0], (len(sites), 1))])
