"""Robust fits of one hysteresis loop each: two tanh steps between the same two states."""

from __future__ import annotations

from math import exp, log, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["CUTOFF", "N_PARAMETERS", "fit_loops"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

N_PARAMETERS = 7
"""Offset, slope, half switch, rising and falling step voltage, log widths of the two."""
N_STARTS = 8
KEPT = 0.7
"""Share of the points that judges a start: the rest may be spikes."""
CUTOFF = 6.0
"""Tukey's bisquare passes over points beyond this many noise sd (efficiency .98 at a Gaussian)."""
N_ROUNDS = 60
N_TRIALS = 8


@kernel
def _sort(x: Floats, n: int) -> None:
    """Sort the first n numbers in place (Shell's way: small to compile)."""
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            each, j = x[i], i
            while j >= gap and x[j - gap] > each:
                x[j] = x[j - gap]
                j -= gap
            x[j] = each
        gap //= 2


@kernel
def _median(x: Floats, n: int) -> float:
    """Return the median of the first n numbers; they are sorted in place."""
    _sort(x, n)
    return float(0.5 * (x[(n - 1) // 2] + x[n // 2]))


@kernel
def _split(
    v: Floats, rising: Flags, y: Floats, n: int, up: float, down: float, work: Floats
) -> int:
    """Put responses above the steps into one row of ``work``, the others into the next."""
    above = 0
    for k in range(n):
        if v[k] > (up if rising[k] else down):
            work[0, above] = y[k]
            above += 1
        else:
            work[1, k - above] = y[k]
    return above


@kernel
def _start(
    v: Floats, rising: Flags, y: Floats, n: int, low: float, high: float, work: Floats, p: Floats
) -> bool:
    """Try sharp steps at a grid of voltages; keep the pair whose best points fit best."""
    kept = max(int(KEPT * n), 4)
    best = np.inf
    step = (high - low) / (N_STARTS + 1)
    for i in range(1, N_STARTS + 1):
        for j in range(1, N_STARTS + 1):
            n_up = _split(v, rising, y, n, low + step * i, low + step * j, work)
            n_down = n - n_up
            if n_up < 3 or n_down < 3:
                continue
            top, bottom = _median(work[0], n_up), _median(work[1], n_down)
            for k in range(n):
                above = v[k] > low + step * (i if rising[k] else j)
                work[2, k] = abs(y[k] - (top if above else bottom))
            _sort(work[2], n)
            score = 0.0
            for k in range(kept):
                score += work[2, k]
            if score < best:
                best = score
                p[0], p[1], p[2] = 0.5 * (top + bottom), 0.0, 0.5 * (top - bottom)
                p[3], p[4] = low + step * i, low + step * j
                p[5] = log(step)
                p[6] = p[5]
    return best < np.inf


@kernel
def _residuals(
    p: Floats, v: Floats, rising: Flags, y: Floats, n: int, r: Floats, jac: Floats
) -> None:
    """Write residuals and the model's derivatives by the parameters, of every point."""
    for k in range(n):
        place, width = (3, exp(p[5])) if rising[k] else (4, exp(p[6]))
        u = (v[k] - p[place]) / width
        t = tanh(u)
        bell = p[2] * (1.0 - t * t)
        for a in range(3, N_PARAMETERS):
            jac[k, a] = 0.0
        jac[k, 0], jac[k, 1], jac[k, 2] = 1.0, v[k], t
        jac[k, place] = -bell / width
        jac[k, place + 2] = -bell * u
        r[k] = y[k] - p[0] - p[1] * v[k] - p[2] * t


@kernel
def _scale(r: Floats, n: int, work: Floats) -> float:
    """Return the noise sd from the median distance of residuals, corrected for seven parameters."""
    for k in range(n):
        work[0, k] = abs(r[k])
    return float(1.4826 * _median(work[0], n) * sqrt(n / max(n - N_PARAMETERS, 1)) + 1e-9)


@kernel
def _loss(r: Floats, n: int, scale: float) -> float:
    """Return Tukey's bisquare loss."""
    total = 0.0
    for k in range(n):
        u = (r[k] / (CUTOFF * scale)) ** 2
        total += 1.0 if u >= 1.0 else 1.0 - (1.0 - u) ** 3
    return total


@kernel
def _solve(matrix: Floats, right: Floats) -> None:
    """Solve a positive definite system in place by Cholesky's way; ``right`` is the answer."""
    n = len(right)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = sqrt(max(total, 1e-300)) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]


@kernel
def _normal(r: Floats, jac: Floats, n: int, scale: float, matrix: Floats, right: Floats) -> None:
    """Write the re-weighted normal equations."""
    # a slice assigned to would double the time of the first call
    for a in range(N_PARAMETERS):
        right[a] = 0.0
        for b in range(N_PARAMETERS):
            matrix[a, b] = 0.0
    for k in range(n):
        u = (r[k] / (CUTOFF * scale)) ** 2
        if u < 1.0:
            weight = (1.0 - u) ** 2
            for a in range(N_PARAMETERS):
                right[a] += weight * jac[k, a] * r[k]
                for b in range(N_PARAMETERS):
                    matrix[a, b] += weight * jac[k, a] * jac[k, b]


@kernel
def _refine(
    v: Floats, rising: Flags, y: Floats, n: int, low: float, high: float, narrow: float,
    work: Floats, p: Floats,
) -> float:  # fmt: skip
    """Lower the bisquare loss by damped re-weighted least squares; return the noise sd."""
    r, trial_r = work[3], work[4]
    jac, trial_jac = np.empty((n, N_PARAMETERS)), np.empty((n, N_PARAMETERS))
    matrix, damped = np.empty((N_PARAMETERS, N_PARAMETERS)), np.empty((N_PARAMETERS, N_PARAMETERS))
    right, trial = np.empty(N_PARAMETERS), np.empty(N_PARAMETERS)
    _residuals(p, v, rising, y, n, r, jac)
    scale = _scale(r, n, work)
    damping = 1e-3
    for _ in range(N_ROUNDS):
        _normal(r, jac, n, scale, matrix, right)
        before = _loss(r, n, scale)
        after = np.inf
        for _ in range(N_TRIALS):
            for a in range(N_PARAMETERS):
                trial[a] = right[a]
                for b in range(N_PARAMETERS):
                    damped[a, b] = matrix[a, b]
                damped[a, a] += damping * matrix[a, a] + 1e-12
            _solve(damped, trial)
            for a in range(N_PARAMETERS):
                trial[a] += p[a]
            # steps stay in the swept range, widths between a share of a voltage step and the range
            trial[3], trial[4] = min(max(trial[3], low), high), min(max(trial[4], low), high)
            trial[5] = min(max(trial[5], log(narrow)), log(high - low))
            trial[6] = min(max(trial[6], log(narrow)), log(high - low))
            _residuals(trial, v, rising, y, n, trial_r, trial_jac)
            after = _loss(trial_r, n, scale)
            if after <= before:
                break
            damping *= 10.0
        if not after <= before:
            break
        for a in range(N_PARAMETERS):
            p[a] = trial[a]
        r, trial_r = trial_r, r
        jac, trial_jac = trial_jac, jac
        damping = max(damping * 0.2, 1e-9)
        new = _scale(r, n, work)
        settled = abs(new - scale) < 1e-4 * scale and before - after < 1e-7
        scale = new
        if settled:
            break
    return scale


def fit_loops(
    voltage: Floats, rising: Flags, spectra: Floats, narrow: float, parameters: Floats,
    scales: Floats,
) -> None:  # fmt: skip
    """Fit every loop of ``spectra`` (n, m), numbers of order one; NaN points are passed over.

    ``narrow`` is the smallest width of a step. Writes ``parameters`` (n, 7) and ``scales``, the
    noise sd; both NaN where fewer than 14 points are left. Plain: one more kernel around the
    others would compile all of them once more, and a call costs a hundredth of a fit.
    """
    m = spectra.shape[1]
    low, high = float(voltage.min()), float(voltage.max())
    work, p = np.empty((5, m)), np.empty(N_PARAMETERS)
    parameters[:] = np.nan
    scales[:] = np.nan
    for i in range(len(spectra)):
        there = ~np.isnan(spectra[i])
        v, up, y = voltage[there], rising[there], spectra[i, there]
        n = len(y)
        if n >= 2 * N_PARAMETERS and _start(v, up, y, n, low, high, work, p):
            scales[i] = _refine(v, up, y, n, low, high, narrow, work, p)
            parameters[i] = p
