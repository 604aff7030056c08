"""What every sampler offers to ``simulate_lattice``, and which function makes which sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.records import SiteGraph

__all__ = ["FACTORIES", "Engine", "make_engine"]


class Engine(Protocol):
    """One Markov chain; all of its state is in ``arrays``, so that it can stop and go on.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> start, rng = np.ones(16, np.int8), np.random.default_rng(1)
    >>> engine = make_engine("heat_bath", Ising([0.3]), square_lattice((4, 4)), start, rng)
    >>> engine.sweep(2)
    >>> engine.states().shape
    (16,)
    """

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps: about as many site updates as there are sites, each."""
        ...

    def states(self) -> NDArray[np.int8]:
        """Return the states, shape (n_sites,), as a fresh array."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        ...


Factory = Callable[[Hamiltonian, SiteGraph, NDArray[np.int8], np.random.Generator], Engine]

SINGLE_SITE = ("heat_bath", "metropolis", "kawasaki", "kawasaki_local")
FACTORIES = {
    "wolff": "samplers.clusters:make_wolff_engine",
    "swendsen_wang": "samplers.clusters:make_swendsen_wang_engine",
    "tempering": "tempering.tempering_engine:make_tempering_engine",
    "checkerboard": "samplers.checkerboard:make_checkerboard_engine",
    "multispin": "samplers.multispin:make_multispin_engine",
}
METHODS = (*SINGLE_SITE, *FACTORIES)


def make_engine(
    method: str,
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    start_states: NDArray[np.int8],
    rng: np.random.Generator,
    counting: bool = False,
) -> Engine:
    """Return a chain of the named method.

    Parameters
    ----------
    method
        One of ``METHODS``.
    hamiltonian, graph
        What is sampled; a lattice gas in its Ising form.
    start_states
        Among the Hamiltonian's ``state_values``, shape (n_sites,).
    rng
        Seeds the chain.
    counting
        Single-site methods and exchanges then keep sums by shell in ``totals()``.

    Raises
    ------
    InputError
        Where the method does not fit the Hamiltonian or the graph.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> start, rng = np.ones(16, np.int8), np.random.default_rng(1)
    >>> make_engine("wolff", Ising([0.3]), square_lattice((4, 4)), start, rng).states().sum()
    np.int64(16)
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    if method in FACTORIES:
        module, name = FACTORIES[method].split(":")
        factory = getattr(import_module(f"physlearn.lattice_models.{module}"), name)
        return cast(Factory, factory)(hamiltonian, graph, start_states, rng)
    if isinstance(hamiltonian, Ising):
        from physlearn.lattice_models.samplers.two_state_engines import TwoStateEngine

        return TwoStateEngine(hamiltonian, graph, start_states, rng, method, counting)
    from physlearn.lattice_models.samplers.state_engines import StateEngine

    return StateEngine(hamiltonian, graph, start_states, rng, method, counting)
