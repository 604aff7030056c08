"""Relaxed crystals on their parent lattice, and counts of bonds and triplets."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from physlearn.checks import InputError
from physlearn.inference.energies.expansion_features import describe_structures
from physlearn.inference.energies.parent_lattices import (
    PARENTS,
    map_to_lattice,
    neighbour_vectors,
    supercell,
)
from physlearn.lattice_models import (
    cubic_lattice,
    find_triplets,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import AtomicConfiguration, LatticeSnapshots

NEAREST = {"sc": 1.0, "bcc": np.sqrt(0.75), "fcc": np.sqrt(0.5)}


def crystal(graph, states, constant=3.3, change=None, moved=None, order=None, cell_mix=None):
    """A crystal of the core's own lattice, deformed, with its atoms in any order."""
    positions, cell = constant * graph.positions, constant * graph.cell
    if moved is not None:
        positions = positions + moved
    if cell_mix is not None:
        cell = np.array(cell_mix) @ cell
    if change is not None:
        positions, cell = positions @ change, cell @ change
    order = np.arange(len(positions)) if order is None else order
    return AtomicConfiguration(
        positions[order], unit="angstrom", cell=cell,
        species=((states[order] + 1) // 2).astype(np.int64), species_names=("A", "B"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "shape", "n_shells"),
    [("bcc", (2, 2, 2), 5), ("bcc", (3, 2, 4), 3), ("sc", (2, 3, 4), 2), ("fcc", (2, 2, 2), 3)],
)
def test_counts_equal_the_graph_of_the_core(kind, shape, n_shells):
    graph = cubic_lattice(shape, kind, n_shells)
    rng = np.random.default_rng(3)
    states = rng.choice([-1, 1], (4, graph.n_sites))
    motifs = [(0, 0, 1)]
    own = describe_structures([crystal(graph, s) for s in states], n_shells, motifs, kind)
    known = describe_structures(LatticeSnapshots(states, graph), n_shells, [], kind)
    assert np.allclose(own.pairs, known.pairs, atol=1e-12)
    assert np.allclose(own.mean_state, known.mean_state, atol=1e-12)
    rows = find_triplets(graph, motifs[0])
    expected = states[:, rows].prod(axis=2).sum(axis=1) / graph.n_sites
    assert np.allclose(own.triplets[:, 0], expected, atol=1e-12)
    assert np.allclose(own.distances, graph.shell_radii / np.array(graph.shell_radii[0]))


@pytest.mark.parametrize("kind", ["sc", "bcc", "fcc"])
def test_strain_rotation_shift_order_and_skewed_cells_change_nothing(kind):
    graph = cubic_lattice((2, 3, 2), kind, 2)
    rng = np.random.default_rng(7)
    for trial in range(20):
        states = rng.choice([-1, 1], graph.n_sites)
        plain = describe_structures([crystal(graph, states)], 2, [(0, 0, 1)], kind)
        strain = rng.uniform(-0.03, 0.03, (3, 3))
        turn = Rotation.random(random_state=trial).as_matrix()
        constant = rng.uniform(2, 5)
        step = 0.08 * constant * NEAREST[kind]
        moved = rng.normal(size=3) + rng.uniform(-step, step, (graph.n_sites, 3))
        change = (np.eye(3) + strain + strain.T) @ turn
        other = crystal(
            graph, states, constant=constant, change=change,
            moved=moved, order=rng.permutation(graph.n_sites),
            cell_mix=[[1, 0, 0], [1, 1, 0], [-1, 2, 1]],
        )  # fmt: skip
        found = describe_structures([other], 2, [(0, 0, 1)], "auto")
        assert found.lattice == kind
        assert np.allclose(found.pairs, plain.pairs, atol=1e-12)
        assert np.allclose(found.triplets, plain.triplets, atol=1e-12)


def test_displacement_and_shear_are_measured():
    graph = cubic_lattice((2, 2, 2), "bcc", 1)
    states = np.ones(16, int)
    states[:8] = -1
    rng = np.random.default_rng(2)
    moved = rng.normal(0, 0.05, (16, 3))
    moved -= moved.mean(axis=0)
    table = describe_structures([crystal(graph, states, moved=moved)], 1, [], "bcc")
    rms = np.sqrt((moved**2).sum(axis=1).mean()) / (3.3 * NEAREST["bcc"])
    assert table.displacement[0] == pytest.approx(rms, rel=1e-9)
    assert table.log_volume[0] == pytest.approx(np.log(3.3**3 / 2), abs=1e-12)
    long = np.diag([1.02, 1.02, 1.02**-2])
    table = describe_structures([crystal(graph, states, change=long)], 1, [], "bcc")
    green = (long @ long - np.eye(3)) / 2
    assert table.shear[0] == pytest.approx(np.linalg.norm(green), rel=1e-9)


@pytest.mark.parametrize("kind", list(PARENTS))
def test_boxes_hold_their_sites_and_whole_shells(kind):
    matrix = ((2, 1, 0), (0, 3, -1), (1, 0, 2))
    size = abs(round(np.linalg.det(matrix)))
    box = supercell(kind, matrix, 3)
    assert len(box.sites) == size
    for (radius, steps), near in zip(neighbour_vectors(kind, 3), box.shells, strict=True):
        assert near.shape == (size, len(steps))
        assert np.allclose(np.linalg.norm(steps @ PARENTS[kind], axis=1), radius)
        # every site is met as often as it meets others
        assert np.all(np.bincount(near.ravel(), minlength=size) == len(steps))


def test_positions_between_sites_are_refused():
    cell = 6.6 * np.eye(3)
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="do not stand on a bcc lattice"):
        map_to_lattice(rng.uniform(0, 6.6, (16, 3)), cell, "bcc")
    with pytest.raises(InputError, match="independent cell vectors"):
        map_to_lattice(np.zeros((2, 3)), np.ones((3, 3)), "bcc")


