"""Films of known partial differential equations on periodic squares and rings, by spectral steps.

Every equation is du/dt = L u + N(u) with L diagonal in Fourier space; steps are exponential
Runge-Kutta of fourth order (Cox and Matthews 2002; Kassam and Trefethen 2005,
10.1137/S1064827502410633).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["FIELD_WORLDS", "FieldWorld", "make_world", "with_noise"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Law = dict[str, float]


@dataclass(frozen=True)
class FieldWorld:
    """A film without noise and the law that made it.

    Attributes
    ----------
    name
        Of the equation.
    video
        Dims (time, y, x), or (time, x) on a ring; a dict of two where there are two fields.
    law
        For each target the coefficients of its features; ``"1"`` is the constant.
    """

    name: str
    video: xr.DataArray | dict[str, xr.DataArray]
    law: Mapping[str, Law]


def exponential_steps(
    start: Floats, symbol: Floats, rate: Callable[[Floats], Floats], waves: list[Complexes],
    step: float, n_steps: list[int],
) -> Floats:  # fmt: skip
    """Return the field after each number of steps.

    ``start``: (n_fields, *grid); ``symbol``: L, (n_fields, *grid); ``rate`` takes the field and
    returns N(u) in Fourier space, four times a step: at its start, twice in its middle, at its end.
    """
    axes = tuple(range(1, start.ndim))
    half, whole = np.exp(symbol * step / 2), np.exp(symbol * step)
    circle = np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 32)
    z = step * symbol[..., None] + circle
    quarter = step * np.mean((np.exp(z / 2) - 1) / z, axis=-1).real
    first = step * np.mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3, axis=-1).real
    second = step * np.mean((2 + z + np.exp(z) * (z - 2)) / z**3, axis=-1).real
    third = step * np.mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3, axis=-1).real
    sieve = np.ones(start.shape[1:])
    for wave in waves:  # two-thirds rule
        sieve = sieve * (np.abs(wave) <= np.abs(wave).max() * 2 / 3)

    def pushed(spectrum: Complexes) -> Complexes:
        return rate(np.fft.ifftn(spectrum, axes=axes).real) * sieve

    now = np.fft.fftn(start, axes=axes)
    frames, done = [], 0
    for target in n_steps:
        for _ in range(target - done):
            n0 = pushed(now)
            a = half * now + quarter * n0
            n1 = pushed(a)
            b = half * now + quarter * n1
            n2 = pushed(b)
            c = half * a + quarter * (2 * n2 - n0)
            n3 = pushed(c)
            now = whole * now + first * n0 + 2 * second * (n1 + n2) + third * n3
        done = target
        frames.append(np.fft.ifftn(now, axes=axes).real)
    return np.array(frames)


def _waves(shape: tuple[int, ...], spacing: float) -> list[Floats]:
    """Wave numbers along each axis, shaped to broadcast."""
    found = []
    for axis, length in enumerate(shape):
        wave = 2 * np.pi * np.fft.fftfreq(length, spacing)
        found.append(wave.reshape([-1 if k == axis else 1 for k in range(len(shape))]))
    return found


def _smooth_start(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: float, width: float, sd: float
) -> Floats:
    """Gaussian random field of correlation ``width`` and standard deviation ``sd``."""
    square = sum(np.asarray(wave) ** 2 for wave in _waves(shape, spacing))
    spectrum = np.fft.fftn(rng.normal(size=shape)) * np.exp(-square * width**2 / 2)
    field = np.fft.ifftn(spectrum).real
    return np.asarray(sd * (field - field.mean()) / field.std())


def _film(fields: Floats, times: Floats, spacing: float, sample: int = 1) -> list[xr.DataArray]:
    """One DataArray a field, from (n_frames, n_fields, *grid)."""
    dims = ("y", "x")[-(fields.ndim - 2) :]
    coords: dict[str, tuple[str, Floats, dict[str, str]]] = {
        "time": ("time", times, {"units": "reduced"})
    }
    fields = fields[(slice(None), slice(None), *[slice(None, None, sample)] * len(dims))]
    for axis, dim in enumerate(dims):
        place = np.arange(fields.shape[2 + axis]) * spacing * sample
        coords[dim] = (dim, place, {"units": "reduced"})
    return [
        xr.DataArray(fields[:, index], dims=("time", *dims), coords=coords)
        for index in range(fields.shape[1])
    ]


def allen_cahn(rng: np.random.Generator) -> FieldWorld:
    """du/dt = 0.15 + u - u^3 + 0.8 lap u on 64 x 64 pixels of 0.5, 60 frames every 0.05."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.4, 0.4)[None]
    times = 0.05 * np.arange(60)
    frames = exponential_steps(
        start, (1.0 - 0.8 * square)[None], lambda u: np.fft.fftn(0.15 - u**3, axes=(1, 2)),
        waves, 0.01, [5 * k for k in range(60)],
    )  # fmt: skip
    law = {"u": {"1": 0.15, "u": 1.0, "u3": -1.0, "lap_u": 0.8}}
    return FieldWorld("Allen-Cahn", _film(frames, times, spacing)[0], law)


