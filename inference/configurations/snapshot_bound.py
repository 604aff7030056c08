"""How well a snapshot could tell the parameters of a potential, before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import as_generator, check_array
from physlearn.inference.configurations.snapshot_chain import SnapshotChain
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies, ThreeBody
from physlearn.inference.configurations.snapshots import check_reach, read_snapshots
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.one_thread import one_blas_thread
from physlearn.records.storage import html_table, short_repr

__all__ = ["SnapshotBound", "snapshot_bound"]

Float = NDArray[np.float64]
N_TIED = 12
"""True configurations whose tied chains are averaged."""
STEP = 1e-4


@dataclass(frozen=True, eq=False)
class SnapshotBound:
    """Cramer-Rao bound of one snapshot.

    Attributes
    ----------
    names, units
        Of the natural parameters.
    information
        float64, shape (p, p): Fisher information of theta.
    theta_sd
        float64, shape (p,): smallest standard deviations of theta.
    table
        Natural parameters, their bound, and the bound as a share of the parameter.

    Examples
    --------
    >>> information = np.diag([100.0, 1e4])
    >>> sd = 1.0 / np.sqrt(np.diag(information))
    >>> SnapshotBound(("depth", "diameter"), ("kT", "length"), information, sd, pd.DataFrame()
    ...     ).theta_sd.tolist()
    [0.1, 0.01]
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    information: Float
    theta_sd: Float
    table: pd.DataFrame

    __repr__ = short_repr
    _repr_html_ = html_table


def snapshot_bound(
    configuration: Any,
    family: InteractionFamily,
    numbers: ArrayLike,
    *,
    position_sd: float = 0.0,
    three_body: ThreeBody | None = None,
    n_records: int = 1000,
    burn_in: int = 1000,
    rng: int | np.random.Generator | None = None,
) -> SnapshotBound:
    """Return the smallest errors that an unbiased estimate from one snapshot can have.

    The Fisher information of theta is the covariance of dU/d theta over configurations in
    equilibrium, less, with errors of the positions, its mean covariance over the true places that
    fit what was seen. Both are simulated.

    Parameters
    ----------
    configuration
        Particles, species and periodic cell of the experiment: a start in any order.
    family
        Potentials between all pairs of species, energies in kT.
    numbers
        Natural parameters, shape (p,), with ``three_body`` its strength last.
    position_sd
        Standard deviation of each coordinate's error.
    three_body
        A three-body term whose strength is the last parameter.
    n_records, burn_in
        Configurations, 5 sweeps apart, and sweeps before the first.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For a cutoff beyond half the box, or numbers that the family has not.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_interaction
    >>> from physlearn.records import AtomicConfiguration
    >>> grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2) * 1.2
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=np.eye(2) * 7.2)
    >>> bound = snapshot_bound(
    ...     start, make_interaction("lennard_jones", length=1.0), [1.0, 1.0], rng=1, n_records=200
    ... )
    >>> bound.table["name"].tolist()
    ['depth', 'diameter']
    """
    generator, _ = as_generator(rng)
    [snapshot] = read_snapshots(configuration, 0.0)
    energies = SnapshotEnergies(family, three_body)
    check_reach([snapshot], energies.cell_width)
    values = check_array("numbers", numbers, shape=(len(energies.names),))
    own = family.unconstrained(values[: family.n_parameters])
    theta = np.append(own, values[family.n_parameters :])
    vector, rows = energies.vector(theta), energies.slopes(theta)
    with one_blas_thread():
        chain = SnapshotChain(
            energies, snapshot.positions, snapshot.species, snapshot.box, generator
        )
        chain.settle(vector, burn_in)
        slopes = chain.record(vector, n_records, 5).astype(np.float64) @ rows.T
        information = np.atleast_2d(np.cov(slopes.T))
        if position_sd > 0.0:
            lost = []
            for _ in range(N_TIED):
                chain.sweep(vector, 50)
                seen = chain.positions
                seen += position_sd * generator.standard_normal(seen.shape)
                tied = SnapshotChain(
                    energies, seen, snapshot.species, snapshot.box, generator,
                    tether_sd=np.full(seen.shape, position_sd),
                )  # fmt: skip
                tied.settle(vector, 60)
                held = tied.record(vector, max(n_records // 5, 40), 2).astype(np.float64)
                lost.append(np.cov((held @ rows.T).T))
            information = information - np.atleast_2d(np.mean(lost, axis=0))
    covariance = np.linalg.inv(information)
    natural = energies.natural(theta)
    slope = np.array(
        [
            (energies.natural(theta + STEP * e) - energies.natural(theta - STEP * e)) / (2 * STEP)
            for e in np.eye(len(theta))
        ]
    ).T
    sd = np.sqrt(np.diag(slope @ covariance @ slope.T))
    units = (*family.units, *(("kT",) if three_body is not None else ()))
    units = tuple(unit.replace("length", snapshot.unit) for unit in units)
    table = pd.DataFrame(
        {"name": energies.names, "value": natural, "bound_sd": sd, "unit": units,
         "share": sd / np.abs(natural)}
    )  # fmt: skip
    return SnapshotBound(energies.names, units, information, np.sqrt(np.diag(covariance)), table)
