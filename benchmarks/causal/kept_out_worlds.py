"""The kept-out family of planted worlds: other fields, other mechanisms, other measurements.

NOT FOR DESIGN. These worlds were written by somebody who did not design the test, before the test
was made, and are run only at the end, when it no longer changes. Whoever designs or tunes a test
does not open this file and does not look at its figures before then.

Fields live on a grid twice as fine as the patches; mechanisms, blur and offsets (cubic splines) act
there; a patch is the mean of 2 x 2 cells, so that detail finer than a patch folds back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.ndimage import shift as moved

from benchmarks.causal.worlds import Floats, World, patch_table, seed_of

__all__ = ["KEPT_OUT_CASES", "KeptOutCase", "field_of", "make_kept_out_world"]

PAD = 8
FINE = 2
FINE_WHITE = 0.1
STRENGTH = 0.75
Shape = Callable[[Floats], Floats]


@dataclass(frozen=True)
class KeptOutCase:
    """How a kept-out world is made; lengths in patches, three entries stand for x, y, every z.

    Attributes
    ----------
    field
        "exponential", "matern", "anisotropic", "domains" or "grains".
    of_x, of_y
        What x and y take from a conditioning column.
    wave
        Periods of a sign change of that influence across the field of view; 0 for none.
    product
        Slope of x and y on the product of a conditioning column and its neighbourhood.
    blur
        Width of the blur, (rows, columns) for x, y and z.
    shift
        Offset, (rows, columns) for x, y and z.
    warp
        Largest offset of z where the registration drifts over the field of view.
    snr
        Variance over noise variance; None without noise.
    noise
        "normal", "laplace" or "lines" (half of the variance is shared by the patches of a row).
    claimed
        The table's noise covariance over the true one.
    """

    field: str = "exponential"
    of_x: str = "line"
    of_y: str = "line"
    wave: float = 0.0
    product: float = 0.0
    blur: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 3
    shift: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 3
    warp: float = 0.0
    snr: tuple[float, float, float] | None = None
    noise: str = "normal"
    claimed: float = 1.0


SHAPES: dict[str, Shape] = {
    "line": lambda z: z,
    "tanh": lambda z: 1.4 * np.tanh(1.5 * z),
    "exponential": lambda z: np.exp(0.6 * z) - 1.2,
    "rectifier": lambda z: 1.5 * np.maximum(z, 0.0) - 0.6,
    "bump": lambda z: 2.0 * np.exp(-((z - 0.5) ** 2)) - 1.0,
    "other bump": lambda z: 2.0 * np.exp(-((z + 0.5) ** 2) / 0.5) - 1.0,
}
_ALIKE = ((0.9, 0.5),) * 3
_UNLIKE = ((0.6, 0.3), (0.0, 0.5), (0.9, 0.4))
_OFFSETS = ((0.0, 0.0), (0.25, -0.1), (-0.2, 0.35))
_TEN = (10.0, 10.0, 10.0)
KEPT_OUT_CASES: dict[str, KeptOutCase] = {
    "rough fields": KeptOutCase(),
    "Matern fields, SNR 10": KeptOutCase("matern", snr=_TEN),
    "anisotropic fields, SNR 10": KeptOutCase("anisotropic", snr=_TEN),
    "domains": KeptOutCase("domains"),
    "grains, SNR 10": KeptOutCase("grains", snr=_TEN),
    "registered blur, anisotropic": KeptOutCase(blur=_ALIKE),
    "tanh and exponential, SNR 10": KeptOutCase(of_x="tanh", of_y="exponential", snr=_TEN),
    "rectifier, registered blur": KeptOutCase(
        "matern", of_x="rectifier", of_y="rectifier", blur=_ALIKE
    ),
    "bumps": KeptOutCase("matern", of_x="bump", of_y="other bump"),
    "sign changes over the field, SNR 20": KeptOutCase(wave=1.3, snr=(20.0, 20.0, 20.0)),
    "products with neighbours": KeptOutCase("matern", product=0.6),
    "unlike blur and offsets, SNR 10": KeptOutCase(blur=_UNLIKE, shift=_OFFSETS, snr=_TEN),
    "offset of z (.45, -.35)": KeptOutCase(
        "matern", shift=((0.0, 0.0), (0.0, 0.0), (0.45, -0.35))
    ),
    "warped registration": KeptOutCase("matern", warp=0.4),
    "Laplace noise SNR 6": KeptOutCase(snr=(6.0, 6.0, 6.0), noise="laplace"),
    "noise 15 % above what is claimed": KeptOutCase("matern", snr=_TEN, claimed=1 / 1.15),
    "noise 15 % below what is claimed": KeptOutCase("matern", snr=_TEN, claimed=1 / 0.85),
    "noise along scan lines, SNR 20": KeptOutCase(snr=(20.0, 20.0, 20.0), noise="lines"),
}  # fmt: skip


def _spectral(shape: tuple[int, int], kind: str, length: float, rng: np.random.Generator) -> Floats:
    """Return a field of unit variance by the spectrum of its covariance on a torus."""
    torus = (2 * shape[0], 2 * shape[1])
    if kind == "anisotropic":
        amplitude = _elongated(torus, length, rng.uniform(0.0, np.pi))
    else:
        amplitude = _round(torus, kind, length)
    wave = fft.rfft2(rng.standard_normal(torus)) * amplitude
    return np.asarray(fft.irfft2(wave, torus)[: shape[0], : shape[1]])


def _amplitude(covariance: Floats) -> Floats:
    """Return the root of the power of the modes that rfft2 keeps; unit variance over all modes."""
    power = np.maximum(fft.fft2(covariance).real, 0.0)
    return np.asarray(np.sqrt(power / power.mean())[:, : covariance.shape[1] // 2 + 1])


@lru_cache(maxsize=16)
def _round(torus: tuple[int, int], kind: str, length: float) -> Floats:
    down, along = (np.minimum(np.arange(k), k - np.arange(k)) for k in torus)
    r = np.hypot(down[:, None], along[None]) / length
    if kind == "exponential":
        return _amplitude(np.exp(-r))
    return _amplitude((1.0 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r))


def _elongated(torus: tuple[int, int], length: float, angle: float) -> Floats:
    rows, columns = (np.fft.fftfreq(k) * k for k in torus)
    u = np.cos(angle) * rows[:, None] + np.sin(angle) * columns[None]
    v = -np.sin(angle) * rows[:, None] + np.cos(angle) * columns[None]
    return _amplitude(np.exp(-np.hypot(u / (1.8 * length), v / (0.6 * length))))


def _grains(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Floats:
    """Return grains, each of one level: the cells that are nearest to one of random places."""
    from scipy.spatial import cKDTree

    n = max(int(np.prod(shape) / (2.5 * length) ** 2), 4)
    places = rng.uniform(0.0, 1.0, (n, 2)) * np.array(shape)
    cells = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    nearest = cKDTree(places).query(cells)[1]
    return np.asarray(rng.standard_normal(n)[nearest].reshape(shape))


def field_of(kind: str, shape: tuple[int, int], length: float, rng: np.random.Generator) -> Floats:
    """Return a field of about unit variance; length in cells of the fine grid."""
    if kind == "grains":
        field = _grains(shape, length, rng)
    elif kind == "domains":
        field = np.where(_spectral(shape, "matern", length, rng) > 0.0, 1.0, -1.0)
    else:
        field = _spectral(shape, kind, length, rng)
    rest = rng.standard_normal(shape)
    return np.asarray(np.sqrt(1.0 - FINE_WHITE) * field + np.sqrt(FINE_WHITE) * rest)


def _true_fields(
    case: KeptOutCase, size: int, length: float, n_given: int, effect: float,
    rng: np.random.Generator,
) -> tuple[list[Floats], list[Floats]]:  # fmt: skip
    """Return x, y, z1 .. zk on the fine grid, and what is left of x and y given z."""
    shape = (FINE * (size + 2 * PAD),) * 2

    def draw() -> Floats:
        return field_of(case.field, shape, FINE * length, rng)

    given = [draw() for _ in range(n_given)]
    for k in range(1, n_given):
        given[k] = 0.5 * given[k - 1] + np.sqrt(0.75) * given[k]
    own, other = draw(), draw()
    slope = effect / np.sqrt(1.0 - effect**2)
    wave: Floats | float = 1.0
    if case.wave:
        wave = np.cos(2 * np.pi * case.wave * np.arange(shape[1]) / (FINE * size))[None]
    of_x, of_y = np.zeros(shape), np.zeros(shape)
    for z in given:
        near = case.product * z * gaussian_filter(z, 1.5 * FINE) if case.product else 0.0
        of_x += wave * SHAPES[case.of_x](z) + near
        of_y += wave * SHAPES[case.of_y](z) + near
    total = np.sqrt(max(n_given, 1) ** 1.5)
    of_x, of_y = STRENGTH * of_x / total, STRENGTH * of_y / total
    x, left = of_x + own, slope * own + other
    return [x, of_y + slope * of_x + left, *given], [own, left]


def _imaged(case: KeptOutCase, field: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Return a channel on the fine grid as it is measured: blurred, moved, warped."""
    if any(case.blur[k]):
        field = gaussian_filter(field, [FINE * width for width in case.blur[k]])
    if any(case.shift[k]):
        field = moved(field, [FINE * step for step in case.shift[k]], order=3, mode="nearest")
    if case.warp and k == 2:
        down, along = np.mgrid[: field.shape[0], : field.shape[1]].astype(float)
        phase = rng.uniform(0.0, 2 * np.pi, 2)
        largest, period = FINE * case.warp, 0.8 * field.shape[0]
        field = map_coordinates(
            field,
            [down + largest * np.sin(2 * np.pi * along / period + phase[0]),
             along + largest * np.sin(2 * np.pi * down / period + phase[1])],
            order=3, mode="nearest",
        )  # fmt: skip
    return field


