"""Named benchmark pictures with their truth: what a finder of atoms must get right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import as_generator, check_choice, check_count, check_positive
from physlearn.datasets.synthetic.imaging import AtomScene, ImagingSettings, image_columns
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.datasets.synthetic.synthetic_defects import DefectSettings, make_defect_scene
from physlearn.datasets.synthetic.synthetic_scan import make_scan_series
from physlearn.datasets.synthetic.synthetic_stm import StmSettings, make_stm_image
from physlearn.datasets.synthetic.synthetic_structure import (
    make_polar_perovskite,
    make_stone_wales_graphene,
    make_strained_crystal,
)
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BenchmarkScene", "list_benchmark_scenes", "make_benchmark_scene"]

Floats = NDArray[np.float64]
WIDTH_PX = 2.5
SPACING_PX = 14.0
BACKGROUND_SHARE = 0.1
"""Background in units of the strong peak."""
WEAK = 0.2
PLACE_NOISE_PX = 0.4
"""Random shift of each column: real crystals don't stand on the pixel grid."""
STM_HEIGHT_PM = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkScene:
    """A picture that others can run their finder on, and its truth.

    Attributes
    ----------
    name
        One of ``list_benchmark_scenes()``.
    image
        DataArray (y, x).
    truth
        True positions (pixels, free of drift and jitter), species, widths.
    seen
        Shape (n, 2): where the picture shows the columns (drift and jitter in it), pixels.
    peaks
        Shape (n,): height at each column's centre above the background, in the picture's numbers.
    background
        Mean of a pixel without columns, above the detector's own offset.
    noise_offset, noise_gain
        Variance of a pixel = ``noise_offset + noise_gain x mean`` (above the same offset).
    round_gaussian
        Whether columns are round Gaussians on a constant background, so that the joint
        Cramer-Rao bound of ``column_bounds`` is exact.
    spacing_px
        Distance of nearest columns.
    made
        The generator's own result, with what is particular to it (defects, displacements, row
        shifts, strain).

    Examples
    --------
    >>> scene = make_benchmark_scene("isolated", columns_along_edge=6, rng=1)
    >>> scene.name, scene.seen.shape
    ('isolated', (36, 2))
    """

    name: str
    image: xr.DataArray
    truth: AtomicConfiguration
    seen: Floats = field(repr=False)
    peaks: Floats = field(repr=False)
    background: float
    noise_offset: float
    noise_gain: float
    round_gaussian: bool
    spacing_px: float
    made: Any = field(repr=False)

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def width_px(self) -> float:
        """Standard deviation of a column in pixels."""
        widths = self.truth.width
        return WIDTH_PX if widths is None or not len(widths) else float(np.median(widths))


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a set is made, what it tests, and whether the Gaussian bound is exact."""

    make: Callable[[float, int, np.random.Generator], _Made]
    tests: str
    round_gaussian: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A scene, its imaging, the generator's result."""

    scene: AtomScene
    imaging: ImagingSettings
    spacing_px: float
    made: Any = None


def make_benchmark_scene(
    name: str,
    *,
    peak: float = 100.0,
    columns_along_edge: int = 20,
    rng: int | np.random.Generator | None = None,
) -> BenchmarkScene:
    """Make one of the named benchmark pictures with its truth.

    Parameters
    ----------
    name
        See ``list_benchmark_scenes``.
    peak
        Counts at the centre of a strong column above the background (the background is a tenth of
        it). For ``stm``: the square of an atom's height over the pixel noise.
    columns_along_edge
        About how many columns stand along an edge, at least 6.
    rng
        Seed or generator; the same seed makes the same picture.

    Returns
    -------
    BenchmarkScene
        Picture, truth, and the noise that bounds what can be known.

    Raises
    ------
    InputError
        For an unknown name, a peak that is not positive, or fewer than 6 columns.

    Examples
    --------
    >>> scene = make_benchmark_scene("two_species", peak=50.0, columns_along_edge=8, rng=1)
    >>> scene.truth.n, sorted(set(scene.peaks.tolist()))
    (64, [10.0, 50.0])
    """
    check_choice("name", name, tuple(SCENES))
    check_positive("peak", peak)
    check_count("columns_along_edge", columns_along_edge, 6)
    generator, _ = as_generator(rng)
    kind = SCENES[name]
    if name == "stm":
        return _stm(peak, columns_along_edge, generator)
    made = kind.make(peak, columns_along_edge, generator)
    scene, s = made.scene, made.imaging
    return BenchmarkScene(
        name, scene.image, scene.truth, _seen(scene), s.gain * scene.peaks,
        s.gain * _flat(s),
        s.read_noise**2, s.gain, kind.round_gaussian, made.spacing_px,
        scene if made.made is None else made.made,
    )  # fmt: skip


