"""The descriptors of patches: each a column with unit, tier and measurement variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree
from scipy.special import expit

from physlearn.checks import InputError, check_array
from physlearn.datasets.reading.pictures import PictureFrame
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = [
    "RESERVED_NAMES",
    "AxisFrame",
    "Column",
    "axis_frame",
    "channel_column",
    "free_atom_columns",
    "picture_columns",
    "site_columns",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
RESERVED_NAMES = (
    "composition", "intensity_residual", "missing_neighbours", "dilation", "deviatoric_strain",
    "shear_strain", "bond_order", "mean_intensity", "local_variance", "crystallinity", "gradient",
    "density",
)  # fmt: skip
FEWEST_SITES = 4
N_BOND_ORDER_REPEATS = 16


class Grid(Protocol):
    """What these functions need of a patch grid."""

    @property
    def shape(self) -> tuple[int, int]:
        """Patches along y and x."""

    @property
    def centers(self) -> Floats:
        """Centres of the patches."""

    def cell_of(self, points: Floats) -> Integers:
        """Return the patch of each point."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One descriptor of every patch; NaN where a patch does not have it."""

    name: str
    values: Floats
    variance: Floats
    tier: int
    unit: str = "1"
    covariance_with: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AxisFrame:
    """First coordinate, step (x, y), shape (y, x) and unit of a picture of any size."""

    start: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]
    unit: str


def axis_frame(name: str, channel: xr.DataArray) -> AxisFrame:
    """Return where the pixels of a channel lie; without coordinates they are numbered."""
    starts, steps, units = [], [], []
    for dim in ("x", "y"):
        if dim in channel.coords:
            numbers = check_array(dim, channel.coords[dim].to_numpy(), ndim=1)
            units.append(str(channel.coords[dim].attrs.get("units", "pixel")))
        else:
            numbers = np.arange(channel.sizes[dim], dtype=np.float64)
            units.append("pixel")
        gaps = np.diff(numbers)
        if len(gaps) == 0 or not gaps[0] > 0 or np.abs(gaps - gaps[0]).max() > 1e-4 * gaps[0]:
            raise InputError(f"the coordinate {dim} of channel {name} must increase in even steps.")
        starts.append(float(numbers[0]))
        steps.append(float(gaps.mean()))
    if units[0] != units[1]:
        raise InputError(f"x and y of channel {name} must share a unit.")
    return AxisFrame(
        (starts[0], starts[1]), (steps[0], steps[1]),
        (channel.sizes["y"], channel.sizes["x"]), units[0],
    )  # fmt: skip


def _n_patches(grid: Grid) -> int:
    return grid.shape[0] * grid.shape[1]


def _means(cell: Integers, values: Floats, n_patches: int) -> tuple[Floats, Floats]:
    """Return mean and number of the values in each patch (mean NaN where there is none)."""
    inside = cell >= 0
    number = np.bincount(cell[inside], minlength=n_patches).astype(np.float64)
    total = np.bincount(cell[inside], weights=values[inside], minlength=n_patches)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / number), number


def _mean_column(
    name: str, tier: int, cell: Integers, values: Floats, variances: Floats, grid: Grid
) -> Column:
    """Return the patch means of independent values, with the variance of each mean."""
    n = _n_patches(grid)
    mean, _ = _means(cell, values, n)
    variance, number = _means(cell, variances, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Column(name, mean, np.nan_to_num(variance / number), tier)


def channel_column(name: str, channel: xr.DataArray, grid: Grid, notes: list[str]) -> Column:
    """Return the mean of a channel's pixels in each patch; NaN pixels are passed over."""
    values = check_array(f"channel {name}", channel.to_numpy(), ndim=2, finite=False)
    frame = axis_frame(name, channel)
    x = frame.start[0] + frame.step[0] * np.arange(frame.shape[1])
    y = frame.start[1] + frame.step[1] * np.arange(frame.shape[0])
    points = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)
    cell = np.where(np.isfinite(values.ravel()), grid.cell_of(points), -1)
    mean, number = _means(cell, np.nan_to_num(values.ravel()), _n_patches(grid))
    noise = channel.attrs.get("noise_sd")
    variance = np.zeros_like(mean)
    if noise is None:
        notes.append(f"the measurement noise of channel {name} is unknown and was taken as 0.")
    else:
        variance = float(noise) ** 2 / np.maximum(number, 1.0)
    return Column(name, mean, variance, 2, str(channel.attrs.get("units", "1")))


