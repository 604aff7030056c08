"""Which interactions made this pattern? Posterior of a lattice Hamiltonian from snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, as_generator, check_choice
from physlearn.inference.lattice_checks import correlation_table, trust_flags
from physlearn.inference.lattice_data import gather_snapshots
from physlearn.inference.lattice_family import lattice_family
from physlearn.inference.lattice_labels import impute_labels
from physlearn.inference.lattice_likelihood import sample_likelihood_posterior
from physlearn.inference.priors import LatticePrior, make_prior
from physlearn.inference.pseudolikelihood import (
    LEAST_INFORMATION,
    Sandwich,
    combine_with_prior,
    maximize_pseudolikelihood,
    measure_sandwich,
)
from physlearn.inference.two_state_data import TwoStateData as LatticeData
from physlearn.inference.two_state_data import two_state_data
from physlearn.lattice_models.hamiltonians import Ising
from physlearn.lattice_models.replicas import Replicas
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.results import Fit, fit_from_draws

__all__ = ["CramerRaoBound", "LatticePrior", "cramer_rao_bound", "fit_lattice_hamiltonian"]

Float = NDArray[np.float64]
METHODS = ("auto", "pseudolikelihood", "likelihood")
FEW_PAIRS = 20.0
LARGEST_LIKELIHOOD = 100_000
LEAST_EFFECTIVE = 400.0
MOST_LOSS = 1.25
PRIOR_REPEATED = 0.9
ASSUMPTIONS = (
    "equilibrium at one temperature, which is absorbed into the couplings; one column thick"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """Draws with how they came about."""

    draws: Float
    method: str
    approximation: str
    pictured: NDArray[np.int8]
    numbers: dict[str, Any]
    flags: list[str]


def fit_lattice_hamiltonian(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
    n_shells: int = 2,
    *,
    method: str = "auto",
    label_noise: float | None = None,
    prior: LatticePrior | Mapping[str, float] | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Infer field and couplings of a two-state lattice from pictures of it, with error bars.

    The model is ``Ising``: p(s) ~ exp(+ sum h s + sum_bonds J s s'), temperature absorbed, the
    second of ``state_values`` as s = +1. J > 0 prefers like neighbours.

    Parameters
    ----------
    snapshots
        One ``LatticeSnapshots`` or a list; all pictures share one Hamiltonian. Where
        ``label_log_likelihood`` leaves labels uncertain they are summed over; sites not observed
        are hidden. Sites at the rim of a cut-out serve as neighbours only
        (``metadata["boundary"] = "free"`` says that the crystal ends there).
    n_shells
        Shells of neighbours with a coupling.
    method
        ``pseudolikelihood`` (sandwich covariance, Gaussian), ``likelihood`` (Monte Carlo
        likelihood, any shape), or ``auto``: pseudolikelihood, unless a minority is so rare that
        few of its pairs are expected, or its own checks fail, or it would lose more than a
        quarter of the precision; then likelihood (which leaves the Gaussian shape, too).
    label_noise
        Known probability that a label is flipped; not with ``label_log_likelihood``.
    prior
        Gaussian prior widths in kT, ``LatticePrior`` or a mapping (field_sd, coupling_sd).
    n_draws
        Number of posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        Variables ``field`` and ``couplings`` (dim shell, 1-based), in kT. ``diagnostics`` hold
        ``correlations`` (rows: shell, distance, observed, predicted_mean, predicted_q05,
        predicted_q95), ``probability_positive``, and the checks' numbers.

    Raises
    ------
    InputError
        For more than two states, more shells than the graph has, or bad options.
    NotIdentified
        For fewer than 10 sites with a complete neighbourhood.

    Notes
    -----
    Besag (1975), doi:10.2307/2987782; Godambe (1960), doi:10.1214/aoms/1177705693; Shirts &
    Chodera (2008), doi:10.1063/1.2978177.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((24, 24)), rng=1)
    >>> fit = fit_lattice_hamiltonian(picture, n_shells=1, rng=1)
    >>> fit["couplings"].shape
    (4000, 1)
    """
    check_choice("method", method, METHODS)
    if not isinstance(n_draws, int | np.integer) or n_draws < 100:
        raise InputError(f"n_draws must be a whole number of at least 100; got {n_draws!r}.")
    generator, seed = as_generator(rng)
    records = [snapshots] if isinstance(snapshots, LatticeSnapshots) else list(snapshots)
    gathered = gather_snapshots(
        snapshots,
        lattice_family("ising", records[0].state_values, n_shells),
        label_noise=label_noise,
    )
    data, sds = two_state_data(gathered), make_prior(prior, gathered).sd
    answer = _infer(data, sds, method, int(n_draws), generator)
    table = correlation_table(
        data, answer.pictured, answer.draws, _distances(records[0].graph), generator
    )
    warnings = [*data.notes, *answer.flags, *_misfit_flags(table), *_prior_flags(answer, sds)]
    positive = (answer.draws > 0).mean(axis=0)
    return fit_from_draws(
        {"field": answer.draws[:, 0], "couplings": answer.draws[:, 1:]},
        model=f"Ising with {n_shells} shell(s) of couplings and a field; assumes {ASSUMPTIONS}",
        likelihood=answer.method,
        approximation=answer.approximation,
        seed=seed,
        data=[data.states, data.graph.edges, *([] if data.evidence is None else [data.evidence])],
        prior_sd={"field": sds[0], "couplings": sds[1:]},
        units={"field": "kT", "couplings": "kT"},
        dims={"couplings": ["shell"]},
        coords={"shell": list(range(1, n_shells + 1))},
        diagnostics={
            "correlations": table, "n_sites": len(data.states), "n_terms": len(data.terms),
            "minority_sites": _minority(data.states),
            "probability_positive": {
                "field": float(positive[0]), "couplings": positive[1:].tolist(),
            },
            **answer.numbers,
        },
        warnings=warnings,
        verdicts=_verdicts(answer.draws),
    )  # fmt: skip


