"""A rare state that lies in one place is no pattern of the whole crystal."""

import numpy as np
import pytest

from physlearn.datasets.sites.clumped_states import clump_warning, largest_clump
from physlearn.lattice_models import (
    Ising,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)

NAMES = ("dim", "bright")


def states_with(graph, rare):
    states = np.ones(graph.n_sites, dtype=np.int8)
    states[rare] = -1
    return states


def test_the_largest_clump_is_counted_by_nearest_neighbours():
    graph = triangular_lattice((8, 8))
    rare = np.zeros(64, dtype=bool)
    rare[[0, 1, 2, 30, 45]] = True
    assert largest_clump(rare, graph) == 3
    assert largest_clump(np.zeros(64, dtype=bool), graph) == 0


@pytest.mark.parametrize("rarer", [-1, 1])
def test_a_clump_is_named_with_its_state_and_a_sprinkle_is_not(rarer):
    graph = triangular_lattice((30, 30))
    middle = graph.positions.mean(axis=0)
    clump = np.argsort(np.hypot(*(graph.positions - middle).T))[:8]
    far = 2 * np.arange(11)
    states = -rarer * states_with(graph, np.concatenate([clump, far]))
    said = clump_warning(states, NAMES, graph)
    assert f"8 of the 19 {'dim' if rarer == -1 else 'bright'} sites" in said
    alone = -rarer * states_with(graph, np.random.default_rng(2).choice(900, 19, replace=False))
    assert clump_warning(alone, NAMES, graph) is None


@pytest.mark.parametrize(
    ("lattice", "coupling", "field"),
    [(triangular_lattice, 0.25, 0.25), (square_lattice, 0.4, 0.22), (square_lattice, 0.42, 0.17)],
)
def test_like_neighbours_everywhere_are_no_clump(lattice, coupling, field):
    graph = lattice((48, 48))
    snapshots = simulate_lattice(Ising([coupling], field=field), graph, 40, 50, rng=1)
    rare = [one for one in snapshots.states if (one == -1).mean() <= 0.05]
    assert len(rare) >= 10
    said = [clump_warning(one, NAMES, graph) for one in rare]
    assert not any("more than attraction" in (text or "") for text in said)
    # two readings: only where the rest lies as by chance, which a twentieth does, and few more
    assert sum(text is not None for text in said) <= 0.2 * len(said)


def test_a_group_that_attraction_could_make_has_two_readings():
    graph = triangular_lattice((30, 30))
    middle = graph.positions.mean(axis=0)
    group = np.argsort(np.hypot(*(graph.positions - middle).T))[:6]
    alone = [3, 9, 61, 70, 120, 133, 210, 245, 610, 700, 733, 820, 890]
    said = clump_warning(states_with(graph, np.concatenate([group, alone])), NAMES, graph)
    assert said is not None
    assert "6 of the 19 dim sites" in said
    assert "attraction can do that, and so can one damaged" in said
    pairs = np.concatenate([alone, np.array(alone) + 1])
    rest = np.concatenate([group, pairs])
    assert clump_warning(states_with(graph, rest), NAMES, graph) is None
