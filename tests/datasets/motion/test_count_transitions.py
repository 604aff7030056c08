"""Changes of kind: their direction, and the limits of rare counts."""

import numpy as np
import pytest
from scipy import stats

from physlearn.datasets import count_transitions, link_atoms
from physlearn.records import AtomicConfiguration

KINDS = ("a", "b", "c")
PLACES = 2.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
"""What an atom of each kind shows, in standard deviations: every two kinds are two apart."""


def cycle(n, n_frames, rate, rng):
    """Return frames of still particles that change a -> b -> c -> a only, kinds not certain."""
    kind = rng.integers(0, 3, n)
    home = 10.0 * np.argwhere(np.ones((n // 8, 8))).astype(float)
    frames = []
    for t in range(n_frames):
        if t:
            kind = np.where(rng.random(n) < rate, (kind + 1) % 3, kind)
        shown = PLACES[kind] + rng.normal(size=(n, 2))
        logs = -0.5 * ((shown[:, None] - PLACES) ** 2).sum(axis=2)
        frames.append(
            AtomicConfiguration(
                home, species=logs.argmax(axis=1), species_names=KINDS, species_log_likelihood=logs
            )
        )
    return frames


def test_a_one_way_cycle_keeps_its_direction():
    frames = cycle(64, 40, 0.1, np.random.default_rng(1))
    linked = link_atoms(frames, frame_shift=np.zeros((40, 2)))
    graph = count_transitions(linked, n_draws=150, rng=2)
    for here, there in zip(KINDS, (*KINDS[1:], KINDS[0]), strict=True):
        forth, back = graph.edges[here, there], graph.edges[there, here]
        # misread labels alone would give each way 0.16
        sd = (forth["probability_q95"] - forth["probability_q05"]) / 3.29
        assert abs(forth["probability"] - 0.1) < 4 * sd
        assert sd < 0.03
        assert back["probability_q95"] < 0.025


def test_the_limits_of_few_appearances_are_those_of_poisson_counts():
    a, b = [0.0, 0.0], [20.0, 0.0]
    frames = [
        AtomicConfiguration(rows, species=[0] * len(rows), species_names=("vacancy",))
        for rows in ([a], [a], [a, b], [a, b], [b], [b])
    ]
    graph = count_transitions(link_atoms(frames, search_range=5.0), rng=1)
    for ends in (("appeared", "vacancy"), ("vacancy", "vanished")):
        edge = graph.edges[ends]
        # Garwood: as few, or as many, as one with 5 % each
        assert stats.poisson.sf(0, edge["count_q05"]) == pytest.approx(0.05)
        assert stats.poisson.cdf(1, edge["count_q95"]) == pytest.approx(0.05)