def _infer(
    data: LatticeData, sds: Float, method: str, n_draws: int, rng: np.random.Generator
) -> _Answer:
    """Choose the method, run it, and escalate where its own checks fail."""
    precision = 1.0 / sds**2
    if data.evidence is not None:
        if method == "likelihood":
            raise InputError("method must be auto or pseudolikelihood where labels are uncertain.")
        return _with_uncertain_labels(data, data.evidence, precision, n_draws, rng)
    if _minority(data.states) == 0:
        return _all_alike(data, sds, n_draws, rng)
    copies = Replicas(data.graph, data.n_shells, data.states, 1, rng)
    mode = maximize_pseudolikelihood(copies, data.terms, precision, np.zeros(len(sds)), 100)[0]
    sandwich = measure_sandwich(data, mode, rng)
    mean, covariance = combine_with_prior(mode, sandwich, precision)
    reasons, numbers = trust_flags(data, sandwich)
    pairs = _expected_minority_pairs(data)
    numbers["expected_minority_pairs"] = pairs.tolist()
    rare = bool(pairs.min() < FEW_PAIRS)
    numbers["precision_loss"] = _precision_loss(sandwich)
    lossy = numbers["precision_loss"] > MOST_LOSS
    small = len(data.states) <= LARGEST_LIKELIHOOD
    flags: list[str] = []
    if method == "likelihood" or (method == "auto" and (rare or reasons or lossy) and small):
        naive = np.linalg.inv(sandwich.curvature + np.diag(precision))
        gaussian = not (rare or reasons)
        about, spread = (mean, covariance) if gaussian else (mode, np.asarray(naive, np.float64))
        result = sample_likelihood_posterior(data, about, spread, sds, n_draws, rng)
        numbers |= {"effective_draws": result.effective_draws, "rounds": result.rounds}
        if result.converged and result.effective_draws > LEAST_EFFECTIVE:
            return _Answer(
                result.draws, "likelihood", "Monte Carlo likelihood, importance weights",
                data.states[:, None], numbers, [],
            )  # fmt: skip
        flags.append(
            "the Monte Carlo likelihood did not settle: this is the pseudolikelihood's answer"
        )
    if reasons:
        flags.append(
            "near a transition: pseudolikelihood error bars unreliable (" + "; ".join(reasons) + ")"
        )
    if rare:
        flags.append("few pairs of the rarer state: a Gaussian posterior is too narrow here")
    draws = mean + rng.standard_normal((n_draws, len(sds))) @ np.linalg.cholesky(covariance).T
    return _Answer(
        draws, "pseudolikelihood", "Gaussian, sandwich covariance from a Monte Carlo run",
        data.states[:, None], numbers, flags,
    )  # fmt: skip


