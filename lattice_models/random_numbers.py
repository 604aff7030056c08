"""Random numbers inside kernels: xoroshiro128+ words, uniform and normal numbers.

A kernel and its helpers live in one file (numba's cache is silently stale otherwise), so a kernel
file holds its own copy of the functions below that it uses: the one permitted copy. A test keeps
every copy identical to this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["next_word", "normal", "seed_words", "uniform", "ziggurat_tables"]

UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, LAYER_BITS, LAYER_SHIFT = np.uint64(11), np.uint64(8), np.uint64(56)
LAYERS = 256
TAIL = 3.6541528853610088  # where the lowest of 256 layers ends


@kernel
def next_word(state: UInt64) -> Any:
    """Return the next 64 random bits and advance ``state``; the high bits are the best."""
    first = state[0]
    second = state[1]
    word = first + second
    second ^= first
    state[0] = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    state[1] = (second << ROTATE_B) | (second >> BACK_B)
    return word


@kernel
def uniform(state: UInt64) -> Any:
    """Return the next number in [0, 1) and advance ``state``."""
    return (next_word(state) >> LOW_BITS) * UNIT_STEP


@kernel
def normal(state: UInt64, ziggurat: Float) -> Any:
    """Return the next standard normal number; ``ziggurat`` comes from ``ziggurat_tables``."""
    while True:
        word = next_word(state)
        layer = np.int64(word >> LAYER_SHIFT)
        place = 2.0 * (((word << LAYER_BITS) >> LOW_BITS) * UNIT_STEP) - 1.0
        value = place * ziggurat[0, layer]
        if abs(place) < ziggurat[1, layer]:
            return value
        if layer == 0:
            while True:
                beyond = -np.log(1.0 - uniform(state)) / ziggurat[0, 1]
                if -2.0 * np.log(1.0 - uniform(state)) > beyond * beyond:
                    tail = ziggurat[0, 1] + beyond
                    return tail if place > 0.0 else -tail
        lower = np.exp(-0.5 * (ziggurat[0, layer] * ziggurat[0, layer] - value * value))
        upper = np.exp(-0.5 * (ziggurat[0, layer + 1] * ziggurat[0, layer + 1] - value * value))
        if upper + uniform(state) * (lower - upper) < 1.0:
            return value


def ziggurat_tables() -> Float:
    """Return the layers of the normal density, shape (2, 257): right edges, safe shares.

    Marsaglia & Tsang 2000 (doi:10.18637/jss.v005.i08) in the form of Doornik 2005: layer k is
    taken at once where the place within it is below edge[k + 1] / edge[k].

    Examples
    --------
    >>> ziggurat_tables().shape
    (2, 257)
    """
    from scipy.special import erfc

    density = np.exp(-0.5 * TAIL**2)
    area = TAIL * density + np.sqrt(np.pi / 2) * erfc(TAIL / np.sqrt(2))
    edge = np.empty(LAYERS + 1)
    edge[0], edge[1] = area / density, TAIL
    for layer in range(2, LAYERS):
        before = edge[layer - 1]
        edge[layer] = np.sqrt(-2.0 * np.log(area / before + np.exp(-0.5 * before**2)))
    edge[LAYERS] = 0.0
    share = np.append(edge[1:] / edge[:-1], 0.0)
    return np.stack([edge, share])


def seed_words(rng: np.random.Generator, shape: tuple[int, ...]) -> UInt64:
    """Return random uint64 words to seed the generators of kernels.

    Examples
    --------
    >>> seed_words(np.random.default_rng(1), (2, 3)).shape
    (2, 3)
    """
    return rng.integers(1, 2**64, size=shape, dtype=np.uint64)