def list_benchmark_scenes() -> pd.DataFrame:
    """Return one row a named set: what it tests and whether the round Gaussian bound is exact.

    Examples
    --------
    >>> "graphene" in list_benchmark_scenes()["name"].tolist()
    True
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {"name": name, "tests": kind.tests, "exact_bound": kind.round_gaussian}
            for name, kind in SCENES.items()
        ]
    )


def _flat(s: ImagingSettings) -> float:
    """Return the expected counts of a pixel without columns (haze at its root mean square)."""
    return s.background_counts + s.contamination_counts


def _seen(scene: AtomScene) -> Floats:
    """Return where the picture shows the columns: a row's shift, weighted as the column's light."""
    places, shift = scene.truth.positions, scene.row_shift
    if not np.any(shift):
        return places
    rows = np.arange(len(shift))
    seen = places.copy()
    widths = scene.truth.width
    width = WIDTH_PX if widths is None else float(np.median(widths))
    for _ in range(3):  # a sample that moves while it is scanned is seen where the scan meets it
        near = np.exp(-0.5 * ((rows - seen[:, 1:]) / width) ** 2)
        weight = near.sum(axis=1, keepdims=True)
        seen = places + (near @ shift) / np.maximum(weight, 1e-12)
    return np.asarray(seen)


def _imaging(peak: float, **changes: Any) -> ImagingSettings:
    """Return counts, a tenth of the peak as background, and what a set adds."""
    base = ImagingSettings(width_px=WIDTH_PX, background_counts=BACKGROUND_SHARE * peak)
    return replace(base, **changes)


def _square(
    peak: float, edge: int, rng: np.random.Generator, imaging: ImagingSettings,
    spacing: float = SPACING_PX, weak: float = 1.0,
) -> _Made:  # fmt: skip
    """Return a square lattice whose columns stand a little off, every second one weak."""
    i, j = (part.ravel() for part in np.meshgrid(np.arange(edge), np.arange(edge)))
    places = spacing * np.stack([i + 1.0, j + 1.0], axis=1)
    places += rng.normal(0.0, PLACE_NOISE_PX, places.shape)
    species = (i + j) % 2 if weak != 1.0 else np.zeros(len(i), dtype=np.int64)
    side = int(spacing * (edge + 1)) + 1
    names = ("strong", "weak") if weak != 1.0 else ("column",)
    scene = image_columns(
        places, peak * np.where(species == 1, weak, 1.0), (side, side), imaging,
        species=species, species_names=names, rng=rng,
    )  # fmt: skip
    return _Made(scene, imaging, spacing)


def _isolated(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return columns 8 widths apart."""
    return _square(peak, edge, rng, _imaging(peak), 8.0 * WIDTH_PX)


