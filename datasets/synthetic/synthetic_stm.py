"""A synthetic scanning tunnelling picture with its truth: lines, tip changes, 1/f noise, bias."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_positive
from physlearn.datasets.synthetic.imaging import ImagingSettings, image_columns
from physlearn.option_fields import check_fields
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["StmSettings", "StmTruth", "SyntheticStm", "make_stm_image"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SMALLEST_HEIGHT_PM = 2.0


@dataclass(frozen=True, slots=True)
class StmSettings:
    """What the surface, the tip and the electronics do to a topograph.

    Attributes
    ----------
    lattice
        ``square`` or ``triangular``.
    spacing_px, width_px
        Lattice constant and standard deviation of an atom's picture, in pixels.
    height_pm, height_per_volt_pm
        Apparent height of the two species at bias 0, and its change per volt: which one looks
        higher depends on the bias.
    bias_v
        Sample bias in volts.
    second_share
        Share of the second species.
    vacant_share
        Share of sites without an atom.
    dark
        Atoms are dents instead of bumps.
    displacement_px
        Standard deviation of the atoms' own displacements.
    plane_pm_per_px
        (x, y) tilt of the sample.
    row_level_pm
        Standard deviation of each row's own level (a random walk of that step).
    white_noise_pm, pink_noise_pm, pink_exponent
        Noise of a pixel; and of noise with power ~ 1/f^exponent in the time of the scan.
    jitter_px, jitter_correlation, drift_px
        See ``ImagingSettings``.
    tip_changes
        How often the tip changes; each changes level, gain, blur and place at one row.
    tip_level_pm, tip_gain_sd, tip_shift_px
        Standard deviations of what a tip change does.

    Examples
    --------
    >>> StmSettings(bias_v=1.0).bias_v
    1.0
    """

    lattice: str = "square"
    spacing_px: float = 14.0
    width_px: float = 3.0
    height_pm: tuple[float, float] = (60.0, 90.0)
    height_per_volt_pm: tuple[float, float] = (0.0, -60.0)
    bias_v: float = -0.2
    second_share: float = 0.2
    vacant_share: float = 0.0
    dark: bool = False
    displacement_px: float = 0.05
    plane_pm_per_px: tuple[float, float] = (0.4, -0.2)
    row_level_pm: float = 10.0
    white_noise_pm: float = 4.0
    pink_noise_pm: float = 2.0
    pink_exponent: float = 1.0
    jitter_px: float = 0.0
    jitter_correlation: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    tip_changes: int = 0
    tip_level_pm: float = 80.0
    tip_gain_sd: float = 0.3
    tip_shift_px: float = 0.7

    def __post_init__(self) -> None:
        check_choice("lattice", self.lattice, ("square", "triangular"))
        for name in ("spacing_px", "width_px"):
            check_positive(name, getattr(self, name))
        for name in (
            "displacement_px", "row_level_pm", "white_noise_pm", "pink_noise_pm", "jitter_px",
            "tip_level_pm", "tip_gain_sd", "tip_shift_px",
        ):  # fmt: skip
            check_positive(name, getattr(self, name), allow_zero=True)
        for name in ("second_share", "vacant_share"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} must be 0 or more and below 1; got {getattr(self, name)}."
                )
        check_fields(self)

    @property
    def heights_pm(self) -> tuple[float, float]:
        """Apparent heights of the two species at this bias."""
        one, two = (
            max(SMALLEST_HEIGHT_PM, height + slope * self.bias_v)
            for height, slope in zip(self.height_pm, self.height_per_volt_pm, strict=True)
        )
        return one, two


@dataclass(frozen=True, slots=True, eq=False)
class StmTruth:
    """What made a synthetic topograph.

    Attributes
    ----------
    atoms
        True positions in pixels, species (0 and 1), width.
    height_pm
        Shape (n,): apparent height at the bias, before any tip change.
    row_level_pm
        Shape (rows,): level of each row, tip changes included, plane left out.
    plane_pm_per_px
        (x, y).
    row_shift
        Shape (rows,): displacement of each row along x, pixels (jitter, drift, tip).
    tip_rows
        First rows after each tip change.
    tip_gain
        Shape (rows,): factor on all heights.
    seed
        Makes the same picture again.

    Examples
    --------
    >>> truth = make_stm_image((96, 96), rng=1).truth
    >>> truth.atoms.n > 20
    True
    """

    atoms: AtomicConfiguration
    height_pm: Floats
    row_level_pm: Floats
    plane_pm_per_px: tuple[float, float]
    row_shift: Floats
    tip_rows: Integers
    tip_gain: Floats
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticStm:
    """A topograph (y, x) in pm, attributes ``bias_v`` and ``units``; and its truth.

    Examples
    --------
    >>> scene = make_stm_image((96, 96), rng=1)
    >>> scene.image.shape
    (96, 96)
    """

    image: xr.DataArray
    truth: StmTruth = field(repr=False)

    __repr__ = short_repr
    _repr_html_ = html_table


def make_stm_image(
    shape: tuple[int, int] = (256, 256),
    settings: StmSettings | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> SyntheticStm:
    """Make a topograph of a two-species surface whose truth is known.

    Parameters
    ----------
    shape
        Rows (slow axis) and pixels of a row.
    settings
        See ``StmSettings``.
    rng
        Seed or generator. Two biases of one surface: the same seed, another ``bias_v``.

    Returns
    -------
    SyntheticStm
        Picture and truth.

    Raises
    ------
    InputError
        For a picture of fewer than 4 lattice constants along an edge.

    Examples
    --------
    >>> scene = make_stm_image((96, 96), rng=1)
    >>> scene.image.attrs["units"], scene.truth.atoms.n > 20
    ('pm', True)
    """
    s = settings or StmSettings()
    if min(shape) < 4 * s.spacing_px:
        raise InputError(
            f"shape must hold at least {4 * s.spacing_px:.0f} pixels along each edge; got {shape}."
        )
    generator, seed = as_generator(rng)
    places = _places(shape, s, generator)
    second = generator.random(len(places)) < s.second_share
    places = places[present := generator.random(len(places)) >= s.vacant_share]
    second = second[present]
    height = np.where(second, s.heights_pm[1], s.heights_pm[0])
    tip_rows, levels, gain, shift = _tip(shape[0], s, generator)
    picture, row_shift = _bumps(places, height, shape, s, shift, int(generator.integers(2**31)))
    picture *= gain[:, None]
    levels = levels + np.cumsum(generator.normal(0.0, s.row_level_pm, shape[0]))
    x, y = np.arange(shape[1]), np.arange(shape[0])
    picture = (-picture if s.dark else picture) + levels[:, None]
    picture += s.plane_pm_per_px[0] * x + s.plane_pm_per_px[1] * y[:, None]
    picture += generator.normal(0.0, s.white_noise_pm, shape) if s.white_noise_pm > 0 else 0.0
    picture += _pink(shape, s, generator)
    truth_atoms = AtomicConfiguration(
        places,
        species=second.astype(np.int64),
        species_names=("first", "second"),
        width=np.full(len(places), s.width_px),
        intensity=2 * np.pi * height * s.width_px**2,
        field_of_view=(0.0, 0.0, float(shape[1] - 1), float(shape[0] - 1)),
        pixel_size=(1.0, 1.0),
        metadata={"source": "synthetic topograph", "seed": seed, "bias_v": s.bias_v},
    )
    image = xr.DataArray(
        picture,
        dims=("y", "x"),
        coords={
            "y": ("y", y.astype(np.float64), {"units": "pixel"}),
            "x": ("x", x.astype(np.float64), {"units": "pixel"}),
        },
        attrs={
            "units": "pm", "bias_v": s.bias_v, "counts": "unknown", "channel": "topography",
            "source": "synthetic topograph",
        },
        name="image",
    )  # fmt: skip
    truth = StmTruth(
        truth_atoms, height, levels, s.plane_pm_per_px, row_shift, tip_rows, gain, seed
    )
    return SyntheticStm(image, truth)


def _places(shape: tuple[int, int], s: StmSettings, generator: np.random.Generator) -> Floats:
    """Return displaced lattice places inside the picture, the lattice turned a little."""
    second = (0.0, 1.0) if s.lattice == "square" else (0.5, np.sqrt(0.75))
    vectors = s.spacing_px * np.array([[1.0, 0.0], second])
    angle = generator.uniform(0.03, 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reach = int(2.0 * max(shape) / s.spacing_px) + 2
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    places = steps @ vectors @ turn + 0.5 * np.array(shape)[::-1]
    edge = 2.0 * s.width_px
    inside = np.all((places > edge) & (places < np.array(shape)[::-1] - 1 - edge), axis=1)
    kept = places[inside]
    return np.asarray(kept + generator.normal(0.0, max(s.displacement_px, 1e-12), kept.shape))


def _tip(
    n_rows: int, s: StmSettings, generator: np.random.Generator
) -> tuple[Integers, Floats, Floats, Floats]:
    """Return the rows of tip changes, and each row's level, gain and displacement (rows, 2)."""
    levels, gain, shift = np.zeros(n_rows), np.ones(n_rows), np.zeros((n_rows, 2))
    if s.tip_changes == 0:
        return np.empty(0, dtype=np.int64), levels, gain, shift
    low, high = n_rows // 8, n_rows - n_rows // 8
    rows = np.sort(generator.choice(np.arange(low, high), s.tip_changes, replace=False))
    for row in rows:
        levels[row:] += generator.normal(0.0, s.tip_level_pm)
        gain[row:] = np.exp(generator.normal(0.0, s.tip_gain_sd))
        shift[row:] = generator.normal(0.0, max(s.tip_shift_px, 1e-12), 2)
    return rows.astype(np.int64), levels, gain, shift


