"""Runs of tempering: checkpoints, seeds, threads, doubts, and what is refused."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.graphs.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas
from physlearn.lattice_models.tempering.temper_lattice import temper_lattice
from physlearn.lattice_models.tempering.tempering_engine import (
    choose_ladder,
)

TORUS, TRIANGLES = square_lattice((3, 3)), triangular_lattice((3, 3))
PATCH = square_lattice((2, 3), periodic=False)
RNG = np.random.default_rng(3)
GLASS = Ising([0.8], RNG.normal(0.0, 0.5, 9), bonds=np.sign(RNG.normal(size=len(TRIANGLES.edges))))
POTTS = Potts(3, [1.2], [0.2, 0.0, -0.3])
FACTORS = np.array([0.0, 0.4, 0.7, 1.0])


def test_a_long_run_goes_on_from_its_checkpoint_to_the_bit(tmp_path):
    hamiltonian = GLASS
    options = {"n_samples": 40, "sweeps_between": 50, "rng": 9}
    whole = temper_lattice(hamiltonian, TRIANGLES, FACTORS, **options)
    path = tmp_path / "run.npz"

    def interrupt(done, total):
        if done > total / 2:
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        temper_lattice(hamiltonian, TRIANGLES, FACTORS, **options, progress=interrupt,
                       checkpoint=path)  # fmt: skip
    with pytest.raises(InputError, match="other arguments"):
        temper_lattice(hamiltonian, TRIANGLES, FACTORS, **{**options, "rng": 8}, checkpoint=path)
    resumed = temper_lattice(hamiltonian, TRIANGLES, FACTORS, **options, checkpoint=path)
    assert not path.exists()
    for one, other in zip(whole.snapshots, resumed.snapshots, strict=True):
        assert np.array_equal(one.states, other.states)
    assert np.array_equal(whole.energies, resumed.energies)
    assert np.array_equal(whole.swap_acceptance, resumed.swap_acceptance)
    assert whole.round_trips == resumed.round_trips
    stopped = temper_lattice(hamiltonian, TRIANGLES, FACTORS, **options, progress=interrupt)
    n = stopped.snapshots[0].n_snapshots
    assert 0 < n < 40 and "Ctrl-C" in stopped.warnings[0]
    assert np.array_equal(stopped.snapshots[2].states, whole.snapshots[2].states[:n])


@pytest.mark.parametrize("several", [False, True])
def test_a_checkpoint_of_another_glass_is_refused(several, tmp_path):
    """Permuted bonds of +1 and -1 have the same graph, factors and energy of the start."""
    graph, path = square_lattice((4, 4)), tmp_path / "run.npz"
    bonds = np.repeat([1.0, -1.0], 16)
    one, other = (Ising([1.0], bonds=np.random.default_rng(k).permutation(bonds)) for k in (0, 1))
    options = {"n_samples": 40, "sweeps_between": 20, "start": np.ones(16), "rng": 3}

    def interrupt(done, total):
        if done > total / 2:
            signal.raise_signal(signal.SIGINT)

    def run(model, **more):
        ladder = [Ising([0.0], bonds=bonds)] if several else [0.0, 0.5, 1.0]
        return temper_lattice(model, graph, ladder, **options, checkpoint=path, **more)

    with pytest.raises(KeyboardInterrupt):
        run(one, progress=interrupt)
    with pytest.raises(InputError, match="other arguments"):
        run(other)
    found = run(one)
    for rung, hamiltonian in enumerate(found.hamiltonians):
        exact = hamiltonian.energy(found.snapshots[rung].states, graph)
        assert np.allclose(found.energies[rung], exact, atol=1e-10)


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    hamiltonian = POTTS
    one, two, three = (
        temper_lattice(hamiltonian, PATCH, None, 30, 5, rng=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.energies, two.energies) and np.array_equal(one.factors, two.factors)
    assert not np.array_equal(one.energies, three.energies)
    assert one.metadata["seed"] == 1
    assert repr(one).startswith(f"TemperingResult({len(one.factors)} rungs, factors 0 to 1, 30 ")


def test_runs_side_by_side_give_what_each_gives_alone():
    hamiltonian = GLASS

    def run(seed):
        return temper_lattice(hamiltonian, TRIANGLES, FACTORS, 40, 5, rng=seed)

    alone = [run(seed) for seed in (1, 2)]
    for n in (1, 2):
        with ThreadPoolExecutor(n) as executor:
            for one, other in zip(alone, executor.map(run, (1, 2)), strict=True):
                assert np.array_equal(one.energies, other.energies)
                assert np.array_equal(one.snapshots[-1].states, other.snapshots[-1].states)


def test_doubtful_runs_say_so():
    graph = square_lattice((16, 16))
    found = temper_lattice(Ising([0.7]), graph, [0.0, 1.0], 100, 1, burn_in=0, rng=1)
    text = " ".join(found.warnings)
    assert "put rungs between" in text and "No replica" in text
    few = temper_lattice(Ising([0.3]), TORUS, [0.0, 1.0], 5, 1, rng=1)
    assert any("at least 20" in warning for warning in few.warnings)
    slow = temper_lattice(Ising([0.44]), graph, [0.9, 0.95, 1.0], 400, 1, burn_in=0, rng=1)
    assert any("independent ones" in warning for warning in slow.warnings)
    assert slow.snapshots[0].warnings == slow.warnings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ladder": [0.0]}, "at least 2 rungs"),
        ({"ladder": [0.0, 0.5, 0.5]}, "entry 2 is 0.5 after 0.5"),
        ({"ladder": [-0.1, 1.0]}, "ladder"),
        ({"ladder": [np.nan, 1.0]}, "ladder"),
        ({"ladder": [Ising([0.1, 0.1])]}, "shells"),
        ({"ladder": [Potts(2, [0.1])]}, "same states"),
        ({"ladder": [Ising([0.2]), 0.5]}, "entry 1 is 0.5"),
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1"),
        ({"burn_in": -1}, "burn_in"),
        ({"sweeps_between": 1.5}, "sweeps_between"),
        ({"n_samples": 10**9}, "4 GiB"),
        ({"start": np.zeros(9)}, "states"),
        ({"hamiltonian": [0.3]}, "hamiltonian must be a Hamiltonian such as"),
        ({"graph": "x"}, "graph must be a SiteGraph; got str"),
        ({"ladder": ["a"]}, "ladder"),
        ({"hamiltonian": LatticeGas([0.3]), "start": np.zeros(9)}, "only -1, 1"),
    ],
)
def test_bad_input_is_refused(change, message):
    graph = square_lattice((3, 3), n_shells=2)
    options = {"hamiltonian": Ising([0.3]), "graph": graph, "ladder": [0.0, 1.0], "n_samples": 5}
    with pytest.raises(InputError, match=message):
        temper_lattice(rng=1, **{**options, **change})


def test_a_factor_beyond_the_ladder_is_refused_and_too_many_rungs_are_named():
    found = temper_lattice(Ising([0.3]), TORUS, [0.5, 1.0], 20, rng=1)
    assert not found.absolute
    for factor in (0.4, 1.1):
        with pytest.raises(InputError, match="on the ladder"):
            found.log_partition(factor)
    with pytest.raises(InputError, match="more than 128"):
        choose_ladder(Ising([3.0]), square_lattice((64, 64)), acceptance=0.99, rng=1)
    with pytest.raises(InputError, match="acceptance"):
        choose_ladder(Ising([0.3]), TORUS, acceptance=1.0)