def _patches(field: Floats, size: int) -> Floats:
    """Return the mean of 2 x 2 cells in the field of view, shape (size, size)."""
    inside = field[FINE * PAD : FINE * (PAD + size), FINE * PAD : FINE * (PAD + size)]
    return np.asarray(inside.reshape(size, FINE, size, FINE).mean(axis=(1, 3)))


def _noise(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    if kind == "laplace":
        return rng.laplace(size=shape) / np.sqrt(2.0)
    if kind == "lines":
        lines = rng.standard_normal((*shape[:2], 1))
        return np.sqrt(0.5) * (rng.standard_normal(shape) + lines)
    return rng.standard_normal(shape)


def make_kept_out_world(
    case: str, size: int, length: float, n_given: int, effect: float, seed: int
) -> World:
    """Return a world of `KEPT_OUT_CASES`, size x size patches."""
    rng = seed_of("kept out", case, size, length, n_given, effect, seed)
    about = KEPT_OUT_CASES[case]
    fields, left = _true_fields(about, size, length, n_given, effect, rng)
    names = ["x", "y", *(f"z{k + 1}" for k in range(n_given))]
    kind = [0, 1, *(2 for _ in range(n_given))]
    clear = np.stack([
        _patches(_imaged(about, field, k, rng), size) for field, k in zip(fields, kind, strict=True)
    ])  # fmt: skip
    known = np.zeros((len(names), len(names)))
    if about.snr is not None:
        variance = clear.var(axis=(1, 2)) / np.array([about.snr[k] for k in kind])
        clear = clear + np.sqrt(variance)[:, None, None] * _noise(about.noise, clear.shape, rng)
        known = np.diag(about.claimed * variance)
    return World(
        patch_table(dict(zip(names, clear, strict=True)), known),
        tuple(names[2:]),
        effect,
        true=np.stack([_patches(field, size).ravel() for field in fields], axis=1),
        residuals=np.stack([_patches(field, size).ravel() for field in left], axis=1),
    )
