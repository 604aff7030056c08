"""What predictions refuse and warn of: other crystals, vacancies, kelvin, shares of whole sites."""

import numpy as np
import pytest
from lattice_forecasts import fit_of
from scipy.spatial import Delaunay

from physlearn.checks import InputError
from physlearn.inference.energies.periodic_crystal import make_crystal
from physlearn.inference.lattices.fit_contents import family_of, snapshots_of, theta_of
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.prediction.crystal_recognition import match_crystal, recognise_crystal
from physlearn.inference.prediction.pattern_order import find_order
from physlearn.inference.prediction.phase_diagram import predict_phase_diagram
from physlearn.inference.prediction.picture_doubts import picture_energies
from physlearn.inference.prediction.predicted_pictures import predict_pictures
from physlearn.inference.prediction.thermodynamics import LadderOptions, predict_thermodynamics
from physlearn.lattice_models import (
    Ising,
    critical_coupling,
    cubic_lattice,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots, SiteGraph

FEW = LadderOptions(n_draws=16, burn_in_sweeps=200, n_sweeps=400, most_rounds=1)
SMALL = {"shape": (8, 8), "options": FEW, "rng": 1}


def graph_of(points, edges, **others):
    return SiteGraph(
        len(points), edges, np.zeros(len(edges), int), np.ones(len(edges), int), positions=points,
        **others,
    )  # fmt: skip


def kagome(size):
    """Return a periodic kagome lattice: of a triangular one, a quarter is missing."""
    whole = triangular_lattice((2 * size, 2 * size))
    row, column = np.divmod(np.arange(whole.n_sites), 2 * size)
    return without(whole, (row % 2 == 1) & (column % 2 == 1))


def without(graph, gone):
    """Return a graph without some of its sites."""
    keep = np.flatnonzero(~gone)
    number = np.full(graph.n_sites, -1)
    number[keep] = np.arange(len(keep))
    edges = number[graph.edges]
    held = np.all(edges >= 0, axis=1)
    return SiteGraph(
        len(keep), edges[held], graph.shell[held], graph.multiplicity[held],
        positions=graph.positions[keep], unit=graph.unit, cell=graph.cell,
        shell_radii=graph.shell_radii,
    )  # fmt: skip


def delaunay(**others):
    points = np.random.default_rng(2).random((900, 2)) * 30
    corners = Delaunay(points).simplices
    edges = np.sort(np.concatenate([corners[:, :2], corners[:, 1:], corners[:, ::2]]), axis=1)
    return graph_of(points, np.unique(edges, axis=0), **others)


def moore(positions):
    graph = square_lattice((16, 16), 2)
    return SiteGraph(
        256, graph.edges, np.zeros(len(graph.edges), int), graph.multiplicity,
        positions=graph.positions if positions else None, cell=graph.cell if positions else None,
    )  # fmt: skip


def first_and_third(positions):
    graph = square_lattice((16, 16), 3)
    held = graph.shell != 1
    return SiteGraph(
        256, graph.edges[held], graph.shell[held] // 2, graph.multiplicity[held],
        positions=graph.positions if positions else None, cell=graph.cell if positions else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "graph",
    [
        kagome(8), delaunay(), delaunay(shell_radii=(1.0,)), moore(True), moore(False),
        first_and_third(True), first_and_third(False),
    ],
    ids=["kagome", "Delaunay", "Delaunay, radii", "Moore", "Moore, no positions", "shells 1 and 3",
         "shells 1 and 3, no positions"],
)  # fmt: skip
def test_other_graphs_of_the_usual_degree_are_no_known_crystal(graph):
    with pytest.raises(InputError, match="none of them"):
        recognise_crystal(graph)


def test_kagome_antiferromagnet_is_not_predicted_as_a_checkerboard():
    fit = fit_lattice_hamiltonian(simulate_lattice(Ising([-0.6]), kagome(8), rng=1), 1, rng=1)
    for lattice in (None, "square", "triangular"):
        with pytest.raises(InputError, match="of 4 neighbours, common neighbours and radii"):
            predict_thermodynamics(fit, [1.0], lattice=lattice, **SMALL)


def test_a_named_lattice_must_be_the_pictures():
    picture = simulate_lattice(Ising([0.2]), triangular_lattice((16, 16)), rng=1)
    fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    for call in (predict_thermodynamics, predict_pictures):
        with pytest.raises(InputError, match="not those of a square lattice"):
            call(fit, 1.0, lattice="square", shape=(8, 8))
    with pytest.raises(InputError, match="not those of a square lattice"):
        predict_phase_diagram(fit, [0.5], [1.0], lattice="square", shape=(8, 8))
    named = predict_thermodynamics(fit, [1.0], lattice="triangular", transition=False, **SMALL)
    assert named.crystal == "triangular 8 x 8"


def test_pictures_of_two_crystals_have_no_common_prediction():
    pictures = [
        simulate_lattice(Ising([0.2]), build((12, 12)), rng=1)
        for build in (square_lattice, triangular_lattice)
    ]
    fit = fit_lattice_hamiltonian(pictures, 1, rng=1)
    with pytest.raises(InputError, match="square and triangular"):
        predict_thermodynamics(fit, [1.0], **SMALL)


@pytest.mark.parametrize(("n_shells", "box"), [(1, (3, 3)), (2, (4, 4)), (3, (4, 5)), (1, (12, 4))])
def test_boxes_that_meet_themselves_are_recognised(n_shells, box):
    assert recognise_crystal(square_lattice(box, n_shells)) == "square"
    graph = square_lattice(box, n_shells)
    bare = SiteGraph(graph.n_sites, graph.edges, graph.shell, graph.multiplicity)
    assert match_crystal(bare, "square").alike == 1.0


@pytest.mark.parametrize(
    ("graph", "kind"),
    [
        (square_lattice((40, 40), 2, periodic=False), "square"),
        (square_lattice((40, 40), 2), "square"),
        (triangular_lattice((40, 40), 1, periodic=False), "triangular"),
        (cubic_lattice((12, 12, 12), "fcc", 1, periodic=False), "fcc"),
    ],
    ids=["square, rim", "square", "triangular, rim", "fcc, rim"],
)
def test_share_of_vacancies_is_measured_inside_the_rim(oracle, graph, kind):
    assert match_crystal(graph, kind).empty == 0.0
    gone = np.random.default_rng(3).random(graph.n_sites) < 0.1
    bare = without(graph, gone)
    assert recognise_crystal(bare) == kind
    # places are shared by all sites around: their number is about that of the sites
    sd = np.sqrt(0.1 * 0.9 / (0.8 * graph.n_sites))
    oracle(f"share of vacancies, {kind}", z=(match_crystal(bare, kind).empty - 0.1) / sd)


def test_vacancies_are_seen_where_bonds_wrap_around_without_a_cell():
    """A fifth of a periodic square lattice is gone: the last two percent of bonds are long."""
    graph = square_lattice((32, 32))
    bare = without(graph, np.random.default_rng(2).random(1024) < 0.2)
    open_ = SiteGraph(
        bare.n_sites, bare.edges, bare.shell, bare.multiplicity, positions=bare.positions
    )
    match = match_crystal(open_, recognise_crystal(open_))
    assert match.kind == "square"
    assert match.outlined
    assert match.empty == pytest.approx(0.2, abs=0.06)


@pytest.fixture(scope="module")
def diluted():
    graph = square_lattice((64, 64))
    bare = without(graph, np.random.default_rng(1).random(4096) < 0.1)
    return fit_lattice_hamiltonian(simulate_lattice(Ising([0.44]), bare, rng=1), 1, rng=1)


def test_vacancies_of_the_picture_are_named(diluted):
    found = predict_thermodynamics(
        diluted, [0.6, 1.0, 1.6], shape=(16, 16), transition=False, options=FEW, rng=1
    )
    assert any("without the picture's vacancies" in text for text in found.warnings)
    assert any("at ratio 1 the prediction has the energy" in text for text in found.warnings)
    pictures = predict_pictures(diluted, 1.0, 4, shape=(8, 8), burn_in_sweeps=8, rng=1)
    assert any("without the picture's vacancies" in text for text in pictures.warnings)


def test_energy_of_the_picture_is_that_of_its_bonds(diluted):
    (picture,) = snapshots_of(diluted)
    a, b = picture.graph.edges.T
    bond = float((picture.states[0, a].astype(float) * picture.states[0, b]).mean())
    theta = theta_of(diluted)
    energies, n = picture_energies(
        diluted, family_of(diluted), [picture], make_crystal("square", (8, 8), 1), theta
    )
    field, coupling = (np.ravel(diluted[name]) for name in ("field", "couplings"))
    expected = -2 * coupling * bond - field * picture.states.mean()
    assert n == picture.graph.n_sites
    np.testing.assert_allclose(energies, expected, atol=1e-12)


def test_neighbours_met_twice_round_a_narrow_box_count_twice_in_the_energy():
    # two rows on a torus: the other row is the neighbour above and the one below
    graph = square_lattice((2, 5))
    states = np.array([[1, 1, 1, 1, 1, 1, 1, -1, -1, -1]], np.int8)
    family = lattice_family("ising", (-1, 1), 1)
    theta = np.array([[0.3, 0.2], [-0.1, 0.5]])
    fit = fit_of(theta, family, graph, states=states)
    energies, n = picture_energies(
        fit, family, snapshots_of(fit), make_crystal("square", (8, 8), 1), theta_of(fit)
    )
    # products of the 20 bonds: across 2 * (2 - 3), along 5 in the first row and 1 in the second
    assert n == 10
    np.testing.assert_allclose(energies, -0.4 * theta[:, 0] - 2 * 0.2 * theta[:, 1], atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_whole_picture_in_equilibrium_raises_no_doubt_about_its_crystal(periodic):
    graph = square_lattice((48, 48), periodic=periodic)
    fit = fit_lattice_hamiltonian(simulate_lattice(Ising([0.3]), graph, rng=4), 1, rng=1)
    found = predict_thermodynamics(
        fit, [1.0, 1.5], shape=(16, 16), transition=False, options=FEW, rng=1
    )
    said = " | ".join(found.warnings)
    assert "vacancies" not in said
    assert "has the energy" not in said


@pytest.fixture(scope="module")
def warm():
    picture = simulate_lattice(Ising([0.3]), square_lattice((48, 48)), rng=1)
    return fit_lattice_hamiltonian(picture, 1, rng=1)


def said_of(diagram, share):
    return [text for text in diagram.warnings if text.startswith(f"composition {share:.4g}: ")]


def test_phase_diagram_hands_on_its_doubts(warm):
    diagram = predict_phase_diagram(warm, [0.2, 0.5], [0.3, 0.5, 0.7, 1.0], **SMALL)
    # 13 of 64 sites
    assert diagram.boundary.composition.tolist() == [13 / 64, 0.5]
    assert set(diagram.table.composition) == {13 / 64, 0.5}
    assert all(any("3.3 times" in text for text in said_of(diagram, x)) for x in (13 / 64, 0.5))
    rows = diagram.boundary.set_index("composition")
    exact = float(warm["couplings"].mean()) / critical_coupling("square")
    # an interval that excludes the truth must be said to leave out the crystal's size
    assert rows.loc[0.5, "q95"] < exact
    (size,) = [text for text in said_of(diagram, 0.5) if "take a larger shape" in text]
    assert "about 50%" in size


@pytest.mark.parametrize("edge", [12, 16])
def test_size_of_a_parting_crystal_shifts_its_boundary_by_less_than_is_said(warm, edge):
    diagram = predict_phase_diagram(
        warm, [0.5], [0.3, 0.5, 0.7, 1.0], shape=(edge, edge), rng=1,
        options=LadderOptions(n_draws=8, n_sweeps=1600, most_rounds=1),
    )  # fmt: skip
    exact = float(warm["couplings"].mean()) / critical_coupling("square")
    off = diagram.boundary.transition_ratio[0] / exact - 1
    assert -1.5 / edge < off < 0
    assert any(f"about {1.5 / edge:.0%}" in text for text in said_of(diagram, 0.5))


def test_order_without_a_transition_in_range_is_said(warm):
    diagram = predict_phase_diagram(warm, [0.5], [0.15, 0.2, 0.25], **SMALL)
    assert diagram.boundary.order_probability.tolist() == [1.0]
    assert diagram.boundary.transition_probability[0] == 0.0
    assert np.isnan(diagram.boundary.transition_ratio[0])
    assert any("100% of the posterior has no" in text for text in said_of(diagram, 0.5))


def test_one_temperature_in_a_diagram_is_said_to_hold_no_transition(warm):
    diagram = predict_phase_diagram(warm, [0.5], [0.3], **SMALL)
    assert diagram.boundary.order_probability.tolist() == [1.0]
    assert any("one temperature holds no transition" in text for text in diagram.warnings)


@pytest.mark.parametrize("share", [0.005, 0.995])
def test_shares_of_no_whole_site_are_refused(warm, share):
    with pytest.raises(InputError, match="round to one state on all its 64 sites"):
        predict_phase_diagram(warm, [share], [0.5], **SMALL)


@pytest.mark.parametrize(("shape", "coldest"), [((8, 8), 0.15), ((24, 24), 0.1)])
def test_perfectly_uniform_cold_patterns_are_uniform_order(warm, shape, coldest):
    found = predict_thermodynamics(
        warm, [coldest, 1.0], shape=shape, transition=False, options=FEW, rng=1
    )
    assert found.ordering == {"uniform": 1.0}


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("uniform", ["fluctuations", "none"])
def test_patterns_without_any_variance_have_no_order(fixed, uniform):
    family = lattice_family("ising", (-1, 1), 1, fixed_composition=fixed)
    codes = np.ones((3, 2, 36), np.uint8)
    found = find_order(family, make_crystal("square", (6, 6), 1), codes, uniform)
    assert found.names == ("none", "none", "none")
    assert not found.ordered


def test_ratios_are_told_in_kelvin_of_the_mean_freezing_temperature(warm):
    found = predict_thermodynamics(
        warm, [0.8, 1.0], snapshot_temperature=(500.0, 150.0), transition=False, **SMALL
    )
    energy = found.table[found.table.quantity == "energy"]
    assert energy.temperature_k.tolist() == [400.0, 500.0]


def recorded(kelvins):
    graph = square_lattice((16, 16))
    return [
        LatticeSnapshots(
            simulate_lattice(Ising([90.0 / kelvin]), graph, rng=seed).states, graph,
            conditions={"temperature": np.array([kelvin])},
        )
        for seed, kelvin in enumerate(kelvins)
    ]  # fmt: skip


def test_a_freezing_temperature_against_the_records_is_doubted_or_refused():
    fit = fit_lattice_hamiltonian(recorded([600.0]), 1, rng=1)
    ask = {"temperature_k": [300.0], "transition": False, **SMALL}
    clash = predict_thermodynamics(fit, snapshot_temperature=(300.0, 5.0), **ask)
    assert any("contradicts the temperature 600" in text for text in clash.warnings)
    fine = predict_thermodynamics(fit, snapshot_temperature=(590.0, 5.0), **ask)
    assert not any("contradicts" in text for text in fine.warnings)
    both = fit_lattice_hamiltonian(recorded([300.0, 400.0]), 1, rng=1)
    with pytest.raises(InputError, match="parameters refer to, 300"):
        predict_thermodynamics(both, snapshot_temperature=(400.0, 5.0), **ask)


def test_pictures_of_several_fixed_compositions_are_named():
    rng = np.random.default_rng(1)
    graph = square_lattice((16, 16))
    pictures = [
        LatticeSnapshots(rng.permuted(np.where(np.arange(256) < n, 1, -1))[None], graph)
        for n in (64, 128)
    ]
    fit = fit_lattice_hamiltonian(pictures, 1, composition="fixed", rng=1)
    found = predict_thermodynamics(fit, [1.0], transition=False, **SMALL)
    assert any("is 0.25 to 0.5, and their mean of 0.375" in text for text in found.warnings)
    assert found.settings["composition"] == [0.625, 0.375]
    alike = fit_lattice_hamiltonian(pictures[:1] * 2, 1, composition="fixed", rng=1)
    same = predict_thermodynamics(alike, [1.0], transition=False, **SMALL)
    assert not any("differ in composition" in text for text in same.warnings)