def cahn_hilliard(rng: np.random.Generator) -> FieldWorld:
    """du/dt = lap(u^3 - u - 0.5 lap u) on 64 x 64 pixels of 0.5, 60 frames every 0.1 from t = 3."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.4, 0.4)[None]
    times = 3.0 + 0.1 * np.arange(60)
    frames = exponential_steps(
        start, (square - 0.5 * square**2)[None],
        lambda u: -square * np.fft.fftn(u**3, axes=(1, 2)), waves, 0.01,
        [300 + 10 * k for k in range(60)],
    )  # fmt: skip
    law = {"u": {"lap_u": -1.0, "lap_u3": 1.0, "bilap_u": -0.5}}
    return FieldWorld("Cahn-Hilliard", _film(frames, times, spacing)[0], law)


def fisher_kpp(rng: np.random.Generator) -> FieldWorld:
    """du/dt = u - u^2 + 0.5 lap u from a few seeds, 64 x 64 pixels of 0.5, 60 frames every 0.1."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    place = np.arange(64) * spacing
    start = np.zeros((64, 64))
    for y, x in rng.uniform(0, 32, size=(5, 2)):
        far_y, far_x = ((place - c + 16) % 32 - 16 for c in (y, x))
        start += 0.6 * np.exp(-(far_y[:, None] ** 2 + far_x[None] ** 2) / 6)
    frames = exponential_steps(
        start[None], (1.0 - 0.5 * square)[None], lambda u: -np.fft.fftn(u**2, axes=(1, 2)),
        waves, 0.02, [5 * k for k in range(60)],
    )  # fmt: skip
    law = {"u": {"u": 1.0, "u2": -1.0, "lap_u": 0.5}}
    return FieldWorld("Fisher-KPP", _film(frames, 0.1 * np.arange(60), spacing)[0], law)


def burgers(rng: np.random.Generator) -> FieldWorld:
    """du/dt = -u u_x + 0.1 u_xx on a ring of 256 pixels of 0.0625, 200 frames every 0.02."""
    waves, spacing = _waves((256,), 0.0625), 0.0625
    start = _smooth_start(rng, (256,), spacing, 0.8, 1.0)[None]
    frames = exponential_steps(
        start, -0.1 * waves[0][None] ** 2,
        lambda u: -0.5j * waves[0] * np.fft.fftn(u**2, axes=(1,)), waves, 0.002,
        [10 * k for k in range(200)],
    )  # fmt: skip
    law = {"u": {"u2_x": -0.5, "lap_u": 0.1}}
    return FieldWorld("Burgers", _film(frames, 0.02 * np.arange(200), spacing)[0], law)


def kuramoto_sivashinsky(rng: np.random.Generator) -> FieldWorld:
    """du/dt = -u u_x - u_xx - u_xxxx on a ring of 256 pixels of 0.39, 300 frames every 0.2."""
    spacing = 32 * np.pi / 256
    waves = _waves((256,), spacing)
    start = _smooth_start(rng, (256,), spacing, 2.0, 1.0)[None]
    times = 60.0 + 0.2 * np.arange(300)
    frames = exponential_steps(
        start, (waves[0] ** 2 - waves[0] ** 4)[None],
        lambda u: -0.5j * waves[0] * np.fft.fftn(u**2, axes=(1,)), waves, 0.05,
        [1200 + 4 * k for k in range(300)],
    )  # fmt: skip
    law = {"u": {"u2_x": -0.5, "lap_u": -1.0, "bilap_u": -1.0}}
    return FieldWorld("Kuramoto-Sivashinsky", _film(frames, times, spacing)[0], law)


def fitzhugh_nagumo(rng: np.random.Generator) -> FieldWorld:
    """du/dt = u - u^3 - v + lap u, dv/dt = 0.3 u - 0.3 v + 0.4 lap v; 64 x 64 of 0.75, 80 x 0.1."""
    waves, spacing = _waves((64, 64), 0.75), 0.75
    square = sum(wave**2 for wave in waves)
    start = np.stack([_smooth_start(rng, (64, 64), spacing, 2.0, sd) for sd in (0.8, 0.5)])

    def rate(fields: Floats) -> Complexes:
        u, v = fields
        return np.fft.fftn(np.stack([-(u**3) - v, 0.3 * u]), axes=(1, 2))

    frames = exponential_steps(
        start, np.stack([1.0 - square, -0.3 - 0.4 * square]), rate, waves, 0.02,
        [5 * k for k in range(80)],
    )  # fmt: skip
    law = {
        "u": {"u": 1.0, "u3": -1.0, "v": -1.0, "lap_u": 1.0},
        "v": {"u": 0.3, "v": -0.3, "lap_v": 0.4},
    }
    u, v = _film(frames, 0.1 * np.arange(80), spacing)
    return FieldWorld("FitzHugh-Nagumo", {"u": u, "v": v}, law)


