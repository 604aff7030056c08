"""The smallest error bars that pictures of a lattice allow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_array, check_count
from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.inference.posteriors.lattice_population import Population, make_population
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian, check_hamiltonian
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["CramerRaoBound", "cramer_rao_bound", "family_and_theta"]

Float = NDArray[np.float64]
MODEL_OF = {
    "Ising": "ising", "LatticeGas": "lattice_gas", "Potts": "potts", "Clock": "clock",
    "BlumeCapel": "blume_capel", "PairHamiltonian": "pair",
}  # fmt: skip
MOST_STATES = 1 << 16
"""Pictures that are summed over one by one."""
N_REPLICAS = 64
BURN_IN, N_RECORDS = 200, 60
LONGEST = 64
MAX_START_EFFECT = 4.0
MAX_MEMORY = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class CramerRaoBound:
    """Smallest standard deviations that any unbiased estimate can have.

    Attributes
    ----------
    names
        Of the d parameters.
    sds
        Bounds, shape (d,), in kT.
    covariance
        Inverse Fisher information, shape (d, d).
    """

    names: tuple[str, ...]
    sds: Float
    covariance: Float

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def field_sd(self) -> float:
        """Bound of the first term of single sites; NaN for a model that has none."""
        if self.names[0].startswith(("couplings", "interactions", "triplets")):
            return float("nan")
        return float(self.sds[0])

    @property
    def coupling_sds(self) -> Float:
        """Bounds of the couplings, in the order of ``names``."""
        chosen = [name.startswith(("couplings", "interactions")) for name in self.names]
        return np.asarray(self.sds[chosen])


def cramer_rao_bound(
    hamiltonian: Hamiltonian | LatticeFamily,
    graph: SiteGraph,
    n_snapshots: int = 1,
    rng: int | np.random.Generator | None = None,
    *,
    theta: ArrayLike | None = None,
    codes: ArrayLike | None = None,
) -> CramerRaoBound:
    """Return the Cramer-Rao bound of a lattice model's parameters.

    The Fisher information of a picture is the covariance of its statistics T: by a sum over all
    states of small lattices, else by Monte Carlo (with clusters where heat bath remembers long and
    the model has them). Below a transition at zero field it counts all phases, of which one picture
    shows one.

    Parameters
    ----------
    hamiltonian
        A Hamiltonian record with one field for all sites, or a ``LatticeFamily``.
    graph
        Sites and bonds; all sites are taken as seen.
    n_snapshots
        Number of independent pictures.
    rng
        Seed or generator.
    theta
        Parameters (d,) of a family.
    codes
        A picture (n_sites,) whose composition is the fixed one, for a family of fixed composition.

    Raises
    ------
    InputError
        For a field or bonds by site, pair energies that are not in zero-sum gauge, or a family
        without theta.
    NotIdentified
        Where some parameters cannot be told apart, or the run does not come to equilibrium.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> bound = cramer_rao_bound(Ising([0.0]), square_lattice((16, 16)), rng=1)
    >>> bool(abs(bound.field_sd * 16 - 1) < 0.1)   # 1 / sqrt(n_sites) without couplings
    True
    """
    check_count("n_snapshots", n_snapshots, 1)
    if isinstance(hamiltonian, LatticeFamily):
        family = hamiltonian
        if theta is None:
            raise InputError("theta must be given for a family: one number for each parameter.")
        at = check_array("theta", theta, shape=(family.n_parameters,))
    elif theta is not None:
        raise InputError("theta must be None for a Hamiltonian, which holds its own parameters.")
    else:
        family, at = family_and_theta(hamiltonian, graph)
    generator, _ = as_generator(rng)
    start = _start(family, graph, codes, generator)
    if family.n_states**graph.n_sites <= MOST_STATES:
        fisher = _enumerate(family, graph, at, start)
    else:
        fisher = _simulate(family, graph, at, start, generator)
    scale = np.sqrt(np.diag(fisher))
    if np.any(scale == 0) or np.linalg.cond(fisher / np.outer(scale, scale)) > 1e9:
        raise NotIdentified(
            f"parameters {', '.join(family.labels)} can't be told apart on this graph."
        )
    covariance = np.linalg.inv(fisher) / n_snapshots
    return CramerRaoBound(tuple(family.labels), np.sqrt(np.diag(covariance)), covariance)


def family_and_theta(hamiltonian: Hamiltonian, graph: SiteGraph) -> tuple[LatticeFamily, Float]:
    """Return the family of a Hamiltonian record and its parameters there.

    Raises
    ------
    InputError
        For fields or bonds that differ from site to site, or energies that the family lacks.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> family_and_theta(Ising([0.2], 0.1), square_lattice((4, 4)))[1].round(9).tolist()
    [0.1, 0.2]
    """
    check_hamiltonian(hamiltonian)
    model = MODEL_OF.get(type(hamiltonian).__name__)
    if model is None:
        raise InputError(
            f"hamiltonian must be one of {', '.join(MODEL_OF)}; got {type(hamiltonian).__name__}."
        )
    if getattr(hamiltonian, "bonds", None) is not None:
        raise InputError("hamiltonian must have the same couplings on all bonds of a shell.")
    terms = hamiltonian.terms(graph)
    if np.any(np.ptp(terms.site_energy, axis=0) > 0):
        raise InputError("hamiltonian must have one field for all sites.")
    motifs = tuple(motif for motif, _ in getattr(hamiltonian, "triplets", ()))
    if motifs and model == "pair":
        raise InputError("hamiltonian must be Ising or LatticeGas to have triplets here.")
    family = lattice_family(model, hamiltonian.state_values, len(terms.pair_energy), motifs)
    d, q = family.n_parameters, family.n_states
    shells = len(terms.pair_energy)
    columns = [
        np.concatenate([family.site[k].ravel(), family.pair[k].ravel(), family.triplet[k].ravel()])
        for k in range(d)
    ]
    # constants of the energy have no effect: one of the sites, one of every shell
    sizes = [q, *[q * q] * shells]
    for number in range(1 + shells):
        constant = np.zeros(len(columns[0]))
        constant[sum(sizes[:number]) : sum(sizes[: number + 1])] = 1.0
        columns.append(constant)
    wanted = -np.concatenate(
        [terms.site_energy[0], terms.pair_energy.ravel(), terms.triplet_energy.ravel()]
    )
    found, *_ = np.linalg.lstsq(np.array(columns).T, wanted, rcond=None)
    if not np.allclose(np.array(columns).T @ found, wanted, atol=1e-9):
        raise InputError(
            "hamiltonian must have pair energies in zero-sum gauge (rows that sum to the same); "
            "move the rest into the site energies."
        )
    return family, np.asarray(found[:d])


def _start(
    family: LatticeFamily, graph: SiteGraph, codes: ArrayLike | None, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return codes to start from."""
    if family.fixed_composition:
        if codes is None:
            raise InputError("codes must be given where the composition is fixed.")
        return np.asarray(
            check_array("codes", codes, shape=(graph.n_sites,), dtype=np.uint8), np.uint8
        )
    if codes is not None:
        raise InputError("codes must be None where the composition is not fixed.")
    return rng.integers(family.n_states, size=graph.n_sites, dtype=np.uint8)


