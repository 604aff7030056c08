"""Errors of polar-Fourier amplitudes near their noise, where linearisation is not enough."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e

__all__ = ["amplitude_share", "likely_power"]

Floats = NDArray[np.float64]
FEWEST = 8
"""Patches from which one mode's power is compared between patches."""
LARGEST = 8.0
CLEAR = 6.0
"""Times its noise that a power must be to be taken for real: noise gets there once in e^6."""


def likely_power(clean: Floats, added: Floats) -> Floats:
    """Return the mean of what each power (n, k) may truly be, given those of the other patches.

    A power's error grows with the true power, and the measured one goes up and down with the error
    itself. Bayes' rule with the law of ``|c + noise|^2``, and the patches' own powers as the prior:
    those beyond six times their noise, the others as 0.
    """
    held = np.maximum(clean, 0.0)
    if len(clean) < FEWEST:
        return held
    atoms = np.where(clean > (CLEAR - 1.0) * added, clean, 0.0)
    scale = np.maximum(added, 1e-300)
    power = np.maximum(clean + added, 0.0) / scale
    # (n, atoms, k): exp(-(P + S) / v) I0(2 sqrt(P S) / v), I0 by its scaled form
    prior = atoms[None] / scale[:, None]
    root = np.sqrt(power)[:, None]
    size = np.sqrt(prior)
    weights = np.exp(-((root - size) ** 2)) * i0e(2.0 * root * size)
    total = weights.sum(axis=1)
    mean = (weights * prior).sum(axis=1) / np.maximum(total, 1e-300) * scale
    return np.asarray(np.where((total > 1e-12) & (added > 0.0), mean, held))


def amplitude_share(power: Floats, added: Floats) -> Floats:
    """Return the variance of ``sqrt(max(|c|^2 - v, 0))`` over what linearisation gives, v / 2.

    For true powers, and noise that adds ``v`` to them; any shape.
    """
    roots, shares = _amplitude_table()
    root = np.sqrt(np.maximum(power, 0.0) / np.maximum(added, 1e-300))
    return np.where(added > 0.0, np.interp(root, roots, shares), 1.0)


@lru_cache(maxsize=1)
def _amplitude_table() -> tuple[Floats, Floats]:
    """Return roots of S / v and the variances, by a sum over a grid of the noise."""
    part = np.linspace(-4.5, 4.5, 181)
    weights = np.exp(-(part[:, None] ** 2 + part**2))
    weights /= weights.sum()
    roots = np.concatenate([np.arange(0.0, 4.0, 0.1), np.arange(4.0, LARGEST + 0.1, 0.5)])
    shares = []
    for root in roots:
        value = np.sqrt(np.maximum((root + part[:, None]) ** 2 + part**2 - 1.0, 0.0))
        mean = float((weights * value).sum())
        shares.append(2.0 * (float((weights * value**2).sum()) - mean**2))
    return roots, np.array(shares)
