"""Pictures of crystals with planted vacancies, dopants, vacancy lines and interstitials."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_positive
from physlearn.datasets.synthetic.imaging import AtomScene, ImagingSettings, image_columns
from physlearn.datasets.synthetic.synthetic_walls import check_shape
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["DefectScene", "DefectSettings", "make_defect_scene"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
VECTORS = {
    "square": np.eye(2),
    "triangular": np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]]),
    "honeycomb": np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]]),
}
BASES = {
    "square": np.zeros((1, 2)),
    "triangular": np.zeros((1, 2)),
    "honeycomb": np.array([[0.0, 0.0], [1 / 3, 1 / 3]]),
}


@dataclass(frozen=True, slots=True)
class DefectSettings:
    """The crystal and its defects; tuples hold one entry per sublattice.

    Attributes
    ----------
    lattice
        ``square``, ``triangular`` (one sublattice) or ``honeycomb`` (two).
    spacing_px, angle
        Lattice constant in pixels and turn of the lattice in radians.
    peak_counts
        Counts at the centre of a full column above the background.
    vacancy_share, half_share
        Share of sites that hold nothing, and that hold a column of half the counts (one atom of a
        column of two).
    dopant_share, dopant_ratio
        Share of the first sublattice's columns that another species takes, and its counts in units
        of the host's.
    n_lines, line_sites
        Straight lines of vacancies planted on the last sublattice, and the sites of each.
    interstitial_share, interstitial_ratio
        Columns off the lattice, as a share of the sites, and their counts in units of the first
        sublattice's.
    displacement_px
        Standard deviation of each column's random displacement along x and y.
    brightness_spread
        Relative standard deviation of the columns' counts.
    brightness_slope
        Relative change of all columns' counts from the left to the right edge.

    Examples
    --------
    >>> DefectSettings(vacancy_share=(0.05,)).n_sublattices
    1
    """

    lattice: str = "triangular"
    spacing_px: float = 14.0
    angle: float = 0.1
    peak_counts: tuple[float, ...] = (60.0,)
    vacancy_share: tuple[float, ...] = (0.03,)
    half_share: tuple[float, ...] = (0.0,)
    dopant_share: float = 0.0
    dopant_ratio: float = 2.0
    n_lines: int = 0
    line_sites: int = 6
    interstitial_share: float = 0.0
    interstitial_ratio: float = 1.0
    displacement_px: float = 0.15
    brightness_spread: float = 0.0
    brightness_slope: float = 0.0

    def __post_init__(self) -> None:
        check_choice("lattice", self.lattice, tuple(VECTORS))
        check_positive("spacing_px", self.spacing_px)
        for name in ("peak_counts", "vacancy_share", "half_share"):
            if len(getattr(self, name)) != self.n_sublattices:
                raise InputError(
                    f"{name} must hold {self.n_sublattices} number(s), one per sublattice of a "
                    f"{self.lattice} lattice; got {len(getattr(self, name))}."
                )
        for vacant, half in zip(self.vacancy_share, self.half_share, strict=True):
            if vacant < 0 or half < 0 or vacant + half > 0.9:
                raise InputError(
                    "vacancy_share and half_share must be 0 or more and leave a tenth of the "
                    f"sites full; got {vacant} and {half}."
                )
        check_fields(self)

    @property
    def n_sublattices(self) -> int:
        """Number of sublattices."""
        return len(BASES[self.lattice])


@dataclass(frozen=True, slots=True, eq=False)
class DefectScene:
    """A picture of a crystal with defects, and where they are.

    Attributes
    ----------
    scene
        Picture and true columns (``scene.truth``; species 1 are dopants).
    sites
        float64, shape (n_sites, 2): where a column stands or would stand, x and y in pixels.
    sublattice
        int64, shape (n_sites,).
    indices
        int64, shape (n_sites, 2): steps along the two lattice vectors.
    states
        int64, shape (n_sites,): 0 present, 1 half, 2 vacant.
    is_dopant
        bool, shape (n_sites,).
    interstitials
        float64, shape (n, 2).
    vectors
        float64, shape (2, 2): rows are the lattice vectors in pixels.

    Examples
    --------
    >>> made = make_defect_scene((128, 128), DefectSettings(vacancy_share=(0.1,)), rng=1)
    >>> made.sites.shape[0] == len(made.states) == len(made.sublattice)
    True
    """

    scene: AtomScene
    sites: Floats = field(repr=False)
    sublattice: Integers = field(repr=False)
    indices: Integers = field(repr=False)
    states: Integers = field(repr=False)
    is_dopant: NDArray[np.bool_] = field(repr=False)
    interstitials: Floats = field(repr=False)
    vectors: Floats = field(repr=False)

    __repr__ = short_repr
    _repr_html_ = html_table


def make_defect_scene(
    shape: tuple[int, int] = (256, 256),
    settings: DefectSettings | None = None,
    imaging: ImagingSettings | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> DefectScene:
    """Make the picture of a crystal whose vacancies, dopants and interstitials are known.

    Parameters
    ----------
    shape
        Rows and columns of the picture, in pixels.
    settings
        See ``DefectSettings``.
    imaging
        See ``ImagingSettings``.
    rng
        Seed or generator; the same seed gives the same picture.

    Returns
    -------
    DefectScene
        Picture and truth.

    Raises
    ------
    InputError
        For settings that do not fit.

    Examples
    --------
    >>> made = make_defect_scene((128, 128), DefectSettings(vacancy_share=(0.1,)), rng=1)
    >>> bool((made.states == 2).sum() > 0), made.scene.image.shape
    (True, (128, 128))
    """
    s = settings or DefectSettings()
    check_shape(shape)
    generator, _ = as_generator(rng)
    turn = np.array([[np.cos(s.angle), np.sin(s.angle)], [-np.sin(s.angle), np.cos(s.angle)]])
    vectors = s.spacing_px * VECTORS[s.lattice] @ turn
    indices, sublattice = _sites_inside(shape, vectors, BASES[s.lattice])
    ideal = (indices + BASES[s.lattice][sublattice]) @ vectors
    n = len(ideal)
    chance = generator.random(n)
    vacant = np.asarray(s.vacancy_share)[sublattice]
    half = np.asarray(s.half_share)[sublattice]
    states = np.where(chance < vacant, 2, np.where(chance < vacant + half, 1, 0))
    for _ in range(s.n_lines):
        states[_line(indices, sublattice, s, generator)] = 2
    is_dopant = (sublattice == 0) & (states == 0) & (generator.random(n) < s.dopant_share)
    sites = ideal + generator.normal(0.0, s.displacement_px, (n, 2))
    peaks = np.asarray(s.peak_counts, dtype=np.float64)[sublattice]
    peaks = peaks * np.where(is_dopant, s.dopant_ratio, 1.0) * np.array([1.0, 0.5, 0.0])[states]
    peaks *= np.maximum(1.0 + s.brightness_spread * generator.normal(size=n), 0.05)
    between = _between(ideal, shape, s, generator)
    places = np.concatenate([sites[states < 2], between])
    heights = np.concatenate(
        [peaks[states < 2], np.full(len(between), s.peak_counts[0] * s.interstitial_ratio)]
    )
    heights *= np.maximum(1.0 + s.brightness_slope * (places[:, 0] / shape[1] - 0.5), 0.05)
    species = np.concatenate([is_dopant[states < 2].astype(np.int64), np.zeros(len(between), int)])
    scene = image_columns(
        places, heights, shape, imaging, species=species, species_names=("host", "dopant"),
        rng=generator,
    )  # fmt: skip
    return DefectScene(scene, sites, sublattice, indices, states, is_dopant, between, vectors)


def _sites_inside(
    shape: tuple[int, int], vectors: Floats, basis: Floats
) -> tuple[Integers, Integers]:
    """Return index and sublattice of every site inside the picture."""
    corners = np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]])
    bounds = corners @ np.linalg.inv(vectors)
    low, high = np.floor(bounds.min(axis=0)).astype(int) - 1, np.ceil(bounds.max(axis=0)) + 2
    grid = np.stack(
        np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij"), -1
    ).reshape(-1, 2)
    indices = np.repeat(grid.astype(np.int64), len(basis), axis=0)
    sublattice = np.tile(np.arange(len(basis)), len(grid)).astype(np.int64)
    places = (indices + basis[sublattice]) @ vectors
    inside = np.all(places > 0.5, axis=1) & np.all(places < np.array(shape[::-1]) - 1.5, axis=1)
    return indices[inside], sublattice[inside]


def _line(
    indices: Integers, sublattice: Integers, s: DefectSettings, generator: np.random.Generator
) -> Integers:
    """Return the sites of a straight line on the last sublattice."""
    where = {
        (int(a), int(b)): k
        for k, (a, b) in enumerate(indices.tolist())
        if sublattice[k] == s.n_sublattices - 1
    }
    starts = list(where)
    directions = ((1, 0), (0, 1)) if s.lattice == "square" else ((1, 0), (0, 1), (1, -1))
    for _ in range(200):
        a, b = starts[int(generator.integers(len(starts)))]
        da, db = directions[int(generator.integers(len(directions)))]
        line = [where.get((a + k * da, b + k * db), -1) for k in range(s.line_sites)]
        if min(line) >= 0:
            return np.array(line, dtype=np.int64)
    raise InputError(f"a line of {s.line_sites} sites does not fit into the picture.")


def _between(
    ideal: Floats, shape: tuple[int, int], s: DefectSettings, generator: np.random.Generator
) -> Floats:
    """Return places off the lattice, at least 0.4 lattice constants from every site."""
    from scipy.spatial import cKDTree

    wanted = round(s.interstitial_share * len(ideal))
    gap = 0.4 * s.spacing_px
    tries = generator.uniform(2 * gap, np.array(shape[::-1]) - 2 * gap, (400 * wanted + 1, 2))
    free = tries[cKDTree(ideal).query(tries)[0] > gap]
    chosen: list[Floats] = []
    for place in free:
        if len(chosen) == wanted:
            break
        if all(np.hypot(*(place - other)) > 2 * gap for other in chosen):
            chosen.append(place)
    return np.array(chosen).reshape(-1, 2)