def _with_uncertain_labels(
    data: LatticeData,
    evidence: Float,
    precision: Float,
    n_draws: int,
    rng: np.random.Generator,
) -> _Answer:
    result = impute_labels(data, evidence, precision, n_draws, rng)
    completed = LatticeData(
        data.graph, data.n_shells, np.ascontiguousarray(result.states[:, 0]), data.terms, None, ()
    )
    reasons, numbers = trust_flags(completed, result.sandwich)
    numbers |= {"variance_from_labels": result.missing_share, "imputation_drift": result.drift}
    flags = []
    if reasons:
        flags.append(
            "near a transition: pseudolikelihood error bars unreliable (" + "; ".join(reasons) + ")"
        )
    if result.drift > 0.3:
        flags.append("the sum over uncertain labels has not settled: treat the error bars as rough")
    if _expected_minority_pairs(completed).min() < FEW_PAIRS:
        flags.append(
            "few pairs of the rarer state and uncertain labels: the Gaussian posterior of each "
            "completed picture is too narrow here"
        )
    return _Answer(
        result.draws, "pseudolikelihood, labels summed over",
        "data augmentation; Gaussian given the labels", result.states, numbers, flags,
    )  # fmt: skip


def _all_alike(data: LatticeData, sds: Float, n_draws: int, rng: np.random.Generator) -> _Answer:
    """Weigh prior draws by the pseudolikelihood, where all sites hold one state.

    Flips are then rare and independent, so it equals the likelihood.
    """
    copies = Replicas(data.graph, data.n_shells, data.states, 1, rng)
    state = float(data.states[0])
    candidates = rng.standard_normal((50 * n_draws, len(sds))) * sds
    degree = np.zeros((len(data.states), data.n_shells))
    table = copies.bonds
    site = np.repeat(np.arange(len(data.states)), np.diff(table.start))
    np.add.at(degree, (site, table.shell), table.times)
    kinds, counts = np.unique(degree[data.terms], axis=0, return_counts=True)
    pull = state * candidates[:, :1] + candidates[:, 1:] @ kinds.T
    log_weight = -np.logaddexp(0.0, -2.0 * pull) @ counts
    weight = np.exp(log_weight - log_weight.max())
    draws = candidates[rng.choice(len(weight), n_draws, p=weight / weight.sum())]
    flag = "all sites hold one state: only bounds follow, and they lean on the prior"
    return _Answer(
        draws, "pseudolikelihood", "prior draws weighted by the pseudolikelihood",
        data.states[:, None], {}, [flag],
    )  # fmt: skip


def _minority(states: NDArray[np.int8]) -> int:
    return int(min((states == 1).sum(), (states == -1).sum()))


def _expected_minority_pairs(data: LatticeData) -> Float:
    """Return how many pairs of the rarer state each shell would hold at random."""
    share = _minority(data.states) / len(data.states)
    graph = data.graph
    bonds = np.bincount(graph.shell, weights=graph.multiplicity, minlength=data.n_shells)
    return np.asarray(bonds[: data.n_shells] * share**2)


def _precision_loss(sandwich: Sandwich) -> float:
    """Return the largest ratio of the sandwich's standard deviations to the Cramer-Rao bound."""
    trace = sandwich.statistics
    fisher = np.cov(trace.reshape(-1, trace.shape[-1]).T)
    bread = np.linalg.inv(sandwich.curvature)
    variance = np.diag(bread @ sandwich.variability @ bread)
    bound = np.linalg.inv(fisher + LEAST_INFORMATION * np.eye(len(fisher)))
    return float(np.sqrt(np.max(variance / np.diag(bound))))


