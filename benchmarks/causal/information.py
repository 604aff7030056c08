"""The most that any test of independence could find: Fisher information of a planted world."""

from __future__ import annotations

import numpy as np
from scipy import stats

from benchmarks.causal.worlds import CASES, COMMON, STRENGTH, WHITE, WIDE, Case, Floats

__all__ = ["power_bound"]

Complex = np.ndarray


def power_bound(case: str, size: int, length: float, n_given: int, effect: float) -> float:
    """Return the largest power at 5 % of a test that knows all but three sorts of slopes.

    The world is a Gaussian field; spectra, blur, offsets and noise are known, the slopes of x and y
    on the conditioning columns are not. Squares and factors across the field are left out: they
    leave less information, so the bound holds for them, too.
    """
    about = CASES[case]
    matrix, slopes = _spectra(about, size, length, n_given, effect)
    inverse = np.linalg.inv(matrix)
    step = [inverse @ slope for slope in slopes]
    fisher = np.array([
        [0.5 * np.einsum("kij,kji->", a, b).real for b in step] for a in step
    ])  # fmt: skip
    rest = fisher[1:, 1:]
    known = fisher[0, 0] - (
        fisher[0, 1:] @ np.linalg.solve(rest, fisher[1:, 0]) if len(rest) else 0.0
    )
    z = effect / np.sqrt(1.0 - effect**2) * np.sqrt(max(float(known), 0.0))
    return float(stats.norm.sf(1.96 - z) + stats.norm.cdf(-1.96 - z))


def _spectra(
    case: Case, size: int, length: float, n_given: int, effect: float
) -> tuple[Complex, list[Complex]]:
    """Return the spectral matrix (modes, p, p) and its derivatives by effect and slopes."""
    k = 2 * np.pi * np.fft.fftfreq(size)
    down, along = (part.ravel() for part in np.meshgrid(k, k, indexing="ij"))
    smooth = np.exp(-0.5 * length**2 * (down**2 + along**2)) if length > 0 else np.ones(size**2)
    own = (1.0 - WHITE) * smooth / smooth.mean() + WHITE
    share = COMMON if n_given > 1 else 0.0
    gain = STRENGTH / np.sqrt(max(n_given * (1.0 + share * (n_given - 1)), 1.0))
    near = 1.0 + case.neighbours * np.exp(-0.5 * WIDE**2 * (down**2 + along**2))
    slope = effect / np.sqrt(1.0 - effect**2)
    p, modes = 2 + n_given, size**2
    # columns = mixing @ (own part of x, own part of y, z1 .. zk)
    mixing = np.zeros((modes, p, p), dtype=complex)
    mixing[:] = np.eye(p)
    mixing[:, 0, 2:] = (gain * near)[:, None]
    mixing[:, 1, 2:] = ((1.0 + slope) * gain * near)[:, None]
    mixing[:, 1, 0] = slope
    changes = [np.zeros_like(mixing) for _ in range(1 + 2 * n_given)]
    changes[0][:, 1] = mixing[:, 0]
    for j in range(n_given):
        changes[1 + j][:, 0, 2 + j] = near
        changes[1 + j][:, 1, 2 + j] = slope * near
        changes[1 + n_given + j][:, 1, 2 + j] = near
    sources = np.eye(p)
    sources[2:, 2:] = (1.0 - share) * np.eye(n_given) + share
    kinds = [0, 1, *(2 for _ in range(n_given))]
    seen = np.stack([_transfer(case, down, along, j) for j in kinds], axis=1)
    mixing = seen[:, :, None] * mixing
    changes = [seen[:, :, None] * change for change in changes]
    source = own[:, None, None] * sources
    signal = mixing @ source @ mixing.conj().transpose(0, 2, 1)
    noise = _noise(case, signal, kinds, down, along)
    slopes = []
    for change in changes:
        half = change @ source @ mixing.conj().transpose(0, 2, 1)
        slopes.append(half + half.conj().transpose(0, 2, 1))
    return signal + noise + 1e-9 * np.eye(p), slopes


def _transfer(case: Case, down: Floats, along: Floats, kind: int) -> Complex:
    """Return by how much each mode of a channel is damped and turned."""
    out = np.exp(-0.5 * case.blur[kind] ** 2 * (down**2 + along**2)).astype(complex)
    for frequency, step in zip((down, along), case.shift[kind], strict=True):
        part = abs(step)
        out = out * (1.0 - part + part * np.exp(-1j * np.sign(step) * frequency))
    return out


def _noise(case: Case, signal: Complex, kinds: list[int], down: Floats, along: Floats) -> Complex:
    """Return the spectral matrix of the noise."""
    p = len(kinds)
    if case.snr is None:
        return np.zeros((1, p, p))
    sd = np.sqrt(np.einsum("kii->i", signal).real / len(signal) / [case.snr[k] for k in kinds])
    alike = np.full((p, p), case.noise_correlation)
    np.fill_diagonal(alike, 1.0)
    colour = np.exp(-0.5 * case.noise_length**2 * (down**2 + along**2))
    return (colour / colour.mean())[:, None, None] * (alike * np.outer(sd, sd))
