"""Synthetic spectra of pixels: loops, resonances, edges and gaps, spoilt pixels, with truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count, check_positive
from physlearn.records.storage import html_table, short_repr

__all__ = ["SpectraScene", "make_spectra"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KINDS = ("loops", "resonance", "edges", "tunnelling")
PIXEL_NM = 20.0
SPIKE = 50.0
"""Spikes of spoilt spectra, in units of the response (as in recorded loops)."""


@dataclass(frozen=True, slots=True, eq=False)
class SpectraScene:
    """Spectra of pixels and what made them.

    Attributes
    ----------
    spectra
        DataArray (y, x, axis).
    truth
        Dataset of (y, x) maps: what a measurement of these spectra should find.
    spoilt
        Shape (rows, columns): pixels that hold spikes.
    noise_sd
        Standard deviation of the noise of each point (0 for counts, whose noise is Poisson's).
    seed
        Makes the same spectra again.

    Examples
    --------
    >>> scene = make_spectra("loops", (8, 8), rng=1)
    >>> scene.spectra.dims, int(scene.spoilt.sum())
    (('y', 'x', 'voltage'), 16)
    """

    spectra: xr.DataArray
    truth: xr.Dataset
    spoilt: Flags
    noise_sd: float
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


def make_spectra(
    kind: str,
    shape: tuple[int, int] = (24, 24),
    *,
    n_points: int = 64,
    noise: float = 0.05,
    counts: float = 200.0,
    spoilt_share: float = 0.25,
    smooth_px: float = 12.0,
    rng: int | np.random.Generator | None = None,
) -> SpectraScene:
    """Make a map of spectra whose parameters vary smoothly, with spoilt pixels and known truth.

    Parameters
    ----------
    kind
        ``loops``: hysteresis of a real response over voltage; ``resonance``: complex response of a
        harmonic oscillator over frequency (band excitation); ``edges``: counts over energy loss,
        a power-law background and two edges (EELS); ``tunnelling``: conductance over bias with a
        gap and a bound state (STS).
    shape
        Rows and columns of pixels, 20 nm apart.
    n_points
        Points of a spectrum.
    noise
        Noise sd as a share of the typical signal (of each quadrature for ``resonance``); unused
        for ``edges``.
    counts
        Background counts at the first energy of ``edges``.
    spoilt_share
        Share of the pixels that hold spikes in up to a quarter of their points; spikes come in
        bursts and reach 50 times the signal.
    smooth_px
        Length over which parameters vary; at most 0: every pixel has the same.
    rng
        Seed or generator.

    Returns
    -------
    SpectraScene
        Spectra, truth, and which pixels are spoilt.

    Raises
    ------
    InputError
        For a kind that is none of these, fewer than 16 points, or a share outside [0, 1].

    Examples
    --------
    >>> scene = make_spectra("resonance", (6, 6), spoilt_share=0.0, rng=2)
    >>> scene.spectra.dtype, sorted(scene.truth)[:2]
    (dtype('complex128'), ['amplitude', 'phase'])
    """
    check_choice("kind", kind, KINDS)
    check_count("n_points", n_points, 16)
    check_positive("noise", noise)
    check_positive("counts", counts)
    check_positive("smooth_px", smooth_px, allow_zero=True)
    if not 0.0 <= spoilt_share <= 1.0:
        raise InputError(f"spoilt_share must lie in [0, 1]; got {spoilt_share!r}.")
    generator, seed = as_generator(rng)
    fields = [_field(shape, smooth_px, generator) for _ in range(7)]
    make = {"loops": _loops, "resonance": _resonances, "edges": _edges, "tunnelling": _tunnelling}
    clean, axis, dim, units, truth = make[kind](fields, n_points, counts)
    sd = 0.0 if kind == "edges" else noise
    if kind == "edges":
        spectra = generator.poisson(clean).astype(np.float64)
    elif kind == "resonance":
        spectra = clean + sd * (
            generator.normal(size=clean.shape) + 1j * generator.normal(size=clean.shape)
        )
    else:
        spectra = clean + sd * generator.normal(size=clean.shape)
    spoilt = _spoil(spectra, spoilt_share, float(np.abs(clean).max()), generator)
    places = {
        name: ((name,), PIXEL_NM * np.arange(length), {"units": "nm"})
        for name, length in zip(("y", "x"), shape, strict=True)
    }
    coords = {**places, dim: ((dim,), axis, {"units": units[0]})}
    maps = {name: (("y", "x"), values, {"units": unit}) for name, (values, unit) in truth.items()}
    return SpectraScene(
        xr.DataArray(spectra, coords, ("y", "x", dim), attrs={"units": units[1]}),
        xr.Dataset(maps, places), spoilt, sd, seed,
    )  # fmt: skip


Truth = dict[str, tuple[Floats, str]]
Made = tuple[NDArray[Any], Floats, str, tuple[str, str], Truth]


def _field(shape: tuple[int, int], smooth_px: float, generator: np.random.Generator) -> Floats:
    """Return a smooth random map within about -1 and 1 (a few cosines)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    if smooth_px <= 0:
        return np.zeros(shape)
    total = np.zeros(shape)
    for _ in range(4):
        angle, phase = generator.uniform(0, 2 * np.pi, 2)
        total += np.cos((x * np.cos(angle) + y * np.sin(angle)) / smooth_px + phase)
    return np.asarray(0.5 * total)


def _loops(fields: list[Floats], n_points: int, _: float) -> Made:
    """Return loops of one triangle of voltage from 0 up, down and back."""
    turn = np.arange(n_points) / n_points
    voltage = 8.5 * np.where(
        turn < 0.25, 4 * turn, np.where(turn < 0.75, 2.0 - 4 * turn, 4 * turn - 4.0)
    )
    rising = (turn <= 0.25) | (turn > 0.75)
    up, down = 4.0 + 0.8 * fields[0], -3.0 + 0.6 * fields[1]
    half, offset, slope = np.exp(0.3 * fields[2]), 0.2 * fields[3], 0.01 * fields[4]
    width = [0.9 * np.exp(0.2 * each) for each in fields[5:7]]
    place = np.where(rising, up[..., None], down[..., None])
    spread = np.where(rising, width[0][..., None], width[1][..., None])
    tanh = np.tanh((voltage - place) / spread)
    clean = offset[..., None] + slope[..., None] * voltage + half[..., None] * tanh
    at_rest = np.tanh(-down / width[1]) - np.tanh(-up / width[0])
    fine = np.linspace(voltage.min(), voltage.max(), 2001)
    opening = np.tanh((fine - down[..., None]) / width[1][..., None]) - np.tanh(
        (fine - up[..., None]) / width[0][..., None]
    )
    truth = {
        "coercive_voltage_rising": (up, "V"), "coercive_voltage_falling": (down, "V"),
        "imprint": (0.5 * (up + down), "V"), "remanent_response": (0.5 * half * at_rest, "pm"),
        "switchable_response": (2.0 * half, "pm"),
        "loop_area": (half * np.trapezoid(opening, fine, axis=-1), "pm V"),
        "vertical_offset": (offset, "pm"), "response_slope": (slope, "pm/V"),
    }  # fmt: skip
    return clean, voltage, "voltage", ("V", "pm"), truth


def _resonances(fields: list[Floats], n_points: int, _: float) -> Made:
    """Return complex responses of driven oscillators with a peak of about 1."""
    frequency = np.linspace(280e3, 360e3, n_points)
    center = 320e3 + 6e3 * fields[0]
    quality = 60.0 * np.exp(0.3 * fields[1])
    amplitude = np.exp(0.3 * fields[2]) / 60.0
    phase = 0.4 + 0.5 * fields[3]
    w, w0 = frequency, center[..., None]
    response = w0**2 / (w0**2 - w**2 + 1j * w * w0 / quality[..., None])
    clean = (amplitude * np.exp(1j * phase))[..., None] * response
    truth = {
        "amplitude": (amplitude, "pm"), "resonance_frequency": (center, "Hz"),
        "quality_factor": (quality, "1"), "phase": (phase, "rad"),
    }  # fmt: skip
    return clean, frequency, "frequency", ("Hz", "pm"), truth


def _edges(fields: list[Floats], n_points: int, counts: float) -> Made:
    """Return expected counts: a power law and two edges, at 400 and 530 eV."""
    energy = 340.0 + 300.0 * np.arange(n_points) / (n_points - 1)
    exponent = 3.0 + 0.3 * fields[0]
    level = counts * np.exp(0.2 * fields[1])
    clean = level[..., None] * (energy / energy[0]) ** -exponent[..., None]
    strengths = (0.4 * counts * np.exp(0.3 * fields[2]), 0.25 * counts * np.exp(0.3 * fields[3]))
    truth: Truth = {}
    for name, onset, strength in zip(
        ("nitrogen", "oxygen"), (400.0, 530.0), strengths, strict=True
    ):
        shape = np.where(energy >= onset, (onset / energy) ** 2.5, 0.0)
        clean = clean + strength[..., None] * shape
        window = (energy >= onset) & (energy <= onset + 60.0)
        truth[name] = (strength * shape[window].sum(), "counts")
    truth["background_exponent"] = (exponent, "1")
    return clean, energy, "energy_loss", ("eV", "counts"), truth


def _tunnelling(fields: list[Floats], n_points: int, _: float) -> Made:
    """Return conductance with a smeared gap and a bound state inside."""
    bias = np.linspace(-5.0, 5.0, n_points)
    gap = 1.4 + 0.2 * fields[0]
    bound = 0.15 * (1.0 + fields[1]).clip(0.0)
    e = np.abs(bias) + 0.15j
    clean = np.abs((e / np.sqrt(e**2 - gap[..., None] ** 2 + 0j)).real)
    clean = clean + bound[..., None] * np.exp(-0.5 * (bias / 0.3) ** 2)
    truth = {"gap": (gap, "mV"), "bound_state": (bound, "nS")}
    return clean, bias, "bias", ("mV", "nS"), truth


def _spoil(
    spectra: NDArray[Any], share: float, size: float, generator: np.random.Generator
) -> Flags:
    """Put bursts of spikes into a share of the spectra, in place; return which."""
    shape, n_points = spectra.shape[:-1], spectra.shape[-1]
    n = int(np.prod(shape))
    spoilt = np.zeros(n, dtype=bool)
    spoilt[generator.permutation(n)[: round(share * n)]] = True
    flat = spectra.reshape(n, n_points)
    for i in np.flatnonzero(spoilt):
        length = int(generator.integers(2, max(n_points // 4, 3)))
        first = int(generator.integers(0, n_points - length + 1))
        height = SPIKE * size * generator.uniform(0.1, 1.0, length)
        sign = 1.0 if spectra.dtype.kind == "f" and np.min(flat) >= 0 else None
        signs = sign if sign is not None else generator.choice([-1.0, 1.0], length)
        flat[i, first : first + length] += (height * signs).astype(spectra.dtype)
    return spoilt.reshape(shape)
