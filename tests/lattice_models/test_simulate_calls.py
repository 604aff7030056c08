"""What simulate_lattice writes down, goes on from, takes as start and refuses."""

import threading

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    LatticeGas,
    Potts,
    simulate_lattice,
    square_lattice,
)
from physlearn.records import SiteGraph


class Stop:
    """Progress that asks to stop, as Ctrl-C does, once enough is done."""

    def __init__(self, after):
        self.after, self.seen = after, []

    def __call__(self, done, of):
        self.seen.append((done, of))
        if done >= self.after and threading.current_thread() is threading.main_thread():
            import signal

            signal.raise_signal(signal.SIGINT)


def test_without_a_checkpoint_the_pictures_so_far_come_back():
    graph, stop = square_lattice((6, 6)), Stop(25)
    whole = simulate_lattice(Ising([0.3]), graph, 6, 10, burn_in=5, rng=8, n_chains=2)
    part = simulate_lattice(Ising([0.3]), graph, 6, 10, burn_in=5, rng=8, n_chains=2, progress=stop)
    n = part.n_snapshots // 2
    assert 1 <= n < 6 and "Ctrl-C" in part.warnings[0]
    assert np.array_equal(part.states, np.concatenate([whole.states[:n], whole.states[6 : 6 + n]]))
    assert stop.seen[-1][1] == 55


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    graph, file = square_lattice((6, 6)), tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        simulate_lattice(Ising([0.3]), graph, 6, 40, rng=8, checkpoint=file, progress=Stop(50))
    with pytest.raises(InputError, match="other arguments"):
        simulate_lattice(Ising([0.31]), graph, 6, 40, rng=8, checkpoint=file)


def test_a_checkpoint_of_another_start_is_refused(tmp_path):
    """Exchanges keep the composition of the start: a run from another is another run."""
    graph, file = square_lattice((4, 4)), tmp_path / "run.npz"
    options = {"method": "kawasaki", "burn_in": 0, "rng": 1, "checkpoint": file}
    with pytest.raises(KeyboardInterrupt):
        half = np.repeat([1, -1], 8)
        simulate_lattice(Ising([0.2]), graph, 5, 100, start=half, progress=Stop(150), **options)
    with pytest.raises(InputError, match="other arguments"):
        few = np.repeat([1, -1], [2, 14])
        simulate_lattice(Ising([0.2]), graph, 5, 100, start=few, **options)
    drawn = simulate_lattice(Ising([0.2]), graph, 5, 100, start=half, **options)
    assert np.all(drawn.states.sum(axis=1) == 0)


def test_metadata_say_what_was_done():
    drawn = simulate_lattice(LatticeGas([0.5], 0.2), square_lattice((6, 6)), 2, 3, burn_in=4, rng=5)
    assert drawn.metadata["method"] == "heat_bath"
    assert "persuades" in drawn.metadata["method_reason"]
    assert drawn.state_names == ("empty", "occupied") and drawn.state_values == (-1, 1)
    named = simulate_lattice(Potts(4, [0.5]), square_lattice((6, 6)), method="wolff", rng=5)
    assert named.metadata["method_reason"] == "asked for"
    assert named.state_values == (0, 1, 2, 3) and named.metadata["n_chains"] == 1


def test_every_chain_can_have_its_own_start():
    graph = square_lattice((6, 6))
    start = np.array([np.ones(36), -np.ones(36)])
    drawn = simulate_lattice(Ising([0.2]), graph, 2, burn_in=0, start=start, n_chains=2, rng=1)
    assert np.array_equal(drawn.states[::2], start)


GRAPH = square_lattice((4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "kawasaki"}, "start must be given for kawasaki: its composition"),
        ({"method": "kawasaki_local"}, "start must be given for kawasaki_local"),
        ({"n_snapshots": 0}, "n_snapshots must be a whole number of at least 1; got 0"),
        ({"n_snapshots": True}, "n_snapshots"),
        ({"n_snapshots": 10**10}, "n_snapshots must leave the samples below 4 GiB"),
        ({"executor": 2}, r"executor must be one of serial, .*Executor, .*; got 2"),
        ({"graph": "x"}, "graph must be a SiteGraph; got str"),
        ({"graph": "x", "hamiltonian": LatticeGas([0.1])}, "graph must be a SiteGraph; got str"),
        ({"n_chains": 1.5}, "n_chains must be a whole number"),
        ({"burn_in": -1}, "burn_in must be a whole number of at least 0; got -1"),
        ({"sweeps_between": 0}, "sweeps_between"),
        ({"method": "gibbs"}, "method must be one of auto, heat_bath"),
        ({"start": np.zeros(16)}, "start may hold only -1, 1; found 16 other value"),
        ({"start": np.full(16, np.nan)}, "start must hold finite numbers"),
        ({"start": np.ones(15)}, r"start must hold -1, 1 with shape \(..., 16\)"),
        ({"start": np.ones((3, 16)), "n_chains": 2}, r"\(2, 16\); got \(3, 16\)"),
        ({"rng": -3}, "rng must be a seed of at least 0"),
        ({"method": "multispin"}, "multiple of 128"),
        ({"hamiltonian": Ising([1e308])}, "finite energies around every site"),
        ({"hamiltonian": Ising([0.1, 0.2])}, "2 shells, the graph only 1"),
        ({"hamiltonian": Ising([0.1], np.ones(7))}, "field"),
        ({"hamiltonian": [0.3]}, "hamiltonian must be a Hamiltonian such as Ising"),
        ({"hamiltonian": BlumeCapel([0.2], 0.1), "method": "wolff"}, "Blume-Capel"),
        ({"hamiltonian": Potts(3, [0.2]), "method": "checkerboard"}, "two states"),
        ({"graph": SiteGraph(4, [[0, 1]], [1], [1]), "method": "kawasaki_local",
          "start": [1, -1, 1, -1]}, "bonds of shell 0"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(options, message):
    given = {"hamiltonian": Ising([0.1]), "graph": GRAPH, **options}
    with pytest.raises(InputError, match=message) as caught:
        simulate_lattice(**given)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_and_too_many_states_never_reach_a_sampler():
    for make in (lambda: Ising([np.nan]), lambda: Potts(3, [np.inf]), lambda: Potts(128, [0.1])):
        with pytest.raises(InputError):
            make()
