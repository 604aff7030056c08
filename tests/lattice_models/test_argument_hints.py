"""Arguments that people try first are answered by the ones that there are."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    BlumeCapel,
    Clock,
    Ising,
    LandauPotential,
    LatticeGas,
    Potts,
    sample_statistics,
    simulate_ginzburg_landau,
    simulate_lattice,
    square_lattice,
)

GRAPH = square_lattice((4, 4))
FIELD = LandauPotential(a=-1.0, c=1.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Ising([0.3], temperature=2.0), r"Ising takes no argument temperature; .* J / kT"),
        (lambda: Ising(J=0.3), r"Ising takes no argument J; give couplings=\[J / kT\]"),
        (lambda: Ising([0.3], beta=2.0), "give beta J and beta h"),
        (lambda: Ising([0.3], h=1.0), "give field=h / kT"),
        (lambda: Potts(3, [0.3], kT=1.0), "Potts takes no argument kT"),
        (lambda: BlumeCapel([0.3], 0.1, T=1.0), "BlumeCapel takes no argument T"),
        (lambda: Clock(6, [0.3], temperature=1.0), "Clock takes no argument temperature"),
        (lambda: LatticeGas([0.3], temperature=1.0), "LatticeGas takes no argument temperature"),
        (lambda: LatticeGas([0.3], temperature=1.0), "V / kT and mu / kT"),
        (lambda: LatticeGas([0.3], beta=1.0), "give beta V and beta mu"),
        (lambda: LatticeGas(J=0.3), r"give interactions=\[-4 J / kT\]"),
        (lambda: LatticeGas(coupling=0.3), r"give interactions=\[V / kT\]"),
        (lambda: LatticeGas([0.3], h=0.3), "give chemical_potential=mu / kT"),
        (lambda: simulate_lattice(Ising([0.2]), GRAPH, seed=1), "simulate_lattice.*seed; give rng"),
        (lambda: simulate_lattice(Ising([0.2]), GRAPH, temperature=2.0), "temperature; couplings"),
        (lambda: sample_statistics(Ising([0.2]), GRAPH, random_state=1), "random_state; give rng"),
        (
            lambda: simulate_ginzburg_landau(
                FIELD, np.zeros((16, 16)), frame_times=[0.0, 1.0], temperature=0.1
            ),
            "temperature; give thermal_energy=kT",
        ),
    ],
)
def test_argument_of_another_name(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_other_unknown_arguments_stay_pythons_own_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Ising([0.2], colour="red")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        simulate_lattice(Ising([0.2]), GRAPH, colour="red")


def test_help_copies_and_pickles_do_not_notice():
    assert list(inspect.signature(Ising).parameters) == ["couplings", "field", "bonds", "triplets"]
    assert "n_snapshots" in inspect.signature(simulate_lattice).parameters
    model = Ising([0.2], 0.1)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert other.couplings.tolist() == [0.2] and float(other.field) == 0.1


def test_one_picture_without_a_sweep_is_refused():
    start = np.ones(16)
    with pytest.raises(InputError, match="burn_in must be at least 1 for one picture"):
        simulate_lattice(Ising([0.2]), GRAPH, burn_in=0, start=start)
    film = simulate_lattice(Ising([0.2]), GRAPH, 3, 1, burn_in=0, start=start, rng=1)
    assert (film.states[0] == 1).all() and (film.states[1:] != 1).any()