def picture_columns(picture: PictureFrame, grid: Grid) -> list[Column]:
    """Return what a picture without atoms shows in each patch."""
    n_rows, n_columns = picture.values.shape
    x = picture.origin[0] + picture.pixel_size[0] * np.arange(n_columns)
    y = picture.origin[1] + picture.pixel_size[1] * np.arange(n_rows)
    points = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)
    cell = grid.cell_of(points)
    n = _n_patches(grid)
    flat = picture.values.ravel()
    mean, number = _means(cell, flat, n)
    variance = _means(cell, (flat - np.nan_to_num(mean)[np.maximum(cell, 0)]) ** 2, n)[0]
    slope_y, slope_x = np.gradient(picture.values, picture.pixel_size[1], picture.pixel_size[0])
    gradient = np.hypot(_means(cell, slope_x.ravel(), n)[0], _means(cell, slope_y.ravel(), n)[0])
    crystal = np.full(n, np.nan)
    rows = cell.reshape(n_rows, n_columns)
    for k in np.flatnonzero(number >= 36):
        where = np.argwhere(rows == k)
        (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0) + 1
        crystal[k] = _crystallinity(picture.values[top:bottom, left:right])
    noise = np.maximum(variance, 0.0) / np.maximum(number, 1.0)
    zero = np.zeros(n)
    unit = "intensity"
    return [
        Column("mean_intensity", mean, noise, 0, unit),
        Column("local_variance", variance, 2 * variance**2 / np.maximum(number, 1.0), 1,
               f"{unit}^2"),
        Column("crystallinity", crystal, zero, 1),
        Column("gradient", gradient, zero, 1, f"{unit}/{picture.unit}"),
    ]  # fmt: skip


def _crystallinity(patch: Floats) -> float:
    """Return the share of a patch's spectral power in its strongest period (0 to 1)."""
    n_rows, n_columns = patch.shape
    y, x = (np.arange(length) - 0.5 * (length - 1) for length in patch.shape)
    plane = np.stack(
        [np.ones(patch.size), np.tile(x, n_rows), np.repeat(y, n_columns)], axis=1
    )  # fmt: skip
    flat = patch.ravel() - plane @ np.linalg.lstsq(plane, patch.ravel(), rcond=None)[0]
    window = np.outer(np.hanning(n_rows + 2)[1:-1], np.hanning(n_columns + 2)[1:-1])
    power = np.abs(np.fft.fft2(flat.reshape(patch.shape) * window)) ** 2
    total = power.sum()
    if not total > 0:
        return 0.0
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    near = np.ix_(
        (np.arange(row - 1, row + 2)) % n_rows, np.arange(column - 1, column + 2) % n_columns
    )
    # the power at the opposite frequency is the same number
    return float(min(1.0, 2.0 * power[near].sum() / total))


def free_atom_columns(atoms: AtomicConfiguration, grid: Grid) -> list[Column]:
    """Return what columns without a lattice show: composition, density, order, intensity."""
    cell = grid.cell_of(atoms.positions[:, :2])
    n = _n_patches(grid)
    number = np.bincount(cell[cell >= 0], minlength=n).astype(np.float64)
    zero = np.zeros(atoms.n)
    parts = [Column("density", number, np.zeros(n), 0, "columns per patch")]
    if atoms.species is not None and len(np.unique(atoms.species)) > 1:
        brightest = (atoms.species == atoms.species.max()).astype(np.float64)
        parts.append(_mean_column("composition", 0, cell, brightest, zero, grid))
    parts.append(_bond_order(atoms.positions[:, :2], atoms.position_covariance, 6, cell, grid))
    return parts


