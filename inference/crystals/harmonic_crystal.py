"""Exact samples of a crystal held by springs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.inference.crystals.crystal_kinds import crystal_kind
from physlearn.inference.crystals.harmonic_box import whole_box
from physlearn.inference.crystals.thermal_crystals import BoxWaves
from physlearn.records import AtomicConfiguration

__all__ = ["sample_harmonic_crystal"]


def sample_harmonic_crystal(
    lattice: str,
    size: int,
    springs: ArrayLike,
    n_samples: int = 1,
    *,
    spacing: float = 1.0,
    position_sd: float = 0.0,
    rng: int | np.random.Generator | None = None,
) -> list[AtomicConfiguration]:
    """Draw configurations of a periodic crystal of springs, independent and without error.

    Every wave's amplitude is a Gaussian with covariance D^-1, D the dynamical matrix.

    Parameters
    ----------
    lattice
        ``triangular``, ``square``, ``honeycomb``, ``simple_cubic``, ``fcc``, ``bcc`` or ``hcp``.
    size
        Least length of each edge of the rectangular box, in spacings.
    springs
        Longitudinal and transverse of shell 1, of shell 2, ...; kT over length squared.
    n_samples
        Configurations.
    spacing
        Distance of nearest neighbours.
    position_sd
        Error added to each coordinate.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For springs that do not hold the crystal, or numbers out of range.

    Examples
    --------
    >>> atoms = sample_harmonic_crystal("square", 8, [300.0, 0.0, 50.0, 0.0], rng=1)[0]
    >>> atoms.n, atoms.unit
    (64, 'reduced')
    """
    kind = crystal_kind(lattice)
    size, n_samples = check_count("size", size, 2), check_count("n_samples", n_samples, 1)
    stiffness = check_array("springs", springs, ndim=1)
    if len(stiffness) % 2:
        raise InputError(f"springs must come in pairs, one for each shell; got {len(stiffness)}.")
    spacing = check_positive("spacing", spacing)
    check_positive("position_sd", position_sd, allow_zero=True)
    generator, seed = as_generator(rng)
    box = whole_box(kind, spacing, np.full(kind.dimension, (size - 1e-9) * spacing))
    waves, sites = BoxWaves.of(box, len(stiffness) // 2), box.sites
    try:
        field = np.stack([waves.vibrate(stiffness, generator) for _ in range(n_samples)])
    except np.linalg.LinAlgError:
        raise InputError(f"springs {stiffness.tolist()} do not hold a {lattice} crystal.") from None
    positions = sites + field + position_sd * generator.standard_normal(field.shape)
    lengths = np.diag(box.cell)
    positions -= np.floor(positions / lengths) * lengths
    return [
        AtomicConfiguration(
            one, unit="reduced", cell=box.cell,
            metadata={"springs": str(stiffness.tolist()), "seed": seed},
        )
        for one in positions
    ]  # fmt: skip
