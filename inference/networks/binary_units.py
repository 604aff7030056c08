"""Which of many binary units act on each other? Inverse Ising on a network that is to be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.arviz_import import import_arviz
from physlearn.checks import (
    CREDIBLE_MASS,
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_count,
    check_positive,
)
from physlearn.inference.networks.binary_unit_checks import check_higher_orders
from physlearn.inference.networks.binary_units_kernels import draw_sparse
from physlearn.inference.networks.network_likelihood import (
    LONGEST_MEMORY,
    NetworkLikelihood,
    summarise_likelihood,
)
from physlearn.records import SiteGraph
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["BinaryUnitOptions", "fit_binary_units", "unit_network"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
N_CHAINS = 4
BURN_IN = 300
SCALES = np.geomspace(0.02, 1.0, 40)
"""Standard deviations that the couplings which are present may have, in kT."""
STRONG = 1.5
FEW_COUNTS = 25
BEYOND_CHANCE = 1.2


@dataclass(frozen=True, slots=True)
class BinaryUnitOptions:
    """Priors of `fit_binary_units`.

    Attributes
    ----------
    field_sd
        Prior standard deviation of every field, in kT.
    coupling_sd
        Standard deviation of the couplings that are present, in kT; None learns one for all from
        the data, between 0.02 and 1.
    share_present
        Prior share of candidate pairs with a coupling; None learns it (uniform prior).

    Examples
    --------
    >>> BinaryUnitOptions(share_present=0.1).field_sd
    3.0
    """

    field_sd: float = 3.0
    coupling_sd: float | None = None
    share_present: float | None = None

    def __post_init__(self) -> None:
        check_positive("field_sd", self.field_sd)
        if self.coupling_sd is not None:
            check_positive("coupling_sd", self.coupling_sd)
        share = self.share_present
        if share is not None and not 0 < share < 1:
            raise InputError(f"share_present must lie between 0 and 1; got {share!r}.")


def fit_binary_units(
    states: ArrayLike,
    candidates: SiteGraph | None = None,
    *,
    independent: bool = True,
    options: BinaryUnitOptions | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Infer which of many binary units are coupled, and how strongly, from repeated observation.

    p(s) ~ exp(sum h_i s_i + sum over pairs J_ij s_i s_j), s = -1 or +1, no lattice assumed: neurons
    in time bins, sites that many frames show. Every pair's coupling is zero or normal (spike and
    slab), so that the posterior holds the network's own uncertainty.

    Parameters
    ----------
    states
        Shape (n_samples, n_units), two values in all (0 and 1, or -1 and +1); the larger one is up.
    candidates
        Pairs that may be coupled, the edges of a graph of the units; None allows every pair.
    independent
        Whether the samples are independent. False widens the error bars by each score's
        autocorrelation time (rows in the order of time). The time is measured either way:
        ``diagnostics["samples_per_time"]``, with a warning for True where it is
        above 2 and beyond what shuffled rows give.
    options
        Priors.
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``field`` (dim unit) and ``couplings`` (dim pair, labels "a-b"), in kT; draws of absent
        couplings are exactly 0. ``diagnostics["probability_present"]`` lists each pair's.

    Raises
    ------
    InputError
        For states of more than two values, or candidates of another size.
    NotIdentified
        For units that never change, or fewer than three samples a parameter.

    Notes
    -----
    The likelihood is summarised by the maximum of the pseudolikelihood (Besag 1975,
    doi:10.2307/2987782) and its sandwich covariance, with the score's variance as observed over
    the samples; given this Gaussian the sampler is exact.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> s = np.where(rng.random((4000, 3)) < 0.5, 1, -1)
    >>> s[:, 1] = np.where(rng.random(4000) < 0.7, s[:, 0], -s[:, 0])
    >>> fit = fit_binary_units(s, rng=1)
    >>> [round(p, 1) for p in fit.diagnostics["probability_present"]][0]
    1.0
    """
    chosen = options or BinaryUnitOptions()
    n_draws = check_count("n_draws", n_draws, 100)
    generator, seed = as_generator(rng)
    spins = _spins(states)
    pairs = _pairs(candidates, spins.shape[1])
    likelihood = summarise_likelihood(spins, pairs, chosen.field_sd, independent)
    sampled = _sample(likelihood, spins.shape[1], chosen, n_draws, generator)
    n_units = spins.shape[1]
    labels = [f"{a}-{b}" for a, b in pairs]
    present = (sampled.draws[:, n_units:] != 0).mean(axis=0)
    numbers, flags = check_higher_orders(spins, pairs, sampled.draws, generator)
    flags = [*_memory_flags(likelihood, independent), *_flags(spins, sampled), *flags]
    return fit_from_draws(
        {"field": sampled.draws[:, :n_units], "couplings": sampled.draws[:, n_units:]},
        model=f"Ising network of {n_units} units, {len(pairs)} candidate pairs, couplings zero or "
        "normal; assumes equilibrium and one set of couplings for all samples",
        likelihood="pseudolikelihood",
        approximation="Gaussian summary with sandwich covariance; Gibbs sampling of the network",
        seed=seed,
        data=[spins.astype(np.int8), pairs],
        prior_sd={"field": [chosen.field_sd] * n_units},
        units={"field": "kT", "couplings": "kT"},
        dims={"field": ["unit"], "couplings": ["pair"]},
        coords={"unit": list(range(n_units)), "pair": labels},
        diagnostics={
            "probability_present": present.tolist(), "pairs": pairs.tolist(),
            "n_samples": len(spins), "share_present": sampled.share,
            "coupling_sd_present": sampled.scale, "largest_rhat": sampled.rhat,
            "least_effective_draws": sampled.effective, "samples_per_time": likelihood.memory,
            **numbers,
        },
        warnings=flags,
        verdicts=_verdicts(sampled.draws[:, n_units:], present, labels),
    )  # fmt: skip