def test_the_lattice_is_chosen_and_named():
    graph = cubic_lattice((2, 2, 2), "fcc", 1)
    one = crystal(graph, np.resize([-1, 1], graph.n_sites))
    assert describe_structures([one], 1, [], "auto").lattice == "fcc"
    with pytest.raises(InputError, match=r"structures\[0\]: the atoms do not stand on a bcc"):
        describe_structures([one], 1, [], "bcc")


def test_bad_structures_get_sentences():
    graph = cubic_lattice((2, 2, 2), "bcc", 1)
    good = crystal(graph, np.resize([-1, 1], 16))
    with pytest.raises(InputError, match="list is empty"):
        describe_structures([], 1, [], "auto")
    pure = crystal(graph, np.ones(16, int))
    with pytest.raises(InputError, match=r"they hold 1 \(B\)"):
        describe_structures([pure], 1, [], "auto")
    bare = AtomicConfiguration(good.positions, unit="angstrom")
    with pytest.raises(InputError, match="must have a periodic cell"):
        describe_structures([bare], 1, [], "auto")
    picture = LatticeSnapshots(np.resize([-1, 1], (1, 16)), graph)
    with pytest.raises(InputError, match="they are mixed"):
        describe_structures([good, picture], 1, [], "auto")
    with pytest.raises(InputError, match=r"graph of structure 0 holds 1 shell\(s\)"):
        describe_structures([picture], 2, [], "auto")
    with pytest.raises(InputError, match="no three sites of the bcc lattice"):
        describe_structures([good], 2, [(0, 0, 0)], "auto")


