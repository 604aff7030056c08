"""The uncertainty of levels, tail and noise of overlapping columns, carried into the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.measurement.crosstalk import KEY, Crosstalk, picture_intensity
from physlearn.inference.measurement.crosstalk_terms import CrosstalkTerms, natural_terms
from physlearn.inference.measurement.lattice_measurement import HiddenProblem, held_population

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData

__all__ = ["spread_of_crosstalk"]

Float = NDArray[np.float64]
N_REPLICAS = 64
BURN_IN = 60
N_RECORDS = 24
BETWEEN = 4
NOTED = 0.3


def spread_of_crosstalk(
    data: LatticeData, problem: HiddenProblem, theta: Float, rng: np.random.Generator
) -> tuple[Float, dict[str, Any], list[str]]:
    """Return draws of theta (n, d) with that uncertainty added, numbers, and sentences.

    The draws hold for one value of psi = (levels, tail, log noise). Where psi moves by x the
    posterior's mean moves by C Cov(T, d log p / d psi) x, with C the posterior's covariance and
    the other taken over the states given the picture (Louis 1982,
    doi:10.1111/j.2517-6161.1982.tb01203.x).
    """
    own = {
        number: Crosstalk.from_json(record.metadata[KEY])
        for number, record in enumerate(data.records) if KEY in record.metadata
    }  # fmt: skip
    own = {k: one for k, one in own.items() if one.covariance is not None and one.covariance.any()}
    if not own:
        return theta, {}, []
    covariance = np.atleast_2d(np.cov(theta.T))
    cross = _cross_covariance(data, problem, theta.mean(axis=0), own, rng)
    out = theta.copy()
    for number, crosstalk in own.items():
        slope = covariance @ cross[number]
        out += rng.multivariate_normal(
            np.zeros(4), np.asarray(crosstalk.covariance), len(theta), method="eigh"
        ) @ slope.T  # fmt: skip
    share = 1.0 - np.sqrt(np.diag(covariance) / np.atleast_2d(np.cov(out.T)).diagonal())
    numbers = {
        "sd_share_from_crosstalk": dict(zip(data.names, share.tolist(), strict=True)),
        "tail": [one.tail for one in own.values()],
    }
    flags = []
    if share.max() > NOTED:
        flags.append(
            f"{share.max():.0%} of the error bar of {data.names[int(share.argmax())]} comes from "
            "the unknown levels and tail of the columns: known ones would narrow it"
        )
    return out, numbers, flags


def _cross_covariance(
    data: LatticeData,
    problem: HiddenProblem,
    center: Float,
    own: dict[int, Crosstalk],
    rng: np.random.Generator,
) -> dict[int, Float]:
    """Return Cov(T, d log p / d psi) given the pictures, (d, 4), for each record with a psi."""
    found = {number: np.zeros((len(center), 4)) for number in own}
    first = np.cumsum([0, *(record.n_snapshots for record in data.records)])
    for group in data.groups:
        population = held_population(data.family, group, problem.flip_rate, rng, N_REPLICAS)
        parts = []
        for picture in np.unique(group.picture):
            number = int(np.searchsorted(first, picture, side="right") - 1)
            if number in own:
                seen = picture_intensity(data.records[number], int(picture - first[number]))
                terms = CrosstalkTerms.of(seen, data.records[number].graph)
                parts.append((number, np.flatnonzero(group.picture == picture), terms))
        population.sweep(group.design @ center, BURN_IN)
        traces: dict[int, list[Float]] = {number: [] for number, _, _ in parts}
        statistics = []
        for _ in range(N_RECORDS):
            population.sweep(group.design @ center, BETWEEN)
            statistics.append(population.statistics() @ group.design)
            spins = np.asarray(2.0 * population.codes() - 1.0, np.float64)
            sums = {number: np.zeros((N_REPLICAS, 7)) for number in traces}
            for number, sites, terms in parts:
                sums[number] += terms.statistics(spins[sites])
            for number in traces:
                traces[number].append(sums[number])
        all_theta = np.concatenate(statistics)
        all_theta -= all_theta.mean(axis=0)
        for number, trace in traces.items():
            scores = np.concatenate(trace) @ _slope(own[number].psi)
            found[number] += all_theta.T @ (scores - scores.mean(axis=0)) / len(scores)
    return found


def _slope(psi: Float) -> Float:
    """Return d natural / d psi, shape (7, 4), by central differences."""
    step = 1e-4 * np.array([*[abs(psi[1] - psi[0])] * 2, 1.0, 1.0])
    return np.stack([
        (natural_terms(psi + one) - natural_terms(psi - one)) / (2 * size)
        for one, size in zip(np.diag(step), step, strict=True)
    ], axis=1)  # fmt: skip
