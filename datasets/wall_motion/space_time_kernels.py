"""Compiled parts of the space-time prior: a Kalman filter and smoother for each Fourier mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["log_likelihood", "mode_means", "mode_variances"]

Floats = NDArray[np.float64]
MISSING = 1e300
"""A noise variance from here on says that the mode was not measured in that frame."""


@kernel
def advance(span: float, rate: float, gliding: bool, motion: Floats) -> None:
    """Fill the transition (2, 2) of (displacement, velocity) over one step, in place."""
    decay = np.exp(-rate * span)
    motion[0] = decay
    motion[1] = 0.0
    motion[2] = 0.0
    motion[3] = 0.0
    if gliding:
        motion[0] = decay * (1.0 + rate * span)
        motion[1] = decay * span
        motion[2] = -rate * rate * span * decay
        motion[3] = decay * (1.0 - rate * span)


@kernel
def log_likelihood(
    modes: Floats, noise: Floats, spans: Floats, power: Floats, rates: Floats, gliding: bool
) -> float:
    """Return the log likelihood of noisy modes (n_modes, n_frames), up to a constant.

    Each mode is a stationary Gaussian process of variance ``power`` and rate ``rates``: with
    ``gliding`` a Matern process of order 3/2 (it has a velocity), else Ornstein-Uhlenbeck.
    ``spans``: (n_frames,) time since the frame before. ``noise``: variances (n_modes, n_frames).
    """
    total = 0.0
    f = np.zeros(4)
    for mode in range(modes.shape[0]):
        s = power[mode]
        w = rates[mode] ** 2 * s if gliding else 0.0
        x, v = 0.0, 0.0
        pxx, pxv, pvv = s, 0.0, w
        for k in range(modes.shape[1]):
            if k > 0:
                advance(spans[k], rates[mode], gliding, f)
                before = x
                x = f[0] * before + f[1] * v
                v = f[2] * before + f[3] * v
                a = f[0] * (pxx - s) + f[1] * pxv
                b = f[0] * pxv + f[1] * (pvv - w)
                c = f[2] * (pxx - s) + f[3] * pxv
                d = f[2] * pxv + f[3] * (pvv - w)
                pxx = s + a * f[0] + b * f[1]
                pxv = a * f[2] + b * f[3]
                pvv = w + c * f[2] + d * f[3]
            if noise[mode, k] < MISSING:
                spread = pxx + noise[mode, k]
                error = modes[mode, k] - x
                total -= 0.5 * (np.log(spread) + error * error / spread)
                x += pxx / spread * error
                v += pxv / spread * error
                pvv -= pxv / spread * pxv
                pxv *= 1.0 - pxx / spread
                pxx *= 1.0 - pxx / spread
    return total


@kernel
def forward(
    noise: Floats,
    spans: Floats,
    s: float,
    rate: float,
    gliding: bool,
    motion: Floats,
    predicted: Floats,
    spread: Floats,
) -> None:
    """Fill one mode's transitions (T, 4), predicted covariances (T, 3) and spreads (T,)."""
    w = rate * rate * s if gliding else 0.0
    pxx, pxv, pvv = s, 0.0, w
    for k in range(spans.size):
        if k > 0:
            f = motion[k]
            advance(spans[k], rate, gliding, f)
            a = f[0] * (pxx - s) + f[1] * pxv
            b = f[0] * pxv + f[1] * (pvv - w)
            c = f[2] * (pxx - s) + f[3] * pxv
            d = f[2] * pxv + f[3] * (pvv - w)
            pxx = s + a * f[0] + b * f[1]
            pxv = a * f[2] + b * f[3]
            pvv = w + c * f[2] + d * f[3]
        predicted[k, 0], predicted[k, 1], predicted[k, 2] = pxx, pxv, pvv
        spread[k] = np.inf
        if noise[k] < MISSING:
            spread[k] = pxx + noise[k]
            pvv -= pxv / spread[k] * pxv
            pxv *= 1.0 - pxx / spread[k]
            pxx *= 1.0 - pxx / spread[k]