def _bumps(
    places: Floats, height: Floats, shape: tuple[int, int], s: StmSettings, shift: Floats,
    seed: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return the atoms' picture, each stretch between tip changes at its own place."""
    imaging = ImagingSettings(
        width_px=s.width_px, background_counts=0.0, jitter_px=s.jitter_px,
        jitter_correlation=s.jitter_correlation, drift_px=s.drift_px, poisson=False,
    )  # fmt: skip
    picture, row_shift = np.zeros(shape), np.zeros(shape[0])
    for place in np.unique(shift, axis=0):
        scene = image_columns(places + place, height, shape, imaging, rng=seed)
        rows = np.all(shift == place, axis=1)
        picture[rows] = scene.mean[rows]
        row_shift[rows] = scene.row_shift[rows, 0] + place[0]
    return picture, row_shift


def _pink(shape: tuple[int, int], s: StmSettings, generator: np.random.Generator) -> Floats:
    """Return noise of power ~ 1/f^exponent in the order of the scan."""
    if s.pink_noise_pm == 0:
        return np.zeros(shape)
    size = shape[0] * shape[1]
    spectrum = np.fft.rfft(generator.normal(size=size))
    frequency = np.fft.rfftfreq(size)
    frequency[0] = np.inf
    noise = np.fft.irfft(spectrum * frequency ** (-0.5 * s.pink_exponent), size)
    return np.asarray((s.pink_noise_pm * noise / noise.std()).reshape(shape))
