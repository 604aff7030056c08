"""Pictures of structures with known truth: turned bonds, polar domains, strain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_positive
from physlearn.datasets.synthetic.imaging import AtomScene, ImagingSettings, image_columns
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb, relax_network, turn_bonds
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "PolarScene",
    "RingScene",
    "StrainScene",
    "make_polar_perovskite",
    "make_stone_wales_graphene",
    "make_strained_crystal",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RingScene:
    """Graphene with turned bonds.

    Attributes
    ----------
    scene
        Picture and true atoms.
    defects
        Shape (n_defects, 2): middle of each turned bond, in pixels.
    bonds
        int64, shape (m, 2): true bonds between ``scene.truth``'s atoms.

    Examples
    --------
    >>> made = make_stone_wales_graphene(0, shape=(64, 64), rng=0)
    >>> made.defects.shape, made.bonds.shape[1]
    ((0, 2), 2)
    """

    scene: AtomScene
    defects: Floats
    bonds: Integers

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class PolarScene:
    """Perovskite cells with displaced centres.

    Attributes
    ----------
    scene
        Picture and true atoms, species ``A`` (0) and ``B`` (1).
    centers
        Shape (m, 2): centre of each cell's four A columns, in pixels.
    displacements
        Shape (m, 2): how far the B column stands from there, in pixels.

    Examples
    --------
    >>> made = make_polar_perovskite((2, 2), domains="none", rng=0)
    >>> made.centers.shape, float(abs(made.displacements).max())
    ((4, 2), 0.0)
    """

    scene: AtomScene
    centers: Floats
    displacements: Floats

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class StrainScene:
    """A crystal under a known displacement field.

    Attributes
    ----------
    scene
        Picture and true atoms.
    sites
        Shape (n, 2): undeformed places r, in pixels.
    gradients
        Shape (n, 2, 2): ``gradients[i, a, b]`` = du_a / dr_b at each atom.
    vectors
        Shape (2, 2): undeformed lattice vectors, rows, in pixels.

    Examples
    --------
    >>> made = make_strained_crystal((4, 5), rng=0)
    >>> made.sites.shape, made.gradients.shape
    ((20, 2), (20, 2, 2))
    """

    scene: AtomScene
    sites: Floats
    gradients: Floats
    vectors: Floats

    __repr__ = short_repr
    _repr_html_ = html_table


def make_stone_wales_graphene(
    n_defects: int,
    *,
    bond_px: float = 8.0,
    peak_counts: float = 30.0,
    distance_bonds: float = 9.0,
    shape: tuple[int, int] | None = None,
    imaging: ImagingSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> RingScene:
    """Make a picture of graphene in which some bonds are turned by 90 degrees and relaxed.

    Parameters
    ----------
    n_defects
        Turned bonds, 0 or more.
    bond_px
        Bond length in pixels.
    peak_counts
        Counts at a column's centre above the background.
    distance_bonds
        Smallest distance of two turned bonds, in bond lengths.
    shape
        Rows and columns of the picture; None makes room for the defects.
    imaging
        See ``ImagingSettings``; None takes width ``0.3 * bond_px`` and a background of a tenth of
        the peak.
    rng
        Seed or generator.

    Returns
    -------
    RingScene
        Picture, true atoms (relaxed with harmonic bonds and angles), middles of the turned bonds.

    Raises
    ------
    InputError
        For a number out of range, or more defects than there is room for.

    Examples
    --------
    >>> made = make_stone_wales_graphene(1, rng=0)
    >>> made.defects.shape
    (1, 2)
    """
    if isinstance(n_defects, bool) or not isinstance(n_defects, int) or n_defects < 0:
        raise InputError(f"n_defects must be an integer of at least 0; got {n_defects!r}.")
    for name, value in (("bond_px", bond_px), ("distance_bonds", distance_bonds)):
        check_positive(name, value)
    generator, _ = as_generator(rng)
    if shape is None:
        # random places fill about half of the densest packing
        edge = np.sqrt(1.9 * max(n_defects, 1)) * distance_bonds + distance_bonds + 6
        shape = (int(edge * bond_px), int(edge * bond_px))
    n_x = int(shape[1] / bond_px / 3.0) + 1
    n_y = int(shape[0] / bond_px / np.sqrt(3.0)) + 1
    places, bonds = honeycomb(n_x, n_y)
    places, bonds, turned = turn_bonds(places, bonds, n_defects, distance_bonds, generator)
    if n_defects:
        places = relax_network(places, bonds)
    places = places * bond_px
    places += 0.5 * (np.array(shape[::-1]) - 1 - places.max(axis=0) - places.min(axis=0))
    if imaging is None:
        imaging = ImagingSettings(width_px=0.3 * bond_px, background_counts=0.1 * peak_counts)
    scene = image_columns(places, peak_counts, shape, imaging, rng=generator)
    defects = 0.5 * (places[turned[:, 0]] + places[turned[:, 1]])
    return RingScene(scene, defects.reshape(-1, 2), bonds)


def make_polar_perovskite(
    cells: tuple[int, int] = (24, 24),
    *,
    spacing_px: float = 16.0,
    displacement_px: float = 0.8,
    domain_cells: float = 8.0,
    peak_counts: tuple[float, float] = (300.0, 120.0),
    domains: str = "stripes",
    imaging: ImagingSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> PolarScene:
    """Make a picture of a perovskite along [001] whose B columns are displaced in domains.

    Parameters
    ----------
    cells
        Cells along y and x.
    spacing_px
        Distance of neighbouring A columns.
    displacement_px
        Length of the B columns' displacement from the centre of their four A columns.
    domain_cells
        Width of a domain in cells.
    peak_counts
        Counts at the centres of A and B columns above the background.
    domains
        ``stripes`` (displacement along +y and -y by turns of x), ``vortex`` (turning once around
        the picture's centre), ``single`` (along +x) or ``none``.
    imaging
        See ``ImagingSettings``; None takes width ``0.17 * spacing_px``, background 10.
    rng
        Seed or generator.

    Returns
    -------
    PolarScene
        Picture, true atoms, cell centres and displacements.

    Examples
    --------
    >>> make_polar_perovskite((4, 5), rng=0).displacements.shape
    (20, 2)
    """
    check_choice("domains", domains, ("stripes", "vortex", "single", "none"))
    for name, value in (("spacing_px", spacing_px), ("domain_cells", domain_cells)):
        check_positive(name, value)
    if min(cells) < 2:
        raise InputError(f"cells must be at least 2 along y and x; got {cells}.")
    n_y, n_x = cells
    margin = 0.75 * spacing_px
    column, row = np.meshgrid(np.arange(n_x + 1.0), np.arange(n_y + 1.0))
    corners = margin + spacing_px * np.stack([column.ravel(), row.ravel()], axis=1)
    column, row = np.meshgrid(np.arange(n_x) + 0.5, np.arange(n_y) + 0.5)
    middle = np.stack([column.ravel(), row.ravel()], axis=1)
    moved = displacement_px * _polar_directions(middle, cells, domain_cells, domains)
    centers = margin + spacing_px * middle
    shape = tuple(int(np.ceil(2 * margin + spacing_px * edge)) for edge in cells)
    positions = np.concatenate([corners, centers + moved])
    species = np.repeat([0, 1], [len(corners), len(centers)])
    imaging = imaging or ImagingSettings(width_px=0.17 * spacing_px)
    scene = image_columns(
        positions, np.array(peak_counts)[species], (shape[0], shape[1]), imaging,
        species=species, species_names=("A", "B"), rng=rng,
    )  # fmt: skip
    return PolarScene(scene, centers, moved)


def _polar_directions(
    middle: Floats, cells: tuple[int, int], domain_cells: float, domains: str
) -> Floats:
    """Return a unit vector (or zero) for each cell; ``middle``: (m, 2) in cells."""
    direction = np.zeros_like(middle)
    if domains == "stripes":
        direction[:, 1] = np.where(np.floor(middle[:, 0] / domain_cells) % 2 == 0, 1.0, -1.0)
    elif domains == "single":
        direction[:, 0] = 1.0
    elif domains == "vortex":
        away = middle - 0.5 * np.array(cells[::-1])
        length = np.maximum(np.hypot(*away.T), 1e-9)
        direction = np.stack([-away[:, 1], away[:, 0]], axis=1) / length[:, None]
    return direction


def make_strained_crystal(
    sites: tuple[int, int] = (40, 40),
    *,
    lattice: str = "square",
    spacing_px: float = 12.0,
    displacement: Callable[[Floats], Floats] | None = None,
    peak_counts: float = 100.0,
    imaging: ImagingSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> StrainScene:
    """Make a picture of a crystal whose atoms a known displacement field has moved.

    Parameters
    ----------
    sites
        Sites along y and x.
    lattice
        ``square`` or ``triangular``.
    spacing_px
        Undeformed nearest-neighbour distance.
    displacement
        Takes sites r (n, 2) in pixels from the crystal's centre, gives u (n, 2) in pixels; None is
        a wave of period half the crystal and 2 % strain. Its gradient is taken numerically.
    peak_counts
        Counts at a column's centre above the background.
    imaging
        See ``ImagingSettings``; None takes width ``0.18 * spacing_px``, background 10.
    rng
        Seed or generator.

    Returns
    -------
    StrainScene
        Picture, true atoms, undeformed sites and the displacement gradient at each.

    Examples
    --------
    >>> def stretch(r):
    ...     return r * np.array([0.01, 0.0])
    >>> made = make_strained_crystal((8, 8), displacement=stretch, rng=0)
    >>> made.gradients[0].round(6).tolist()
    [[0.01, 0.0], [0.0, 0.0]]
    """
    check_choice("lattice", lattice, ("square", "triangular"))
    check_positive("spacing_px", spacing_px)
    if min(sites) < 2:
        raise InputError(f"sites must be at least 2 along y and x; got {sites}.")
    vectors = spacing_px * np.eye(2)
    if lattice == "triangular":
        vectors[1] = spacing_px * np.array([0.5, np.sqrt(0.75)])
    column, row = (part.ravel() for part in np.meshgrid(np.arange(sites[1]), np.arange(sites[0])))
    if lattice == "triangular":
        column = column - row // 2
    undeformed = np.stack([column, row], axis=1) @ vectors
    center = 0.5 * (undeformed.max(axis=0) + undeformed.min(axis=0))
    extent = float(np.ptp(undeformed[:, 0]))
    field = displacement or _wave(0.02, 0.5 * max(extent, spacing_px))
    moved = np.asarray(field(undeformed - center), dtype=np.float64)
    if moved.shape != undeformed.shape or not np.isfinite(moved).all():
        raise InputError(
            f"displacement must give finite numbers of shape {undeformed.shape}; got shape "
            f"{moved.shape}."
        )
    gradients = np.empty((len(undeformed), 2, 2))
    small = 1e-4 * spacing_px
    for axis in range(2):
        step = small * np.eye(2)[axis]
        ahead, behind = field(undeformed - center + step), field(undeformed - center - step)
        gradients[:, :, axis] = (ahead - behind) / (2 * small)
    low, high = (undeformed + moved).min(axis=0), (undeformed + moved).max(axis=0)
    shift = spacing_px - low
    shape = tuple(int(np.ceil(edge)) for edge in (high - low + 2 * spacing_px)[::-1])
    imaging = imaging or ImagingSettings(width_px=0.18 * spacing_px)
    scene = image_columns(
        undeformed + moved + shift, peak_counts, (shape[0], shape[1]), imaging, rng=rng
    )
    return StrainScene(scene, undeformed + shift, gradients, vectors)


def _wave(strain: float, period: float) -> Callable[[Floats], Floats]:
    """Return a field whose xx strain is a wave along x and whose shear is a wave along y."""
    number = 2 * np.pi / period

    def field(places: Floats) -> Floats:
        along = strain / number * np.sin(number * places[:, 0])
        across = 0.5 * strain / number * np.sin(number * places[:, 0] + number * places[:, 1])
        return np.stack([along, across], axis=1)

    return field
