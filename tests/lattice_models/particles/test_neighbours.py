"""Neighbour lists against every pair counted, and that a moving crowd never loses a pair."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.particles import LennardJones, neighbour_kernels, neighbour_pairs
from physlearn.lattice_models.particles.interaction import Interaction, read_particles
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.records import AtomicConfiguration


def every_pair(x, cutoff, box=None):
    apart = x[None] - x[:, None]
    if box is not None:
        apart -= box * np.round(apart / box)
    i, j = np.nonzero(np.triu((apart**2).sum(axis=2) < cutoff**2, 1))
    return np.stack([i, j], axis=1), apart[i, j]


def places(shape, n, rng):
    generator = np.random.default_rng(rng)
    box = np.array(shape)
    kinds = {
        "even": generator.random((n, len(box))) * box,
        "lump": np.clip(generator.normal(0.5, 0.05, (n, len(box))), 0, 1) * box,
        "line": generator.random((n, 1)) * box,
        "outside": (generator.random((n, len(box))) * 5 - 2) * box,
    }
    return kinds, box


@pytest.mark.parametrize("kind", ["even", "lump", "line", "outside"])
@pytest.mark.parametrize("shape", [(7.0, 9.0), (30.0, 2.9), (6.0, 5.0, 4.0), (3.0, 3.0, 40.0)])
@pytest.mark.parametrize("n", [1, 2, 9, 150])
def test_every_pair_once(kind, shape, n):
    kinds, box = places(shape, n, 4)
    x = kinds[kind]
    for cutoff in (0.3, 1.45):
        for cell in (None, np.diag(box)):
            pairs, apart = neighbour_pairs(x, cutoff, cell)
            wanted, vectors = every_pair(x, cutoff, None if cell is None else box)
            assert np.array_equal(pairs, wanted)
            assert np.allclose(apart, vectors, rtol=0, atol=1e-12)


def test_large_cloud():
    x = np.random.default_rng(2).random((1500, 3)) * 15.0
    pairs, _ = neighbour_pairs(x, 1.9, np.eye(3) * 15.0)
    assert np.array_equal(pairs, every_pair(x, 1.9, 15.0)[0])


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dimension", [2, 3])
def test_lists_of_a_moving_crowd_hold_every_pair(dimension, periodic):
    """Within half a skin of the places where the lists were made no pair may be missing."""
    generator = np.random.default_rng(6)
    box = np.full(dimension, 9.0)
    x = generator.random((200, dimension)) * box
    atoms = AtomicConfiguration(x, unit="reduced", cell=np.diag(box) if periodic else None)
    potential = LennardJones(cutoff=1.7)
    system = ParticleSystem(read_particles(atoms), Interaction.of(potential, dimension, 1), 0.4)
    for _ in range(5):
        turned = generator.normal(size=(200, dimension))
        turned *= 0.2 * (1 - 1e-12) / np.sqrt((turned**2).sum(axis=1))[:, None]
        before = system.points[:200, :dimension].copy()
        system.points[:200, :dimension] += turned
        now = system.positions()
        listed = pairs_of(system)
        wanted, _ = every_pair(now, 1.7, box if periodic else None)
        assert set(map(tuple, wanted)) <= listed
        system.points[:200, :dimension] = before + 3 * turned
        system.rebuild()


def pairs_of(system):
    """Pairs of particles that stand in each other's lists, from both sides."""
    names, seen = system.names[:, 0], set()
    for group in range(system.group_start.size - 1):
        listed = system.entries[system.group_start[group] : system.group_start[group + 1]]
        for j in listed[listed < len(system.points) - 1]:
            source = j if j < system.n_slots else system.ghosts[j - system.n_slots, 0]
            for i in range(8 * group, min(8 * group + 8, system.n)):
                seen.add((names[i], names[source]))
    assert all((b, a) in seen for a, b in seen if near_both_ways(system, a, b))
    return seen


def near_both_ways(system, a, b):
    """A list may hold more than it must for one side; pairs within reach stand in both."""
    apart = system.reference[np.flatnonzero(system.names[:, 0] == a)[0], :3]
    apart = apart - system.reference[np.flatnonzero(system.names[:, 0] == b)[0], :3]
    box = system.box
    apart = apart - np.where(box > 0, box * np.round(apart / np.where(box > 0, box, 1.0)), 0.0)
    return (apart @ apart) < system.interaction.cutoff**2


def test_plain_python_gives_the_same_lists():
    generator = np.random.default_rng(1)
    box = np.array([4.0, 5.0, 6.0])
    points = np.full((325, 4), neighbour_kernels.FAR)
    points[:20, :3] = generator.random((20, 3)) * box
    found = []
    for sort, make in (
        (neighbour_kernels.sort_particles, neighbour_kernels.list_neighbours),
        (neighbour_kernels.sort_particles.py_func, neighbour_kernels.list_neighbours.py_func),
    ):
        mine, names = points.copy(), np.zeros((20, 5), dtype=np.int64)
        names[:, 0] = np.arange(20)
        grid, frame = np.zeros(6, dtype=np.int64), np.zeros(6)
        start = np.zeros(8 * 20 + 66, dtype=np.int64)
        sort(mine, np.zeros((24, 8)), names, box, 1.5, grid, frame, start, np.empty((20, 17)))
        entries, ghosts = np.zeros(900, dtype=np.int32), np.zeros((300, 2), dtype=np.int32)
        groups = np.zeros(4, dtype=np.int64)
        sizes = make(mine, 20, box, 1.5, grid, frame, start, groups, entries, ghosts,
                     np.empty((27, 20), dtype=np.int32), np.zeros(64))  # fmt: skip
        found.append((mine, names, groups, entries, ghosts, np.array(sizes)))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("arguments", "said"), [
    (([[0.0, 0.0]], 0.0), "cutoff must be a finite number above 0"),
    (([[0.0, 0.0]], 3.0, [5.0, 5.0]), "cutoff must not exceed half.*2.5; got 3"),
    (([[0.0, np.inf]], 1.0), "positions must hold finite numbers"),
    (([0.0, 1.0], 1.0), "positions must have 2 dimension"),
])  # fmt: skip
def test_refusals(arguments, said):
    with pytest.raises(InputError, match=said):
        neighbour_pairs(*arguments)