def _distances(graph: SiteGraph) -> list[float | None]:
    if len(graph.shell_radii) == graph.n_shells:
        return [float(radius) for radius in graph.shell_radii]
    return [None] * graph.n_shells


def _verdicts(draws: Float) -> dict[str, str]:
    tail = (1 - CREDIBLE_MASS) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    verdicts = {}
    for index in range(1, draws.shape[1]):
        chance = float((draws[:, index] > 0).mean())
        if low[index] <= 0 <= high[index]:
            text = f"these data can't tell the sign (P(J > 0) = {chance:.2f})"
        elif low[index] > 0:
            text = f"like neighbours preferred: P = {chance:.3g}"
        else:
            text = f"unlike neighbours preferred: P = {1 - chance:.3g}"
        verdicts[f"couplings[{index}]"] = text
    return verdicts


def _prior_flags(answer: _Answer, sds: Float) -> list[str]:
    share = answer.draws.std(axis=0) / sds
    names = ["field", *(f"couplings[{index}]" for index in range(1, len(sds)))]
    return [
        f"{name}: prior repeated (posterior sd is {value:.0%} of the prior's); a larger picture "
        "or more pictures would narrow it"
        for name, value in zip(names, share, strict=True)
        if value > PRIOR_REPEATED
    ]


def _misfit_flags(table: list[dict[str, Any]]) -> list[str]:
    wrong = [row for row in table if not row["fitted"] and row["misfit_sd"] > 4.0]
    return [
        f"the model does not explain the correlation of pairs in {row['pairs']}: observed "
        f"{row['observed']:.3f}, predicted {row['predicted_mean']:.3f} +- {row['predicted_sd']:.3f}"
        for row in wrong
    ]


@dataclass(frozen=True, slots=True, eq=False)
class CramerRaoBound:
    """Smallest standard deviations that any unbiased estimate can have.

    Attributes
    ----------
    field_sd
        Bound of the field, in kT.
    coupling_sds
        Bounds of the couplings, shape (n_shells,).
    covariance
        Inverse Fisher information of (field, couplings).
    """

    field_sd: float
    coupling_sds: Float
    covariance: Float


def cramer_rao_bound(
    hamiltonian: Ising,
    graph: SiteGraph,
    n_snapshots: int = 1,
    rng: int | np.random.Generator | None = None,
) -> CramerRaoBound:
    """Return the Cramer-Rao bound of field and couplings at a Hamiltonian, by Monte Carlo.

    The Fisher information of a picture is the covariance of (sum s, sums of s s' by shell). Below
    the transition at zero field it counts both phases, of which one picture shows one.

    Parameters
    ----------
    hamiltonian
        With one field for all sites.
    graph
        Sites and bonds; all sites are taken as seen.
    n_snapshots
        Number of independent pictures.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For a field by site, or fewer than one picture.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> bound = cramer_rao_bound(Ising([0.0]), square_lattice((16, 16)), rng=1)
    >>> bool(abs(bound.field_sd * 16 - 1) < 0.1)   # 1 / sqrt(n_sites) without couplings
    True
    """
    if np.ndim(hamiltonian.field):
        raise InputError("hamiltonian must have one field for all sites.")
    if n_snapshots < 1:
        raise InputError(f"n_snapshots must be at least 1; got {n_snapshots!r}.")
    hamiltonian.bond_couplings(graph)
    generator, _ = as_generator(rng)
    start = generator.choice(np.array([-1, 1], np.int8), (graph.n_sites, 64))
    copies = Replicas(graph, hamiltonian.n_shells, start, 64, generator)
    theta = np.array([float(hamiltonian.field), *hamiltonian.couplings])
    copies.sweep(theta, 300)
    samples = []
    for _ in range(60):
        copies.sweep(theta, 10)
        samples.append(copies.statistics())
    fisher = np.cov(np.concatenate(samples).T)
    covariance = np.linalg.inv(fisher) / n_snapshots
    sds = np.sqrt(np.diag(covariance))
    return CramerRaoBound(float(sds[0]), sds[1:], covariance)
