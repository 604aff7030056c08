"""Means over Markov chains with errors that know how long the chains remember."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
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
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian, state_codes
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.samplers.engines import SINGLE_SITE, Engine
from physlearn.lattice_models.samplers.state_engines import bond_overlap
from physlearn.lattice_models.simulate import sampled_form
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ChainStatistics", "autocorrelation_time", "sample_statistics"]

Float = NDArray[np.float64]
WINDOW = 5.0
FEWEST = 4
EXCHANGES = ("kawasaki", "kawasaki_local")
"""Methods of fixed composition, where the sums of a chain may truly have one value only."""
SHORTEST = 50.0
"""Chains of fewer correlation times do not tell how long they remember."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChainStatistics:
    """Sufficient statistics of a lattice along Markov chains.

    Attributes
    ----------
    table
        One row a sample: chain, sample, energy (kT), magnetization (sum of states, where states
        are signed), count_a (sites in state a, of all but Ising and lattice gas) and shell_k (sum
        over the bonds of shell k, times multiplicity: of s s' for signed states, of
        cos(2 pi (a - b) / q) for clocks, of 1 for like states otherwise).
    estimates
        One row a quantity: mean, standard_error, autocorrelation_sweeps (integrated, so that
        independent samples have one interval between samples), effective_samples. All but the
        mean are NaN for fewer than 4 samples.
    metadata
        Method and why, seed and numbers of sweeps.
    warnings
        What keeps the errors from being trusted.

    Examples
    --------
    >>> from physlearn.lattice_models import Potts, sample_statistics, square_lattice
    >>> drawn = sample_statistics(Potts(3, [0.4]), square_lattice((6, 6)), 200, rng=1)
    >>> list(drawn.summary())
    ['mean', 'standard_error', 'autocorrelation_sweeps', 'effective_samples']
    """

    table: pd.DataFrame
    estimates: pd.DataFrame
    metadata: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def summary(self) -> pd.DataFrame:
        """Return a copy of the table of means, errors and correlation times."""
        return self.estimates.copy()


def autocorrelation_time(samples: ArrayLike) -> float:
    """Return the integrated autocorrelation time of chains, in samples.

    tau = 1 + 2 sum_{t = 1}^{W} rho(t), with the smallest window W of at least 5 tau and at least 10
    (Sokal 1997, doi:10.1007/978-1-4899-0319-8_6); rho is averaged over the chains, about their
    common mean.
    Independent samples have tau = 1, the mean of n samples the variance var tau / n.

    Parameters
    ----------
    samples
        Shape (n_samples,) or (n_chains, n_samples), at least 4 samples.

    Returns
    -------
    float
        tau, 1 for samples that are all equal. It is capped at the number of samples where no
        window is long enough: then the chains are too short to tell.

    Raises
    ------
    InputError
        For fewer than 4 samples or values that are not finite.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=10000)
    >>> bool(abs(autocorrelation_time(noise) - 1) < 0.1)
    True
    """
    given = np.atleast_2d(check_array("samples", samples))
    n = given.shape[-1]
    if given.ndim != 2 or n < 4:
        raise InputError(
            "samples must have shape (n_chains, n_samples) with at least 4 samples, got "
            f"{given.shape}."
        )
    if np.ptp(given) == 0.0:
        return 1.0
    rest = given - given.mean()
    spectrum = np.abs(np.fft.rfft(rest, 1 << (2 * n - 1).bit_length())) ** 2
    covariance = np.fft.irfft(spectrum.mean(axis=0))[:n] / n
    if covariance[0] <= 0.0:
        return 1.0
    tau = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    enough = np.flatnonzero(np.arange(n) >= WINDOW * np.maximum(tau, 2.0))
    return float(max(tau[enough[0]], 0.0)) if len(enough) else float(n)


