"""Parallel tempering: equilibrium where one temperature gets stuck, and absolute free energies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count
from physlearn.lattice_models.argument_hints import IN_KT, SEED, explain_arguments
from physlearn.lattice_models.chain_run import terms_identity
from physlearn.lattice_models.hamiltonians.energy_terms import (
    Hamiltonian,
    check_graph,
    check_hamiltonian,
    state_codes,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import LatticeGas
from physlearn.lattice_models.tempering.mbar import N_BLOCKS, MbarEstimate, mbar_estimate
from physlearn.lattice_models.tempering.tempering_engine import (
    TemperingEngine,
    check_factors,
    choose_ladder,
)
from physlearn.long_run import LongRun
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.records.storage import html_table

__all__ = ["TemperingResult", "temper_lattice"]

Float = NDArray[np.float64]
RARE = 0.05
FEW = 50
LARGEST_RESULT = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class TemperingResult:
    """Samples of every rung of a ladder, and what they say between the rungs.

    Attributes
    ----------
    snapshots
        One ``LatticeSnapshots`` a rung, each with the same number of pictures; of a lattice gas,
        as in ``simulate_lattice``, occupied sites are +1 and empty ones -1.
    hamiltonians
        The Hamiltonian of every rung, before its factor.
    factors
        float64, shape (n_rungs,): rung k has p ~ exp(-factors[k] E_k).
    energies
        float64, shape (n_rungs, n_samples): E_k of the samples of rung k, in kT at factor 1; of a
        lattice gas its own energy, which is 0 for the empty lattice.
    swap_acceptance
        float64, shape (n_rungs - 1,): share of exchanges made with the next rung.
    round_trips
        Trips of replicas from the last rung to the first and back, after burn-in.
    free_energies
        log Z of every rung with errors: ``free_energies.log_partitions`` and ``.errors``.
    absolute
        Whether these are log Z itself, as at factor 0 log Z = n_sites log q; else log Z relative to
        the first rung.
    metadata, warnings
        How the run was made, and what makes it doubtful.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> ladder = [0.0, 0.5, 1.0]
    >>> temper_lattice(Ising([0.6]), square_lattice((4, 4)), ladder, 40, rng=1).energies.shape
    (3, 40)
    """

    snapshots: tuple[LatticeSnapshots, ...]
    hamiltonians: tuple[Hamiltonian, ...]
    factors: Float
    energies: Float
    swap_acceptance: Float
    round_trips: int
    free_energies: MbarEstimate
    absolute: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    _repr_html_ = html_table

    def __repr__(self) -> str:
        free = self.free_energies
        return (
            f"TemperingResult({len(self.factors)} rungs, factors {self.factors[0]:.3g} to "
            f"{self.factors[-1]:.3g}, {self.energies.shape[1]} samples each, exchanges "
            f"{self.swap_acceptance.min():.2f} to {self.swap_acceptance.max():.2f}, "
            f"{self.round_trips} round trips, {'' if self.absolute else 'relative '}log Z of the "
            f"last {free.log_partitions[-1]:.6g} ± {free.errors[-1]:.2g}, "
            f"{len(self.warnings)} warnings)"
        )

    def log_partition(self, at: float | Hamiltonian) -> tuple[float, float]:
        """Return log Z and its error between the rungs.

        Parameters
        ----------
        at
            An inverse-temperature factor within the ladder, or a Hamiltonian near it.

        Raises
        ------
        InputError
            For a factor outside the ladder, or one where the rungs are different Hamiltonians.
        """
        return self.free_energies.log_partition(self._log_weight(at))

    def mean(self, values: ArrayLike, at: float | Hamiltonian) -> tuple[float, float]:
        """Return the mean of an observable and its error between the rungs.

        Parameters
        ----------
        values
            The observable of every sample, shape (n_rungs, n_samples).
        at
            As in ``log_partition``.

        Raises
        ------
        InputError
            As in ``log_partition``, and for values of another shape.
        """
        observed = check_array("values", values, shape=self.energies.shape)
        return self.free_energies.mean(self._log_weight(at), observed)

    def _log_weight(self, at: float | Hamiltonian) -> Float:
        if not isinstance(at, int | float | np.number):
            return np.stack([-_energies(at, rung.states, rung.graph) for rung in self.snapshots])
        if any(hamiltonian is not self.hamiltonians[0] for hamiltonian in self.hamiltonians):
            raise InputError("at must be a Hamiltonian, as the rungs are different Hamiltonians.")
        low, high = float(self.factors[0]), float(self.factors[-1])
        if not low <= float(at) <= high:
            raise InputError(f"at must lie on the ladder, from {low:g} to {high:g}; got {at:g}.")
        return np.asarray(-float(at) * self.energies)


@explain_arguments(IN_KT | SEED | {"temperatures": "give ladder, factors on the energy"})
def temper_lattice(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    ladder: ArrayLike | Sequence[Hamiltonian] | None = None,
    n_samples: int = 200,
    sweeps_between: int = 10,
    *,
    burn_in: int = 1000,
    start: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TemperingResult:
    """Sample a Hamiltonian by exchanging replicas between temperatures, with free energies.

    For spin glasses, frustrated lattices, coexisting phases, and whenever log Z is wanted. Replicas
    move by heat bath; after every sweep neighbouring rungs exchange with the chance
    min(1, p_k(x') p_k+1(x) / p_k(x) p_k+1(x')), which leaves every rung's distribution as it is.
    log Z over the ladder is by MBAR (Shirts & Chodera 2008, doi:10.1063/1.2978177), its errors by
    leaving out blocks of samples, all rungs at a time.

    Parameters
    ----------
    hamiltonian
        Any lattice Hamiltonian; the sites of a ``LatticeGas`` are +1 (occupied) and -1 (empty).
    graph
        Sites and bonds.
    ladder
        Ascending factors on the energy: 0 is infinite temperature, 1 ``hamiltonian`` itself. Or
        Hamiltonians that lead to ``hamiltonian``, which becomes the last rung. None takes
        ``choose_ladder(hamiltonian, graph)`` and says so in the metadata.
    n_samples
        Pictures of every rung; errors need 20, and better 200 or more.
    sweeps_between
        Sweeps and exchanges from one picture to the next.
    burn_in
        Sweeps before.
    start
        States to start from, shape (n_sites,) or (n_rungs, n_sites); random by default.
    rng
        Seed or generator.
    progress
        Called with (sweeps done, all sweeps).
    checkpoint
        File to go on from after Ctrl-C, to the bit.

    Returns
    -------
    TemperingResult
        With warnings where exchanges are rare, no replica made a round trip, samples of a rung
        hang together, or the free energies could not be solved for.

    Raises
    ------
    InputError
        For counts below their least, a ladder that does not ascend, Hamiltonians of different
        states or shells, or more than 4 GiB of pictures.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> found = temper_lattice(Ising([0.6]), square_lattice((4, 4)), [0.0, 0.5, 1.0], rng=1)
    >>> log_z, error = found.log_partition(1.0)
    >>> bool(abs(log_z - 20.0) < 0.5), found.round_trips > 10
    (True, True)
    """
    for name, value, least in (
        ("n_samples", n_samples, 1), ("sweeps_between", sweeps_between, 1), ("burn_in", burn_in, 0),
    ):  # fmt: skip
        check_count(name, value, least)
    check_hamiltonian(hamiltonian)
    check_graph(graph)
    generator, seed = as_generator(rng)
    rungs, factors, chosen = _rungs(hamiltonian, graph, ladder, generator)
    _check_size(len(factors), n_samples, graph.n_sites)
    first = generator.choice(np.array(hamiltonian.state_values), (len(factors), graph.n_sites))
    if start is not None and isinstance(hamiltonian, LatticeGas):
        start = state_codes(start, (-1, 1), graph.n_sites)
    engine = TemperingEngine(rungs, graph, factors, first if start is None else start, generator)
    states = np.empty((n_samples, len(factors), graph.n_sites), np.int8)
    energies = np.empty((n_samples, len(factors)))
    total = burn_in + n_samples * sweeps_between
    identity = {
        "seed": seed, "factors": factors, "n_samples": int(n_samples), "burn_in": int(burn_in),
        "sweeps_between": int(sweeps_between), "graph": graph.edges, "first": engine.all_states(),
        "energies": engine.energies(),
    }  # fmt: skip
    for number, rung in enumerate(rungs):
        identity |= {f"rung_{number}_{n}": a for n, a in terms_identity(rung, graph).items()}
    with LongRun(total, progress=progress, checkpoint=checkpoint, arguments=identity) as run:
        n_done = _follow(run, engine, burn_in, sweeps_between, states, energies)
    stopped = run.finish(n_done, n_samples, "samples")
    metadata = {
        "source": "temper_lattice", "method": "tempering", "seed": seed, "boundary": "free",
        "burn_in": int(burn_in), "sweeps_between": int(sweeps_between), "ladder": chosen,
    }  # fmt: skip
    return _result(engine, rungs, graph, states[:n_done], energies[:n_done], metadata, stopped)


def _check_size(n_rungs: int, n_samples: int, n_sites: int) -> None:
    """Refuse more pictures than 4 GiB."""
    size = n_rungs * n_samples * n_sites
    if size > LARGEST_RESULT:
        raise InputError(
            f"n_samples must leave the pictures below 4 GiB; {n_rungs} rungs of {n_samples} "
            f"pictures of {n_sites} sites are {size / 2**30:.0f} GiB."
        )


def _follow(
    run: LongRun,
    engine: TemperingEngine,
    burn_in: int,
    between: int,
    states: NDArray[np.int8],
    energies: Float,
) -> int:
    """Fill the samples of all rungs, those of a checkpoint first; return how many there are."""
    n_done = 0

    def arrays() -> dict[str, NDArray[Any]]:
        kept: dict[str, NDArray[Any]] = {
            "states": states[:n_done],
            "kept_energies": energies[:n_done],
        }
        return engine.arrays() | kept

    if run.saved is not None:
        engine.restore(run.saved)
        n_done = len(run.saved["states"])
        states[:n_done], energies[:n_done] = run.saved["states"], run.saved["kept_energies"]
    going = run.advance_to(burn_in, engine.sweep, arrays)
    if going and run.done == burn_in:
        engine.forget()
    while going and n_done < len(states):
        going = run.advance_to(burn_in + (n_done + 1) * between, engine.sweep, arrays)
        if going:
            states[n_done], energies[n_done] = engine.all_states(), engine.energies()
            n_done += 1
    return n_done


def _energies(hamiltonian: Hamiltonian, states: NDArray[np.int8], graph: SiteGraph) -> Float:
    """Return the energies of pictures; a lattice gas takes -1 and +1 for empty and occupied."""
    if isinstance(hamiltonian, LatticeGas):
        states = (states + 1) // 2
    return hamiltonian.energy(states, graph)


def _rungs(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    ladder: ArrayLike | Sequence[Hamiltonian] | None,
    generator: np.random.Generator,
) -> tuple[list[Hamiltonian], Float, str]:
    """Return the Hamiltonians (one for all, or one a rung), the factors, and who chose them."""
    if ladder is None:
        factors = choose_ladder(hamiltonian, graph, rng=generator)
        return [hamiltonian], factors, "chosen for equal acceptance by the spread of the energy"
    if isinstance(ladder, Sequence) and any(hasattr(rung, "terms") for rung in ladder):
        rungs: list[Any] = [*ladder, hamiltonian]
        for number, rung in enumerate(rungs):
            if not hasattr(rung, "terms"):
                raise InputError(
                    "ladder must hold factors or Hamiltonians, not both; entry "
                    f"{number} is {rung!r}."
                )
        return rungs, np.ones(len(rungs)), "Hamiltonians as given"
    factors = check_factors(ladder)  # type: ignore[arg-type]
    return [hamiltonian], factors, "factors as given"


def _result(
    engine: TemperingEngine,
    rungs: Sequence[Hamiltonian],
    graph: SiteGraph,
    states: NDArray[np.int8],
    energies: Float,
    metadata: Mapping[str, Any],
    stopped: tuple[str, ...],
) -> TemperingResult:
    """Put snapshots, free energies and warnings together."""
    factors = engine.factors
    n_rungs = len(factors)
    own = energies.T.copy()
    if len(rungs) == 1:
        exponent = -own[:, :, None] * factors
    else:
        flat = states.transpose(1, 0, 2)
        exponent = np.stack([-rung.energy(flat, graph) for rung in rungs], axis=2)
    gas = isinstance(rungs[-1], LatticeGas)
    shown = 2 * states - 1 if gas else states
    absolute = len(rungs) == 1 and factors[0] == 0.0
    log_states = graph.n_sites * np.log(len(engine.state_values))
    free = mbar_estimate(exponent, 0, log_states if absolute else 0.0)
    warnings = (*stopped, *_doubts(engine, own, free))
    values = (-1, 1) if gas else tuple(int(value) for value in engine.state_values)
    snapshots = tuple(
        LatticeSnapshots(
            shown[:, rung], graph, state_values=values, warnings=warnings,
            state_names=("empty", "occupied") if gas else (),
            conditions={"factor": np.full(len(states), factors[rung])},
            metadata={**metadata, "rung": rung, "factor": float(factors[rung])},
        )
        for rung in range(n_rungs)
    )  # fmt: skip
    return TemperingResult(
        snapshots, tuple(rungs) if len(rungs) > 1 else (rungs[0],) * n_rungs, factors, own,
        engine.swap_acceptance, engine.round_trips, free, absolute, metadata, warnings,
    )  # fmt: skip


def _doubts(engine: TemperingEngine, energies: Float, free: MbarEstimate) -> tuple[str, ...]:
    """Return what makes the samples or their free energies doubtful."""
    found = []
    n_samples = energies.shape[1]
    acceptance = engine.swap_acceptance
    rare = int(np.argmin(acceptance))
    if acceptance[rare] < RARE:
        found.append(
            f"Exchanges between rungs {rare} and {rare + 1} were made in "
            f"{100 * acceptance[rare]:.2g} % of the trials only; put rungs between them."
        )
    if engine.round_trips == 0:
        found.append(
            "No replica went from the coldest rung to the hottest and back: the cold rungs may "
            "still depend on the start. Take more sweeps or a denser ladder."
        )
    if not free.settled:
        found.append("Free energies are not reliable: samples of some rungs meet no other's.")
    if n_samples < N_BLOCKS:
        found.append(f"Errors of free energies need at least {N_BLOCKS} samples; they are NaN.")
        return tuple(found)
    size = n_samples // N_BLOCKS
    blocks = energies[:, : size * N_BLOCKS].reshape(len(energies), N_BLOCKS, size).mean(axis=2)
    spread = energies.var(axis=1)
    together = size * blocks.var(axis=1, ddof=1)
    independent = n_samples * np.divide(
        spread, together, out=np.full(len(spread), np.inf), where=together > 0
    )
    rung = int(np.argmin(independent))
    if independent[rung] < FEW:
        found.append(
            f"The {n_samples} energies of rung {rung} hold only about {independent[rung]:.0f} "
            "independent ones: errors may be too small. Raise sweeps_between."
        )
    return tuple(found)
