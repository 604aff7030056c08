"""How often defects of one kind turn into another: counts and probabilities with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.datasets.motion.link_atoms import LinkedAtoms

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["count_transitions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PRIOR = 0.5
"""Jeffreys' prior of each row of transition probabilities: Dirichlet(1/2, ..., 1/2)."""
BURN_IN = 100
LEVELS = (0.05, 0.95)
FAST = 0.2
CERTAIN = 0.999
UNEVEN = 0.01
APPEARED, VANISHED = "appeared", "vanished"


def count_transitions(
    linked: LinkedAtoms,
    *,
    n_draws: int = 400,
    rng: int | np.random.Generator | None = None,
) -> nx.DiGraph[str]:
    """Count the changes of kind along trajectories, as a directed graph.

    Where atoms carry log-likelihoods of their kinds, the true kinds are a hidden Markov chain whose
    states and transition probabilities are drawn together (forward filtering, backward sampling;
    Scott, 2002, doi:10.1198/016214502753479464): a misread label is then no transition. Frames in
    which a particle was missing stand between with nothing seen. Where labels are all that there
    is, they are taken as certain.

    Parameters
    ----------
    linked
        What ``link_atoms`` returned for frames with species (kinds of atoms or of defects).
    n_draws
        Draws of the posterior.
    rng
        Seed or generator.

    Returns
    -------
    networkx.DiGraph
        A node a kind: ``frames`` (sightings, mean), ``share``. An edge a -> b between kinds:
        ``count`` (mean), ``count_q05``, ``count_q95``; ``probability`` per frame with ``_q05`` and
        ``_q95``; ``rate`` per unit of time with the same (NaN unless frames are evenly
        spaced); ``count_labels``, the plain count of the
        labels. Edges from ``appeared`` and to ``vanished`` count trajectories that begin or end
        within the film (exact Poisson interval). Graph attributes: ``frame_interval``,
        ``time_unit``, ``labels``, ``seed``, ``warnings``.

    Raises
    ------
    InputError
        For atoms without kinds.
    NotIdentified
        When no particle was seen in two frames.

    Examples
    --------
    >>> from physlearn.datasets import link_atoms
    >>> from physlearn.records import AtomicConfiguration
    >>> frames = [AtomicConfiguration([[5.0, 5.0], [15.0, 5.0]], species=[0, int(t > 2)],
    ...           species_names=("vacancy", "pair")) for t in range(6)]
    >>> graph = count_transitions(link_atoms(frames), rng=1)
    >>> graph.edges["vacancy", "pair"]["count"], graph.edges["vacancy", "pair"]["count_labels"]
    (1.0, 1)
    """
    if not isinstance(linked, LinkedAtoms):
        raise InputError(f"linked must be what link_atoms returns; got {type(linked).__name__}.")
    if linked.species is None:
        raise InputError("the linked atoms have no kinds; classify the frames before linking.")
    check_count("n_draws", n_draws, 1)
    generator, seed = as_generator(rng)
    chains = _chains(linked)
    if chains.shape[1] < 2 or not np.any(np.isfinite(chains[:, 1]).all(axis=1)):
        raise NotIdentified("no particle was seen in two frames, so no change can be counted.")
    names = _names(linked, chains.shape[2])
    counts, probabilities, frames = _draw(chains, n_draws, generator)
    interval = _interval(linked)
    graph = _graph(
        names, counts, probabilities, frames, _plain_counts(linked, len(names)), interval
    )
    _births_and_deaths(graph, linked, names)
    hidden = linked.species_log_likelihood is not None
    graph.graph |= {
        "frame_interval": interval, "time_unit": linked.trajectory.time_unit,
        "labels": "log-likelihoods" if hidden else "taken as certain", "seed": seed,
        "warnings": _warnings(linked, probabilities, hidden=hidden),
    }  # fmt: skip
    return graph


def _interval(linked: LinkedAtoms) -> float:
    """Return the time between frames, or NaN where it is not one time."""
    steps = np.diff(linked.trajectory.times)
    typical = float(np.median(steps))
    return typical if np.abs(steps - typical).max() <= UNEVEN * typical else float("nan")


