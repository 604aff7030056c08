"""Row jitter and drift of a scanned picture, undone with a lattice whose shape is declared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.recorded_settings import check_same_mask, recorded_options
from physlearn.datasets.columns.usable_pixels import usable_pixels
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.datasets.scan.corrected_covariance import held_fixed, in_unit, joint_of
from physlearn.datasets.scan.declared_lattice import (
    Affine,
    IndexedColumns,
    declared_vectors,
    drift_of,
    index_columns,
    undo_drift_of,
)
from physlearn.datasets.scan.row_fits import Fitted, fit_picture, fit_positions, in_pixels
from physlearn.datasets.scan.row_model import (
    RowHyperparameters,
    common_lever,
    shared_errors,
    shift_variance,
)
from physlearn.datasets.scan.scan_image import Picture
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["ScanCorrection", "correct_scan"]

Floats = NDArray[np.float64]
FEWEST_COLUMNS = 24
PRIOR_ONLY_SHARE = 0.9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScanCorrection:
    """Columns freed of the scan's row jitter, and what the scan did.

    Attributes
    ----------
    atoms
        The columns with corrected positions, covariances that hold the row shifts' own errors, and
        ``row_error``.
    row_shift, row_shift_sd
        Shape (rows,): how far along x each row was displaced, and its standard deviation, in the
        atoms' unit.
    jitter_sd, jitter_sd_error
        Standard deviation of the row shifts and its own standard error, in the atoms' unit.
    jitter_correlation, jitter_correlation_error
        AR(1) coefficient from row to row.
    displacement_sd
        Standard deviation of the columns' own displacements from the lattice along x.
    lattice_vectors, lattice_vectors_sd
        Shape (2, 2): rows are the measured vectors (drift still in them), and their errors.
    drift, drift_sd
        (x, y): movement of the sample per picture row, as a share of the row distance; None where
        only periodicity was declared.
    angle, angle_sd, scale, scale_sd
        Rotation (radians) and length per declared length of the lattice; None likewise.
    on_lattice
        Which columns stand on the lattice and so tell of the rows.
    not_identified
        What the data cannot tell, one sentence each.

    Examples
    --------
    >>> from physlearn.datasets import find_atoms, make_scan_pair
    >>> image = make_scan_pair((64, 64), rng=1).images[0]
    >>> found = correct_scan(find_atoms(image), image, lattice="square")
    >>> found.row_shift.shape, isinstance(found.verdict, str)
    ((64,), True)
    """

    atoms: AtomicConfiguration
    row_shift: Floats
    row_shift_sd: Floats
    jitter_sd: float
    jitter_sd_error: float
    jitter_correlation: float
    jitter_correlation_error: float
    displacement_sd: float
    lattice_vectors: Floats
    lattice_vectors_sd: Floats
    drift: Floats | None
    drift_sd: Floats | None
    angle: float | None
    angle_sd: float | None
    scale: float | None
    scale_sd: float | None
    on_lattice: NDArray[np.bool_]
    not_identified: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def verdict(self) -> str:
        """What the scan did to the picture, in one sentence."""
        unit = self.atoms.unit
        text = (
            f"row jitter {self.jitter_sd:.3g} +- {self.jitter_sd_error:.2g} {unit}, correlation "
            f"from row to row {self.jitter_correlation:.2f} +- {self.jitter_correlation_error:.2f}"
        )
        if self.drift is not None and self.drift_sd is not None:
            text += (
                f", drift per row x {self.drift[0]:.2g} +- {self.drift_sd[0]:.1g}, "
                f"y {self.drift[1]:.2g} +- {self.drift_sd[1]:.1g} of the row distance"
            )
        return text + "."


def correct_scan(
    atoms: AtomicConfiguration,
    image: xr.DataArray | ArrayLike | None = None,
    *,
    lattice: str | ArrayLike,
    undo_drift: bool = True,
    strain_order: int = 1,
    mask: ArrayLike | None = None,
) -> ScanCorrection:
    """Infer how far each scan row was displaced, and free the columns of it.

    In picture row r a column is seen at ``x + s_r``; ``s`` is an AR(1) process and columns stand at
    ``lattice + u`` with independent ``u``. Jitter, coefficient, size of ``u`` (marginal likelihood)
    and the lattice's vectors and offsets are inferred together. With the picture, columns and row
    shifts are fitted on the raw pixels; without it, the fitted positions serve, each an average of
    the shifts of the rows that it crosses (good to about a tenth of the jitter).

    Parameters
    ----------
    atoms
        Columns of ``find_atoms`` with ``position_covariance`` and ``pixel_size``.
    image
        The picture they were found in (rows are scan lines), or None.
    lattice
        The declared shape: ``square``, ``triangular`` or two vectors, shape (2, 2) (rotation and
        scale are free); ``any`` declares only that there is a lattice. Several columns in a cell
        are found.
    undo_drift
        Also undo the even drift that distorts the declared shape (``any`` knows of none).
    strain_order
        1: a straight lattice; 2 or 3 lets it bend smoothly to that order.
    mask
        The one that ``find_atoms`` was given: True where a pixel counts. Its options (polarity,
        row levels) are known from the atoms.

    Returns
    -------
    ScanCorrection
        Corrected columns, row shifts, and what is not identified.

    Raises
    ------
    NotIdentified
        Where the columns show no lattice.
    InputError
        For fewer than 24 columns, atoms without covariance or pixel size, or a wrong lattice.

    Notes
    -----
    A real displacement that is common to all columns of a row looks like a row shift and is
    removed with it: ``not_identified`` says so, and ``atoms.row_error`` carries it to strain and
    polarisation. Kalman-type inference of an AR(1) process: Rue and Held, Gaussian Markov Random
    Fields (2005), doi:10.1201/9780203492024.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ix, iy = np.meshgrid(np.arange(12.0), np.arange(12.0))
    >>> true = 12 * np.stack([ix.ravel(), iy.ravel()], 1) + 10
    >>> shift = rng.normal(0, 0.5, 152)
    >>> seen = true + np.stack([shift[true[:, 1].astype(int)], np.zeros(144)], 1)
    >>> seen += rng.normal(0, 0.05, (144, 2))
    >>> atoms = AtomicConfiguration(
    ...     seen, position_covariance=np.tile(0.0025 * np.eye(2), (144, 1, 1)),
    ...     width=np.full(144, 0.4), intensity=np.ones(144), pixel_size=(1.0, 1.0),
    ...     field_of_view=(0.0, 0.0, 151.0, 151.0))
    >>> found = correct_scan(atoms, lattice="square")
    >>> bool(np.std(found.atoms.positions[:, 0] - true[:, 0]) < 0.1)
    True
    """
    declared = declared_vectors(lattice)
    _check(atoms, strain_order)
    pixel, origin = in_pixels(atoms)
    places = (atoms.positions - origin) / pixel
    weights = np.ones(atoms.n) if atoms.intensity is None else np.asarray(atoms.intensity)
    indexed = index_columns(places, np.maximum(weights, 0.0))
    shape = _picture_shape(atoms)
    if image is None:
        fitted = fit_positions(atoms, indexed, shape[0], strain_order)
    else:
        frame = picture_frame(image)
        if frame.values.shape != shape:
            raise InputError(
                f"image must be the picture of the atoms, {shape[0]} x {shape[1]} pixels by their "
                f"field of view; got {frame.values.shape[0]} x {frame.values.shape[1]}."
            )
        options = recorded_options(atoms.metadata)
        check_same_mask(atoms.metadata, mask)
        picture, atoms = _picture(atoms, frame, mask, options)
        fitted = fit_picture(atoms, picture, indexed, strain_order, options)
    return _result(fitted, declared, undo_drift)


def _check(atoms: AtomicConfiguration, strain_order: int) -> None:
    """Refuse columns that cannot be corrected."""
    in_pixels(atoms)
    if atoms.position_covariance is None or atoms.width is None or atoms.dimension != 2:
        raise InputError("atoms must have position_covariance and width, as find_atoms gives them.")
    if atoms.n < FEWEST_COLUMNS:
        raise NotIdentified(
            f"{atoms.n} columns are too few to tell row shifts from the columns' own places; "
            f"{FEWEST_COLUMNS} are needed."
        )
    if strain_order not in (1, 2, 3):
        raise InputError(f"strain_order must be 1, 2 or 3; got {strain_order!r}.")


def _picture(
    atoms: AtomicConfiguration,
    frame: PictureFrame,
    mask: ArrayLike | None,
    options: FindAtomsOptions,
) -> tuple[Picture, AtomicConfiguration]:
    """Return the picture with bright columns and usable pixels, and atoms that say what was not."""
    said: list[str] = []
    good = usable_pixels(frame.values, mask, options.polarity, said)
    if good is None:
        good = np.ones(frame.values.shape, dtype=np.bool_)
    sign = -1.0 if options.polarity == "dark" else 1.0
    picture = Picture(
        np.ascontiguousarray(sign * frame.values), np.ascontiguousarray(good), sign,
        options.row_levels,
    )  # fmt: skip
    return picture, atoms.with_changes(warnings=tuple(dict.fromkeys((*atoms.warnings, *said))))


def _picture_shape(atoms: AtomicConfiguration) -> tuple[int, int]:
    """Return rows and columns of the picture that the atoms came from."""
    pixel, low = in_pixels(atoms)
    high = np.array(atoms.field_of_view)[2:]
    columns, rows = np.round((high - low) / pixel).astype(int) + 1
    return int(rows), int(columns)


def _result(fitted: Fitted, declared: Floats | None, straighten: bool) -> ScanCorrection:
    """Return the record in the atoms' own unit."""
    atoms, indexed = fitted.atoms, fitted.indexed
    pixel, origin = in_pixels(atoms)
    variance = shift_variance(fitted.problem, fitted.posterior)[0]
    vectors, vector_covariance = _vectors(fitted, indexed)
    affine = None if declared is None else drift_of(vectors, vector_covariance, declared)
    straight = affine if straighten else None
    places, covariance, joint = _places(fitted, straight)
    hyper = fitted.hyper
    log_jitter_sd, atanh_sd = np.sqrt(np.diag(fitted.hyper_covariance))[:2]
    length = -1.0 / np.log(hyper.correlation) if hyper.correlation > 1e-3 else 0.0
    anew = (
        f"columns were found anew on the straightened picture: {fitted.atoms.n} of them; species "
        "and labels of the old ones do not carry over.",
    ) * fitted.found_anew
    said = _not_identified(hyper, variance, declared, straight)
    corrected = atoms.with_changes(
        positions=origin + places * pixel,
        position_covariance=covariance * pixel[:, None] * pixel,
        covariance=in_unit(joint, pixel, len(places)),
        row_error=(hyper.jitter_px * float(pixel[0]), length),
        metadata={**atoms.metadata, "scan_corrected": True, "jitter_px": hyper.jitter_px,
                  "jitter_correlation": hyper.correlation},
        warnings=(*atoms.warnings, *anew, *said),
    )  # fmt: skip
    per_row = np.array([pixel[0] / pixel[1], 1.0])
    return ScanCorrection(
        atoms=corrected,
        row_shift=fitted.posterior.shift * pixel[0],
        row_shift_sd=np.sqrt(np.maximum(variance, 0.0)) * pixel[0],
        jitter_sd=hyper.jitter_px * float(pixel[0]),
        jitter_sd_error=hyper.jitter_px * float(log_jitter_sd) * float(pixel[0]),
        jitter_correlation=hyper.correlation,
        jitter_correlation_error=float((1 - hyper.correlation**2) * atanh_sd),
        displacement_sd=hyper.displacement_px * float(pixel[0]),
        lattice_vectors=vectors * pixel,
        lattice_vectors_sd=np.sqrt(np.diag(vector_covariance)).reshape(2, 2) * pixel,
        drift=None if affine is None else affine.drift * per_row,
        drift_sd=None if affine is None else affine.drift_sd * per_row,
        angle=None if affine is None else affine.angle,
        angle_sd=None if affine is None else affine.angle_sd,
        scale=None if affine is None else affine.scale,
        scale_sd=None if affine is None else affine.scale_sd,
        on_lattice=indexed.on_lattice,
        not_identified=said,
    )


