"""Rings per second, and truth against measurement from the picture on: rings, strain, polar cells.

``python -m benchmarks.atoms.structure`` prints all; ``... rings`` (or sw, strain, polar) one part.
Times are CPU seconds, so that a busy machine does not change them; the best of 20 calls.
"""

import sys
import time

import numpy as np
from scipy.spatial import cKDTree

from physlearn.datasets import (
    find_atoms,
    find_ring_defects,
    find_rings,
    make_polar_perovskite,
    make_stone_wales_graphene,
    make_strained_crystal,
    measure_polarization,
    measure_strain,
)
from physlearn.datasets.structure.strain import polar_strain
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.records import AtomicConfiguration


def rings() -> None:
    """30,000 atoms in random order, noise of 4 % of a bond; bonds, cut and rings."""
    rng = np.random.default_rng(0)
    places, _ = honeycomb(75, 100)
    places = rng.permutation(places) + rng.normal(0, 0.04, places.shape)
    atoms = AtomicConfiguration(places)
    find_rings(atoms)
    seconds = []
    for _ in range(20):
        start = time.process_time()
        found = find_rings(atoms)
        seconds.append(time.process_time() - start)
    best = min(seconds)
    print(f"find_rings: {atoms.n} atoms, {found.n} rings, {best * 1e3:.1f} ms, "
          f"{atoms.n / best / 1e6:.2f} M atoms/s")  # fmt: skip


def sw(n_defects: int = 320, peak: float = 30.0) -> None:
    """Stone-Wales defects from the picture on."""
    made = make_stone_wales_graphene(n_defects, peak_counts=peak, rng=7)
    atoms = find_atoms(made.scene.image)
    table = find_ring_defects(atoms)
    places = table.loc[table["kind"] == "stone-wales", ["x", "y"]].to_numpy()
    gap, near = cKDTree(made.defects).query(places)
    print(f"Stone-Wales, peak {peak:g}: {len(np.unique(near[gap < 4]))} of {n_defects} found, "
          f"{(gap >= 4).sum()} false, {atoms.n} of {made.scene.truth.n} columns")  # fmt: skip


def strain() -> None:
    """Strain from the picture on: standard deviation and mean of z of xx, yy, xy, rotation."""
    for lattice in ("square", "triangular"):
        scores = []
        for seed in range(3):
            made = make_strained_crystal((48, 48), lattice=lattice, rng=seed)
            atoms = find_atoms(made.scene.image)
            near = cKDTree(made.scene.truth.positions).query(atoms.positions)[1]
            field = measure_strain(atoms, reference=made.vectors)
            truth = polar_strain(made.gradients)[near[field.members]]
            sd = np.sqrt(np.einsum("nii->ni", field.covariance))
            scores.append(((field.strain - truth) / sd)[field.complete])
        z = np.concatenate(scores)
        print(f"strain, {lattice}: z sd {z.std(axis=0).round(3)}, mean {z.mean(axis=0).round(3)}, "
              f"{len(z)} atoms, errors {field.errors.source}")  # fmt: skip


def polar() -> None:
    """Polar displacements from the picture on: z sd and bias in units of a cell's bound."""
    for domains in ("none", "stripes", "vortex", "single"):
        scores, own, along = [], [], []
        for seed in range(4):
            made = make_polar_perovskite((32, 32), domains=domains, rng=seed)
            atoms = find_atoms(made.scene.image)
            field = measure_polarization(atoms)
            where = made.centers + made.displacements
            near = cKDTree(where).query(atoms.positions[field.centers])[1]
            sd = np.sqrt(field.covariance[:, [0, 1], [0, 1]])
            scores.append((field.displacements - made.displacements[near]) / sd)
            along.append((scores[-1] * made.displacements[near]).sum(axis=1) / 0.8)
            own.append(np.sqrt(np.diag(field.mean()[1])) / sd.mean(axis=0))
        z = np.concatenate(scores)
        error = np.mean(own, axis=0) / np.sqrt(len(own))
        print(f"polar, {domains}: z sd {z.std(axis=0).round(3)}, bias/bound "
              f"{z.mean(axis=0).round(3)} +- {error.round(3)}, along the planted displacement "
              f"{np.concatenate(along).mean():.3f}, {len(z)} cells")  # fmt: skip


PARTS = {"rings": rings, "sw": sw, "strain": strain, "polar": polar}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
