"""The lattice constant with its statistical error, and apart from it that of the scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.sites.lattice_finding import lattice_kind
from physlearn.datasets.sites.site_frame import find_site_frame
from physlearn.records import AtomicConfiguration

__all__ = ["LatticeConstant", "measure_lattice_constant"]

Floats = NDArray[np.float64]
BLOCKS = 5
FEWEST_BLOCKS = 6


@dataclass(frozen=True, slots=True)
class LatticeConstant:
    """A lattice constant and its errors.

    Attributes
    ----------
    value, unit
        From the mean cell area: the edge of an undistorted cell of that area.
    statistical_sd
        Standard error, distortions that neighbouring columns share included.
    low, high
        95 % statistical interval.
    scale_sd
        Declared relative standard deviation of the picture's scale.
    total_sd, total_low, total_high
        Both errors together, and their 95 % interval.
    lattice
        square, triangular, rectangular or oblique.
    distortion
        Largest relative difference of lengths that are equal in that lattice (scan drift, strain).
    n_columns
        Columns that were used.

    Examples
    --------
    >>> LatticeConstant(3.16, "angstrom", 0.01, 3.14, 3.18, 0.02, 0.064, 3.03, 3.29, "triangular",
    ...     0.01, 900).deviation_from(3.16)
    0.0
    """

    value: float
    unit: str
    statistical_sd: float
    low: float
    high: float
    scale_sd: float
    total_sd: float
    total_low: float
    total_high: float
    lattice: str
    distortion: float
    n_columns: int

    def __str__(self) -> str:
        """Return both intervals in words."""
        said = (
            f"lattice constant {self.value:.5g} {self.unit}; statistical 95 % interval "
            f"{self.low:.5g} to {self.high:.5g} {self.unit}"
        )
        if self.scale_sd == 0:
            return said + "; no scale error declared"
        return (
            f"{said}; with a scale known to {self.scale_sd:.1%}: {self.total_low:.4g} to "
            f"{self.total_high:.4g} {self.unit}"
        )

    def deviation_from(self, expected: float) -> float:
        """Return how far the value stands from an expected one, in total standard deviations."""
        return (self.value - expected) / self.total_sd


def measure_lattice_constant(
    atoms: AtomicConfiguration, *, scale_sd: float = 0.02
) -> LatticeConstant:
    """Measure the lattice constant of the brightest sublattice.

    All columns' places are fitted by vectors and offset (least squares); the constant is that of
    the undistorted lattice of the same cell area. The statistical error is the cluster-robust one
    (Liang and Zeger, 1986, doi:10.1093/biomet/73.1.13) over blocks of the picture, since scan
    distortion and strain move neighbouring columns alike. The scale of the picture is a further,
    common error and stays apart.

    Parameters
    ----------
    atoms
        Columns of a crystal.
    scale_sd
        Relative standard deviation of the picture's scale; in pixels there is none, whatever is
        given.

    Returns
    -------
    LatticeConstant
        Value, statistical interval and total interval.

    Raises
    ------
    NotIdentified
        Without a lattice, or one too small to judge its error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = np.meshgrid(np.arange(12.0), np.arange(12.0))
    >>> places = 3.0 * np.stack([x.ravel(), y.ravel()], 1) + rng.normal(0, 0.05, (144, 2))
    >>> constant = measure_lattice_constant(AtomicConfiguration(places, unit="angstrom"))
    >>> constant.lattice, bool(abs(constant.value - 3.0) < 4 * constant.statistical_sd)
    ('square', True)
    """
    check_positive("scale_sd", scale_sd, allow_zero=True)
    if scale_sd >= 0.5:
        raise InputError(f"scale_sd is relative (0.02 is 2 %) and below 0.5; got {scale_sd}.")
    frame = find_site_frame(atoms)
    used = (frame.sublattice == 0) & (frame.column >= 0)
    indices = frame.indices[used].astype(np.float64)
    positions = atoms.positions[frame.column[used], :2]
    design = np.column_stack([indices, np.ones(len(indices))])
    normal = np.linalg.inv(design.T @ design)
    solution = normal @ design.T @ positions
    rest = positions - design @ solution
    block = _blocks(positions)
    n_blocks = int(block.max()) + 1
    if n_blocks < FEWEST_BLOCKS:
        raise NotIdentified("the crystal is too small to judge the error of its lattice constant.")
    # order of the coefficients: both axes of vector 1, vector 2, offset
    scores = np.zeros((n_blocks, 6))
    np.add.at(scores, block, np.einsum("na,nd->nad", design, rest).reshape(-1, 6))
    meat = scores.T @ scores * n_blocks / (n_blocks - 1)
    bread = np.kron(normal, np.eye(2))
    covariance = bread @ meat @ bread
    vectors = solution[:2]
    kind, ideal = lattice_kind(vectors)
    (ax, ay), (bx, by) = vectors
    area = ax * by - ay * bx
    gradient = 0.5 * np.array([by, -bx, -ay, ax, 0.0, 0.0]) / area
    value = float(np.hypot(*ideal[0])) if kind in ("square", "triangular") else float(
        np.sqrt(abs(area))
    )  # fmt: skip
    sd = value * float(np.sqrt(gradient @ covariance @ gradient))
    scale = 0.0 if atoms.unit in ("pixel", "reduced") else scale_sd
    reach = float(student.ppf(0.975, n_blocks - 1))
    total = float(np.hypot(sd, scale * value))
    wide = float(np.hypot(reach * sd, 1.96 * scale * value))
    lengths = [float(np.hypot(*vector)) for vector in vectors]
    if kind == "triangular":
        lengths.append(float(np.hypot(*(vectors[0] - vectors[1]))))
    distortion = max(lengths) / min(lengths) - 1 if kind in ("square", "triangular") else 0.0
    return LatticeConstant(
        value, atoms.unit, sd, value - reach * sd, value + reach * sd, scale, total, value - wide,
        value + wide, kind, distortion, int(used.sum()),
    )  # fmt: skip


def _blocks(positions: Floats) -> NDArray[np.int64]:
    """Return the block of the picture that each column lies in, numbered without gaps."""
    low, size = positions.min(axis=0), np.ptp(positions, axis=0)
    cell = np.minimum((positions - low) / np.maximum(size, 1e-300) * BLOCKS, BLOCKS - 1)
    number = cell.astype(np.int64) @ np.array([1, BLOCKS])
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)
