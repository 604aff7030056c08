"""Monte Carlo snapshots of lattice Hamiltonians."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError, check_count
from physlearn.executors import ExecutorLike
from physlearn.lattice_models.argument_hints import IN_KT, SEED, explain_arguments
from physlearn.lattice_models.chain_run import (
    ChainPlan,
    ChainWork,
    check_memory,
    run_chains,
    start_chains,
    terms_identity,
)
from physlearn.lattice_models.hamiltonians.energy_terms import (
    Hamiltonian,
    check_graph,
    check_hamiltonian,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import LatticeGas
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["simulate_lattice"]


@explain_arguments(IN_KT | SEED)
def simulate_lattice(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    n_snapshots: int = 1,
    sweeps_between: int = 100,
    *,
    method: str = "auto",
    burn_in: int = 1000,
    start: ArrayLike | None = None,
    n_chains: int = 1,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LatticeSnapshots:
    """Draw snapshots of a Hamiltonian at equilibrium by Markov chains.

    Parameters
    ----------
    hamiltonian
        ``Ising`` or any other ``Hamiltonian``, one of your own included; of a ``LatticeGas``
        occupied sites are +1 and empty ones -1.
    graph
        Sites and bonds.
    n_snapshots
        Number of pictures from each chain.
    sweeps_between
        Sweeps from one picture to the next (one sweep: about as many updates as sites). Pictures
        are independent only if this is longer than the correlation time, which grows near a
        transition; ``sample_statistics`` measures it.
    method
        ``heat_bath`` (any Hamiltonian), ``metropolis`` (any), ``kawasaki`` and ``kawasaki_local``
        (any; exchanges at any distance, or along bonds of the first shell: the composition of
        ``start`` is kept), ``wolff`` and ``swendsen_wang`` (clusters), ``tempering`` (competing
        bonds), ``checkerboard`` and ``multispin`` (Ising on periodic square lattices). ``auto``
        picks by the strength and the competition of the bonds, and never fixes the composition;
        ``metadata["method"]`` and ``["method_reason"]`` say what was picked and why. Name
        ``heat_bath`` or ``metropolis`` to see a quench: clusters and tempering leave it at once.
    burn_in
        Sweeps before the first picture; picture k of a chain stands after
        ``burn_in + k * sweeps_between`` sweeps.
    start
        States to start from, shape (n_sites,), or (n_chains, n_sites); random by default.
    n_chains
        Independent chains, each with a random stream of its own.
    executor
        Runs the chains side by side, see `physlearn.executors`. Threads serve best (kernels
        release the interpreter lock); processes get the chains by copy between pictures. The
        pictures do not depend on it.
    rng
        Seed or generator; the same seed gives the same pictures.
    progress
        Called with (sweeps of each chain so far, in all); with processes, pictures instead.
    checkpoint
        File to go on from when it exists, and to save to after Ctrl-C and every half minute. A
        run that went on is equal to the bit to one that was not stopped.

    Returns
    -------
    LatticeSnapshots
        Chain by chain, ``n_chains * n_snapshots`` pictures. ``metadata`` name the method, the
        seed, the number of chains and ``boundary``: ``free``, as the lattice truly ends at its
        rim. After Ctrl-C without a checkpoint: the pictures so far, and a warning.

    Raises
    ------
    InputError
        For counts below their least, one picture without a sweep before it, an unknown method or
        one that does not fit, a start outside the states, an exchange without ``start``, or more
        than 4 GiB of pictures.
    KeyboardInterrupt
        After Ctrl-C, when a checkpoint holds the run or there is no picture yet.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> pictures = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), n_snapshots=3, rng=1)
    >>> pictures.states.shape, pictures.metadata["method"]
    ((3, 64), 'heat_bath')

    A field swept down and up again, where each picture starts from the one before (hysteresis):

    >>> graph, states, loop = square_lattice((16, 16)), np.ones(256), []
    >>> for field in (0.3, -0.3, -1.5, -0.3, 0.3):
    ...     drawn = simulate_lattice(
    ...         Ising([0.6], field), graph, method="heat_bath", burn_in=5, start=states, rng=1)
    ...     states = drawn.states[0]
    ...     loop.append(int(np.sign(states.sum())))
    >>> loop
    [1, 1, -1, -1, -1]
    """
    check_count("n_snapshots", n_snapshots, 1)
    if n_snapshots == 1 and isinstance(burn_in, int | np.integer) and burn_in == 0:
        raise InputError(
            "burn_in must be at least 1 for one picture: without a sweep before it, the picture is "
            "the start; got 0."
        )
    plan = ChainPlan(n_chains, n_snapshots, burn_in, sweeps_between)
    work = ChainWork(progress, checkpoint, executor)
    sampled = sampled_form(hamiltonian, graph)
    check_memory("n_snapshots", n_chains, n_snapshots, graph.n_sites)
    chains = start_chains(sampled, graph, method, start, n_chains, rng)
    states = np.empty((n_chains, n_snapshots, graph.n_sites), np.int8)
    n_done, warnings = run_chains(
        chains, plan, lambda engine: engine.states(), states,
        work, {} if checkpoint is None else terms_identity(sampled, graph),
    )  # fmt: skip
    return LatticeSnapshots(
        states[:, :n_done].reshape(-1, graph.n_sites), graph,
        state_values=sampled.state_values,
        state_names=("empty", "occupied") if isinstance(hamiltonian, LatticeGas) else (),
        metadata={
            "source": "simulate_lattice", "method": chains.method,
            "method_reason": chains.reason, "seed": chains.seed, "boundary": "free",
            "burn_in": int(burn_in), "sweeps_between": int(sweeps_between),
            "n_chains": int(n_chains),
        },
        warnings=warnings,
    )  # fmt: skip


def sampled_form(hamiltonian: Hamiltonian, graph: SiteGraph) -> Hamiltonian:
    """Return what the samplers take: a lattice gas as its Ising model, others as they are."""
    check_graph(graph)
    if isinstance(hamiltonian, LatticeGas):
        return hamiltonian.to_ising(graph)
    return check_hamiltonian(hamiltonian)