@kernel
def mode_means(
    modes: Floats,
    noise: Floats,
    spans: Floats,
    power: Floats,
    rates: Floats,
    gliding: bool,
    means: Floats,
) -> None:
    """Posterior means (n_modes, n_frames) of the displacements, in place."""
    n_frames = modes.shape[1]
    motion, predicted = np.zeros((n_frames, 4)), np.zeros((n_frames, 3))
    spread, error = np.zeros(n_frames), np.zeros(n_frames)
    ahead = np.zeros(n_frames)
    for mode in range(modes.shape[0]):
        forward(noise[mode], spans, power[mode], rates[mode], gliding, motion, predicted, spread)
        x, v = 0.0, 0.0
        for k in range(n_frames):
            if k > 0:
                f = motion[k]
                before = x
                x = f[0] * before + f[1] * v
                v = f[2] * before + f[3] * v
            ahead[k] = x
            error[k] = 0.0
            if spread[k] < MISSING:
                error[k] = (modes[mode, k] - x) / spread[k]
                x += predicted[k, 0] * error[k]
                v += predicted[k, 1] * error[k]
        # Bryson and Frazier's smoother: no inverse of a covariance that may be singular
        r0, r1 = 0.0, 0.0
        for k in range(n_frames - 1, -1, -1):
            if k < n_frames - 1:
                f = motion[k + 1]
                a = f[0] * r0 + f[2] * r1
                r1 = f[1] * r0 + f[3] * r1
                r0 = a
            if spread[k] < MISSING:
                r0 += error[k] - (predicted[k, 0] * r0 + predicted[k, 1] * r1) / spread[k]
            means[mode, k] = ahead[k] + predicted[k, 0] * r0 + predicted[k, 1] * r1


@kernel
def mode_variances(
    noise: Floats,
    spans: Floats,
    power: Floats,
    rates: Floats,
    gliding: bool,
    variances: Floats,
    step_variances: Floats,
) -> None:
    """Posterior variances of the displacements and of their central differences, in place.

    Both (n_modes, n_frames). The difference runs from the frame before to the frame after (at the
    first and last frame: to the only neighbour).
    """
    n_modes, n_frames = noise.shape
    motion, predicted = np.zeros((n_frames, 4)), np.zeros((n_frames, 3))
    spread = np.zeros(n_frames)
    post = np.zeros((n_frames, 3))
    later = np.zeros((n_frames, 3))
    for mode in range(n_modes):
        forward(noise[mode], spans, power[mode], rates[mode], gliding, motion, predicted, spread)
        n00, n01, n11 = 0.0, 0.0, 0.0
        for k in range(n_frames - 1, -1, -1):
            p = predicted[k]
            if k < n_frames - 1:
                l00, l01, l10, l11 = gain(motion[k + 1], p, spread[k])
                a, b = n00 * l00 + n01 * l10, n00 * l01 + n01 * l11
                c, d = n01 * l00 + n11 * l10, n01 * l01 + n11 * l11
                n00, n01, n11 = l00 * a + l10 * c, l00 * b + l10 * d, l01 * b + l11 * d
            if spread[k] < MISSING:
                n00 += 1.0 / spread[k]
            later[k, 0], later[k, 1], later[k, 2] = n00, n01, n11
            a, b = n00 * p[0] + n01 * p[1], n01 * p[0] + n11 * p[1]
            post[k, 0] = p[0] - (p[0] * a + p[1] * b)
            variances[mode, k] = post[k, 0]
        for k in range(n_frames):
            first, last = max(k - 1, 0), min(k + 1, n_frames - 1)
            # cov(first, last) = P_first L' ... L' (1 - N P_last), Durbin and Koopman
            row0, row1 = predicted[first, 0], predicted[first, 1]
            for j in range(first, last):
                l00, l01, l10, l11 = gain(motion[j + 1], predicted[j], spread[j])
                row0, row1 = row0 * l00 + row1 * l01, row0 * l10 + row1 * l11
            p, n = predicted[last], later[last]
            shared = row0 * (1.0 - n[0] * p[0] - n[1] * p[1]) - row1 * (n[1] * p[0] + n[2] * p[1])
            if last == first:
                shared = post[k, 0]
            step_variances[mode, k] = max(post[first, 0] + post[last, 0] - 2.0 * shared, 0.0)


@kernel
def gain(f: Floats, p: Floats, spread: float) -> tuple[float, float, float, float]:
    """Return F (1 - K H): how the state's error goes on to the next frame."""
    k0, k1 = p[0] / spread, p[1] / spread
    return f[0] * (1.0 - k0) - f[1] * k1, f[1], f[2] * (1.0 - k0) - f[3] * k1, f[3]
