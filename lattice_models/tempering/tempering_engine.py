"""Replicas on a ladder of temperatures or Hamiltonians, and how far apart its rungs may stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.lattice_models.hamiltonians.energy_terms import EnergyTerms, Hamiltonian, state_codes
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.tempering.tempering_kernels import (
    replica_energy,
    temper_any_states,
    temper_two_states,
)
from physlearn.records import SiteGraph

__all__ = ["TemperingEngine", "check_factors", "choose_ladder", "make_tempering_engine"]

Float = NDArray[np.float64]

ACCEPTANCE = 0.3
MOST_RUNGS = 128
PILOT_RUNGS = 12
PILOT_BURN_IN, PILOT_SAMPLES, PILOT_SWEEPS = 100, 150, 2
SHARED = ("start", "neighbour", "triplets")


class TemperingEngine:
    """Replicas swept by heat bath, one a rung, with exchanges of neighbouring rungs.

    Rung k has the distribution exp(-factor_k E_k). One sweep is a sweep of every replica and an
    exchange of every other pair of neighbours, even and odd pairs in turn (Swendsen & Wang 1986,
    doi:10.1103/PhysRevLett.57.2607; Hukushima & Nemoto 1996, doi:10.1143/JPSJ.65.1604; in turn:
    Syed et al. 2022, doi:10.1111/rssb.12464).

    Parameters
    ----------
    hamiltonians
        One for all rungs, or one a rung; all with the same states, bonds and triplets.
    graph
        Sites and bonds.
    factors
        Shape (n_rungs,), at least 2 rungs: 0 is infinite temperature, 1 the Hamiltonian itself.
    start_states
        Shape (n_sites,) for all replicas, or (n_rungs, n_sites).
    rng
        Seeds every replica and the exchanges.

    Raises
    ------
    InputError
        For fewer than two rungs, or Hamiltonians that do not share states, bonds and triplets.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    >>> engine = TemperingEngine([Ising([0.6])], graph, np.array([0.0, 0.5, 1.0]), np.ones(16), rng)
    >>> engine.sweep(10)
    >>> engine.states().shape
    (16,)
    """

    def __init__(
        self,
        hamiltonians: Sequence[Hamiltonian],
        graph: SiteGraph,
        factors: Float,
        start_states: ArrayLike,
        rng: np.random.Generator,
    ) -> None:
        n_rungs = len(factors)
        if n_rungs < 2:
            raise InputError(f"ladder must have at least 2 rungs; got {n_rungs}.")
        terms = [hamiltonian.terms(graph) for hamiltonian in hamiltonians]
        _check_alike(terms)
        self.factors = np.array(factors, np.float64)
        self.state_values = terms[0].state_values
        values = tuple(int(value) for value in self.state_values)
        codes = state_codes(start_states, values, graph.n_sites).astype(np.int8)
        codes = np.broadcast_to(codes, (n_rungs, graph.n_sites))
        models = np.arange(n_rungs) if len(terms) > 1 else np.zeros(n_rungs, np.int64)
        two_states = len(terms) == 1 and len(values) == 2 and not len(terms[0].triplets)
        n_work = n_rungs if two_states else len(values)
        shape = (2, n_rungs) if two_states else (n_rungs, 2)
        self._tables = _stack(terms)
        self._two_states = _two_state_tables(terms[0]) if two_states else None
        self._models = models.astype(np.int64)
        self._work = np.zeros((2, n_work))
        self._state: dict[str, NDArray[Any]] = {
            # a fast kernel sweeps replicas side by side, the general one after the other
            "codes": np.array(codes.T if two_states else codes, order="C"),
            "energies": np.zeros(n_rungs),
            "rung_of": np.arange(n_rungs, dtype=np.int64),
            "replica_at": np.arange(n_rungs, dtype=np.int64),
            "tallies": np.zeros((4, n_rungs), np.int64),
            "counter": np.zeros(1, np.int64),
            "lanes": seed_words(rng, shape),
            "random_state": seed_words(rng, (2,)),
        }
        for replica in range(n_rungs):
            site, start, neighbour, kind, weight, pair, triplets, motif, triplet = self._tables[:9]
            m = int(models[replica])
            self._state["energies"][replica] = replica_energy(
                np.array(codes[replica]), site[m], start, neighbour, kind, weight[m], pair[m],
                triplets, motif, triplet[m],
            )  # fmt: skip

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps of all replicas, each with its exchanges."""
        n, state = check_count("n", n, 0), self._state
        moving: tuple[Any, ...] = (
            self.factors, n, state["energies"], state["rung_of"], state["replica_at"],
            state["tallies"], state["counter"], state["lanes"], state["random_state"], self._work,
        )  # fmt: skip
        if self._two_states is not None:
            temper_two_states(state["codes"], *self._two_states, *moving)
        else:
            given: tuple[Any, ...] = (*self._tables, self._models, *moving)
            temper_any_states(state["codes"], *given)

    def states(self) -> NDArray[np.int8]:
        """Return the states of the last (coldest) rung, int8 of shape (n_sites,)."""
        return np.asarray(self.all_states()[-1])

    def all_states(self) -> NDArray[np.int8]:
        """Return the states of every rung, int8 of shape (n_rungs, n_sites)."""
        codes = self._state["codes"]
        by_replica = codes.T if self._two_states is not None else codes
        return np.asarray(self.state_values[by_replica[self._state["replica_at"]]])

    def energies(self) -> Float:
        """Return E of every rung under its own Hamiltonian at factor 1, shape (n_rungs,)."""
        return np.asarray(self._state["energies"][self._state["replica_at"]])

    @property
    def swap_acceptance(self) -> Float:
        """Share of exchanges made, by lower rung, shape (n_rungs - 1,); NaN where none tried."""
        tried, made = self._state["tallies"][:2, :-1]
        share = np.divide(made, tried, out=np.full(len(tried), np.nan), where=tried > 0)
        return np.asarray(share)

    @property
    def round_trips(self) -> int:
        """Trips of all replicas from the coldest rung to the hottest and back."""
        return int(self._state["tallies"][3].sum())

    def forget(self) -> None:
        """Set the tallies of exchanges and round trips to zero, after burn-in."""
        self._state["tallies"][:] = 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        return {name: array.copy() for name, array in self._state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        for name, array in self._state.items():
            array[:] = arrays[name]


def _check_alike(terms: Sequence[EnergyTerms]) -> None:
    """Refuse Hamiltonians whose tables cannot be stacked."""
    for number, other in enumerate(terms[1:], start=1):
        if not np.array_equal(other.state_values, terms[0].state_values):
            raise InputError(
                "ladder must hold Hamiltonians with the same states; number "
                f"{number} has {other.state_values.tolist()}, number 0 "
                f"{terms[0].state_values.tolist()}."
            )
        if not all(np.array_equal(getattr(other, n), getattr(terms[0], n)) for n in SHARED):
            raise InputError(
                "ladder must hold Hamiltonians with couplings for the same shells and the same "
                f"triplets; number {number} differs from number 0. Fill up with zeros."
            )


def _stack(terms: Sequence[EnergyTerms]) -> tuple[Any, ...]:
    """Return the tables of ``temper_any_states``; several models along their first axis."""
    one = terms[0]
    kinds = max(len(each.pair_energy) for each in terms)
    q = len(one.state_values)
    pairs = np.zeros((len(terms), kinds, q, q))
    for number, each in enumerate(terms):
        pairs[number, : len(each.pair_energy)] = each.pair_energy
    return (
        np.stack([each.site_energy for each in terms]),
        # unsigned, as in cluster_tables: a sign costs kernels a comparison at every access
        one.start.astype(np.uint64), one.neighbour.astype(np.uint32), one.kind.astype(np.uint32),
        np.stack([each.weight for each in terms]),
        pairs, one.triplets.astype(np.uint32), one.motif.astype(np.uint32),
        np.stack([each.triplet_energy for each in terms]),
        one.triplet_start.astype(np.uint64), one.triplet_entry.astype(np.uint32),
    )  # fmt: skip


def _two_state_tables(terms: EnergyTerms) -> tuple[Any, ...]:
    """Return the rows, ``slope`` and ``base`` of ``temper_two_states``."""
    pair = terms.pair_energy
    step = pair[:, 1, 0] - pair[:, 0, 0]
    curve = pair[:, 1, 1] - pair[:, 0, 1] - step
    owner = np.repeat(np.arange(len(terms.site_energy)), np.diff(terms.start))
    base = terms.site_energy[:, 1] - terms.site_energy[:, 0]
    base = base + np.bincount(owner, step[terms.kind] * terms.weight, len(base))
    return terms.start, terms.neighbour, curve[terms.kind] * terms.weight, base


def check_factors(factors: ArrayLike) -> Float:
    """Return inverse-temperature factors, at least two, from 0 upwards and ascending.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_factors([0, 0.5, 1])
    array([0. , 0.5, 1. ])
    """
    given = check_array("ladder", factors, ndim=1, minimum=0.0)
    wrong = np.flatnonzero(np.diff(given) <= 0)
    if len(wrong):
        raise InputError(
            "ladder must ascend from hot (0: infinite temperature) to cold (1: the Hamiltonian "
            f"itself); entry {wrong[0] + 1} is {given[wrong[0] + 1]:g} after {given[wrong[0]]:g}."
        )
    if len(given) < 2:
        raise InputError(f"ladder must have at least 2 rungs; got {len(given)}.")
    return given


def choose_ladder(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    *,
    hottest: float = 0.0,
    coldest: float = 1.0,
    acceptance: float = ACCEPTANCE,
    rng: int | np.random.Generator | None = None,
) -> Float:
    """Return inverse-temperature factors between which exchanges are equally likely.

    Neighbours at factors b and b + d exchange with the chance erfc(d sigma / 2) where the energy is
    normal with standard deviation sigma (cf. Kofke 2002, doi:10.1063/1.1507776). Sigma comes from a
    short tempering run, repeated once on the ladder it suggests; the rungs divide the integral of
    sigma into equal parts. At a first-order transition energies are not normal and exchanges rarer.

    Parameters
    ----------
    hamiltonian, graph
        As for ``temper_lattice``.
    hottest, coldest
        First and last factor; 0 is infinite temperature, where log Z is known.
    acceptance
        Chance of an exchange to aim at, in (0, 1).
    rng
        Seed or generator.

    Returns
    -------
    ndarray
        float64, shape (n_rungs,), ascending from ``hottest`` to ``coldest``.

    Raises
    ------
    InputError
        For factors out of order, an acceptance outside (0, 1), or where more than 128 rungs were
        needed: their number grows as the square root of the number of sites.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> ladder = choose_ladder(Ising([0.5]), square_lattice((6, 6)), rng=1)
    >>> ladder[0].item(), ladder[-1].item(), 4 <= len(ladder) <= 8
    (0.0, 1.0, True)
    """
    from scipy.special import erfcinv

    if check_positive("acceptance", acceptance) >= 1.0:
        raise InputError(f"acceptance must lie between 0 and 1; got {acceptance}.")
    check_factors([hottest, coldest])
    generator, _ = as_generator(rng)
    values = np.array(hamiltonian.state_values)
    ladder = np.linspace(hottest, coldest, PILOT_RUNGS)
    for _ in range(2):
        start = generator.choice(values, (len(ladder), graph.n_sites))
        engine = TemperingEngine([hamiltonian], graph, ladder, start, generator)
        engine.sweep(PILOT_BURN_IN)
        trace = np.empty((PILOT_SAMPLES, len(ladder)))
        for sample in range(PILOT_SAMPLES):
            engine.sweep(PILOT_SWEEPS)
            trace[sample] = engine.energies()
        sigma = trace.std(axis=0)
        length = np.concatenate([[0.0], np.cumsum(np.diff(ladder) * (sigma[1:] + sigma[:-1]) / 2)])
        n_rungs = 1 + max(1, int(np.ceil(length[-1] / (2.0 * erfcinv(acceptance)))))
        if n_rungs > MOST_RUNGS:
            raise InputError(
                f"ladder from factor {hottest:g} to {coldest:g} needs {n_rungs} rungs for an "
                f"acceptance of {acceptance:g}, more than {MOST_RUNGS}. Raise hottest, lower "
                "acceptance, or take a smaller graph; for a plain ferromagnet use "
                "method='swendsen_wang'."
            )
        if length[-1] > 0.0:
            inner = np.interp(np.linspace(0.0, length[-1], n_rungs)[1:-1], length, ladder)
        else:  # nothing depends on the factor: two rungs say all
            inner = np.empty(0)
        ladder = np.concatenate([[hottest], inner, [coldest]])
    return ladder


def make_tempering_engine(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    start_states: NDArray[np.int8],
    rng: np.random.Generator,
) -> TemperingEngine:
    """Return the engine of ``method="tempering"``: a ladder from factor 0 to 1 by choose_ladder.

    Its states are those of the rung at factor 1. For snapshots of all rungs and free energies use
    ``temper_lattice``.

    Raises
    ------
    InputError
        As in ``choose_ladder``.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> lattice, rng = square_lattice((6, 6)), np.random.default_rng(1)
    >>> make_tempering_engine(Ising([0.5]), lattice, np.ones(36, np.int8), rng).factors[-1].item()
    1.0
    """
    ladder = choose_ladder(hamiltonian, graph, rng=rng)
    return TemperingEngine([hamiltonian], graph, ladder, start_states, rng)
