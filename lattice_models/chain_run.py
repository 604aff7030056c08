"""Chains side by side: their starts and streams, and their way through a long run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_choice, check_count
from physlearn.executors import ExecutorLike, Workers, open_workers
from physlearn.lattice_models.hamiltonians.energy_terms import EnergyTerms, Hamiltonian, state_codes
from physlearn.lattice_models.samplers.engines import METHODS, Engine, make_engine
from physlearn.lattice_models.samplers.method_choice import method_candidates
from physlearn.long_run import LongRun
from physlearn.records import SiteGraph

__all__ = ["ChainPlan", "ChainWork", "check_memory", "run_chains", "start_chains"]

LARGEST_RESULT = 1 << 32


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """How many samples each chain gives, and the sweeps before the first and between them."""

    n_chains: int
    n_samples: int
    burn_in: int
    sweeps_between: int

    def __post_init__(self) -> None:
        check_count("n_chains", self.n_chains, 1)
        check_count("burn_in", self.burn_in, 0)
        check_count("sweeps_between", self.sweeps_between, 1)

    def sweeps_before(self, sample: int) -> int:
        """Return the sweeps from the start to this sample."""
        return int(self.burn_in + sample * self.sweeps_between)


@dataclass(frozen=True, slots=True)
class ChainWork:
    """Who is told of progress, where a checkpoint lies, and who does the work."""

    progress: Callable[[int, int], Any] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    executor: ExecutorLike | None = None


@dataclass(frozen=True, slots=True)
class Chains:
    """Chains at their start, the method they use and why, and the seed of all."""

    engines: list[Engine]
    starts: NDArray[np.int8]
    method: str
    reason: str
    seed: int


def check_memory(name: str, n_chains: int, n_samples: int, n_bytes: int) -> None:
    """Refuse samples of ``n_bytes`` each that take more than 4 GiB in all."""
    size = int(n_chains) * int(n_samples) * int(n_bytes)
    if size > LARGEST_RESULT:
        raise InputError(
            f"{name} must leave the samples below 4 GiB; {n_samples} from each of {n_chains} "
            f"chain(s), {n_bytes} bytes each, need {size / 2**30:.3g} GiB. Draw them in several "
            "runs with other seeds."
        )


def start_chains(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    method: str,
    start: ArrayLike | None,
    n_chains: int,
    rng: int | np.random.Generator | None,
    counting: bool = False,
) -> Chains:
    """Return chains at their start, each with a random stream of its own.

    ``start``: (n_sites,) for all chains or (n_chains, n_sites); None draws every site alike.
    """
    check_choice("method", method, ("auto", *METHODS))
    if method.startswith("kawasaki") and start is None:
        raise InputError(f"start must be given for {method}: its composition is what is kept.")
    generator, seed = as_generator(rng)
    terms = hamiltonian.terms(graph)
    check_terms(terms)
    codes = terms.state_values
    values = tuple(int(value) for value in codes)
    given = None if start is None else check_start(start, values, graph.n_sites, n_chains)
    starts, seeds = [], []
    for chain, child in enumerate(generator.spawn(n_chains)):
        drawn = child.choice(codes, graph.n_sites)
        starts.append(drawn if given is None else given[chain])
        seeds.append(int(child.integers(2**63)))

    def engine(name: str, chain: int) -> Engine:
        stream = np.random.default_rng(seeds[chain])
        return make_engine(name, hamiltonian, graph, starts[chain].copy(), stream, counting)

    reason, refused = "asked for", ""
    candidates = method_candidates(terms) if method == "auto" else ()
    del terms  # of a large graph a good part of the memory
    if method != "auto":
        first = engine(method, 0)
    else:
        for candidate in candidates:
            method, reason = candidate
            try:
                first = engine(method, 0)
                break
            except InputError as error:  # does not fit this Hamiltonian or graph
                if method == "heat_bath":  # which fits all: so the input is wrong
                    raise
                if method == "tempering":  # what follows may stay in one valley: say so
                    refused = f"; tempering, which suits competing bonds, was refused: {error}"
    engines = [first, *(engine(method, chain) for chain in range(1, n_chains))]
    return Chains(engines, np.stack(starts), method, reason + refused, seed)


def check_terms(terms: EnergyTerms) -> None:
    """Refuse energies that overflow where they are summed over a site's neighbours."""
    size = np.abs(terms.site_energy).max(axis=1)
    sizes = [np.abs(one).max(initial=0.0) for one in (terms.weight, terms.pair_energy)]
    with np.errstate(over="ignore", invalid="ignore"):
        bound = size.max() + np.diff(terms.start).max() * sizes[0] * sizes[1]
    if np.isfinite(bound):
        return
    site = np.repeat(np.arange(len(size)), np.diff(terms.start))
    largest = np.abs(terms.pair_energy).max(axis=(1, 2), initial=0.0)
    with np.errstate(over="ignore"):
        np.add.at(size, site, np.abs(terms.weight) * largest[terms.kind])
    wrong = np.flatnonzero(~np.isfinite(size))
    if len(wrong):
        raise InputError(
            f"hamiltonian must have finite energies around every site; those of site {wrong[0]} "
            "overflow. Measure energies in kT."
        )