@explain_arguments(IN_KT | SEED)
def sample_statistics(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    n_samples: int = 1000,
    sweeps_between: int = 1,
    *,
    method: str = "auto",
    burn_in: int = 1000,
    start: ArrayLike | None = None,
    n_chains: int = 1,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> ChainStatistics:
    """Draw energy, magnetization and sums over bonds along Markov chains, without the pictures.

    All are sums over the whole lattice: divide by ``graph.n_sites`` to compare them with
    ``onsager_energy`` or, the mean of their absolute value, with ``onsager_magnetization``.
    Single-site methods and exchanges keep the sums with every accepted change; the other methods
    have them summed over the states of each sample.

    Parameters
    ----------
    hamiltonian, graph
        As in ``simulate_lattice``; a lattice gas counts occupied sites as +1 and empty ones as -1
        but keeps its own energy.
    n_samples
        Samples of each chain, at least 4.
    sweeps_between
        Sweeps from one sample to the next.
    method, burn_in, start, n_chains, executor, rng, progress, checkpoint
        As in ``simulate_lattice``.

    Raises
    ------
    InputError
        As in ``simulate_lattice``.
    KeyboardInterrupt
        As in ``simulate_lattice``.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> drawn = sample_statistics(Ising([0.2]), square_lattice((8, 8)), 400, rng=1)
    >>> list(drawn.table)
    ['chain', 'sample', 'energy', 'magnetization', 'shell_0']
    """
    check_count("n_samples", n_samples, FEWEST)
    plan = ChainPlan(n_chains, n_samples, burn_in, sweeps_between)
    work = ChainWork(progress, checkpoint, executor)
    sampled = sampled_form(hamiltonian, graph)
    check_memory("n_samples", n_chains, n_samples, 8 * len(statistics_of_states(sampled, graph)[0]))
    chains = start_chains(sampled, graph, method, start, n_chains, rng, counting=True)
    names, sums = statistics_of_states(sampled, graph)
    kept = chains.method in SINGLE_SITE

    def read(engine: Engine) -> Float:
        return engine.totals() if kept else sums(engine.states())  # type: ignore[attr-defined]

    values = np.empty((n_chains, n_samples, len(names)))
    identity = {} if checkpoint is None else terms_identity(sampled, graph)
    n_done, warnings = run_chains(
        chains, plan, read, values, work, {"statistics": True, **identity}
    )
    values = values[:, :n_done]
    offset = np.min(sampled.state_values) * np.ones(graph.n_sites)
    empty = np.min(hamiltonian.state_values) * np.ones(graph.n_sites)
    values[..., 0] += float(hamiltonian.energy(empty, graph) - sampled.energy(offset, graph))
    metadata = {
        "source": "sample_statistics", "method": chains.method, "method_reason": chains.reason,
        "seed": chains.seed, "burn_in": int(burn_in), "sweeps_between": int(sweeps_between),
        "n_chains": int(n_chains), "n_sites": graph.n_sites,
    }  # fmt: skip
    return _record(names, values, int(sweeps_between), metadata, warnings)


def statistics_of_states(
    hamiltonian: Hamiltonian, graph: SiteGraph
) -> tuple[tuple[str, ...], Callable[[NDArray[np.int8]], Float]]:
    """Return the names of the sums, and the function that sums them over one picture."""
    values = hamiltonian.state_values
    overlap = bond_overlap(hamiltonian)
    # as the engines keep them: two states of an Ising model are told by their sum alone
    counted = () if isinstance(hamiltonian, Ising) else values
    names = (
        "energy", "magnetization", *(f"count_{value}" for value in counted),
        *(f"shell_{shell}" for shell in range(graph.n_shells)),
    )  # fmt: skip

    def sums(states: NDArray[np.int8]) -> Float:
        codes = state_codes(states, values, graph.n_sites)
        counts = np.bincount(codes, minlength=len(values)) if counted else np.empty(0)
        like = graph.multiplicity * overlap[codes[graph.edges[:, 0]], codes[graph.edges[:, 1]]]
        shells = np.bincount(graph.shell, like, minlength=graph.n_shells)
        energy = float(hamiltonian.energy(states, graph))
        return np.concatenate([[energy, states.sum(dtype=np.int64)], counts, shells])

    return names, sums


def _stuck(names: tuple[str, ...], values: Float) -> bool:
    """Return whether energy and sums over bonds of some chain are the same in all samples."""
    bonds = [place for place, name in enumerate(names) if name.startswith("shell_")]
    kept = values[..., [0, *bonds]] if bonds else values
    return bool(np.any(np.all(np.ptp(kept, axis=1) == 0.0, axis=-1)))


def _record(
    names: tuple[str, ...],
    values: Float,
    sweeps_between: int,
    metadata: Mapping[str, Any],
    warnings: tuple[str, ...],
) -> ChainStatistics:
    """Return the record of values of shape (n_chains, n_samples, n_names)."""
    import pandas as pd

    n_chains, n_samples = values.shape[:2]
    signed = any(name.startswith("count_-") for name in names) or not any(
        name.startswith("count_") for name in names
    )
    table: dict[str, Any] = {
        "chain": np.repeat(np.arange(n_chains), n_samples),
        "sample": np.tile(np.arange(n_samples), n_chains),
    }
    rows: dict[str, dict[str, float]] = {}
    short = []
    for place, name in enumerate(names):
        if name == "magnetization" and not signed:
            continue
        series = values[..., place]
        table[name] = series.ravel()
        tau = autocorrelation_time(series) if n_samples >= FEWEST else np.nan
        if n_samples < SHORTEST * tau:
            short.append(name)
        effective = series.size / max(tau, 1.0 / n_samples)
        variance = series.var() if np.ptp(series) > 0.0 else 0.0
        rows[name] = {
            "mean": float(series.mean()),
            "standard_error": float(np.sqrt(variance / max(effective - 1.0, 1e-300))),
            "autocorrelation_sweeps": tau * sweeps_between,
            "effective_samples": effective,
        }
    if n_samples < FEWEST:
        warnings += (f"Errors need at least {FEWEST} samples of each chain; they are NaN.",)
    elif metadata["method"] not in EXCHANGES and _stuck(names, values):
        warnings += (
            f"There was no change in {n_samples} samples of a chain: its errors of 0 say nothing; "
            "draw more sweeps between samples, or take clusters or tempering.",
        )
    if short:
        warnings += (
            f"Chains are shorter than {SHORTEST:g} correlation times of {', '.join(short)}: their "
            "errors are unreliable; draw more samples, or more sweeps between them.",
        )
    return ChainStatistics(
        pd.DataFrame(table), pd.DataFrame.from_dict(rows, orient="index"), dict(metadata), warnings
    )
