"""In which pattern a crystal orders: the peak of its structure factor when it is cold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.energies.periodic_crystal import (
    OrderModes,
    PeriodicCrystal,
    state_vectors,
    uniform_mode,
)
from physlearn.inference.lattices.lattice_family import LatticeFamily

__all__ = ["FoundOrder", "find_order"]

Float = NDArray[np.float64]
ORDERED = 0.2
"""Share of a pattern's variance in one star above which it counts as ordered."""

NAMES: dict[str, dict[tuple[float, ...], str]] = {
    "square": {(1 / 2, 1 / 2): "checkerboard", (0, 1 / 2): "stripes"},
    "triangular": {(1 / 3, 1 / 3): "three sublattices", (0, 1 / 2): "stripes"},
    "honeycomb": {(0, 0): "alternating sublattices"},
    "sc": {
        (1 / 2, 1 / 2, 1 / 2): "rock salt", (0, 1 / 2, 1 / 2): "rods", (0, 0, 1 / 2): "layers"
    },
    "bcc": {(0, 0, 0): "B2", (1 / 2, 1 / 2, 1 / 2): "B32 or D0_3"},
    "fcc": {(0, 0, 0): "L1_0 or L1_2", (1 / 2, 1 / 2, 1 / 2): "L1_1"},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FoundOrder:
    """The order of cold patterns.

    Attributes
    ----------
    modes
        The star and contrasts of the commonest order.
    shares
        float64, shape (n_draws,): share of the variance of each draw's cold patterns in it.
    names
        The order of each draw by itself, ``none`` where no star holds a fifth of the variance.
    """

    modes: OrderModes
    shares: Float
    names: tuple[str, ...]

    @property
    def ordered(self) -> bool:
        """Whether the commonest order holds a fifth of the patterns' variance."""
        return float(np.mean(self.shares)) > ORDERED


def find_order(
    family: LatticeFamily,
    crystal: PeriodicCrystal,
    codes: NDArray[np.uint8],
    uniform: str = "fluctuations",
) -> FoundOrder:
    """Find the order of cold patterns, codes of shape (n_draws, n_pictures, n_sites).

    What counts as uniform order: ``all`` of each pattern's mean (right without a field), its
    ``fluctuations`` about the mean over all patterns, or ``none`` of it.
    """
    power, counts = _star_powers(family, crystal, codes, uniform)
    # intensity of one wavevector, best contrasts: stars of many members get no head start
    values = np.linalg.eigvalsh(power)
    sizes = counts[None, :]
    best = np.argmax(values[..., -1] / sizes, axis=1)
    share = np.take_along_axis(values[..., -1], best[:, None], axis=1)[:, 0]
    total = np.argmax(values[..., -1].mean(axis=0) / counts)
    modes = _modes_of(family, crystal, power.mean(axis=0), int(total))
    names = tuple(
        _modes_of(family, crystal, power[draw], int(star)).name if much > ORDERED else "none"
        for draw, (star, much) in enumerate(zip(best, share, strict=True))
    )
    return FoundOrder(modes, np.asarray(values[:, total, -1]), names)


def _star_powers(
    family: LatticeFamily, crystal: PeriodicCrystal, codes: NDArray[np.uint8], uniform: str
) -> tuple[NDArray[np.complex128], Float]:
    """Return share matrices (n_draws, n_stars, motif, motif) and the size of every star."""
    n_draws, n_pictures, n_sites = codes.shape
    d, motif = len(crystal.sizes), crystal.n_motif
    stars = crystal.stars
    offsets = crystal.graph.positions
    assert offsets is not None  # noqa: S101 -- crystals have positions
    phase = np.exp(
        -1j * (crystal.wavevectors @ crystal.reciprocal) @ (offsets[:motif] - offsets[0]).T
    )
    counts = np.bincount(stars).astype(np.float64)
    power = np.zeros((n_draws, len(counts), motif, motif), complex)
    for component in state_vectors(family).T:
        field = component[codes].reshape(n_draws, n_pictures, *crystal.sizes, motif)
        waves = np.fft.fftn(field, axes=tuple(range(2, 2 + d)))
        waves = waves.transpose(0, 1, *range(1 + d, 1, -1), 2 + d)
        waves = waves.reshape(n_draws, n_pictures, -1, motif) * phase
        if uniform == "fluctuations":
            waves[:, :, 0] -= waves[:, :, 0].mean(axis=(0, 1))
        elif uniform == "none":
            waves[:, :, 0] -= waves[:, :, 0].mean(axis=-1, keepdims=True)
        matrix = np.einsum("dpqm,dpqn->dqmn", waves, waves.conj(), optimize=True)
        matrix /= n_pictures * n_sites**2 / motif
        for star in range(len(counts)):
            power[:, star] += matrix[:, stars == star].sum(axis=1)
    if family.fixed_composition:
        # of the variance that the composition leaves
        shares = np.bincount(codes[0, 0], minlength=family.n_states) / n_sites
        vectors = state_vectors(family)
        left = float((shares @ vectors**2 - (shares @ vectors) ** 2).sum())
        power = power / left if left > 0 else 0 * power
    return power, counts


def _modes_of(
    family: LatticeFamily, crystal: PeriodicCrystal, power: NDArray[np.complex128], star: int
) -> OrderModes:
    """Return the modes of one star with the contrasts that carry its power."""
    members = np.flatnonzero(crystal.stars == star)
    vectors = crystal.wavevectors[members]
    values, columns = np.linalg.eigh(power[star])
    if values[-1] <= 0:  # all patterns are alike: nothing in any star
        return uniform_mode(crystal)
    kept = columns[:, values > 0.5 * values[-1]].T
    lengths = crystal.squared_length(crystal.wavevectors)
    alike = bool(np.all(np.abs(kept[0]) ** 2 > 0.5 / crystal.n_motif)) and len(kept) == 1
    alike &= abs(abs(kept[0].sum()) ** 2 - crystal.n_motif) < 0.1 * crystal.n_motif
    at_zero = np.allclose(vectors[0], 0)
    longest = np.isclose(lengths[members[0]], lengths[lengths > 1e-9].min())
    if alike and (at_zero or longest):
        if not family.fixed_composition:
            return uniform_mode(crystal)
        return OrderModes("phase separation", np.empty((0, vectors.shape[1])), kept[None])
    key = min(tuple(np.sort(np.abs(vector)).round(6)) for vector in vectors)
    name = next(
        (text for known, text in NAMES[crystal.kind].items() if np.allclose(known, key, atol=1e-5)),
        "superstructure at q = (" + ", ".join(f"{x:.3g}" for x in key) + ")",
    )
    return OrderModes(name, vectors, np.repeat(kept[None], len(vectors), axis=0))