def _enumerate(
    family: LatticeFamily, graph: SiteGraph, theta: Float, start: NDArray[np.uint8]
) -> Float:
    """Return the covariance of T over all states."""
    codes = np.array(list(product(range(family.n_states), repeat=graph.n_sites)), np.uint8)
    if family.fixed_composition:
        codes = codes[np.all(np.sort(codes, axis=1) == np.sort(start), axis=1)]
    sums = family.statistics(codes, graph)
    exponent = sums @ theta
    weight = np.exp(exponent - exponent.max())
    return np.atleast_2d(np.cov(sums.T, aweights=weight / weight.sum(), ddof=0))


def _simulate(
    family: LatticeFamily, graph: SiteGraph, theta: Float, start: NDArray[np.uint8],
    rng: np.random.Generator,
) -> Float:  # fmt: skip
    """Return the covariance of T over a run whose two kinds of starts agree."""
    wide = np.repeat(start[:, None], N_REPLICAS, axis=1)
    half = N_REPLICAS // 2
    if family.fixed_composition:
        wide = rng.permuted(wide, axis=0)
        wide[:, :half] = np.sort(start)[:, None]
    else:
        wide[:, :half] = 0
        wide[:, half:] = rng.integers(family.n_states, size=(graph.n_sites, N_REPLICAS - half))
    for dynamics in ("auto", "clusters"):
        try:
            copies = make_population(
                family, graph, wide, N_REPLICAS, rng, dynamics=dynamics,
                parts=np.zeros(graph.n_sites, np.int64) if family.fixed_composition else None,
            )  # fmt: skip
        except InputError:
            break
        length = 1
        # no model remembers its start for ever; LONGEST bounds the time, and is said when reached
        limit = 4 if dynamics == "auto" else LONGEST
        while length <= limit:
            trace = _trace(copies, theta, length)
            if _settled(trace):
                return np.atleast_2d(np.cov(trace.reshape(-1, trace.shape[-1]).T))
            length *= 2
    raise NotIdentified(
        "the simulation at these parameters does not forget its start (phases that coexist, or "
        "frozen disorder): the bound is not defined by a run of this length."
    )


def _trace(copies: Population, theta: Float, length: int) -> Float:
    """Return statistics (n_records, n_replicas, d) after a burn-in of a hundred lengths."""
    copies.sweep(theta, BURN_IN * length)
    trace = []
    for _ in range(N_RECORDS):
        copies.sweep(theta, 10 * length)
        trace.append(copies.statistics())
    return np.array(trace)


def _settled(trace: Float) -> bool:
    """Whether replicas from order and from disorder agree, and records are nearly independent."""
    half = trace.shape[1] // 2
    means = trace.mean(axis=0)
    gap = np.abs(means[:half].mean(axis=0) - means[half:].mean(axis=0))
    error = np.sqrt((means[:half].var(axis=0) + means[half:].var(axis=0)) / half) + 1e-12
    centered = trace - trace.mean(axis=(0, 1))
    variance = (centered**2).mean(axis=(0, 1)) + 1e-12
    lag = max(1, len(trace) // 6)
    memory = (centered[lag:] * centered[:-lag]).mean(axis=(0, 1)) / variance
    return bool(np.all(gap < MAX_START_EFFECT * error) and np.all(memory < MAX_MEMORY))