def _two_species(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return strong and weak columns by turns."""
    return _square(peak, edge, rng, _imaging(peak), SPACING_PX, WEAK)


def _graphene(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return a honeycomb whose neighbours overlap: 3.2 widths apart."""
    bond = 3.2 * WIDTH_PX
    n = max(2, edge // 3)
    places = np.asarray(honeycomb(n, round(n * np.sqrt(3.0)))[0]) * bond
    places = places - places.min(axis=0) + 2.0 * bond
    places += rng.normal(0.0, 0.05 * bond, places.shape)
    side = tuple(int(length + 2.0 * bond) for length in places.max(axis=0)[::-1])
    imaging = _imaging(peak)
    scene = image_columns(places, peak, (side[0], side[1]), imaging, rng=rng)
    return _Made(scene, imaging, bond)


def _plain(**changes: Any) -> Callable[[float, int, np.random.Generator], _Made]:
    """Return the maker of a square lattice seen through another instrument; shares of the peak."""

    def make(peak: float, edge: int, rng: np.random.Generator) -> _Made:
        given = dict(changes)
        if "contamination_counts" in given:
            given["contamination_counts"] *= peak
        return _square(peak, edge, rng, _imaging(peak, **given))

    return make


def _jitter(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return a crystal whose rows were displaced, as ``correct_scan`` has it."""
    imaging = _imaging(peak, jitter_px=0.6, jitter_correlation=0.5)
    side = int(SPACING_PX * (edge + 1)) + 1
    made = make_scan_series(
        (side, side), spacing_px=SPACING_PX, peak=peak, imaging=imaging, rng=rng
    )
    return _Made(made.scenes[0], imaging, SPACING_PX, made)


def _vacancies(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return a crystal that lacks 5 % of its columns."""
    imaging = _imaging(peak)
    side = int(SPACING_PX * (edge + 1)) + 1
    settings = DefectSettings(
        spacing_px=SPACING_PX, peak_counts=(peak,), vacancy_share=(0.05,), displacement_px=0.2
    )
    made = make_defect_scene((side, side), settings, imaging, rng=rng)
    return _Made(made.scene, imaging, SPACING_PX, made)


def _perovskite(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return polar cells in stripes."""
    imaging = _imaging(peak)
    made = make_polar_perovskite(
        (edge, edge), peak_counts=(peak, 0.4 * peak), imaging=imaging, rng=rng
    )
    return _Made(made.scene, imaging, 16.0 / np.sqrt(2.0), made)


def _strained(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return a crystal under a wave of 2 % strain."""
    imaging = _imaging(peak)
    made = make_strained_crystal(
        (edge, edge), spacing_px=SPACING_PX, peak_counts=peak, imaging=imaging, rng=rng
    )
    return _Made(made.scene, imaging, SPACING_PX, made)


def _stone_wales(peak: float, edge: int, rng: np.random.Generator) -> _Made:
    """Return graphene with turned bonds, about one in a patch of 16 x 16 bonds."""
    bond = 3.2 * WIDTH_PX
    imaging = _imaging(peak)
    made = make_stone_wales_graphene(
        max(1, round(edge**2 / 260)), bond_px=bond, peak_counts=peak, imaging=imaging, rng=rng
    )
    return _Made(made.scene, imaging, bond, made)


def _stm(peak: float, edge: int, rng: np.random.Generator) -> BenchmarkScene:
    """Return a topograph: levels of rows, tilt, 1/f noise."""
    settings = StmSettings(
        height_per_volt_pm=(0.0, 0.0), height_pm=(STM_HEIGHT_PM, 1.5 * STM_HEIGHT_PM),
        white_noise_pm=STM_HEIGHT_PM / np.sqrt(peak), pink_noise_pm=2.0,
    )  # fmt: skip
    side = int(settings.spacing_px * (edge + 1)) + 1
    made = make_stm_image((side, side), settings, rng=rng)
    truth = made.truth
    return BenchmarkScene(
        "stm", made.image, truth.atoms, truth.atoms.positions, truth.height_pm, 0.0,
        settings.white_noise_pm**2, 0.0, False, settings.spacing_px, made,
    )  # fmt: skip


SCENES: Mapping[str, _Kind] = {
    "isolated": _Kind(_isolated, "columns that do not touch (8 widths apart)"),
    "two_species": _Kind(_two_species, "every second column has .20 of the strong one's counts"),
    "graphene": _Kind(_graphene, "neighbours overlap (3.2 widths apart)"),
    "haze": _Kind(
        _plain(contamination_counts=0.5), "smooth contamination of half the peak", False
    ),
    "tails": _Kind(_plain(tail_share=0.2), "a fifth of the counts in wide tails", False),
    "tilt": _Kind(
        _plain(ellipticity=0.25, ellipse_angle=0.6), "elliptical columns, axes 25 % apart", False
    ),
    "drift": _Kind(_plain(drift_px=(6.0, 3.0)), "the sample moves 6 and 3 pixels in the scan"),
    "jitter": _Kind(_jitter, "rows displaced by .6 pixel, correlation .5", False),
    "gain": _Kind(
        _plain(gain=3.7, offset=100.0, read_noise=2.0), "numbers that are not counts"
    ),
    "vacancies": _Kind(_vacancies, "5 % of the columns missing"),
    "perovskite_polar": _Kind(_perovskite, "displaced centre columns in stripes"),
    "strained": _Kind(_strained, "a wave of 2 % strain"),
    "stone_wales": _Kind(_stone_wales, "graphene with bonds turned by 90 degrees"),
    "stm": _Kind(_isolated, "a tunnelling topograph: row levels, tilt, 1/f noise", False),
}  # fmt: skip
