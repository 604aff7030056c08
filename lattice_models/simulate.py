"""Monte Carlo snapshots of lattice Hamiltonians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice
from physlearn.lattice_models.hamiltonians import Ising, LatticeGas
from physlearn.lattice_models.ising_kernels import (
    heat_bath_sweeps,
    kawasaki_sweeps,
    metropolis_sweeps,
)
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["simulate_lattice"]

SWEEPS: dict[str, Callable[..., None]] = {
    "heat_bath": heat_bath_sweeps,
    "metropolis": metropolis_sweeps,
    "kawasaki": kawasaki_sweeps,
}


def simulate_lattice(
    hamiltonian: Ising | LatticeGas,
    graph: SiteGraph,
    n_snapshots: int = 1,
    sweeps_between: int = 100,
    *,
    method: str = "auto",
    burn_in: int = 1000,
    start: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> LatticeSnapshots:
    """Draw snapshots of a Hamiltonian at equilibrium by a Markov chain.

    Parameters
    ----------
    hamiltonian
        ``Ising``, or ``LatticeGas`` (occupied sites are +1).
    graph
        Sites and bonds.
    n_snapshots
        Number of pictures, taken from one chain.
    sweeps_between
        Sweeps from one picture to the next (one sweep: as many trials as sites). Pictures are
        independent only if this is longer than the correlation time, which grows near a
        transition.
    method
        ``heat_bath``, ``metropolis``, ``kawasaki`` (exchanges at any distance: the composition of
        ``start`` is kept) or ``auto``, which is heat bath here; the metadata name it.
    burn_in
        Sweeps before the first picture.
    start
        States -1 and +1 to start from, shape (n_sites,); random by default.
    rng
        Seed or generator; the same seed gives the same pictures.
    progress
        Called with (pictures so far, n_snapshots) after each picture.

    Returns
    -------
    LatticeSnapshots
        ``metadata`` name the method, the seed and ``boundary``: ``free``, as the lattice truly
        ends at its rim.

    Raises
    ------
    InputError
        For counts below their least, an unknown method, or Kawasaki without ``start``.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> pictures = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), n_snapshots=3, rng=1)
    >>> pictures.states.shape
    (3, 64)
    """
    check_choice("method", method, ("auto", *SWEEPS))
    chosen = "heat_bath" if method == "auto" else method
    for name, value, least in (
        ("n_snapshots", n_snapshots, 1),
        ("sweeps_between", sweeps_between, 1),
        ("burn_in", burn_in, 0),
    ):
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    if chosen == "kawasaki" and start is None:
        raise InputError("start must be given for kawasaki: its composition is what is kept.")
    ising = hamiltonian.to_ising(graph) if isinstance(hamiltonian, LatticeGas) else hamiltonian
    generator, seed = as_generator(rng)
    states = _first_states(start, graph.n_sites, generator)
    table = bond_table(graph)
    strengths = np.zeros(max(graph.n_shells, ising.n_shells, 1))
    strengths[: ising.n_shells] = ising.couplings
    ising.bond_couplings(graph)  # refuses couplings that the graph has no shell for
    coupling = strengths[table.shell] * table.times
    field = ising.site_field(graph)
    state = seed_words(generator, (2,))
    pictures = np.empty((n_snapshots, graph.n_sites), np.int8)
    for picture in range(n_snapshots):
        sweeps = sweeps_between if picture else burn_in
        SWEEPS[chosen](states, table.start, table.neighbour, coupling, field, sweeps, state)
        pictures[picture] = states
        if progress is not None:
            progress(picture + 1, n_snapshots)
    names = ("empty", "occupied") if isinstance(hamiltonian, LatticeGas) else ()
    return LatticeSnapshots(
        pictures, graph, state_names=names,
        metadata={
            "source": "simulate_lattice", "method": chosen, "seed": seed, "boundary": "free",
            "burn_in": int(burn_in), "sweeps_between": int(sweeps_between),
        },
    )  # fmt: skip


def _first_states(
    start: ArrayLike | None, n_sites: int, generator: np.random.Generator
) -> NDArray[np.int8]:
    if start is None:
        return generator.choice(np.array([-1, 1], np.int8), n_sites)
    states = check_array("start", start, shape=(n_sites,), dtype=np.int8)
    if not np.all(np.abs(states) == 1):
        raise InputError("start may hold only -1 and +1.")
    return states.copy()
