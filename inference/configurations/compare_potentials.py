"""Odds between potentials of the same snapshots: families, and a three-body term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator
from physlearn.declared_types import shown
from physlearn.inference.configurations.fit_pair_potential import NO_POTENTIAL, check_sampling
from physlearn.inference.configurations.partition_samples import PartitionSamples
from physlearn.inference.configurations.score_matching import resemblance
from physlearn.inference.configurations.simulated_likelihood import simulate_posterior
from physlearn.inference.configurations.simulated_problem import Effort, SimulatedProblem
from physlearn.inference.configurations.snapshot_chain import SnapshotChain
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies, ThreeBody
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.inference.configurations.theta_posterior import ThetaPosterior
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.one_thread import one_blas_thread
from physlearn.records.storage import html_table, short_repr

__all__ = ["PotentialCandidate", "PotentialComparison", "compare_potentials"]

Float = NDArray[np.float64]
LARGEST_GAP = 1.5
"""Standard deviations of the energy that neighbours on a path may lie apart."""
MOST_BRIDGES = 80
PATH_RECORDS = 60


@dataclass(frozen=True, eq=False)
class PotentialCandidate:
    """A model to compare: pair potentials, and a three-body term or none.

    Attributes
    ----------
    family
        Potentials between all pairs of species, with their prior.
    three_body
        A three-body term with the prior of its strength.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> PotentialCandidate(make_interaction("morse", length=1.0)).family.names
    ('depth', 'steepness', 'minimum')
    """

    family: InteractionFamily
    three_body: ThreeBody | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name, wanted in (("family", InteractionFamily), ("three_body", ThreeBody)):
            value = getattr(self, name)
            if not isinstance(value, wanted) and (name == "family" or value is not None):
                raise InputError(f"{name} must be a {wanted.__name__}; got {shown(value)}.")


@dataclass(frozen=True, eq=False)
class PotentialComparison:
    """What ``compare_potentials`` found.

    Attributes
    ----------
    table
        One row a candidate, best first: log_evidence (relative to the best), log_evidence_error,
        probability with equal prior odds, log_likelihood at the mode (relative to the largest),
        n_parameters.
    posteriors
        Of each candidate, by name.
    verdict
        One sentence with the odds.
    warnings
        Sentences.

    Examples
    --------
    >>> ranks = pd.DataFrame({"log_evidence": [0.0, -2.0]}, index=["pair", "pair + angle"])
    >>> PotentialComparison(ranks, {}, "a pair force is enough.", ()).table.index[0]
    'pair'
    """

    table: pd.DataFrame
    posteriors: Mapping[str, ThetaPosterior]
    verdict: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def compare_potentials(
    configurations: Any,
    candidates: Mapping[str, PotentialCandidate],
    *,
    sampling: str | None = None,
    position_sd: float | None = None,
    effort: Effort | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> PotentialComparison:
    """Return the odds between potentials given snapshots in thermal equilibrium.

    The evidence is the integral of prior times likelihood. Within a candidate it follows from the
    importance weights of its posterior; log Z between candidates follows from simulations along a
    path of energies from one mode to the next (Shirts & Chodera 2008, doi:10.1063/1.2978177).
    Evidence depends on the priors: a prior ten times as wide costs 2.3 for each parameter that the
    data determine.

    Parameters
    ----------
    configurations
        ``AtomicConfiguration``, a list of them or a ``Trajectory``; where frames resemble each
        other log L is divided by how much that widens a mean's covariance.
    candidates
        Name -> ``PotentialCandidate``; at least two, all of the same number of species.
    sampling
        Required, as of ``fit_pair_potential``; a time-averaged image is refused.
    position_sd
        Error of each coordinate, see ``fit_pair_potential``.
    effort, rng, progress
        As of ``fit_by_simulation``.

    Raises
    ------
    InputError
        For fewer than two candidates, three-body terms of different shapes, or ``sampling`` that
        is not stated.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.records import AtomicConfiguration
    >>> grid = np.stack(np.meshgrid(*[np.arange(6) * 1.2] * 2), -1).reshape(-1, 2)
    >>> shaken = grid + np.random.default_rng(1).normal(0, 0.1, grid.shape)
    >>> atoms = AtomicConfiguration(shaken, unit="reduced", cell=np.eye(2) * 7.2)
    >>> some = {name: PotentialCandidate(make_interaction(name, length=0.9, cutoff=2.0))
    ...         for name in ("inverse_power", "lennard_jones")}
    >>> quick = Effort(burn_in=50, round_records=40, final_records=60, most_passes=1, n_draws=300)
    >>> found = compare_potentials(atoms, some, sampling="thermal_snapshot", position_sd=0.0,
    ...     effort=quick, rng=1)
    >>> len(found.table)
    2
    """
    check_sampling(sampling)
    if sampling == "time_averaged_image":
        raise InputError(NO_POTENTIAL)
    if len(candidates) < 2:
        raise InputError(f"candidates must name at least two potentials; got {len(candidates)}.")
    generator, _ = as_generator(rng)
    chosen = Effort() if effort is None else effort
    snapshots = read_snapshots(configurations, position_sd)
    models = _on_one_grid(candidates)
    # one number for all candidates, or their evidence would count different amounts of data
    inflation = max(
        resemblance(snapshots, candidate.family, generator) for candidate in candidates.values()
    )
    fits: dict[str, tuple[ThetaPosterior, SimulatedProblem, Float]] = {}
    for k, (name, energies) in enumerate(models.items()):
        start = None if not fits else _start_from(fits, models, name)
        fits[name] = simulate_posterior(
            snapshots, energies, start, chosen, generator, inflation=inflation
        )
        if progress is not None:
            progress(k + 1, 2 * len(models))
    names = list(models)
    offset, variance = {names[0]: 0.0}, {names[0]: 0.0}
    with one_blas_thread():
        for k, name in enumerate(names[1:]):
            offset[name], variance[name] = _bridge(fits[names[0]], fits[name], chosen)
            if progress is not None:
                progress(len(models) + k + 1, 2 * len(models))
    return _compared(fits, offset, variance)


def _on_one_grid(candidates: Mapping[str, PotentialCandidate]) -> dict[str, SnapshotEnergies]:
    """Return the candidates on one grid, so that they count configurations alike."""
    species = {candidate.family.n_species for candidate in candidates.values()}
    if len(species) > 1:
        raise InputError(f"candidates must be of one number of species; got {sorted(species)}.")
    shapes = {
        tuple(candidate.three_body.shape.encoded()[1:]): candidate.three_body.shape
        for candidate in candidates.values() if candidate.three_body is not None
    }  # fmt: skip
    if len(shapes) > 1:
        raise InputError(
            "three-body terms of candidates must share angle, decay length and cutoff; "
            f"got {list(shapes)}: compare them two at a time with the pair potential."
        )
    cutoffs = np.array(
        [[part.cutoff for part in candidate.family.parts] for candidate in candidates.values()]
    ).max(axis=0)
    shape = next(iter(shapes.values()), None)
    return {
        name: SnapshotEnergies(candidate.family, candidate.three_body, tuple(cutoffs), shape)
        for name, candidate in candidates.items()
    }


def _start_from(
    fits: Mapping[str, tuple[ThetaPosterior, SimulatedProblem, Float]],
    models: Mapping[str, SnapshotEnergies],
    name: str,
) -> Float | None:
    """Return where to start: at the mode of a candidate with the same pair potentials."""
    for other, (_, _, mode) in fits.items():
        if models[other].family.names == models[name].family.names:
            return np.array(mode[: models[name].family.n_parameters])
    return None


def _bridge(
    first: tuple[ThetaPosterior, SimulatedProblem, Float],
    second: tuple[ThetaPosterior, SimulatedProblem, Float],
    effort: Effort,
) -> tuple[float, float]:
    """Return log L(second mode) - log L(first mode) less what each problem counts from, variance.

    Each problem knows log L up to a constant of its own; simulations between the two modes say
    how these constants differ.
    """
    (_, one, mode_one), (_, two, mode_two) = first, second
    start, end = one.energies.vector(mode_one), two.energies.vector(mode_two)
    total, variance = 0.0, 0.0
    parts = [
        *zip(one.free, one.free_samples, two.free_samples, one.multiples, strict=True),
        *[(chain, a, b, -one.share) for chain, a, b in zip(
            one.tied, one.tied_samples, two.tied_samples, strict=True)],
    ]  # fmt: skip
    for chain, samples_one, samples_two, times in parts:
        step, error = _path(chain, start, end, effort, tied=times < 0)
        own = samples_one.log_partition(start[None])[0][0]
        other = samples_two.log_partition(end[None])[0][0]
        # log Z of each side is counted from its own first reference
        total -= times * (step - (other - own))
        variance += times**2 * error
    return total, variance


def _path(
    chain: SnapshotChain, start: Float, end: Float, effort: Effort, *, tied: bool
) -> tuple[float, float]:
    """Return log Z(end) - log Z(start) by simulations along the straight line between them."""
    between = effort.between_tied if tied else effort.between
    chain.settle(start, effort.settle)
    first = chain.record(start, PATH_RECORDS, between)
    chain.settle(end, 2 * effort.settle)
    last = chain.record(end, PATH_RECORDS, between)
    gap = end - start
    spread = max(float(np.std(part.astype(np.float64) @ gap)) for part in (first, last))
    n = int(min(np.ceil(spread / LARGEST_GAP), MOST_BRIDGES))
    path = PartitionSamples()
    path.add(start, first)
    for share in np.linspace(1.0, 0.0, n + 1)[1:-1]:
        vector = start + share * gap
        chain.settle(vector, effort.settle)
        path.add(vector, chain.record(vector, PATH_RECORDS, between))
    path.add(end, last)
    path.solve()
    ends = path.log_partition(np.array([start, end]))[0]
    # one over the samples' number for each step of the path, from the spread of its work
    variance = sum(
        float(np.var(path.exponents(path.vectors[k][None])[:, 0]
                     - path.exponents(path.vectors[k + 1][None])[:, 0])) / PATH_RECORDS
        for k in range(len(path.vectors) - 1)
    )  # fmt: skip
    return float(ends[1] - ends[0]), min(variance, LARGEST_GAP**2 * (n + 1) / PATH_RECORDS)


def _compared(
    fits: Mapping[str, tuple[ThetaPosterior, SimulatedProblem, Float]],
    offset: Mapping[str, float],
    variance: Mapping[str, float],
) -> PotentialComparison:
    rows, warnings = [], []
    for name, (posterior, problem, mode) in fits.items():
        rows.append(
            {
                "name": name,
                "log_evidence": posterior.diagnostics["relative_log_evidence"] + offset[name],
                "log_evidence_error": float(np.sqrt(variance[name])),
                "log_likelihood": float(problem.log_likelihood(mode[None])[0][0]) + offset[name],
                "n_parameters": len(mode),
            }
        )
        warnings += [f"{name}: {text}" for text in posterior.warnings]
    table = pd.DataFrame(rows).sort_values("log_evidence", ascending=False, ignore_index=True)
    table["log_evidence"] -= table["log_evidence"].max()
    table["log_likelihood"] -= table["log_likelihood"].max()
    share = np.exp(table["log_evidence"].to_numpy())
    table["probability"] = share / share.sum()
    best, next_best = table.iloc[0], table.iloc[1]
    verdict = (
        f"{best['name']} is favoured over {next_best['name']} by "
        f"{_odds(-next_best['log_evidence'])} under equal prior odds and the stated priors."
    )
    return PotentialComparison(
        table, {name: fit[0] for name, fit in fits.items()}, verdict, tuple(warnings)
    )


def _odds(log_odds: float) -> str:
    """Return odds as people say them."""
    return f"{np.exp(log_odds):.3g} to 1" if log_odds < 20 else f"e^{log_odds:.0f} to 1"