def unit_network(fit: Fit, least_probability: float = 0.5) -> nx.Graph:
    """Return the couplings that are likely there as a graph.

    Parameters
    ----------
    fit
        From `fit_binary_units`.
    least_probability
        Pairs below it are left out.

    Returns
    -------
    networkx.Graph
        Nodes carry ``field``; edges carry ``coupling`` and ``sd`` (given that it is there) and
        ``probability_present``.

    Raises
    ------
    InputError
        For another kind of fit, or a probability outside 0 to 1.

    Examples
    --------
    >>> s = np.where(np.random.default_rng(1).random((500, 3)) < 0.5, 1, -1)
    >>> unit_network(fit_binary_units(s, rng=1)).number_of_nodes()
    3
    """
    import networkx as nx

    if check_positive("least_probability", least_probability, allow_zero=True) > 1:
        raise InputError(f"least_probability must be at most 1; got {least_probability}.")
    if "probability_present" not in fit.diagnostics:
        raise InputError("fit must come from fit_binary_units.")
    graph = nx.Graph()
    for unit, mean in enumerate(fit["field"].mean(axis=0)):
        graph.add_node(unit, field=float(mean))
    couplings = fit["couplings"]
    there = fit.diagnostics["probability_present"]
    for column, (pair, probability) in enumerate(zip(fit.diagnostics["pairs"], there, strict=True)):
        if probability >= least_probability:
            draws = couplings[couplings[:, column] != 0, column]
            graph.add_edge(
                int(pair[0]), int(pair[1]), coupling=float(draws.mean()), sd=float(draws.std()),
                probability_present=float(probability),
            )  # fmt: skip
    return graph


def _spins(states: ArrayLike) -> Float:
    """Return states as -1 and +1, checked."""
    given = check_array("states", states, ndim=2)
    values = np.unique(given)
    if len(values) > 2:
        raise InputError(
            f"states must hold two values, such as 0 and 1; got {len(values)} "
            f"({', '.join(f'{value:g}' for value in values[:5])}, ...)."
        )
    if given.shape[1] < 2:
        raise InputError(f"states must have at least two units (columns); got {given.shape}.")
    still = np.flatnonzero(np.ptp(given, axis=0) == 0)
    if len(still):
        names = ", ".join(str(unit) for unit in still[:10])
        raise NotIdentified(
            f"states never change in unit(s) {names}: nothing follows about their couplings; "
            "leave them out or observe for longer."
        )
    return np.where(given == values[1], 1.0, -1.0)


def _pairs(candidates: SiteGraph | None, n_units: int) -> Int:
    """Return the pairs that may be coupled, each once, the lower unit first."""
    if candidates is None:
        return np.column_stack(np.triu_indices(n_units, 1)).astype(np.int64)
    if not isinstance(candidates, SiteGraph) or candidates.n_sites != n_units:
        raise InputError(
            f"candidates must be a SiteGraph with one site for each of the {n_units} units; got "
            f"{candidates!r}."
        )
    pairs: Int = np.unique(np.sort(candidates.edges, axis=1), axis=0)
    return pairs


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """Draws (n, p), the mean share and scale of what is present, and the chains' diagnostics."""

    draws: Float
    share: float
    scale: float
    rhat: float
    effective: float


