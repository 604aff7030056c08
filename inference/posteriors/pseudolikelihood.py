"""Maximum pseudolikelihood of any lattice model, with a sandwich covariance.

The log pseudolikelihood is the sum over sites of log p(s_i | its neighbours) (Besag 1975,
doi:10.2307/2987782), a softmax regression on what each state would add to the statistics. Its
curvature H is no measure of its error; the covariance is H^-1 J H^-1 (Godambe 1960,
doi:10.1214/aoms/1177705693) with J the variance of the score, taken here from a Monte Carlo run at
the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.zero_sum import zero_sum_vectors
from physlearn.inference.posteriors.lattice_population import make_population
from physlearn.inference.posteriors.site_features import (
    SiteRows,
    make_surroundings,
    rows_of_data,
    rows_of_group,
)

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
    from physlearn.inference.posteriors.priors import Prior

__all__ = [
    "Sandwich",
    "combine_with_prior",
    "maximize_pseudolikelihood",
    "maximize_rows",
    "measure_sandwich",
    "replica_count",
]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
N_REPLICAS = 64
BURN_IN = 120
N_RECORDS = 20
SWEEPS_BETWEEN = 8
LEAST_INFORMATION = 1e-6
WORK_LIMIT = 3e7
"""Most spins held at once; larger pictures get fewer replicas."""
SCORED_SITES = 3e7
"""Most sites whose conditional probabilities are taken where there is no kernel for them."""
MAX_STEPS = 100
LARGEST_STEP = 1.0
SETTLED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Sandwich:
    """What a Monte Carlo run at the estimate says about the pseudolikelihood.

    Attributes
    ----------
    curvature, variability
        H and J, shape (d, d).
    statistics
        Sum over groups of design^T T, shape (n_records, n_replicas, d); the first half of the
        replicas started from the picture, the other half from random states.
    """

    curvature: Float
    variability: Float
    statistics: Float

    @property
    def inflation(self) -> float:
        """Largest ratio of the sandwich variance to the naive one."""
        ratio = np.linalg.solve(self.curvature, self.variability)
        return float(np.max(np.linalg.eigvals(ratio).real))


def replica_count(n_sites: int) -> int:
    """Return how many replicas fit into the work limit (an even number, at least 8)."""
    return int(min(N_REPLICAS, max(8, 2 * int(WORK_LIMIT / n_sites / 2))))


def maximize_pseudolikelihood(
    data: LatticeData, prior: Prior, start: Float | None = None
) -> tuple[Float, Float]:
    """Return the penalised maximum (d,) and the curvature H (d, d) there, without the prior's.

    Capped Newton steps with backtracking. A bounded prior enters by its mean and standard
    deviation, and its bounds hold. With a fixed composition the fields that would give it are
    fitted beside the parameters. Uncertain labels count as their likeliest states; sites without
    a label, or with a neighbour that has none, are left out.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.inference.posteriors.priors import Prior
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((48, 48)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    >>> theta, curvature = maximize_pseudolikelihood(data, Prior.gaussian(data.names, [3.0, 0.5]))
    >>> bool(abs(theta[1] - 0.2) < 4 / np.sqrt(curvature[1, 1]))
    True
    """
    return maximize_rows(_with_fields(data, rows_of_data(data)), prior, data.n_parameters, start)


def maximize_rows(
    rows: Sequence[SiteRows], prior: Prior, d: int, start: Float | None = None
) -> tuple[Float, Float]:
    """Return the penalised maximum (d,) and the curvature H (d, d) of sites by surroundings.

    Features beyond the first d are the fields of a given composition.
    """
    mean, precision, low, high = _wide_prior(prior, rows[0].features.shape[2])
    theta = mean.copy()
    theta[:d] = np.zeros(d) if start is None else start
    theta = np.clip(theta, low, high)
    value, score, curvature = _penalised(rows, theta, mean, precision)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(curvature + np.diag(precision), score)
        step *= min(1.0, LARGEST_STEP / max(np.abs(step).max(), 1e-300))
        for _ in range(30):
            trial = np.clip(theta + step, low, high)
            found = _penalised(rows, trial, mean, precision)
            if found[0] >= value - 1e-12 * abs(value):
                break
            step /= 2
        moved = np.abs(trial - theta).max()
        theta, (value, score, curvature) = trial, found
        if moved < SETTLED:
            break
    return theta[:d], _without_fields(curvature, d)[0]


def _penalised(
    rows: Sequence[SiteRows], theta: Float, mean: Float, precision: Float
) -> tuple[float, Float, Float]:
    """Return the log pseudolikelihood with the prior, its gradient, and H without the prior."""
    away = theta - mean
    value = -0.5 * float(away @ (precision * away))
    score, curvature = -precision * away, np.zeros((len(theta), len(theta)))
    for part in rows:
        own = part.score(theta)
        value, score, curvature = value + own[0], score + own[1], curvature + own[2]
    return value, score, curvature


def _with_fields(data: LatticeData, rows: list[SiteRows]) -> list[SiteRows]:
    """Return rows with features for the fields of a given composition, one set a group."""
    if not data.family.fixed_composition:
        return rows
    basis = zero_sum_vectors(data.family.n_states).T
    out = []
    for number, part in enumerate(rows):
        fields = np.zeros((*part.features.shape[:2], len(rows), basis.shape[1]))
        fields[:, :, number] = basis
        wide = fields.reshape(*fields.shape[:2], -1)
        out.append(part._replace(features=np.concatenate([part.features, wide], axis=2)))
    return out


FIELD_SD = 5.0


def _wide_prior(prior: Prior, n: int) -> tuple[Float, Float, Float, Float]:
    """Return mean, precision and bounds of n parameters, those of fields at the end."""
    further = n - len(prior.mean)
    wall = np.full(further, np.inf)
    margin = np.where(np.isfinite(prior.upper - prior.lower), 1e-3 * prior.sd, 0.0)
    return (
        np.concatenate([prior.mean, np.zeros(further)]),
        np.concatenate([prior.precision, np.full(further, FIELD_SD**-2)]),
        np.concatenate([prior.lower + margin, -wall]),
        np.concatenate([prior.upper - margin, wall]),
    )


def _without_fields(curvature: Float, d: int) -> tuple[Float, Float]:
    """Return the curvature of the first d parameters at the best others, and the projection."""
    if len(curvature) == d:
        return curvature, np.zeros((d, 0))
    others = curvature[d:, d:] + FIELD_SD**-2 * np.eye(len(curvature) - d)
    projection = np.asarray(np.linalg.solve(others, curvature[d:, :d]).T, np.float64)
    return curvature[:d, :d] - projection @ curvature[d:, :d], projection


def measure_sandwich(data: LatticeData, theta: Float, rng: np.random.Generator) -> Sandwich:
    """Simulate all groups at ``theta`` (rim sites fixed) and return H, J and the statistics' trace.

    With a fixed composition or known fields, fewer replicas are scored where pictures are large.
    """
    d = data.n_parameters
    n_replicas = replica_count(max(group.n_sites for group in data.groups))
    n_scored = int(np.clip(SCORED_SITES / data.n_sites / N_RECORDS, 2, n_replicas))
    curvature, variability = np.zeros((d, d)), np.zeros((d, d))
    trace = np.zeros((N_RECORDS, n_replicas, d))
    for group in data.groups:
        start = _mixed_start(group, n_replicas, rng)
        copies = _Copies(data, group, start, rng, n_scored)
        copies.sweep(theta, BURN_IN)
        for record in range(N_RECORDS):
            copies.sweep(theta, SWEEPS_BETWEEN)
            score, bend = copies.scores(theta)
            curvature += bend / N_RECORDS
            variability += score.T @ score / (len(score) * N_RECORDS)
            trace[record] += copies.statistics()
    # A shell without bonds, or two that cannot be told apart, must end at the prior, not crash
    tiny = LEAST_INFORMATION * np.eye(d)
    return Sandwich(curvature + tiny, variability + tiny, trace)


class _Copies:
    """Replicas of one group at one theta.

    A kernel scores them; where it does not know the model (known fields, fixed composition), some
    of them are scored by counting neighbours.
    """

    def __init__(
        self,
        data: LatticeData,
        group: PictureGroup,
        start: Codes,
        rng: np.random.Generator,
        n_scored: int,
    ) -> None:
        self._data, self._group = data, group
        self._copies = make_population(
            data.family, group.graph, start, start.shape[1], rng,
            sites=None if group.whole else group.terms, offset=group.offset, extra=group.extra,
            parts=group.picture if data.family.fixed_composition else None,
        )  # fmt: skip
        self._by_kernel = group.offset is None and not data.family.fixed_composition
        if not self._by_kernel:
            self._around = make_surroundings(data.family, group.graph, group.terms)
        self._scored = np.linspace(0, start.shape[1] - 1, n_scored).astype(np.int64)

    def sweep(self, theta: Float, n_sweeps: int) -> None:
        self._copies.sweep(self._group.design @ theta, n_sweeps)

    def statistics(self) -> Float:
        """Return design^T T of every replica, (n, d)."""
        return np.asarray(self._copies.statistics() @ self._group.design)

    def scores(self, theta: Float) -> tuple[Float, Float]:
        """Return scores (n, d) and the mean curvature (d, d)."""
        if self._by_kernel:
            design = self._group.design
            score, bend = self._copies.scores(design @ theta, self._group.terms)
            return score @ design, design.T @ bend.mean(axis=0) @ design
        d, codes = len(theta), self._copies.codes()
        scores, bends = [], []
        for replica in self._scored:
            at = np.ascontiguousarray(codes[:, replica])
            rows = rows_of_group(self._data.family, self._group, self._around, at)
            wide = _with_fields(self._data, [rows])[0]
            _, score, bend = wide.score(np.concatenate([theta, _best_fields(wide, theta)]))
            inner, projection = _without_fields(bend, d)
            scores.append(score[:d] - projection @ score[d:])
            bends.append(inner)
        return np.array(scores), np.asarray(np.mean(bends, axis=0))


def _best_fields(rows: SiteRows, theta: Float) -> Float:
    """Return the fields of a given composition that fit some codes at these parameters."""
    d = len(theta)
    fields = np.zeros(rows.features.shape[2] - d)
    for _ in range(20 if len(fields) else 0):
        _, score, bend = rows.score(np.concatenate([theta, fields]))
        score = score[d:] - FIELD_SD**-2 * fields
        step = np.linalg.solve(bend[d:, d:] + FIELD_SD**-2 * np.eye(len(fields)), score)
        fields = fields + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < SETTLED:
            break
    return fields


def _mixed_start(group: PictureGroup, n: int, rng: np.random.Generator) -> Codes:
    """Return codes (n_sites, n): the picture, and from the middle on its terms shuffled."""
    start = np.repeat(group.codes[:, None], n, axis=1).astype(np.uint8)
    for replica in range(n // 2, n):
        for picture in np.unique(group.picture[group.terms]):
            own = group.terms[group.picture[group.terms] == picture]
            start[own, replica] = group.codes[rng.permutation(own)]
    return start


def combine_with_prior(mode: Float, sandwich: Sandwich, prior: Prior) -> tuple[Float, Float]:
    """Return mean (..., d) and covariance (d, d) of the Gaussian posterior.

    ``mode`` is the penalised maximum. The prior enters the mode with the naive curvature H; here
    it is taken out and put back against the sandwich precision H J^-1 H.
    """
    precision = np.diag(prior.precision)
    bread = sandwich.curvature @ np.linalg.inv(sandwich.variability)
    covariance = np.linalg.inv(bread @ sandwich.curvature + precision)
    pull = covariance @ bread @ (sandwich.curvature + precision)
    return prior.mean + (mode - prior.mean) @ pull.T, (covariance + covariance.T) / 2
