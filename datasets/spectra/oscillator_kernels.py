"""Robust fits of driven harmonic oscillators to complex spectra."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["CUTOFF", "fit_oscillators"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]

N_PARAMETERS = 4
"""Real and imaginary static response, resonance x0, damping b = x0 / Q (x: scaled frequency)."""
CUTOFF = 6.0
"""Points further off than this many noise sd of a quadrature are passed over (bisquare)."""
WIDTHS = 6
"""Starts try damping of 1, 2, 4 ... 32 frequency steps."""
N_ROUNDS = 60
N_TRIALS = 8


@kernel
def _median(values: Floats, n: int) -> float:
    """Return the median of the first n numbers; they are sorted in place (Shell's way)."""
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            each, j = values[i], i
            while j >= gap and values[j - gap] > each:
                values[j] = values[j - gap]
                j -= gap
            values[j] = each
        gap //= 2
    return float(0.5 * (values[(n - 1) // 2] + values[n // 2]))


@kernel
def _rough_noise(y: Complexes, n: int, work: Floats) -> float:
    """Return the noise sd of a quadrature from the second differences: spikes are few of them."""
    for part in range(2):
        for k in range(1, n - 1):
            bend = y[k + 1] - 2.0 * y[k] + y[k - 1]
            work[part * (n - 2) + k - 1] = abs(bend.real if part == 0 else bend.imag)
    return float(1.4826 * _median(work, 2 * (n - 2)) / sqrt(6.0) + 1e-12)


@kernel
def _residuals(p: Floats, x: Floats, y: Complexes, n: int, r: Complexes, jac: Complexes) -> None:
    """Write residuals and the response's derivatives by the parameters."""
    static = complex(p[0], p[1])
    for k in range(n):
        denominator = complex(p[2] * p[2] - x[k] * x[k], x[k] * p[3])
        gain = p[2] * p[2] / denominator
        jac[k, 0] = gain
        jac[k, 1] = complex(-gain.imag, gain.real)
        jac[k, 2] = static * (2.0 * p[2] / denominator) * (1.0 - gain)
        turned = complex(0.0, -x[k]) / denominator
        jac[k, 3] = static * gain * turned
        r[k] = y[k] - static * gain


@kernel
def _loss(r: Complexes, n: int, scale: float) -> float:
    """Return Tukey's bisquare loss of complex residuals."""
    total = 0.0
    for k in range(n):
        u = (r[k].real ** 2 + r[k].imag ** 2) / (CUTOFF * scale) ** 2
        total += 1.0 if u >= 1.0 else 1.0 - (1.0 - u) ** 3
    return total


@kernel
def _start(x: Floats, y: Complexes, n: int, step: float, scale: float, p: Floats) -> None:
    """Keep the resonance and damping of a grid that explain most points at the noise."""
    real, imaginary = np.empty(n), np.empty(n)
    best = np.inf
    for j in range(WIDTHS):
        # a wide peak need not be tried at every point
        for i in range(0, n, max(2**j // 2, 1)):
            x0, b = x[i], step * 2.0**j
            reach = max(b, 3.0 * step)
            # a literal 0 would compile the median once more
            near = 0 * n
            for k in range(n):
                if abs(x[k] - x0) <= reach:
                    # the static response that this point alone asks for
                    each = y[k] * complex(x0 * x0 - x[k] * x[k], x[k] * b) / (x0 * x0)
                    real[near], imaginary[near] = each.real, each.imag
                    near += 1
            static = complex(_median(real, near), _median(imaginary, near))
            score = 0.0
            for k in range(n):
                r = y[k] - static * (x0 * x0) / complex(x0 * x0 - x[k] * x[k], x[k] * b)
                score += min((r.real**2 + r.imag**2) / (CUTOFF * scale) ** 2, 1.0)
            if score < best:
                best = score
                p[0], p[1], p[2], p[3] = static.real, static.imag, x0, b


@kernel
def _normal(
    r: Complexes, jac: Complexes, n: int, scale: float, matrix: Floats, right: Floats
) -> None:
    """Write the re-weighted normal equations."""
    # a slice assigned to would double the time of the first call
    for a in range(N_PARAMETERS):
        right[a] = 0.0
        for b in range(N_PARAMETERS):
            matrix[a, b] = 0.0
    for k in range(n):
        u = (r[k].real ** 2 + r[k].imag ** 2) / (CUTOFF * scale) ** 2
        if u < 1.0:
            weight = (1.0 - u) ** 2
            for a in range(N_PARAMETERS):
                left = weight * jac[k, a].conjugate()
                right[a] += (left * r[k]).real
                for b in range(N_PARAMETERS):
                    matrix[a, b] += (left * jac[k, b]).real


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
def _scale(r: Complexes, n: int, work: Floats) -> float:
    """Return the noise sd of a quadrature from the median length of residuals."""
    for k in range(n):
        work[k] = sqrt(r[k].real ** 2 + r[k].imag ** 2)
    return float(_median(work, n) / 1.17741 * sqrt(2.0 * n / max(2 * n - N_PARAMETERS, 1)) + 1e-12)


@kernel
def _refine(
    x: Floats, y: Complexes, n: int, step: float, scale: float, work: Floats, p: Floats,
    r: Complexes, jac: Complexes,
) -> float:  # fmt: skip
    """Lower the bisquare loss by damped re-weighted least squares; return the noise sd."""
    trial_r, trial_jac = np.empty_like(r), np.empty_like(jac)
    matrix, damped = np.empty((N_PARAMETERS, N_PARAMETERS)), np.empty((N_PARAMETERS, N_PARAMETERS))
    right, trial = np.empty(N_PARAMETERS), np.empty(N_PARAMETERS)
    _residuals(p, x, y, n, r, jac)
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
            trial[2] = min(max(trial[2], x[0] - 2.0 * step), x[n - 1] + 2.0 * step)
            trial[3] = min(max(trial[3], 0.05 * step), x[n - 1])
            _residuals(trial, x, y, n, trial_r, trial_jac)
            after = _loss(trial_r, n, scale)
            if after <= before:
                break
            damping *= 10.0
        if not after <= before:
            break
        for a in range(N_PARAMETERS):
            p[a] = trial[a]
        for k in range(n):
            r[k] = trial_r[k]
            for a in range(N_PARAMETERS):
                jac[k, a] = trial_jac[k, a]
        damping = max(damping * 0.2, 1e-9)
        new = _scale(r, n, work)
        settled = abs(new - scale) < 1e-4 * scale and before - after < 1e-7
        scale = new
        if settled:
            break
    return scale


@kernel
def _summary(
    v: Floats, r: Complexes, jac: Complexes, n: int, scale: float, reach: float, place: float,
    bread: Floats, found: Floats,
) -> None:  # fmt: skip
    """Add J'J of the used points to ``bread``; write the variance factor, and points used, seen."""
    total, curve, used, seen = 0.0, 0.0, 0, 0
    for k in range(n):
        square = r[k].real ** 2 + r[k].imag ** 2
        u = square / (CUTOFF * scale) ** 2
        if u >= 1.0:
            continue
        used += 1
        total += square * (1.0 - u) ** 4
        curve += (1.0 - u) * (1.0 - 3.0 * u)
        if abs(v[k] - place) <= reach:
            seen += 1
        for a in range(N_PARAMETERS):
            for b in range(N_PARAMETERS):
                bread[a, b] += (jac[k, a].conjugate() * jac[k, b]).real
    found[0], found[1], found[2] = np.nan, used, seen
    if 2 * used > N_PARAMETERS and curve > 0.0:
        found[0] = total / (2 * used - N_PARAMETERS) / (curve / used) ** 2


def fit_oscillators(
    x: Floats, spectra: Complexes, parameters: Floats, bread: Floats, noise: Floats, shares: Floats,
    seen: Integers,
) -> None:  # fmt: skip
    """Fit every spectrum of (n, m) numbers of order one; NaN points are passed over.

    Writes ``parameters`` (n, 4), their ``bread`` J'J (n, 4, 4), the variance factor ``noise`` by
    which its inverse is the covariance, the ``shares`` of points passed over, and how many used
    points lie within the peak's width (``seen``). Plain: one more kernel around the others would
    compile all of them once more.
    """
    m = len(x)
    step = float(x[m - 1] - x[0]) / (m - 1)
    work = np.empty(2 * m)
    r, jac = np.empty(m, dtype=np.complex128), np.empty((m, N_PARAMETERS), dtype=np.complex128)
    p, found = np.empty(N_PARAMETERS), np.empty(3)
    parameters[:], bread[:], noise[:], shares[:], seen[:] = np.nan, 0.0, np.nan, 1.0, 0
    for i in range(len(spectra)):
        there = ~np.isnan(spectra[i])
        v, y = x[there], spectra[i, there]
        n = len(y)
        if n < 2 * N_PARAMETERS:
            continue
        scale = _rough_noise(y, n, work)
        _start(v, y, n, step, scale, p)
        scale = _refine(v, y, n, step, scale, work, p, r, jac)
        _summary(v, r, jac, n, scale, max(float(p[3]), step), float(p[2]), bread[i], found)
        parameters[i], noise[i], shares[i], seen[i] = p, found[0], 1.0 - found[1] / m, found[2]