def site_columns(
    atoms: AtomicConfiguration, snapshots: LatticeSnapshots, grid: Grid, notes: list[str]
) -> list[Column]:
    """Return composition, intensity, strain and order of the sites in each patch."""
    positions = snapshots.graph.positions
    assert positions is not None  # noqa: S101 -- the caller has checked it
    cell = grid.cell_of(positions)
    rows = _rows_of(atoms, positions)
    states = snapshots.states[0].astype(np.float64)
    zero = np.zeros(len(states))
    doubt = zero
    if snapshots.label_log_likelihood is not None:
        labels = snapshots.label_log_likelihood[0]
        share = np.clip((states > 0).mean(), 1e-3, 1 - 1e-3)
        chance = expit(labels[:, 1] - labels[:, 0] + np.log(share / (1 - share)))
        doubt = chance * (1 - chance)
    parts = []
    if len(np.unique(states)) > 1:
        plus = (states > 0).astype(np.float64)
        parts.append(_mean_column("composition", 0, cell, plus, doubt, grid))
    if atoms.intensity is not None and np.all(atoms.intensity[rows] > 0):
        parts.append(_intensity_residual(atoms, rows, states, cell, grid))
    kind = str(snapshots.metadata.get("lattice", ""))
    order = {"square": 4}.get(kind, 6)
    if snapshots.metadata.get("n_vacant_sites", 0):
        parts.append(_missing_neighbours(atoms, snapshots, positions, order, cell, grid))
    covariance = None if atoms.position_covariance is None else atoms.position_covariance[rows]
    if "vector_1_x" in snapshots.metadata:
        parts += _strain(snapshots, positions, covariance, cell, grid)
    else:
        notes.append("the sites carry no lattice vectors: strain is left out.")
    parts.append(_bond_order(positions, covariance, order, cell, grid))
    return parts


def _rows_of(atoms: AtomicConfiguration, positions: Floats) -> Integers:
    """Return which atom stands on each site (sites keep their atom's position)."""
    distance, rows = cKDTree(atoms.positions[:, :2]).query(positions)
    reach = max(float(np.ptp(atoms.positions[:, 0])), 1e-300)
    if np.max(distance) > 1e-6 * reach:
        raise InputError("snapshots must come from these atoms: their sites stand elsewhere.")
    return np.asarray(rows, dtype=np.int64)


def _intensity_residual(
    atoms: AtomicConfiguration, rows: Integers, states: Floats, cell: Integers, grid: Grid
) -> Column:
    """Return the mean log intensity of a patch's sites against the mean of their species."""
    assert atoms.intensity is not None  # noqa: S101 -- the caller has checked it
    log_intensity = np.log(atoms.intensity[rows])
    for state in np.unique(states):
        log_intensity[states == state] -= log_intensity[states == state].mean()
    variance = np.zeros(len(rows))
    if atoms.intensity_sd is not None:
        variance = (atoms.intensity_sd[rows] / atoms.intensity[rows]) ** 2
    return _mean_column("intensity_residual", 0, cell, log_intensity, variance, grid)


def _missing_neighbours(
    atoms: AtomicConfiguration, snapshots: LatticeSnapshots, positions: Floats, order: int,
    cell: Integers, grid: Grid,
) -> Column:  # fmt: skip
    """Return how many nearest neighbours a patch's sites lack; sites at the edge do not count."""
    edges = snapshots.graph.edges[snapshots.graph.shell == 0]
    number = np.bincount(edges.ravel(), minlength=len(positions))
    view = atoms.field_of_view or (*positions.min(axis=0), *positions.max(axis=0))
    margin = 1.2 * float(snapshots.metadata.get("lattice_constant", 0.0))
    inside = np.all(
        (positions > np.array(view[:2]) + margin) & (positions < np.array(view[2:]) - margin),
        axis=1,
    )
    missing = np.where(inside, np.maximum(order - number, 0), 0).astype(np.float64)
    column = _mean_column("missing_neighbours", 0, cell, missing, np.zeros(len(cell)), grid)
    return Column(column.name, column.values, column.variance, 0, "neighbours per site")


def _ideal_coordinates(snapshots: LatticeSnapshots, positions: Floats) -> tuple[Floats, Integers]:
    """Return each site's place in the mean lattice and its connected part, by walking the bonds."""
    said = snapshots.metadata
    vectors = np.array(
        [[said["vector_1_x"], said["vector_1_y"]], [said["vector_2_x"], said["vector_2_y"]]]
    )
    edges = snapshots.graph.edges[snapshots.graph.shell == 0]
    n = len(positions)
    net = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    n_parts, part = connected_components(net, directed=False)
    inverse = np.linalg.inv(vectors)
    index = np.zeros((n, 2))
    for number in range(n_parts):
        root = int(np.flatnonzero(part == number)[0])
        order, before = breadth_first_order(net, root, directed=False)
        for site in order[1:]:
            step = (positions[site] - positions[before[site]]) @ inverse
            index[site] = index[before[site]] + np.round(step)
    return np.asarray(index @ vectors), np.asarray(part, dtype=np.int64)


