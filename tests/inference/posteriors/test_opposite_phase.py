"""Inside a held rim both phases count: log Z of the other one against the sum over all states."""

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.measurement.lattice_measurement import held_rim
from physlearn.inference.posteriors.opposite_phase import OppositePhase
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots

SIDE = 6
ISING = lattice_family("ising", (-1, 1), 1)


def open_patch(side):
    """Return the data of a patch of downs with one up, its rim held."""
    states = -np.ones((1, side**2), np.int8)
    states[0, side + 1] = 1
    graph = square_lattice((side, side), periodic=False)
    return gather_snapshots(LatticeSnapshots(states, graph), ISING)


def test_log_z_of_both_phases_is_the_sum_over_all_states():
    group = open_patch(SIDE).groups[0]
    inside = group.terms
    codes = (np.arange(2 ** len(inside))[:, None] >> np.arange(len(inside))) & 1
    spins = -np.ones((len(codes), group.n_sites), np.int8)
    spins[:, inside] = 2 * codes - 1
    pairs = np.zeros(len(codes))
    for a, b in group.graph.edges:
        pairs += spins[:, a] * spins[:, b]
    field = spins.sum(axis=1, dtype=float)
    rng = np.random.default_rng(3)
    rim = held_rim(ISING, group, rng)
    assert rim.n_open == len(inside) == 16
    up = spins[:, inside].sum(axis=1) > 0
    opposite = OppositePhase(rim, rng)
    natural = rng.normal([1.5, 1.5], [0.04, 0.03], (400, 2))
    for _ in range(3):
        assert opposite.look(natural, np.full(400, 1 / 400))
    assert opposite.settled
    asked = np.array([[1.5, 1.5], [1.45, 1.5], [1.52, 1.48]])
    for point, found in zip(asked, opposite.excess(asked), strict=True):
        weight = point[0] * field + point[1] * pairs
        assert abs(found - logsumexp(weight[up]) + logsumexp(weight[~up])) < 0.3, point


def test_only_a_picture_of_one_phase_has_an_opposite_one():
    group = open_patch(16).groups[0]
    rng = np.random.default_rng(1)
    assert held_rim(ISING, group, rng).one_phase
    mixed = group.codes.copy()
    mixed[group.terms[::4]] = 1
    assert not held_rim(ISING, replace(group, codes=mixed), rng).one_phase


def test_a_field_that_points_nowhere_else_sends_no_replica():
    rng = np.random.default_rng(1)
    rim = held_rim(ISING, open_patch(16).groups[0], rng)
    opposite = OppositePhase(rim, rng)
    natural = np.array([[-1.0, 0.1], [-1.2, 0.05]])
    assert not opposite.look(natural, np.full(2, 0.5))
    assert np.all(np.isneginf(opposite.excess(natural)))