def _sample(
    likelihood: NetworkLikelihood,
    n_units: int,
    options: BinaryUnitOptions,
    n_draws: int,
    rng: np.random.Generator,
) -> _Sampled:
    """Run Gibbs chains over fields, couplings, and the share and scale of those present."""
    p = len(likelihood.linear)
    each = -(-n_draws // N_CHAINS)
    kept = np.empty((N_CHAINS, each, p))
    shares, scales = np.empty((N_CHAINS, each)), np.empty((N_CHAINS, each))
    for chain in range(N_CHAINS):
        share, scale = options.share_present or 0.2, options.coupling_sd or 0.2
        present = np.zeros(p, np.int64)
        values: Float = np.zeros(p)
        if chain % 2:  # half of the chains start from the full network
            start = np.linalg.solve(likelihood.information + np.eye(p), likelihood.linear)
            values = np.asarray(start, np.float64)
        pull = likelihood.linear - likelihood.information @ values
        for step in range(-BURN_IN, each):
            shrinkage = np.full(p, 1.0 / scale**2)
            shrinkage[:n_units] = 1.0 / options.field_sd**2
            log_odds = np.full(p, np.log(share) - np.log1p(-share))
            log_odds[:n_units] = np.inf
            draw_sparse(
                values, present, pull, likelihood.information, shrinkage, log_odds,
                rng.random(p), rng.standard_normal(p),
            )  # fmt: skip
            there = values[n_units:][present[n_units:] == 1]
            if options.share_present is None:
                absent = p - n_units - len(there)
                share = float(np.clip(rng.beta(1 + len(there), 1 + absent), 1e-6, 1 - 1e-6))
            if options.coupling_sd is None:
                scale = _draw_scale(there, rng)
            if step >= 0:
                kept[chain, step], shares[chain, step], scales[chain, step] = values, share, scale
    rhat, effective = _mixing(kept)
    draws = kept.reshape(-1, p)
    draws = draws[rng.permutation(len(draws))[:n_draws]]
    return _Sampled(draws, float(shares.mean()), float(scales.mean()), rhat, effective)


def _draw_scale(there: Float, rng: np.random.Generator) -> float:
    """Draw the standard deviation of the couplings that are present (log-uniform prior)."""
    log_weight = -len(there) * np.log(SCALES) - np.sum(there**2) / (2 * SCALES**2)
    weight = np.exp(log_weight - log_weight.max())
    return float(SCALES[np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random())])


def _mixing(chains: Float) -> tuple[float, float]:
    """Return the largest R-hat and the least effective number of draws over the parameters."""
    arviz = import_arviz()
    p = chains.shape[-1]
    columns = np.unique(np.linspace(0, p - 1, 200).astype(int))  # enough to see chains disagree
    moving = [chains[:, :, k] for k in columns if np.ptp(chains[:, :, k]) > 0]
    rhat = max((float(arviz.rhat(part)) for part in moving), default=1.0)
    return rhat, min(
        (float(arviz.ess(part)) for part in moving), default=float(chains[..., 0].size)
    )


def _memory_flags(likelihood: NetworkLikelihood, independent: bool) -> list[str]:
    """Warn of correlated rows: the longest of many times is long by chance in short series."""
    memory = likelihood.memory
    if not independent or memory <= max(LONGEST_MEMORY, BEYOND_CHANCE * likelihood.chance):
        return []
    return [
        f"the samples follow each other (correlation time of the scores {memory:.1f} rows, "
        f"{likelihood.chance:.1f} in shuffled order): error bars are too small and couplings may "
        "be spurious; fit with independent=False, rows in the order of time"
    ]


def _flags(spins: Float, sampled: _Sampled) -> list[str]:
    flags = []
    rarest = int(np.minimum((spins > 0).sum(axis=0), (spins < 0).sum(axis=0)).min())
    if rarest < FEW_COUNTS:
        flags.append(
            f"a unit shows its rarer state only {rarest} times: the Gaussian error bars of its "
            "couplings are rough"
        )
    mean = sampled.draws[:, spins.shape[1] :].mean(axis=0)
    if np.abs(mean).max(initial=0.0) > STRONG:
        flags.append(
            f"couplings beyond {STRONG} kT: units that nearly always agree; error bars rough"
        )
    if sampled.rhat > 1.05:
        flags.append(f"the chains over networks disagree (R-hat {sampled.rhat:.2f}): draw more")
    return flags


def _verdicts(couplings: Float, present: Float, labels: list[str]) -> dict[str, str]:
    tail = (1 - CREDIBLE_MASS) / 2
    low, high = np.quantile(couplings, [tail, 1 - tail], axis=0)
    out = {}
    for index, label in enumerate(labels):
        text = f"P(coupled) = {present[index]:.2f}"
        if low[index] > 0:
            text += "; prefer to agree"
        elif high[index] < 0:
            text += "; prefer to differ"
        out[f"couplings[{label}]"] = text
    return out
