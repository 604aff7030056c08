"""Root mean square errors over the Cramer-Rao bound, at truths where it can be attained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.lattice_calibration.worlds import Study, Truth
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.posteriors.lattice_population import make_population

Float = NDArray[np.float64]
COPIES, BURN_IN, RECORDS, SWEEPS_BETWEEN = 64, 300, 40, 5


class BoundRatios(NamedTuple):
    """Errors over bounds, (n, d), at the attainable truths; their root mean squares and errors."""

    errors: Float
    n_attainable: int

    @property
    def rms(self) -> Float:
        """Root mean square of error over bound, shape (d,)."""
        return np.sqrt(np.mean(self.errors**2, axis=0))

    @property
    def standard_error(self) -> float:
        """Relative error of a root mean square."""
        return float(1 / np.sqrt(2 * max(self.n_attainable, 1)))


def rows_of(family: LatticeFamily, names: tuple[str, ...]) -> Float:
    """The linear map from parameters to what a report compares, in its order."""
    rows = [
        variable.map.reshape(-1, family.n_parameters)
        for variable in family.variables
        if any(name.split("[")[0] == variable.name for name in names)
    ]
    return np.concatenate(rows)


def statistics_at(
    study: Study, family: LatticeFamily, theta: Float, rng: np.random.Generator
) -> Float:
    """Samples of T, shape (n_records, n_copies, d), by the heat bath from random starts."""
    graph = study.graph()
    q = family.n_states
    if family.fixed_composition:
        share = rng.uniform(0.2, 0.5)
        start = (np.arange(graph.n_sites) < share * graph.n_sites).astype(np.uint8)
        copies = np.stack([rng.permutation(start) for _ in range(COPIES)], axis=1)
        population = make_population(
            family, graph, copies, COPIES, rng, parts=np.zeros(graph.n_sites, np.int64)
        )
    else:
        copies = rng.integers(0, q, (graph.n_sites, COPIES)).astype(np.uint8)
        population = make_population(family, graph, copies, COPIES, rng)
    population.sweep(theta, BURN_IN)
    out = []
    for _ in range(RECORDS):
        population.sweep(theta, SWEEPS_BETWEEN)
        out.append(population.statistics())
    return np.array(out)


def bound_ratios(study: Study, report: CalibrationReport, seed: int) -> BoundRatios:
    """Compare posterior means with the bound of one picture and the prior's information.

    The bound of each truth is the root of the diagonal of the inverse of Fisher information plus
    prior precision: what a posterior mean can reach where the prior is not negligible.
    """
    assert study.family is not None
    assert study.prior_sd is not None
    assert study.attainable is not None
    family = study.family()
    rows = rows_of(family, report.names)
    ratios = []
    for index, (values, mean) in enumerate(zip(report.truths, report.means, strict=True)):
        theta = np.linalg.lstsq(rows, values, rcond=None)[0]
        rng = np.random.default_rng([seed, index])
        samples = statistics_at(study, family, theta, rng)
        if not study.attainable(_truth(family, theta), samples):
            continue
        flat = samples.reshape(-1, len(theta))
        information = np.cov(flat.T).reshape(len(theta), -1) + np.diag(study.prior_sd**-2.0)
        variance = np.einsum("ij,jk,ik->i", rows, np.linalg.inv(information), rows)
        ratios.append((mean - values) / np.sqrt(variance))
    return BoundRatios(np.array(ratios).reshape(-1, len(rows)), len(ratios))


def _truth(family: LatticeFamily, theta: Float) -> Truth:
    return family.values(theta)