def lambda_omega(rng: np.random.Generator) -> FieldWorld:
    """Spirals: d(u + i v)/dt = (1 - r^2 + i r^2)(u + i v) + 0.5 lap; 64 x 64 of 0.5, 100 x 0.1."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    start = np.stack([_smooth_start(rng, (64, 64), spacing, 2.0, 0.7) for _ in range(2)])

    def rate(fields: Floats) -> Complexes:
        u, v = fields
        radius = u**2 + v**2
        return np.fft.fftn(np.stack([radius * (v - u), -radius * (u + v)]), axes=(1, 2))

    frames = exponential_steps(
        start, np.stack([1.0 - 0.5 * square] * 2), rate, waves, 0.02,
        [5 * k for k in range(20, 120)],
    )  # fmt: skip
    law = {
        "u": {"u": 1.0, "u3": -1.0, "u_v2": -1.0, "u2_v": 1.0, "v3": 1.0, "lap_u": 0.5},
        "v": {"v": 1.0, "v3": -1.0, "u2_v": -1.0, "u_v2": -1.0, "u3": -1.0, "lap_v": 0.5},
    }
    u, v = _film(frames, 0.1 * np.arange(100), spacing)
    return FieldWorld("lambda-omega", {"u": u, "v": v}, law)


def diffusion(rng: np.random.Generator) -> FieldWorld:
    """du/dt = 0.5 lap u on 64 x 64 pixels of 0.5, 60 frames every 0.05."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.2, 1.0)[None]
    frames = exponential_steps(
        start, (-0.5 * square)[None], np.zeros_like, waves, 0.05, list(range(60))
    )
    law = {"u": {"lap_u": 0.5}}
    return FieldWorld("diffusion", _film(frames, 0.05 * np.arange(60), spacing)[0], law)


def advection_diffusion(rng: np.random.Generator) -> FieldWorld:
    """du/dt = -0.8 u_x + 0.4 u_y + 0.2 lap u on 64 x 64 pixels of 0.5, 60 frames every 0.1."""
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)

    def rate(fields: Floats) -> Complexes:
        return (-0.8j * waves[1] + 0.4j * waves[0]) * np.fft.fftn(fields, axes=(1, 2))

    start = _smooth_start(rng, (64, 64), spacing, 1.2, 1.0)[None]
    frames = exponential_steps(
        start, (-0.2 * square)[None], rate, waves, 0.02, [5 * k for k in range(60)]
    )
    law = {"u": {"u_x": -0.8, "u_y": 0.4, "lap_u": 0.2}}
    return FieldWorld("advection-diffusion", _film(frames, 0.1 * np.arange(60), spacing)[0], law)


def swift_hohenberg(rng: np.random.Generator) -> FieldWorld:
    """du/dt = 0.5 u - (1 + lap)^2 u - u^3 on 64 x 64 pixels of 0.6, 80 frames every 0.1."""
    waves, spacing = _waves((64, 64), 0.6), 0.6
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.0, 0.4)[None]
    frames = exponential_steps(
        start, (0.5 - (1.0 - square) ** 2)[None], lambda u: -np.fft.fftn(u**3, axes=(1, 2)),
        waves, 0.02, [5 * k for k in range(5, 85)],
    )  # fmt: skip
    law = {"u": {"u": -0.5, "u3": -1.0, "lap_u": -2.0, "bilap_u": -1.0}}
    return FieldWorld("Swift-Hohenberg", _film(frames, 0.1 * np.arange(80), spacing)[0], law)


def phase_field_crystal(rng: np.random.Generator) -> FieldWorld:
    """du/dt = lap(u^3 - 0.4 u + (1 + lap)^2 u), mean -0.2; 64 x 64 of 0.6, 80 frames every 0.1."""
    waves, spacing = _waves((64, 64), 0.6), 0.6
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.0, 0.3)[None] - 0.2
    frames = exponential_steps(
        start, (-square * (-0.4 + (1.0 - square) ** 2))[None],
        lambda u: -square * np.fft.fftn(u**3, axes=(1, 2)), waves, 0.02,
        [5 * k for k in range(5, 85)],
    )  # fmt: skip
    law = {"u": {"lap_u": 0.6, "lap_u3": 1.0, "bilap_u": 2.0, "trilap_u": 1.0}}
    return FieldWorld("phase-field crystal", _film(frames, 0.1 * np.arange(80), spacing)[0], law)