def _names(linked: LinkedAtoms, n_kinds: int) -> list[str]:
    given = list(linked.species_names)
    return given if len(given) == n_kinds else [f"kind {k}" for k in range(n_kinds)]


def _chains(linked: LinkedAtoms) -> Floats:
    """Return log p(seen | kind), shape (particles, frames since first sight, kinds).

    0 where the particle was missing, minus infinity for every kind after its last sight.
    """
    track = linked.trajectory
    labels = linked.species
    assert labels is not None  # noqa: S101 -- count_transitions has checked it
    who, row = np.unique(track.particle, return_inverse=True)
    first = np.full(len(who), np.iinfo(np.int64).max)
    last = np.zeros(len(who), dtype=np.int64)
    np.minimum.at(first, row, track.frame)
    np.maximum.at(last, row, track.frame)
    if linked.species_log_likelihood is None:
        n_kinds = max(int(labels.max()) + 1, len(linked.species_names))
        seen = np.where(np.arange(n_kinds) == labels[:, None], 0.0, -700.0)
    else:
        seen = np.maximum(linked.species_log_likelihood, -1e6)
        seen = seen - seen.max(axis=1, keepdims=True)
    length = int((last - first).max()) + 1
    chains = np.zeros((len(who), length, seen.shape[1]))
    chains[np.arange(length) > (last - first)[:, None]] = -np.inf
    chains[row, track.frame - first[row]] = seen
    # long chains first, so that the living ones are always the leading rows
    return np.ascontiguousarray(chains[np.argsort(first - last, kind="stable")])