def check_start(
    start: ArrayLike, values: tuple[int, ...], n_sites: int, n_chains: int
) -> NDArray[np.int8]:
    """Return the start of every chain, shape (n_chains, n_sites)."""
    try:
        codes = state_codes(start, values, n_sites)
    except InputError as error:
        raise InputError(str(error).replace("states", "start", 1)) from None
    if codes.shape not in ((n_sites,), (n_chains, n_sites)):
        raise InputError(
            f"start must have shape ({n_sites},) or, one row a chain, ({n_chains}, {n_sites}); "
            f"got {codes.shape}."
        )
    states = np.array(values, np.int8)[codes]
    return np.broadcast_to(states, (n_chains, n_sites))


def run_chains(
    chains: Chains,
    plan: ChainPlan,
    read: Callable[[Engine], NDArray[Any]],
    samples: NDArray[Any],
    work: ChainWork,
    arguments: Mapping[str, Any],
) -> tuple[int, tuple[str, ...]]:
    """Fill ``samples`` (n_chains, n_samples, ...) with what ``read`` finds in every chain.

    Return how many samples there are of each chain, and warnings. Chains go together; neither the
    executor nor the length of the pieces changes anything.
    """
    with open_workers(work.executor) as workers:
        return _run(chains, plan, read, samples, work, workers, arguments)


def _run(
    chains: Chains,
    plan: ChainPlan,
    read: Callable[[Engine], NDArray[Any]],
    samples: NDArray[Any],
    work: ChainWork,
    workers: Workers,
    arguments: Mapping[str, Any],
) -> tuple[int, tuple[str, ...]]:
    """Do what `run_chains` says with workers that are open."""
    engines, threads = chains.engines, workers.shares_memory
    n_done = 0
    # other processes get the chains by copy, which pays for a whole stretch between samples only
    targets = [plan.sweeps_before(k) if threads else k + 1 for k in range(plan.n_samples)]

    def step(n: int) -> None:
        if threads:
            each = ((engine,) for engine in engines)
            deque(workers.run(lambda engine: engine.sweep(n), each), maxlen=0)
        else:
            sweeps = plan.sweeps_between if n_done else plan.burn_in
            for chain, state in workers.run(_swept, ((engine, sweeps) for engine in engines)):
                engines[chain].restore(state)

    def arrays() -> dict[str, NDArray[Any]]:
        saved = {"samples": samples[:, :n_done], "n_done": np.array(n_done)}
        for chain, engine in enumerate(engines):
            saved |= {f"chain_{chain}_{name}": a for name, a in engine.arrays().items()}
        return saved

    identity = {
        "chains": [chains.method, chains.seed, plan.n_chains, plan.n_samples, plan.burn_in],
        "sweeps_between": plan.sweeps_between, "pieces": threads, "starts": chains.starts,
        **arguments,
    }  # fmt: skip
    with LongRun(
        targets[-1], progress=work.progress, checkpoint=work.checkpoint, arguments=identity
    ) as run:
        if run.saved is not None:
            n_done = int(run.saved["n_done"])
            samples[:, :n_done] = run.saved["samples"]
            for chain, engine in enumerate(engines):
                mark = f"chain_{chain}_"
                engine.restore(
                    {n.removeprefix(mark): a for n, a in run.saved.items() if n.startswith(mark)}
                )
        for sample in range(n_done, plan.n_samples):
            if not run.advance_to(targets[sample], step, arrays):
                break
            for chain, engine in enumerate(engines):
                samples[chain, sample] = read(engine)
            n_done = sample + 1
    return n_done, run.finish(n_done, plan.n_samples, "samples of each chain")


def _swept(engine: Engine, n: int) -> dict[str, NDArray[Any]]:
    """Advance a chain and return its state."""
    engine.sweep(n)
    return engine.arrays()


def terms_identity(hamiltonian: Hamiltonian, graph: SiteGraph) -> dict[str, Any]:
    """Return the arrays that define what is sampled, for a checkpoint to know it again."""
    return {f"terms_{n}": array for n, array in hamiltonian.terms(graph)._asdict().items()}
