"""Pairs in any cell, their forces, and the forces of angles, against sums written out."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.force_fields import structure_kernels as kernels
from physlearn.inference.force_fields.energy_terms import AngleTerm, EmbeddingTerm, PairTerm
from physlearn.inference.force_fields.force_worlds import pair_answer
from physlearn.inference.force_fields.structure_table import (
    make_conditions,
    periodic_pairs,
    read_computed,
)
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models import (
    Morse,
    StillingerWeberAngle,
    particle_energy,
    particle_forces,
)
from physlearn.records import AtomicConfiguration

SKEWED = np.array([[3.0, 0.0, 0.0], [1.4, 2.5, 0.0], [0.9, -0.7, 2.2]])


def brute_distances(positions, cell, cutoff, images=6):
    grid = np.stack(np.meshgrid(*[np.arange(-images, images + 1)] * 3), axis=-1).reshape(-1, 3)
    out = []
    for i, one in enumerate(positions):
        for j, other in enumerate(positions):
            r = np.linalg.norm(other - one + grid @ cell, axis=1)
            out.append(r[(r > 0 if i == j else r >= 0) & (r < cutoff)])
    return np.sort(np.concatenate(out))


def test_pairs_of_a_skewed_cell_beyond_half_its_size_are_all_there():
    positions = np.random.default_rng(1).uniform(-4, 9, (3, 3))
    _, step = periodic_pairs(positions, SKEWED, 5.0)
    r = np.sort(np.repeat(np.linalg.norm(step, axis=1), 2))
    assert np.allclose(r, brute_distances(positions, SKEWED, 5.0))


def test_pairs_in_the_open_and_in_two_dimensions():
    pairs, step = periodic_pairs([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]], None, 2.0)
    assert pairs.tolist() == [[0, 1]] and step.tolist() == [[1.0, 0.0, 0.0]]
    pairs, _ = periodic_pairs([[0.0, 0.0]], np.eye(2), 1.1)
    assert len(pairs) == 2  # its own images along x and y, once each


def test_cell_without_volume_is_refused():
    with pytest.raises(InputError, match="volume"):
        periodic_pairs([[0.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]], 1.0)


def test_energy_and_forces_are_those_of_the_simulator():
    rng = np.random.default_rng(2)
    one = AtomicConfiguration(rng.uniform(0, 8, (30, 3)), unit="reduced", cell=8.0 * np.eye(3))
    potential = Morse(0.3, 1.4, 2.5, cutoff=4.0, truncation="switch")
    energy, forces = pair_answer(potential, one)
    assert np.isclose(energy, particle_energy(potential, one))
    assert np.allclose(forces, particle_forces(potential, one))


def condition_of(positions, cell, cutoff, dimension=3):
    one = AtomicConfiguration(positions, unit="reduced", cell=cell)
    data = read_computed([one, one], [0.0, 0.0], [np.zeros(positions.shape)] * 2, None, None)
    return make_conditions(data, cutoff)[0]


@pytest.mark.parametrize("cell", [SKEWED * 1.5, None])
@pytest.mark.parametrize("kind", ["pair", "embedded", "angle"])
def test_forces_are_minus_the_energy_gradient_and_slopes_the_parameters(kind, cell):
    rng = np.random.default_rng(3)
    positions = rng.uniform(0, 4, (5, 3)) + 0.1
    if kind == "pair":
        family = make_interaction("morse", length=1.5, cutoff=3.5, truncation="switch")
        term, theta = PairTerm(family, 0.3), np.array([-0.5, 0.4, 0.6])
    elif kind == "embedded":
        term, theta = EmbeddingTerm(1.5, 3.5), np.array([0.1, 0.8])
    else:
        term, theta = AngleTerm(1.5, 3.0), np.array([0.2, -0.3, 0.1])
    values = term.values(condition_of(positions, cell, 3.5), theta)
    forces = values[2:17].reshape(5, 3)
    step = 1e-4
    for atom, axis in ((0, 0), (3, 2)):
        energies = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * step
            energies.append(5 * term.values(condition_of(moved, cell, 3.5), theta)[0])
        slope = -(energies[0] - energies[1]) / (2 * step)
        # pairs interpolate a table of radii
        assert np.isclose(forces[atom, axis], slope, rtol=2e-4, atol=2e-4 * np.abs(forces).max())
    one = condition_of(positions, cell, 3.5)
    slopes = term.slopes(one, theta)
    for k in range(len(theta)):
        change = np.zeros(len(theta))
        change[k] = 1e-4
        numeric = (term.values(one, theta + change) - term.values(one, theta - change)) / 2e-4
        assert np.allclose(slopes[:, k], numeric, rtol=1e-4, atol=1e-4 * np.abs(numeric).max())


def test_angle_energy_is_that_of_the_simulator():
    rng = np.random.default_rng(4)
    positions = rng.uniform(0, 7, (40, 3))
    one = AtomicConfiguration(positions, unit="reduced", cell=7.0 * np.eye(3))
    angle = StillingerWeberAngle(2.0, -0.4, 1.1, 2.0)
    term = AngleTerm(1.5, 2.0)
    values = term.values(
        condition_of(positions, 7.0 * np.eye(3), 2.0), np.array([np.log(2.0), -0.4, np.log(1.1)])
    )
    assert np.isclose(40 * values[0], particle_energy(angle, one))
    assert np.allclose(values[2:122].reshape(40, 3), particle_forces(angle, one))


def test_kernels_are_their_python_form():
    rng = np.random.default_rng(5)
    positions, cell, turns = rng.uniform(0, 2, (4, 3)), 2.0 * np.eye(3), np.array([1, 1, 1])
    found = []
    for function in (kernels.list_structure_pairs, kernels.list_structure_pairs.py_func):
        pairs, step = np.zeros((200, 2), dtype=np.int64), np.zeros((200, 3))
        count = function(positions, cell, turns, 1.5, pairs, step)
        found.append((count, pairs, step))
    assert found[0][0] == found[1][0] > 4
    assert np.array_equal(found[0][1], found[1][1]) and np.allclose(found[0][2], found[1][2])
    count, pairs, step = found[0]
    unit = step[:count] / np.linalg.norm(step[:count], axis=1)[:, None]
    slope = rng.normal(size=(count, 2))
    forces = [np.zeros((4, 3, 2)), np.zeros((4, 3, 2))]
    kernels.add_pair_forces(pairs[:count], unit, slope, forces[0])
    kernels.add_pair_forces.py_func(pairs[:count], unit, slope, forces[1])
    assert np.allclose(*forces)
    sums = []
    for function in (kernels.angle_sums, kernels.angle_sums.py_func):
        out = [np.zeros((3, 3)), np.zeros((3, 3, 3)), np.zeros((3, 6, 3))]
        function(np.array([0, 2, 3, 4]), np.array([1, 2, 0, 0]), step[:4].copy(), 1.0, 2.0, *out)
        sums.append(out)
    assert all(np.allclose(a, b) for a, b in zip(*sums, strict=True))