def _draw(
    chains: Floats, n_draws: int, generator: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return draws of counts and probabilities (draws, kinds, kinds), and sightings by kind."""
    n, length, k = chains.shape
    alive = np.asarray(np.isfinite(chains).all(axis=2))
    living = alive.sum(axis=0)
    likelihood = np.where(alive[:, :, None], np.exp(chains), 0.0)
    certain = bool(np.all(likelihood.max(axis=2)[alive] > 0) and _is_certain(likelihood, alive))
    matrix = np.full((k, k), 0.1 / max(k - 1, 1)) + np.eye(k) * (0.9 - 0.1 / max(k - 1, 1))
    start = np.full(k, 1.0 / k)
    kept: list[tuple[Floats, Floats, Floats]] = []
    states = np.zeros((n, length), dtype=np.int64)
    for draw in range((1 if certain else BURN_IN) + n_draws):
        if draw == 0 or not certain:
            states = _sample_states(likelihood, living, matrix, start, generator)
        pairs = states[:, :-1] * k + states[:, 1:]
        counts = np.bincount(pairs[alive[:, 1:]], minlength=k * k).reshape(k, k)
        matrix = np.stack([generator.dirichlet(row + PRIOR) for row in counts])
        start = generator.dirichlet(np.bincount(states[:, 0], minlength=k) + PRIOR)
        if draw >= (1 if certain else BURN_IN):
            kept.append((counts.astype(np.float64), matrix,
                         np.bincount(states[alive], minlength=k).astype(np.float64)))  # fmt: skip
    stacked = [np.stack(part) for part in zip(*kept, strict=True)]
    return stacked[0], stacked[1], stacked[2]


def _is_certain(likelihood: Floats, alive: NDArray[np.bool_]) -> bool:
    """Return whether every frame of every chain names one kind beyond doubt."""
    total = likelihood.sum(axis=2)[alive]
    return bool(np.all(likelihood.max(axis=2)[alive] >= CERTAIN * total) and np.all(total <= 1.001))


def _sample_states(
    likelihood: Floats, living: Integers, matrix: Floats, start: Floats,
    generator: np.random.Generator,
) -> Integers:  # fmt: skip
    """Draw all chains of kinds: filter forwards, sample backwards."""
    n, length, k = likelihood.shape
    filtered = np.zeros((length, n, k))
    now = likelihood[:, 0] * start
    filtered[0] = now / now.sum(axis=1, keepdims=True)
    for t in range(1, length):
        m = living[t]
        now = (filtered[t - 1, :m] @ matrix) * likelihood[:m, t] + 1e-300
        filtered[t, :m] = now / now.sum(axis=1, keepdims=True)
    states = np.zeros((n, length), dtype=np.int64)
    uniform = generator.random((length, n))
    for t in range(length - 1, -1, -1):
        m = living[t]
        weight = filtered[t, :m].copy()
        if t + 1 < length:
            ahead = living[t + 1]
            weight[:ahead] *= matrix[:, states[:ahead, t + 1]].T
        total = np.cumsum(weight, axis=1)
        states[:m, t] = (uniform[t, :m, None] * total[:, -1:] > total).sum(axis=1).clip(0, k - 1)
    return states


def _plain_counts(linked: LinkedAtoms, k: int) -> Integers:
    """Return the changes of label between successive sightings."""
    track, labels = linked.trajectory, linked.species
    assert labels is not None  # noqa: S101 -- count_transitions has checked it
    order = np.lexsort((track.frame, track.particle))
    same = np.diff(track.particle[order]) == 0
    pairs = labels[order[:-1][same]] * k + labels[order[1:][same]]
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def _graph(
    names: list[str], counts: Floats, probabilities: Floats, frames: Floats, plain: Integers,
    interval: float,
) -> nx.DiGraph[str]:  # fmt: skip
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for code, name in enumerate(names):
        seen = float(frames[:, code].mean())
        graph.add_node(name, frames=seen, share=seen / float(frames.sum(axis=1).mean()))
    for a, source in enumerate(names):
        for b, target in enumerate(names):
            if a == b:
                continue
            edge: dict[str, float | int] = {"count_labels": int(plain[a, b])}
            chance = probabilities[:, a, b]
            for word, draws in (
                ("count", counts[:, a, b]), ("probability", chance), ("rate", chance / interval)
            ):  # fmt: skip
                edge[word] = float(draws.mean())
                edge[f"{word}_q05"], edge[f"{word}_q95"] = map(float, np.quantile(draws, LEVELS))
            graph.add_edge(source, target, **edge)
    return graph


def _births_and_deaths(graph: nx.DiGraph[str], linked: LinkedAtoms, names: list[str]) -> None:
    """Add what appears and vanishes within the film, where there is any."""
    track, labels = linked.trajectory, linked.species
    assert labels is not None  # noqa: S101 -- count_transitions has checked it
    order = np.lexsort((track.frame, track.particle))
    edge_of = np.diff(track.particle[order]) != 0
    first = order[np.concatenate([[True], edge_of])]
    last = order[np.concatenate([edge_of, [True]])]
    born = first[track.frame[first] > linked.memory]
    # missing for no longer than the memory at the end is not yet gone
    dead = last[track.frame[last] < track.n_frames - 1 - linked.memory]
    for rows, pseudo in ((born, APPEARED), (dead, VANISHED)):
        for code, name in enumerate(names):
            n = int((labels[rows] == code).sum())
            if n == 0:
                continue
            ends = (pseudo, name) if pseudo == APPEARED else (name, pseudo)
            graph.add_edge(
                *ends, count=float(n), count_labels=n,
                count_q05=0.5 * float(chi2.ppf(LEVELS[0], 2 * n)),
                count_q95=0.5 * float(chi2.ppf(LEVELS[1], 2 * n + 2)),
            )  # fmt: skip


def _warnings(linked: LinkedAtoms, probabilities: Floats, *, hidden: bool) -> tuple[str, ...]:
    found = list(linked.warnings)
    if not np.isfinite(_interval(linked)):
        found.append(
            "frames are not evenly spaced in time: probabilities are means over intervals of "
            "different length and there is no rate (NaN); give evenly spaced frames."
        )
    staying = np.einsum("dkk->dk", probabilities).mean(axis=0)
    if not hidden:
        found.append(
            "labels are taken as certain: each misread one counts as two transitions; give atoms "
            "with log-likelihoods (classify_species)."
        )
    if staying.min() < 1 - FAST:
        found.append(
            "some kinds change in more than 20 % of the frames: changes between frames are missed "
            "and the rates are too low; take frames faster."
        )
    return tuple(found)
