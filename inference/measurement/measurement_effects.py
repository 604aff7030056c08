"""What the measurement does to a posterior: unknown rates, unknown levels, sites that were missed.

``missed_sites`` puts the chance to miss a site, by its state, into the evidence;
``finish_measurement`` reads the nuisances off the draws, adds the uncertainty of what was estimated
before the fit, and says how much it mattered that sites are not missed at random.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.measurement.lattice_measurement import HiddenProblem, hidden_problem
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.records import LatticeSnapshots

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup

__all__ = ["MeasurementFinish", "finish_measurement", "missed_sites"]

Float = NDArray[np.float64]
DETECTION = "detection_probability"
REPEATED = 0.5
N_REPLICAS = 64


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementFinish:
    """Draws of theta (n, d), draws of the nuisances, sentences and numbers for the fit."""

    theta: Float
    nuisances: dict[str, Float]
    flags: list[str]
    numbers: dict[str, Any]


def missed_sites(snapshots: LatticeSnapshots, detection: ArrayLike) -> LatticeSnapshots:
    """Return snapshots whose evidence holds how likely each state is to be seen at all.

    Dim atoms are missed more often: a site that is there and was not seen is then more likely in
    the dim state. Its row of ``label_log_likelihood`` becomes log(1 - detection), and
    log(detection) is added to the rows of the sites that were seen.

    Parameters
    ----------
    snapshots
        With ``observed``; sites that are not there at all (vacancies) have no place in the graph.
    detection
        P(seen | state), shape (q,), in the order of ``state_values``, between 0 and 1.

    Raises
    ------
    InputError
        For another shape or range, or a state seen with certainty in all rows of a missed site.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> seen = np.ones((1, 16), bool)
    >>> seen[0, 3] = False
    >>> picture = LatticeSnapshots(np.ones((1, 16)), square_lattice((4, 4)), observed=seen)
    >>> missed_sites(picture, [0.8, 0.9]).label_log_likelihood[0, 3].round(3).tolist()
    [-1.609, -2.303]
    """
    q = len(snapshots.state_values)
    rate = check_array("detection", detection, shape=(q,), minimum=0.0)
    if np.any(rate <= 0) or np.any(rate > 1) or np.all(rate == 1):
        raise InputError(
            f"detection must be above 0, at most 1 and below 1 somewhere; got {rate.tolist()}."
        )
    if snapshots.observed is None:
        raise InputError("snapshots must say in observed which sites were seen; all were.")
    rows = snapshots.label_log_likelihood
    if rows is None:
        values = np.array(snapshots.state_values)
        rows = np.where(snapshots.states[..., None] == values, 0.0, -np.inf)
    with np.errstate(divide="ignore"):
        missed, seen = np.log1p(-rate), np.log(rate)
    # unseen sites of a margin were never looked at
    looked = np.arange(snapshots.graph.n_sites) < snapshots.graph.n_sites - int(
        snapshots.metadata.get("margin_sites", 0)
    )
    table = np.where(snapshots.observed[..., None], rows + seen, missed)
    table = np.where(looked[:, None], table, 0.0)
    return replace(
        snapshots,
        label_log_likelihood=table,
        metadata={**snapshots.metadata, DETECTION: rate.tolist()},
    )


def finish_measurement(
    data: LatticeData, problem: HiddenProblem, draws: Float, rng: np.random.Generator
) -> MeasurementFinish:
    """Return draws and reports of a posterior whose labels were summed over.

    Parameters
    ----------
    data
        The pictures.
    problem
        As ``hidden_problem`` returned it.
    draws
        Posterior draws of all its parameters, shape (n, d + nuisances).
    rng
        For what is simulated here.
    """
    d = len(data.names)
    theta, rest = np.array(draws[:, :d]), draws[:, d:]
    nuisances: dict[str, Float] = {}
    flags: list[str] = []
    numbers: dict[str, Any] = {}
    if problem.flip_rate is not None:
        nuisances["flip_rate"] = problem.flip_rate.value(rest[:, 0])
        share = float(nuisances["flip_rate"].std() / problem.flip_rate.sd)
        numbers["flip_rate_sd_over_prior"] = share
        if share >= REPEATED:
            flags.append(
                f"flip rate not identified: prior repeated (posterior sd is {share:.0%} of the "
                "prior's)"
            )
    if any(DETECTION in record.metadata for record in data.records):
        shift = _missing_effect(data, problem, draws, rng)
        numbers["missing_effect_sd"] = shift
        name = max(shift, key=lambda key: abs(shift[key]))
        flags.append(
            "sites are not missed at random: ignoring it would have moved "
            f"{name} by {shift[name]:+.2f} posterior standard deviations"
        )
    if any(group.pairs is not None for group in data.groups):
        from physlearn.inference.measurement.crosstalk_spread import spread_of_crosstalk

        theta, more, text = spread_of_crosstalk(data, problem, theta, rng)
        numbers |= more
        flags += text
    return MeasurementFinish(theta, nuisances, flags, numbers)


def _missing_effect(
    data: LatticeData, problem: HiddenProblem, draws: Float, rng: np.random.Generator
) -> dict[str, float]:
    """Return by how many posterior sds parameters move when missing is taken for random.

    The mean of the posterior that ignores it, sampled anew, less the mean of the one that does not.
    """
    d = len(data.names)
    rate = [record.metadata.get(DETECTION) for record in data.records
            for _ in range(record.n_snapshots)]  # fmt: skip
    prior = problem.theta_prior
    if prior is None:
        raise InputError("problem must come from hidden_problem.")
    groups = tuple(
        group if group.label is None else replace(group, label=_without_detection(group, rate))
        for group in data.groups
    )
    other = hidden_problem(
        replace(data, groups=groups), prior, rng, N_REPLICAS, flip_rate=problem.flip_rate
    )  # fmt: skip
    center, covariance = draws.mean(axis=0), np.atleast_2d(np.cov(draws.T))
    found = sample_posterior(other, center, covariance, len(draws), rng)
    moved = (found.draws.mean(axis=0) - center)[:d] / np.sqrt(np.diag(covariance))[:d]
    return dict(zip(data.names, moved.tolist(), strict=True))


def _without_detection(group: PictureGroup, rate: list[Any]) -> Float:
    """Return the label rows without what was said about seeing and missing."""
    label = np.array(group.label)
    for picture in np.unique(group.picture):
        if rate[picture] is None:
            continue
        here = group.picture == picture
        label[here & ~group.labelled] = 0.0
        label[here & group.labelled] -= np.log(rate[picture])
    return np.asarray(label - label.max(axis=1, keepdims=True))