@pytest.mark.parametrize(
    ("kind", "cell", "places", "codes", "pairs"),
    [
        ("bcc", np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [0, 1], [-4, 3, 6]),  # B2
        ("fcc", [[0.5, 0.5, 0], [0.5, -0.5, 0], [0, 0, 1]], [[0, 0, 0], [0.5, 0, 0.5]], [0, 1],
         [-2, 3, -4]),  # L1_0
        ("fcc", np.eye(3), [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], [0, 1, 1, 1],
         [0, 3, 0]),  # L1_2
        ("sc", [[1, 1, 0], [1, 0, 1], [0, 1, 1]], [[0, 0, 0], [1, 0, 0]], [0, 1],
         [-3, 6, -4]),  # rock salt
    ],
)  # fmt: skip
def test_sums_of_known_ordered_crystals_in_their_smallest_cells(kind, cell, places, codes, pairs):
    crystal_of = AtomicConfiguration(
        3.9 * np.array(places), unit="angstrom", cell=3.9 * np.array(cell), species=codes,
        species_names=("A", "B"),
    )  # fmt: skip
    found = describe_structures([crystal_of], 3, [], "auto")
    assert found.lattice == kind
    assert found.pairs[0] == pytest.approx(pairs)


def test_large_sheared_boxes_are_mapped_too():
    graph = cubic_lattice((4, 4, 3), "bcc", 2)
    rng = np.random.default_rng(21)
    states = rng.choice([-1, 1], graph.n_sites)
    change = np.eye(3) + 0.02 * rng.normal(size=(3, 3))
    moved = rng.normal(0, 0.1, (graph.n_sites, 3))
    one = crystal(graph, states, change=change, moved=moved)
    found = describe_structures([one], 2, [], "auto")
    known = describe_structures(LatticeSnapshots(states[None], graph), 2, [], "bcc")
    assert np.allclose(found.pairs, known.pairs)


def hexagonal_close_packed(cells):
    """Positions and cell of hcp with the ideal ratio of axes, 4 atoms a cell."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 5 / 6, 0.5], [0, 1 / 3, 0.5]])
    cell = np.diag(np.array(cells) * [1.0, np.sqrt(3), np.sqrt(8 / 3)])
    corners = np.indices(cells).reshape(3, -1).T
    return ((corners[:, None] + base) / cells).reshape(-1, 3) @ cell, cell


@pytest.mark.parametrize("kind", ["auto", "bcc", "fcc", "sc"])
@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 2, 2)])
def test_hexagonal_crystals_are_no_cubic_ones(kind, cells):
    positions, cell = hexagonal_close_packed(cells)
    codes = np.random.default_rng(1).permutation(len(positions)) % 2
    crystals = [
        AtomicConfiguration(
            positions, unit="angstrom", cell=cell, species=codes, species_names=("A", "B")
        )
    ] * 3  # fmt: skip
    with pytest.raises(InputError, match=r"do not stand on|fit neither"):
        describe_structures(crystals, 2, [], kind)


def test_structures_far_from_their_sites_are_named():
    graph = cubic_lattice((2, 2, 2), "bcc", 2)
    rng = np.random.default_rng(2)
    states = rng.choice([-1, 1], (4, graph.n_sites))
    moved = 0.17 * 3.3 * NEAREST["bcc"] * rng.uniform(-1, 1, (graph.n_sites, 3))
    crystals = [crystal(graph, s) for s in states]
    assert describe_structures(crystals, 2, [], "bcc").doubts == ()
    crystals[2] = crystal(graph, states[2], moved=moved)
    (doubt,) = describe_structures(crystals, 2, [], "bcc").doubts
    assert doubt.startswith("1 of 4 structures (first structures[2])")
    sheared = [crystal(graph, s, change=np.diag([1.07, 1.0, 1 / 1.07])) for s in states]
    (doubt,) = describe_structures(sheared, 2, [], "bcc").doubts
    assert "sheared by more than 0.10" in doubt


def test_graphs_of_different_lattices_are_not_mixed():
    rng = np.random.default_rng(3)
    records = [
        LatticeSnapshots(rng.choice([-1, 1], (5, 36)), build((6, 6), 2, periodic=periodic))
        for build, periodic in (
            (square_lattice, True), (square_lattice, False), (triangular_lattice, True)
        )
    ]  # fmt: skip
    assert len(describe_structures(records[:2], 2, [], "auto").pairs) == 10
    with pytest.raises(InputError, match="must stand on one lattice; sites of number 1 have"):
        describe_structures(records[1:], 2, [], "auto")
