"""Populations of lattice models: many copies, each at its own natural parameters."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.inference.lattice_family import LatticeFamily
from physlearn.lattice_models.replicas import Replicas
from physlearn.lattice_models.state_replicas import StateReplicas
from physlearn.records import SiteGraph

__all__ = ["Population", "make_population"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
DYNAMICS = ("auto", "heat_bath", "clusters")
BLOCK = 4096
"""Sites whose extra statistics are summed at a time."""


class Population(Protocol):
    """Independent copies of one lattice model, p(s) ~ exp(natural . T(s)) in each copy.

    Attributes
    ----------
    n_replicas
        Number of copies, R.
    n_parameters
        Number of natural parameters, those of the family and then one for each extra statistic.
    """

    n_replicas: int
    n_parameters: int

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        """Draw every site ``n_sweeps`` times at parameters (d,) or (R, d)."""
        ...

    def statistics(self) -> Float:
        """Return T of every copy, shape (R, d)."""
        ...

    def codes(self) -> Codes:
        """Return a copy of the codes, shape (n_sites, R)."""
        ...

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) for all copies or (n_sites, R)."""
        ...


def make_population(
    family: LatticeFamily,
    graph: SiteGraph,
    start: ArrayLike,
    n_replicas: int,
    rng: np.random.Generator,
    *,
    sites: NDArray[np.int64] | None = None,
    offset: ArrayLike | None = None,
    extra: ArrayLike | None = None,
    parts: ArrayLike | None = None,
    dynamics: str = "auto",
) -> Population:
    """Return a population of a lattice model on a graph.

    Parameters
    ----------
    family
        The model.
    graph
        Sites and bonds.
    start
        Codes 0 to q - 1, shape (n_sites,) for all copies or (n_sites, n_replicas).
    n_replicas
        Number of copies; multiples of 64 cost least.
    rng
        For the copies' own generators.
    sites
        The sites that are drawn; the others stay as they started. None draws all.
    offset
        Known terms added to log p, shape (n_sites, q).
    extra
        Further statistics T_k(s) = sum_i extra[k, i, a_i], shape (n_extra, n_sites, q), whose
        natural parameters follow those of the family.
    parts
        Which picture a site belongs to, shape (n_sites,); compositions are fixed within each.
    dynamics
        ``heat_bath``, ``clusters``, or ``auto``.

    Raises
    ------
    InputError
        For codes, offsets or statistics of another shape.

    Examples
    --------
    >>> from physlearn.inference.lattice_family import lattice_family
    >>> from physlearn.lattice_models import square_lattice
    >>> copies = make_population(
    ...     lattice_family("ising", (-1, 1), 1), square_lattice((4, 4)), np.ones(16), 8,
    ...     np.random.default_rng(1),
    ... )
    >>> copies.sweep([0.1, 0.2], 10)
    >>> copies.statistics().shape
    (8, 2)
    """
    check_choice("dynamics", dynamics, DYNAMICS)
    n, q = graph.n_sites, family.n_states
    known = np.zeros((n, q)) if offset is None else check_array("offset", offset, shape=(n, q))
    further = (
        np.zeros((0, n, q)) if extra is None
        else check_array("extra", extra, shape=(None, n, q), allow_empty=True)
    )  # fmt: skip
    if family.two_state_pairs and not family.fixed_composition:
        return _IsingPopulation(family, graph, start, n_replicas, rng, sites, known, further)
    if family.fixed_composition or family.motifs or len(further):
        raise InputError("family of fixed composition, with triplets or with extra: not yet.")
    return _StatePopulation(family, graph, start, n_replicas, rng, sites, known)


def _checked_codes(codes: ArrayLike, n_sites: int, n_replicas: int, q: int) -> Codes:
    given = np.asarray(codes)
    if given.shape not in ((n_sites,), (n_sites, n_replicas)):
        raise InputError(
            f"codes must have shape ({n_sites},) or ({n_sites}, {n_replicas}); got {given.shape}."
        )
    out = given.astype(np.uint8)
    if not np.array_equal(out, given) or out.max(initial=0) >= q:
        raise InputError(f"codes must be whole numbers from 0 to {q - 1}.")
    wide = np.empty((n_sites, n_replicas), np.uint8)
    wide[:] = out if out.ndim == 2 else out[:, None]
    return wide


