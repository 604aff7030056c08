"""What ``method="auto"`` takes, and the measures it goes by."""

import numpy as np
import pytest

from physlearn.lattice_models import (
    BlumeCapel,
    Clock,
    Ising,
    LatticeGas,
    PairHamiltonian,
    Potts,
    simulate_lattice,
    spin_glass,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.samplers.method_choice import coupling_strength, method_candidates
from physlearn.records import SiteGraph

SMALL, MIDDLE, LARGE = (square_lattice((n, n)) for n in (8, 48, 128))


@pytest.mark.parametrize(
    ("model", "graph", "method"),
    [
        (Ising([0.1]), SMALL, "heat_bath"),
        (Ising([0.1]), MIDDLE, "checkerboard"),
        (Ising([0.1], 0.3), LARGE, "multispin"),
        (Ising([0.44]), LARGE, "wolff"),
        (Ising([-0.44]), MIDDLE, "wolff"),  # no competition on two sublattices
        (Ising([0.6], 0.02), MIDDLE, "swendsen_wang"),
        (Ising([0.6], 2.0), MIDDLE, "heat_bath"),
        (Ising([-0.7]), triangular_lattice((8, 8)), "tempering"),
        (Ising([-0.7]), triangular_lattice((66, 66)), "heat_bath"),
        (spin_glass(SMALL, 1.0, rng=1), SMALL, "tempering"),
        (spin_glass(MIDDLE, 0.2, rng=1), MIDDLE, "heat_bath"),
        (Ising([0.44], triplets={(0, 0, 0): 0.1}), triangular_lattice((6, 6)), "heat_bath"),
        (LatticeGas([-1.8], -3.6), MIDDLE, "wolff"),
        (Potts(3, [1.0]), MIDDLE, "wolff"),
        (Potts(3, [0.3]), MIDDLE, "heat_bath"),
        (Clock(4, [1.0]), SMALL, "wolff"),
        (BlumeCapel([0.9], 0.1), SMALL, "heat_bath"),
        (Ising([0.0]), SMALL, "heat_bath"),
    ],
)
def test_auto_takes_what_suits(model, graph, method):
    drawn = simulate_lattice(model, graph, burn_in=2, rng=1)
    assert drawn.metadata["method"] == method
    assert len(drawn.metadata["method_reason"]) > 10


def test_auto_draws_as_the_named_method_does():
    auto = simulate_lattice(Ising([0.44]), SMALL, 3, rng=4, n_chains=2)
    named = simulate_lattice(Ising([0.44]), SMALL, 3, rng=4, n_chains=2, method="wolff")
    assert np.array_equal(auto.states, named.states)


def test_a_start_does_not_fix_the_composition():
    start = np.resize([-1, 1], 64)
    drawn = simulate_lattice(Ising([0.2]), SMALL, 20, 5, start=start, rng=4)
    assert np.ptp(drawn.states.sum(axis=1)) > 0


def test_a_refusal_of_tempering_is_told(monkeypatch):
    """Where a glass asks for more rungs than there may be, single sites may stay in one valley."""
    monkeypatch.setattr("physlearn.lattice_models.tempering.tempering_engine.MOST_RUNGS", 5)
    drawn = simulate_lattice(spin_glass(SMALL, 1.0, rng=1), SMALL, burn_in=1, rng=1)
    assert drawn.metadata["method"] == "heat_bath"
    assert "tempering, which suits competing bonds, was refused" in drawn.metadata["method_reason"]
    assert "more than 5" in drawn.metadata["method_reason"]


def test_measures_of_strength():
    """Correlation across a bond: tanh J; for q colours (e^J - 1) / (e^J + q - 1)."""
    ising = coupling_strength(Ising([0.3]).terms(SMALL))
    assert ising.reach == pytest.approx(3 * np.tanh(0.3))
    assert ising.random_reach == pytest.approx(3 * np.tanh(0.3) ** 2)
    potts = coupling_strength(Potts(4, [0.7]).terms(SMALL))
    assert potts.reach == pytest.approx(3 * np.expm1(0.7) / (np.exp(0.7) + 3))
    assert not ising.frustrated and not potts.frustrated
    assert coupling_strength(Potts(3, [-0.7]).terms(SMALL)).frustrated
    free = coupling_strength(Ising([0.0]).terms(SMALL))
    assert free.reach == 0.0 and free.field == 0.0 and not free.frustrated
    gas = LatticeGas([0.8], 0.3)
    as_gas, as_ising = (coupling_strength(m.terms(SMALL)) for m in (gas, gas.to_ising(SMALL)))
    assert as_gas.reach == pytest.approx(as_ising.reach)
    assert as_gas.field == pytest.approx(as_ising.field)


def test_frustration_is_a_cycle_of_odd_sign():
    def cycle(signs):
        n = len(signs)
        graph = SiteGraph(n, [[i, (i + 1) % n] for i in range(n)], [0] * n, [1] * n)
        return coupling_strength(Ising([1.0], bonds=signs).terms(graph)).frustrated

    assert not cycle([1, 1, 1]) and not cycle([1, -1, -1]) and not cycle([-1, -1, -1, -1])
    assert cycle([-1, -1, -1]) and cycle([1, 1, -1]) and cycle([1, 1, 1, 1, -1])
    assert not cycle([-1, 0, -1, -1])  # a bond of no strength closes no cycle


def test_the_last_candidate_fits_every_model():
    table = PairHamiltonian([[[0.0, 2.0], [2.0, -1.0]]], [0.0, 0.3])
    for model in (table, BlumeCapel([2.0], 0.0), Potts(5, [-3.0])):
        assert method_candidates(model.terms(SMALL))[-1].method == "heat_bath"
