"""A synthetic atomic-resolution picture with a response map, and the truth that made both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_positive
from physlearn.datasets.columns.column_kernels import add_columns
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice, triangular_lattice
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["StemSettings", "StemTruth", "SyntheticStem", "make_stem_image"]

Floats = NDArray[np.float64]
RESPONSE_UNIT = "pm/V"
DISTRACTOR_UNIT = "mV"


@dataclass(frozen=True, slots=True)
class StemSettings:
    """What the picture and the maps look like.

    Attributes
    ----------
    spacing_px, width_px
        Lattice constant and standard deviation of a column, in pixels.
    peak_counts
        Counts at the centre of a dim and of a bright column, above ``background_counts``.
    patch_sites
        Sites along the edge of a cell of the response map; one map value per patch.
    random_dilation_sd, composition_dilation
        Standard deviation of the dilation field that nothing else causes, and dilation per unit of
        local composition (Vegard's law).
    dilation_range_sites
        Correlation length of that field, in lattice constants.
    response_per_composition, response_per_dilation
        Planted coefficients in pm/V per unit share and per unit dilation.
    distractor_per_composition
        Planted coefficient in mV per unit share; the distractor has no arrow into the response.
    response_disturbance_sd, distractor_disturbance_sd
        What else moves the two maps (pm/V, mV); half of its variance is alike in neighbours.
    map_noise_share
        Standard deviation of the maps' measurement noise as a share of the disturbance.

    Examples
    --------
    >>> StemSettings(spacing_px=14.0).patch_sites
    3
    """

    spacing_px: float = 12.0
    width_px: float = 2.2
    peak_counts: tuple[float, float] = (60.0, 120.0)
    background_counts: float = 8.0
    patch_sites: int = 3
    random_dilation_sd: float = 0.02
    composition_dilation: float = 0.06
    dilation_range_sites: float = 3.0
    response_per_composition: float = 30.0
    response_per_dilation: float = 250.0
    distractor_per_composition: float = 12.0
    response_disturbance_sd: float = 4.0
    distractor_disturbance_sd: float = 2.0
    map_noise_share: float = 0.3

    def __post_init__(self) -> None:
        for name in ("spacing_px", "width_px", "dilation_range_sites", "background_counts"):
            check_positive(name, getattr(self, name))
        for name in ("random_dilation_sd", "response_disturbance_sd", "map_noise_share"):
            check_positive(name, getattr(self, name), allow_zero=True)
        if len(self.peak_counts) != 2 or not 0 < self.peak_counts[0] < self.peak_counts[1]:
            raise InputError(
                f"peak_counts must be (dim, bright) ascending; got {self.peak_counts}."
            )
        if isinstance(self.patch_sites, bool) or self.patch_sites < 2:
            raise InputError(f"patch_sites must be at least 2; got {self.patch_sites}.")
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class StemTruth:
    """What made a synthetic picture.

    Attributes
    ----------
    couplings, field
        Of the lattice gas: p(s) ~ exp(sum field s + sum_bonds coupling s s'), by shell.
    states
        int8, shape (n_sites,): +1 bright, -1 dim.
    positions
        float64, shape (n_sites, 2): x, y in pixels.
    lattice, spacing_px, patch_size_px
        Name, lattice constant and edge of a cell of the maps.
    patches
        True composition, dilation, response and distractor of every patch, with centres x, y.
    edges
        (cause, effect, coefficient, unit): every arrow between the patch columns.
    signal_to_noise
        Column -> standard deviation of the truth over that of its measurement error (maps), or of
        what its causes explain over what they do not (``response_explained``...).
    seed
        Makes the same picture again.
    """

    couplings: tuple[float, ...]
    field: float
    states: NDArray[np.int8]
    positions: Floats
    lattice: str
    spacing_px: float
    patch_size_px: float
    patches: pd.DataFrame
    edges: tuple[tuple[str, str, float, str], ...]
    signal_to_noise: Mapping[str, float]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticStem:
    """A picture in counts, maps of a response and a distractor, and their truth.

    Attributes
    ----------
    image
        DataArray (y, x) in pixels, attribute ``counts`` = ``known``.
    channels
        Dataset with ``response`` and ``distractor`` (y, x), one cell per patch, on the picture's
        coordinates; attributes ``units`` and ``noise_sd``.
    truth
        See ``StemTruth``.
    """

    image: xr.DataArray
    channels: xr.Dataset
    truth: StemTruth = field(repr=False)

    __repr__ = short_repr
    _repr_html_ = html_table


def make_stem_image(
    shape: tuple[int, int] = (48, 48),
    *,
    lattice: str = "square",
    couplings: Sequence[float] = (0.25, -0.08),
    field: float = 0.05,
    settings: StemSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> SyntheticStem:
    """Make a two-species atomic picture whose causes are known.

    A lattice gas at equilibrium (free edges) says which columns are bright. A smooth random
    dilation, plus one that follows the local composition, displaces them. Counts are Poisson. On
    the patches, the arrows are: composition -> dilation, composition -> response, dilation ->
    response, composition -> distractor; the distractor goes with the response only through its
    measured parent.

    Parameters
    ----------
    shape
        Rows and columns of sites; multiples of ``settings.patch_sites`` use the whole crystal.
    lattice
        ``square`` or ``triangular``.
    couplings, field
        See ``physlearn.lattice_models.Ising``.
    settings
        See ``StemSettings``.
    rng
        Seed or generator; the same seed gives the same picture.

    Returns
    -------
    SyntheticStem
        Picture, maps and truth.

    Raises
    ------
    InputError
        For a crystal of fewer than 4 patches along an edge.

    Examples
    --------
    >>> scene = make_stem_image((12, 12), rng=1)
    >>> scene.image.attrs["counts"], scene.channels["response"].shape
    ('known', (4, 4))
    >>> [(cause, effect) for cause, effect, _, _ in scene.truth.edges][-1]
    ('composition', 'distractor')
    """
    settings = settings or StemSettings()
    check_choice("lattice", lattice, ("square", "triangular"))
    n_rows, n_columns = (int(length) for length in shape)
    if min(n_rows, n_columns) < 4 * settings.patch_sites:
        raise InputError(
            f"shape must hold at least {4 * settings.patch_sites} sites along each edge; "
            f"got {shape}."
        )
    generator, seed = as_generator(rng)
    make = square_lattice if lattice == "square" else triangular_lattice
    graph = make((n_rows, n_columns), len(couplings), periodic=False)
    drawn = simulate_lattice(
        Ising(list(couplings), field), graph, 1, 1, burn_in=2000,
        rng=int(generator.integers(2**31)),
    )  # fmt: skip
    states = drawn.states[0]
    places = np.asarray(graph.positions, dtype=np.float64)
    displacement = _displacements(places, states, settings, generator)
    margin = 1.5 * settings.spacing_px
    ideal = places * settings.spacing_px + margin
    positions = ideal + displacement * settings.spacing_px
    image = _picture(positions, states, ideal, margin, settings, generator)
    patches, cells = _patch_truth(ideal, positions, states, margin, settings)
    channels, ratios = _maps(patches, cells, margin, settings, generator)
    s = settings
    edges = (
        ("composition", "dilation", s.composition_dilation, "1"),
        ("composition", "response", s.response_per_composition, RESPONSE_UNIT),
        ("dilation", "response", s.response_per_dilation, RESPONSE_UNIT),
        ("composition", "distractor", s.distractor_per_composition, DISTRACTOR_UNIT),
    )
    truth = StemTruth(
        tuple(float(c) for c in couplings), float(field), states, positions, lattice, s.spacing_px,
        s.patch_sites * s.spacing_px, patches, edges, ratios, seed,
    )  # fmt: skip
    return SyntheticStem(image, channels, truth)


def _smooth_field(shape: tuple[int, int], length: float, generator: np.random.Generator) -> Floats:
    """Return a periodic field of unit variance with covariance exp(-r^2 / (2 length^2))."""
    waves_y = np.fft.fftfreq(shape[0])[:, None]
    waves_x = np.fft.fftfreq(shape[1])[None, :]
    power = np.exp(-2.0 * (np.pi * length) ** 2 * (waves_x**2 + waves_y**2))
    power /= power.mean()
    noise = np.fft.fft2(generator.normal(size=shape))
    return np.asarray(np.fft.ifft2(np.sqrt(power) * noise).real, dtype=np.float64)


def _displacements(
    places: Floats, states: NDArray[np.int8], settings: StemSettings,
    generator: np.random.Generator,
) -> Floats:  # fmt: skip
    """Return the displacement of each site, in lattice constants, whose divergence is planted."""
    from scipy import ndimage

    pad = 12
    top = np.ceil(places.max(axis=0)).astype(int) + 1
    shape = (int(top[1]) + 2 * pad, int(top[0]) + 2 * pad)
    dilation = settings.random_dilation_sd * _smooth_field(
        shape, settings.dilation_range_sites, generator
    )
    composition = np.zeros(shape)
    weight = np.zeros(shape)
    cells = np.round(places[:, ::-1] + pad).astype(int)
    plus = (states > 0).astype(np.float64)
    np.add.at(composition, (cells[:, 0], cells[:, 1]), plus - plus.mean())
    np.add.at(weight, (cells[:, 0], cells[:, 1]), 1.0)
    blur = settings.patch_sites / 3.0
    smooth = ndimage.gaussian_filter(composition, blur) / np.maximum(
        ndimage.gaussian_filter(weight, blur), 1e-3
    )
    dilation += settings.composition_dilation * np.where(weight > 0, smooth, 0.0)
    # displacement = gradient of a potential whose Laplacian is the dilation
    waves_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    waves_x = 2 * np.pi * np.fft.fftfreq(shape[1])[None, :]
    square = waves_x**2 + waves_y**2
    square[0, 0] = 1.0
    potential = -np.fft.fft2(dilation - dilation.mean()) / square
    parts = [np.fft.ifft2(1j * waves * potential).real for waves in (waves_x, waves_y)]
    where = (places[:, ::-1] + pad).T
    return np.stack([ndimage.map_coordinates(part, where, order=3) for part in parts], axis=1)


def _picture(
    positions: Floats, states: NDArray[np.int8], ideal: Floats, margin: float,
    settings: StemSettings, generator: np.random.Generator,
) -> xr.DataArray:  # fmt: skip
    """Return the Poisson picture of all columns."""
    length = np.ceil(ideal.max(axis=0) + margin).astype(int)
    mean = np.full((int(length[1]), int(length[0])), settings.background_counts)
    peaks = np.where(states > 0, settings.peak_counts[1], settings.peak_counts[0])
    columns = np.column_stack(
        [positions, np.log(peaks), np.full(len(peaks), np.log(settings.width_px))]
    )
    add_columns(mean, np.ascontiguousarray(columns), 6.0)
    counts = generator.poisson(mean).astype(np.float64)
    return xr.DataArray(
        counts,
        dims=("y", "x"),
        coords={
            "y": ("y", np.arange(counts.shape[0], dtype=np.float64), {"units": "pixel"}),
            "x": ("x", np.arange(counts.shape[1], dtype=np.float64), {"units": "pixel"}),
        },
        attrs={"counts": "known", "source": "synthetic STEM picture", "channel": "grey"},
        name="image",
    )


def _patch_truth(
    ideal: Floats, positions: Floats, states: NDArray[np.int8], margin: float,
    settings: StemSettings,
) -> tuple[pd.DataFrame, tuple[int, int]]:  # fmt: skip
    """Return true composition and dilation of each patch, and the patches along y and x."""
    edge = settings.patch_sites * settings.spacing_px
    corner = margin - 0.5 * settings.spacing_px
    n_x, n_y = (int(k) for k in np.floor((ideal.max(axis=0) - corner) / edge + 0.51))
    # a column belongs to the patch where it is seen
    cell = np.floor((positions - corner) / edge).astype(int)
    rows = []
    for j in range(n_y):
        for i in range(n_x):
            sites = np.flatnonzero((cell[:, 0] == i) & (cell[:, 1] == j))
            if len(sites) < 4:
                raise InputError(
                    f"a patch holds {len(sites)} sites only; take more patch_sites or less strain."
                )
            design = np.column_stack([np.ones(len(sites)), ideal[sites]])
            slope = np.linalg.lstsq(design, positions[sites], rcond=None)[0][1:]
            rows.append(
                {
                    "x": corner + (i + 0.5) * edge, "y": corner + (j + 0.5) * edge,
                    "composition": float((states[sites] > 0).mean()),
                    "dilation": float(np.trace(slope) - 2.0),
                }
            )  # fmt: skip
    return pd.DataFrame(rows), (n_y, n_x)


def _maps(
    patches: pd.DataFrame, cells: tuple[int, int], margin: float, settings: StemSettings,
    generator: np.random.Generator,
) -> tuple[xr.Dataset, dict[str, float]]:  # fmt: skip
    """Add the response and the distractor to ``patches``; return their measured maps and SNRs."""
    s = settings

    def disturbance(sd: float) -> Floats:
        wide = _smooth_field((2 * cells[0], 2 * cells[1]), 0.8, generator)[: cells[0], : cells[1]]
        rough = generator.normal(size=cells)
        return np.asarray(sd * np.sqrt(0.5) * (wide + rough)).ravel()

    composition = patches["composition"].to_numpy()
    dilation = patches["dilation"].to_numpy()
    explained = {
        "response": s.response_per_composition * (composition - 0.5)
        + s.response_per_dilation * dilation,
        "distractor": s.distractor_per_composition * (composition - 0.5),
    }
    spreads = {"response": s.response_disturbance_sd, "distractor": s.distractor_disturbance_sd}
    levels = {"response": (60.0, RESPONSE_UNIT), "distractor": (20.0, DISTRACTOR_UNIT)}
    edge = s.patch_sites * s.spacing_px
    start = margin - 0.5 * s.spacing_px + 0.5 * edge
    coords = {
        "y": ("y", start + edge * np.arange(cells[0]), {"units": "pixel"}),
        "x": ("x", start + edge * np.arange(cells[1]), {"units": "pixel"}),
    }
    maps, ratios = {}, {}
    for name, signal in explained.items():
        level, unit = levels[name]
        true = level + signal + disturbance(spreads[name])
        noise_sd = s.map_noise_share * spreads[name]
        seen = true + noise_sd * generator.normal(size=len(true))
        patches[name] = true
        ratios[f"{name}_explained"] = float(signal.std() / max(spreads[name], 1e-300))
        ratios[name] = float(true.std() / max(noise_sd, 1e-300))
        maps[name] = xr.DataArray(
            seen.reshape(cells), dims=("y", "x"), coords=coords,
            attrs={"units": unit, "noise_sd": noise_sd},
        )  # fmt: skip
    return xr.Dataset(maps, attrs={"source": "synthetic response map"}), ratios