def _checked_natural(natural: ArrayLike, n_replicas: int, d: int) -> Float:
    given = np.asarray(natural, np.float64)
    if given.shape not in ((d,), (n_replicas, d)) or not np.all(np.isfinite(given)):
        raise InputError(
            f"natural must be finite, of shape ({d},) or ({n_replicas}, {d}); got shape "
            f"{given.shape}."
        )
    return np.array(np.broadcast_to(given, (n_replicas, d)))


class _IsingPopulation:
    """Two states with pairs: field and couplings."""

    def __init__(
        self, family: LatticeFamily, graph: SiteGraph, start: ArrayLike, n_replicas: int,
        rng: np.random.Generator, sites: NDArray[np.int64] | None, offset: Float, extra: Float,
    ) -> None:  # fmt: skip
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self.n_parameters = family.n_parameters + len(extra)
        self._family, self._graph, self._sites, self._rng = family, graph, sites, rng
        self._extra = extra
        self._known = (offset[:, 1] - offset[:, 0]) / 2
        self._slope = (extra[..., 1] - extra[..., 0]) / 2
        self.restart(start)

    def restart(self, codes: ArrayLike) -> None:
        wide = _checked_codes(codes, self._graph.n_sites, self.n_replicas, 2)
        self._copies = Replicas(
            self._graph, self._family.n_shells, 2 * wide.astype(np.int8) - 1, self.n_replicas,
            self._rng, self._sites,
        )  # fmt: skip

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        given = _checked_natural(natural, self.n_replicas, self.n_parameters)
        d = self._family.n_parameters
        field = self._known
        if len(self._extra):
            field = self._known[:, None] + self._slope.T @ given[:, d:].T
        self._copies.sweep(given[:, :d], n_sweeps, field)

    def statistics(self) -> Float:
        return np.hstack([self._copies.statistics(), _extra_sums(self._extra, self.codes())])

    def codes(self) -> Codes:
        return (self._copies.states > 0).astype(np.uint8)


class _StatePopulation:
    """Any number of states with pairs."""

    def __init__(
        self, family: LatticeFamily, graph: SiteGraph, start: ArrayLike, n_replicas: int,
        rng: np.random.Generator, sites: NDArray[np.int64] | None, offset: Float,
    ) -> None:  # fmt: skip
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self.n_parameters = family.n_parameters
        self._family, self._graph, self._sites, self._rng = family, graph, sites, rng
        self._offset = -offset
        self.restart(start)

    def restart(self, codes: ArrayLike) -> None:
        family = self._family
        wide = _checked_codes(codes, self._graph.n_sites, self.n_replicas, family.n_states)
        self._copies = StateReplicas(
            self._graph, family.n_shells, family.n_states, wide, self.n_replicas, self._rng,
            self._sites,
        )  # fmt: skip

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        given = _checked_natural(natural, self.n_replicas, self.n_parameters)
        site, pair, _ = self._family.energies(given)
        self._copies.sweep(site, pair, n_sweeps, self._offset)

    def statistics(self) -> Float:
        singles, pairs = self._copies.statistics()
        q = self._family.n_states
        once = np.triu(np.ones((q, q)))
        return singles @ self._family.site.T + np.einsum(
            "rkab,ab,dkab->rd", pairs, once, self._family.pair, optimize=True
        )

    def codes(self) -> Codes:
        return np.asarray(self._copies.states, np.uint8)


def _extra_sums(extra: Float, codes: Codes) -> Float:
    """Return sum_i extra[k, i, a_i] of every copy, shape (R, n_extra)."""
    total = np.zeros((len(extra), codes.shape[1]))
    if not len(extra):
        return total.T
    for first in range(0, len(codes), BLOCK):
        here = slice(first, first + BLOCK)
        for state in range(extra.shape[2]):
            total += extra[:, here, state] @ (codes[here] == state)
    return total.T