def driven_allen_cahn(rng: np.random.Generator) -> FieldWorld:
    """du/dt = u - u^3 + 0.8 lap u + E(t), E = 0.5 sin(2 pi t / 1.5); else as Allen-Cahn.

    The drive is smooth in time; the film's coordinate ``drive`` is its value at each frame.
    """
    waves, spacing = _waves((64, 64), 0.5), 0.5
    square = sum(wave**2 for wave in waves)
    start = _smooth_start(rng, (64, 64), spacing, 1.4, 0.4)[None]
    step, calls = 0.01, count()

    def rate(u: Floats) -> Complexes:
        done, stage = divmod(next(calls), 4)
        push = 0.5 * np.sin(2 * np.pi * step * (done + (0.0, 0.5, 0.5, 1.0)[stage]) / 1.5)
        return np.fft.fftn(push - u**3, axes=(1, 2))

    frames = exponential_steps(
        start, (1.0 - 0.8 * square)[None], rate, waves, step, [5 * k for k in range(60)]
    )
    times = 0.05 * np.arange(60)
    film = _film(frames, times, spacing)[0]
    film = film.assign_coords(drive=("time", 0.5 * np.sin(2 * np.pi * times / 1.5)))
    law = {"u": {"u": 1.0, "u3": -1.0, "lap_u": 0.8, "drive": 1.0}}
    return FieldWorld("driven Allen-Cahn", film, law)


def gray_scott(rng: np.random.Generator) -> FieldWorld:
    """du/dt = 0.2 lap u - u v^2 + 0.04 (1 - u), dv/dt = 0.1 lap v + u v^2 - 0.1 v; 64 x 64 of 1.

    80 frames every 2 from t = 100.
    """
    waves, spacing = _waves((64, 64), 1.0), 1.0
    square = sum(wave**2 for wave in waves)
    start = np.stack([np.ones((64, 64)), np.zeros((64, 64))])
    for y, x in rng.integers(0, 64, size=(12, 2)):
        spot = np.ix_((y + np.arange(8)) % 64, (x + np.arange(8)) % 64)
        start[0][spot], start[1][spot] = 0.5, 0.25
    start += 0.01 * rng.normal(size=start.shape)

    def rate(fields: Floats) -> Complexes:
        u, v = fields
        return np.fft.fftn(np.stack([0.04 - u * v**2, u * v**2]), axes=(1, 2))

    frames = exponential_steps(
        start, np.stack([-0.04 - 0.2 * square, -0.1 - 0.1 * square]), rate, waves, 0.5,
        [200 + 4 * k for k in range(80)],
    )  # fmt: skip
    law = {
        "u": {"1": 0.04, "u": -0.04, "u_v2": -1.0, "lap_u": 0.2},
        "v": {"v": -0.1, "u_v2": 1.0, "lap_v": 0.1},
    }
    u, v = _film(frames, 100.0 + 2.0 * np.arange(80), spacing)
    return FieldWorld("Gray-Scott", {"u": u, "v": v}, law)


FIELD_WORLDS: dict[str, Callable[[np.random.Generator], FieldWorld]] = {
    "allen_cahn": allen_cahn, "cahn_hilliard": cahn_hilliard, "fisher_kpp": fisher_kpp,
    "burgers": burgers, "kuramoto_sivashinsky": kuramoto_sivashinsky,
    "fitzhugh_nagumo": fitzhugh_nagumo, "lambda_omega": lambda_omega, "diffusion": diffusion,
    "advection_diffusion": advection_diffusion, "swift_hohenberg": swift_hohenberg,
    "phase_field_crystal": phase_field_crystal, "driven_allen_cahn": driven_allen_cahn,
    "gray_scott": gray_scott,
}  # fmt: skip


def make_world(name: str, rng: int | np.random.Generator) -> FieldWorld:
    """Return the film and the law of one of `FIELD_WORLDS`; random is only how it starts."""
    return FIELD_WORLDS[name](np.random.default_rng(rng))


def with_noise(
    world: FieldWorld, share: float, rng: int | np.random.Generator
) -> xr.DataArray | dict[str, xr.DataArray]:
    """Add Gaussian noise of ``share`` times each field's standard deviation."""
    generator = np.random.default_rng(rng)

    def noisy(film: xr.DataArray) -> xr.DataArray:
        sd = share * float(film.std())
        return film + sd * generator.normal(size=film.shape)

    if isinstance(world.video, dict):
        return {name: noisy(film) for name, film in world.video.items()}
    return noisy(world.video)