def _strain(
    snapshots: LatticeSnapshots, positions: Floats, covariance: Floats | None,
    cell: Integers, grid: Grid,
) -> list[Column]:  # fmt: skip
    """Return strains of the affine map from the mean lattice to each patch's positions."""
    ideal, part = _ideal_coordinates(snapshots, positions)
    n = _n_patches(grid)
    values = np.full((3, n), np.nan)
    errors = np.zeros((3, 3, n))
    # gradient entries in the order xx, xy, yx, yy (displacement, coordinate)
    combine = np.array([[1.0, 0, 0, 1.0], [1.0, 0, 0, -1.0], [0, 1.0, 1.0, 0]])
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(n + 1))
    for k in range(n):
        sites = order[bounds[k] : bounds[k + 1]]
        if len(sites):
            sites = sites[part[sites] == np.bincount(part[sites]).argmax()]
        if len(sites) < FEWEST_SITES:
            continue
        place = ideal[sites] - ideal[sites].mean(axis=0)
        weight = np.ones(len(sites))
        if covariance is not None:
            weight = 2.0 / np.maximum(np.trace(covariance[sites], axis1=1, axis2=2), 1e-300)
        design = np.concatenate([np.ones((len(sites), 1)), place], axis=1)
        normal = design.T @ (design * weight[:, None])
        if np.linalg.cond(normal / np.sqrt(np.outer(np.diag(normal), np.diag(normal)))) > 1e3:
            continue
        solver = np.linalg.solve(normal, (design * weight[:, None]).T)[1:]
        gradient = (solver @ (positions[sites] - ideal[sites])).T
        values[:, k] = combine @ gradient.ravel()
        if covariance is not None:
            spread = np.einsum("as,bs,sij->iajb", solver, solver, covariance[sites]).reshape(4, 4)
            errors[:, :, k] = combine @ spread @ combine.T
    names = ("dilation", "deviatoric_strain", "shear_strain")
    return [
        Column(
            name, values[i], errors[i, i], 1,
            covariance_with={names[j]: errors[i, j] for j in range(3) if j != i},
        )
        for i, name in enumerate(names)
    ]  # fmt: skip


def _bond_order(
    positions: Floats, covariance: Floats | None, order: int, cell: Integers, grid: Grid
) -> Column:
    """Return the mean |psi_k| of a patch's columns; its error by repeating with position noise."""
    n = _n_patches(grid)
    measure = _order_measure(order, len(positions))
    # columns at the edge lack neighbours for a reason that is not disorder
    gap = float(np.median(np.asarray(cKDTree(positions).query(positions, k=2)[0])[:, 1]))
    low, high = positions.min(axis=0) + gap, positions.max(axis=0) - gap
    cell = np.where(np.all((positions > low) & (positions < high), axis=1), cell, -1)
    mean, _ = _means(cell, measure(positions), n)
    variance = np.zeros(n)
    if covariance is not None:
        rng = np.random.default_rng(0)  # the error's own sampling, the same for the same input
        lower = np.linalg.cholesky(covariance)
        repeats = np.array(
            [
                _means(
                    cell,
                    measure(
                        positions + np.einsum("sij,sj->si", lower, rng.normal(size=positions.shape))
                    ),
                    n,
                )[0]
                for _ in range(N_BOND_ORDER_REPEATS)
            ]
        )
        variance = np.nan_to_num(repeats.var(axis=0, ddof=1))
    return Column("bond_order", mean, variance, 1)


def _order_measure(order: int, n_atoms: int) -> Callable[[Floats], Floats]:
    """Return the function positions -> |psi_k| of each column with its k nearest neighbours."""
    import freud

    k = min(order, max(n_atoms - 1, 1))

    def measure(positions: Floats) -> Floats:
        span = np.ptp(positions, axis=0).max()
        # freud needs a periodic box; one that is three times wider has no images in reach
        box = freud.box.Box.square(3.0 * span + 1.0)
        points = np.zeros((len(positions), 3), dtype=np.float32)
        points[:, :2] = positions - positions.mean(axis=0)
        hexatic = freud.order.Hexatic(k=order)
        hexatic.compute((box, points), neighbors={"num_neighbors": k, "exclude_ii": True})
        return np.asarray(np.abs(hexatic.particle_order), dtype=np.float64)

    return measure