def _places(fitted: Fitted, affine: Affine | None) -> tuple[Floats, Floats, csc_array | None]:
    """Return corrected places and covariances (n, 2, 2), the joint one; ``affine``'s drift undone.

    A move of the whole picture is no error: the mean of lattice and rows is held. The declared
    shape fixes the trend along x: its error leaves the row shifts and the lattice together, and
    what the y parts of the vectors leave open of it comes in.
    """
    design = fitted.problem.design
    held = [design[fitted.problem.on_lattice].mean(axis=0)]
    if affine is not None:
        trend = np.zeros(design.shape[1])
        trend[fitted.indexed.n_parts : fitted.indexed.n_parts + 2] = affine.drift_by_x
        held.append(trend)
    posterior = replace(
        fitted.posterior, lattice_covariance=held_fixed(fitted.posterior.lattice_covariance, held)
    )
    n = len(fitted.places)
    added = shift_variance(fitted.problem, posterior)[1][:n]
    own = fitted.covariance
    whole = own.copy()
    whole[:, 0, 0] = np.maximum(own[:, 0, 0] + added, 1e-2 * own[:, 0, 0])
    shared = shared_errors(fitted.problem, posterior, n)
    if affine is None:
        return fitted.places, whole[:, :2, :2], joint_of(whole, shared)
    change = np.eye(own.shape[1])
    change[0, 1] = -affine.drift[0]
    change[1, 1] = 1.0 - affine.drift[1]
    whole = change @ whole @ change.T
    lever = fitted.places[:, 1] - fitted.places[:, 1].mean()
    drift = np.array([affine.drift_left_sd, affine.drift_sd[1]])
    whole[:, [0, 1], [0, 1]] += (drift * lever[:, None]) ** 2
    places = undo_drift_of(fitted.places, affine.drift)
    levers = None if shared is None else common_lever(fitted.problem, lever, shared)
    return places, whole[:, :2, :2], joint_of(whole, shared, levers, drift)


