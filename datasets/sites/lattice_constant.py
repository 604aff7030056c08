"""The lattice constant with its statistical error, and apart from it that of the scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.sites.lattice_errors import lattice_error
from physlearn.datasets.sites.lattice_finding import (
    lattice_kind,
    lattice_stretch,
    reduced_vectors,
)
from physlearn.datasets.sites.site_frame import find_site_frame
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["LatticeConstant", "measure_lattice_constant"]

Floats = NDArray[np.float64]
SMALLEST_DISTORTION = 0.005


@dataclass(frozen=True, slots=True)
class LatticeConstant:
    """A lattice constant and its errors.

    Attributes
    ----------
    value, unit
        From the mean cell area: the edge of an undistorted cell of that area. For a rectangular or
        oblique lattice the edge of a square of that area, which no bond has: see ``lengths``.
    statistical_sd
        Standard error; shifts that a region, a scan row or a column of pixels shares are included,
        a drift that is linear over the picture is not (it is part of the lattice seen).
    low, high
        95 % statistical interval.
    scale_sd
        Declared relative standard deviation of the picture's scale.
    total_sd, total_low, total_high
        Both errors together, and their 95 % interval. Where the distortion is larger than the
        scale's error, one axis may be right and the other wrong: half the distortion stands for the
        scale's error then.
    lattice
        square, triangular, rectangular or oblique.
    distortion
        Stretch of the longest direction over the shortest, from the ideal square or triangular
        lattice to this one, minus 1 (scan drift, strain); 0 for the others.
    n_columns
        Columns that were used.
    lengths, angle
        Lengths of the two shortest lattice vectors and the angle between them (degrees).
    stretch_angle
        Direction of the longest axis of the distortion, degrees from +x towards +y, 0 to 180.

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
    lengths: tuple[float, float] = (float("nan"), float("nan"))
    angle: float = float("nan")
    stretch_angle: float = float("nan")

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the statistical interval does not hold: a square or triangle out of shape."""
        half = 0.5 * (self.high - self.low)
        if self.distortion <= SMALLEST_DISTORTION or 0.5 * self.distortion * self.value < half:
            return ()
        return (
            f"the {self.lattice} lattice is stretched by {self.distortion:.1%} along "
            f"{self.stretch_angle:.0f} degrees from x: if that is the scan (creep, drift, an axis "
            f"off scale), the lattice constant is off by up to {0.5 * self.distortion:.1%}, which "
            "the statistical interval does not hold; quote the lengths, or calibrate both axes.",
        )

    @property
    def spacings(self) -> tuple[float, ...]:
        """Nearest-neighbour distances along the two lattice vectors; triangular: their sum too."""
        if self.lattice != "triangular":
            return self.lengths
        one, two = self.lengths
        third = one**2 + two**2 - 2 * one * two * abs(np.cos(np.radians(self.angle)))
        return (one, two, float(np.sqrt(third)))

    def __str__(self) -> str:
        """Return lattice and both intervals in words."""
        if self.lattice in ("square", "triangular"):
            said = f"{self.lattice} lattice"
            if self.distortion > SMALLEST_DISTORTION:
                sides = ", ".join(f"{length:.4g}" for length in self.spacings)
                said += (
                    f" distorted by {self.distortion:.1%}, longest at {self.stretch_angle:.0f} "
                    "degrees from x (an axis of the scan off scale, drift, strain or another "
                    f"lattice): neighbours {sides} {self.unit} apart, the vectors at "
                    f"{self.angle:.1f} degrees; lattice constant, the edge of the undistorted cell "
                    f"of the same area, {self.value:.5g} {self.unit}"
                )
            else:
                said += f", lattice constant {self.value:.5g} {self.unit}"
        else:
            said = (
                f"{self.lattice} lattice of {self.lengths[0]:.5g} x {self.lengths[1]:.5g} "
                f"{self.unit} at {self.angle:.1f} degrees, edge of a square of the cell's area "
                f"{self.value:.5g} {self.unit}"
            )
        said += f"; statistical 95 % interval {self.low:.5g} to {self.high:.5g} {self.unit}"
        if self.scale_sd == 0:
            return said + "; no scale error declared"
        doubt = f"with a scale known to {self.scale_sd:.1%}"
        if 0.5 * self.distortion > self.scale_sd:
            doubt += f", which the distortion contradicts ({0.5 * self.distortion:.1%} taken)"
        return f"{said}; {doubt}: {self.total_low:.4g} to {self.total_high:.4g} {self.unit}"

    def deviation_from(self, expected: float) -> float:
        """Return how far the value stands from an expected one, in total standard deviations."""
        return (self.value - expected) / self.total_sd


def measure_lattice_constant(
    atoms: AtomicConfiguration, *, scale_sd: float = 0.02
) -> LatticeConstant:
    """Measure the lattice constant of the brightest sublattice.

    All columns' places are fitted by vectors and offset (least squares); the constant is that of
    the undistorted lattice of the same cell area. Scan distortion and strain move columns alike:
    the statistical error is the largest of the jackknife's over 5 x 5 blocks of the picture and of
    those where bands along y (scan rows), or along x, shift together with a memory from none to a
    random walk, strength and memory integrated over the restricted likelihood (Patterson and
    Thompson, 1971, doi:10.1093/biomet/58.3.545). A drift linear in y changes the lattice itself and
    is no part of it. The scale of the picture is a further, common error and stays apart.

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
    solution = np.linalg.lstsq(design, positions, rcond=None)[0]
    rest = positions - design @ solution
    vectors = solution[:2]
    kind, ideal = lattice_kind(vectors)
    (ax, ay), (bx, by) = vectors
    area = ax * by - ay * bx
    root = float(np.sqrt(abs(area)))
    # of the root of the cell's area by the coefficients: vector 1, vector 2, offset
    slope = 0.5 * root * np.array([[by, -bx], [-ay, ax], [0.0, 0.0]]) / area
    error = lattice_error(design, positions, rest, slope, root)
    if error is None:
        raise NotIdentified("the crystal is too small to judge the error of its lattice constant.")
    value = float(np.hypot(*ideal[0])) if kind in ("square", "triangular") else root
    sd, half = error.sd * value / root, error.reach * value / root
    scale = 0.0 if atoms.unit in ("pixel", "reduced") else scale_sd
    distortion, direction = lattice_stretch(vectors, kind)
    doubt = max(scale, 0.5 * distortion) if scale else 0.0
    total = float(np.hypot(sd, doubt * value))
    wide = float(np.hypot(half, 1.96 * doubt * value))
    one, two = reduced_vectors(vectors)
    lengths = (float(np.hypot(*one)), float(np.hypot(*two)))
    angle = float(np.degrees(np.arccos(np.clip(one @ two / (lengths[0] * lengths[1]), -1, 1))))
    return LatticeConstant(
        value, atoms.unit, sd, value - half, value + half, scale, total, value - wide,
        value + wide, kind, distortion, int(used.sum()), lengths, angle, direction,
    )  # fmt: skip
