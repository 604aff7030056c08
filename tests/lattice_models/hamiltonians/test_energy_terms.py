"""The table form that kernels read: its rows, its layout, and the change of energy it gives."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, square_lattice, triangular_lattice
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import (
    energy_of_codes,
    make_terms,
    state_codes,
)
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)

GRAPH = triangular_lattice((3, 4), 2)
SYMMETRIC = np.add.outer(np.add.outer(np.arange(3.0), np.arange(3.0)), np.arange(3.0)) ** 2
MODELS = {
    "ising": Ising([0.3, 0.1], np.arange(12.0), triplets={(0, 0, 0): 0.2, (0, 0, 1): -0.1}),
    "blume_capel": BlumeCapel([0.3, -0.1], 0.4, 0.1),
    "potts": Potts(4, [0.3]),
    "clock": Clock(5, [0.3], 0.2),
    "pair": PairHamiltonian([np.eye(3)] * 2, [0.1, 0.2, 0.3], triplets={(0, 0, 0): SYMMETRIC}),
}


@pytest.mark.parametrize("name", MODELS)
def test_change_of_one_site_read_from_its_rows_is_the_change_of_the_energy(name):
    """What every single-site kernel does, in plain Python, against the whole energy."""
    model = MODELS[name]
    terms = model.terms(GRAPH)
    q = len(model.state_values)
    rng = np.random.default_rng(2)
    codes = rng.integers(0, q, GRAPH.n_sites)
    before = energy_of_codes(terms, codes)
    for site in range(GRAPH.n_sites):
        new = (codes[site] + rng.integers(1, q)) % q
        change = terms.site_energy[site, new] - terms.site_energy[site, codes[site]]
        for entry in range(terms.start[site], terms.start[site + 1]):
            table = terms.pair_energy[terms.kind[entry]]
            other = codes[terms.neighbour[entry]]
            change += terms.weight[entry] * (table[new, other] - table[codes[site], other])
        for entry in range(terms.triplet_start[site], terms.triplet_start[site + 1]):
            row = terms.triplet_entry[entry]
            others = [codes[i] for i in terms.triplets[row] if i != site]
            table = terms.triplet_energy[terms.motif[row]]
            change += table[new, others[0], others[1]] - table[codes[site], others[0], others[1]]
        after = codes.copy()
        after[site] = new
        assert energy_of_codes(terms, after) - before == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_layout_is_the_same_for_all_models(name):
    """Kernels compile once: every array is writeable, contiguous and of its one type."""
    terms = MODELS[name].terms(GRAPH)
    types = "int8 float64 float64 int64 int32 int32 float64 int32 int32 float64 int64 int32"
    for array, wanted in zip(terms, types.split(), strict=True):
        assert array.dtype == wanted
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert np.all(np.diff(terms.state_values.astype(int)) > 0)
    for tables in terms.pair_energy:
        assert np.array_equal(tables, tables.T)


def test_tables_do_not_share_memory_with_the_record():
    model = MODELS["pair"]
    terms = model.terms(GRAPH)
    terms.pair_energy[:] = 99.0
    terms.site_energy[:] = 99.0
    assert model.pair_energies.max() == 1.0
    assert model.site_energies.max() == 0.3


def test_rows_are_those_of_the_bond_table():
    terms, table = MODELS["potts"].terms(GRAPH), bond_table(GRAPH, 1)
    assert np.array_equal(terms.start, table.start)
    assert np.array_equal(terms.neighbour, table.neighbour)
    assert np.array_equal(terms.weight, table.times)
    site = np.repeat(np.arange(GRAPH.n_sites), np.diff(table.start))
    ends = np.sort(np.column_stack([site, table.neighbour]), axis=1)
    assert np.array_equal(GRAPH.edges[table.edge], ends)


def test_many_states_at_once_are_summed_in_blocks(monkeypatch):
    terms = MODELS["ising"].terms(GRAPH)
    codes = np.random.default_rng(1).integers(0, 2, (7, 3, 12))
    whole = energy_of_codes(terms, codes)
    monkeypatch.setattr("physlearn.lattice_models.hamiltonians.energy_terms.LARGEST_BLOCK", 100)
    assert np.allclose(energy_of_codes(terms, codes), whole, rtol=1e-14, atol=1e-13)


def test_state_codes_name_what_is_wrong():
    assert state_codes([[5, -2]], (-2, 0, 5), 2).tolist() == [[2, 0]]
    for bad, message in (
        ([0, 1, 5], "shape"),
        (3, "shape"),
        ([0, 7], "7 at index .1,"),
        ([0, -9], "-9"),
        ([0.0, np.nan], "finite"),
        ([0, 0.5], "0.5"),
    ):
        with pytest.raises(InputError, match=message):
            state_codes(bad, (-2, 0, 5), 2)


def test_shells_beyond_the_tables_have_no_energy():
    graph = square_lattice((4, 4), 3)
    terms = make_terms(graph, (0, 1), [0.0, 0.0], [np.eye(2)])
    assert len(terms.neighbour) == 64