def _vectors(fitted: Fitted, indexed: IndexedColumns) -> tuple[Floats, Floats]:
    """Return the two measured vectors and the covariance of (a_x, a_y, b_x, b_y)."""
    on = indexed.on_lattice
    where = slice(indexed.n_parts, indexed.n_parts + 2)
    design = indexed.design(1, fitted.places)[on]
    y = fitted.places[on, 1]
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    left = float(np.sum((y - design @ solution) ** 2)) / max(len(y) - design.shape[1], 1)
    along_y = np.linalg.inv(design.T @ design)[where, where] * left
    along_x = fitted.posterior.lattice_covariance[where, where]
    vectors = np.stack([fitted.lattice[where], solution[where]], axis=1)
    covariance = np.zeros((4, 4))
    covariance[np.ix_([0, 2], [0, 2])] = along_x
    covariance[np.ix_([1, 3], [1, 3])] = along_y
    return vectors, covariance


def _not_identified(
    hyper: RowHyperparameters,
    variance: Floats,
    declared: Floats | None,
    straight: Affine | None,
) -> tuple[str, ...]:
    """Return what the data cannot tell."""
    said = [
        "a displacement common to all columns of a row cannot be told from a row shift: it was "
        "removed with the jitter.",
        "the mean of the row shifts cannot be told from the place of the whole picture: positions "
        "hold up to a common move along x.",
    ]
    if declared is None:
        said.append(
            "even drift cannot be told from a sheared lattice when only periodicity is declared."
        )
    elif straight is not None:
        said.append(
            "an even shear or stretch of the crystal cannot be told from even drift: the picture "
            "was brought to the declared shape."
        )
    blind = int(np.sum(np.sqrt(np.maximum(variance, 0.0)) > PRIOR_ONLY_SHARE * hyper.jitter_px))
    if blind:
        said.append(
            f"{blind} of {len(variance)} rows cross too few columns: their shift is the jitter's "
            "own spread."
        )
    return tuple(said)
