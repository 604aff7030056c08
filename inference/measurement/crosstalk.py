"""Overlapping columns: intensities that hold part of the neighbours', read without a mixture.

A mixture takes each intensity for its own site's; where the probe's tails reach the neighbours,
like labels then lie together and mimic a coupling. Here levels, tail and noise are estimated
together with a field and couplings (expectation maximisation by Monte Carlo, Wei & Tanner 1990,
doi:10.1080/01621459.1990.10474930; errors by Louis 1982, doi:10.1111/j.2517-6161.1982.tb01203.x),
and handed on as the exact log p(intensities | states).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    as_generator,
    check_array,
    check_choice,
    check_number,
    check_positive,
)
from physlearn.covariance_checks import check_covariance
from physlearn.inference.measurement.crosstalk_fit import estimate_crosstalk
from physlearn.inference.measurement.crosstalk_terms import (
    CrosstalkTerms,
    natural_terms,
    neighbour_matrix,
)
from physlearn.inference.measurement.lattice_evidence import PairEvidence
from physlearn.inference.measurement.lattice_margin import extend_field_of_view
from physlearn.records import LatticeSnapshots, SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["Crosstalk", "pair_evidence", "read_intensities", "simulate_intensities"]

Float = NDArray[np.float64]
LIKE = np.array([[1.0, -1.0], [-1.0, 1.0]])
KEY = "crosstalk"


@dataclass(frozen=True, slots=True, eq=False)
class Crosstalk:
    """How intensities follow from states: levels, tail of the probe, noise.

    y_i = levels[a_i] + tail * (sum over nearest neighbours of levels[a_j]) + noise_sd * normal.

    Attributes
    ----------
    levels
        Mean intensity of a lone column of the first and of the second state.
    tail
        Share of a column's intensity that is measured at each nearest neighbour.
    noise_sd
        Standard deviation of the noise.
    covariance
        float64, shape (4, 4), of (level, level, tail, log noise_sd); zeros where they are known.

    Examples
    --------
    >>> Crosstalk((1.0, 2.0), 0.1, 0.2).separation
    5.0
    """

    levels: tuple[float, float]
    tail: float
    noise_sd: float
    covariance: Float | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_array("levels", self.levels, shape=(2,))
        if self.covariance is not None:
            covariance = check_array("covariance", self.covariance, shape=(4, 4))
            check_covariance("covariance", covariance)
        check_positive("noise_sd", self.noise_sd)
        if not 0 <= check_number("tail", self.tail) < 1:
            raise InputError(f"tail must lie between 0 and 1; got {self.tail!r}.")

    @property
    def separation(self) -> float:
        """Distance of the levels over the noise."""
        return abs(self.levels[1] - self.levels[0]) / self.noise_sd

    @property
    def psi(self) -> Float:
        """The four numbers (level, level, tail, log noise_sd)."""
        return np.array([*self.levels, self.tail, np.log(self.noise_sd)])

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        spread = np.zeros((4, 4)) if self.covariance is None else self.covariance
        return {
            "levels": list(self.levels), "tail": self.tail, "noise_sd": self.noise_sd,
            "covariance": np.asarray(spread).tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Crosstalk:
        """Return what ``to_json`` wrote."""
        low, high = given["levels"]
        return cls((low, high), given["tail"], given["noise_sd"], np.array(given["covariance"]))


def simulate_intensities(
    states: ArrayLike,
    graph: SiteGraph,
    crosstalk: Crosstalk,
    rng: int | np.random.Generator | None = None,
) -> Float:
    """Return intensities of states -1 and +1, shape (..., n_sites), with tails and noise.

    Parameters
    ----------
    states
        Shape (..., n_sites), -1 for the first level and +1 for the second.
    graph
        Its first shell are the nearest neighbours.
    crosstalk
        Levels, tail and noise.
    rng
        Seed or generator.

    Examples
    --------
    >>> chain = SiteGraph(2, [[0, 1]], [0], [1])
    >>> simulate_intensities([-1, 1], chain, Crosstalk((1.0, 3.0), 0.1, 1e-9)).round(3).tolist()
    [1.3, 3.1]
    """
    generator, _ = as_generator(rng)
    given = check_array("states", states)
    if given.shape[-1:] != (graph.n_sites,) or not np.isin(given, (-1.0, 1.0)).all():
        raise InputError(
            f"states must be -1 and +1 of shape (..., {graph.n_sites}); got shape {given.shape}."
        )
    level = np.where(given > 0, crosstalk.levels[1], crosstalk.levels[0])
    flat = level.reshape(-1, graph.n_sites)
    mean = level + crosstalk.tail * (neighbour_matrix(graph) @ flat.T).T.reshape(level.shape)
    return np.asarray(mean + crosstalk.noise_sd * generator.standard_normal(mean.shape))


def read_intensities(
    intensity: ArrayLike,
    graph: SiteGraph,
    *,
    crosstalk: Crosstalk | None = None,
    boundary: str = "cut",
    n_layers: int = 3,
    n_shells: int = 1,
    rng: int | np.random.Generator | None = None,
) -> LatticeSnapshots:
    """Return two-state snapshots with the full evidence of intensities of overlapping columns.

    Parameters
    ----------
    intensity
        Shape (n_sites,) or (n_snapshots, n_sites); NaN where a column is there but was not
        measured. All pictures share levels, tail and noise.
    graph
        Sites and bonds; the tails reach the nearest neighbours, its first shell.
    crosstalk
        Known levels, tail and noise; None estimates them.
    boundary
        ``cut``: a part of a larger crystal, which is continued by unseen columns (their tails
        reach the rim, too); ``free``: the crystal ends there. Periodic graphs have no rim.
    n_layers
        Layers of unseen columns.
    n_shells
        Shells with a coupling while the measurement is estimated: those that will be fitted.
    rng
        Seed or generator.

    Returns
    -------
    LatticeSnapshots
        States -1 and +1 (the brighter level, or ``crosstalk.levels[1]``): the likeliest.
        ``label_log_likelihood`` holds what single sites say, ``metadata["crosstalk"]`` the
        numbers from which ``pair_evidence`` makes the rest; ``fit_lattice_hamiltonian`` uses
        both.

    Raises
    ------
    InputError
        For another shape, or intensities that show one level only.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> graph = square_lattice((12, 12))
    >>> states = np.where(np.random.default_rng(1).random(144) < 0.5, -1, 1)
    >>> seen = simulate_intensities(states, graph, Crosstalk((1.0, 2.0), 0.1, 0.15), rng=2)
    >>> found = read_intensities(seen, graph, rng=3)
    >>> bool(abs(found.metadata["crosstalk"]["tail"] - 0.1) < 0.05)
    True
    """
    check_choice("boundary", boundary, ("cut", "free"))
    given = np.atleast_2d(np.asarray(intensity, np.float64))
    if given.ndim != 2 or given.shape[1] != graph.n_sites or np.isinf(given).any():
        raise InputError(
            f"intensity must have shape (n_snapshots, {graph.n_sites}), finite or NaN; got "
            f"{np.shape(intensity)}."
        )
    seen = np.isfinite(given)
    if np.ptp(given[seen]) <= 0 if seen.any() else True:
        raise InputError("intensity must show two levels; all that was measured is alike.")
    blank = LatticeSnapshots(
        np.where(given > np.nanmean(given), 1, -1), graph, observed=seen,
        metadata={"boundary": boundary},
    )  # fmt: skip
    wide = extend_field_of_view(blank, n_layers) if boundary == "cut" else blank
    more = wide.graph.n_sites - graph.n_sites
    full = np.concatenate([given, np.full((len(given), more), np.nan)], axis=1)
    generator, _ = as_generator(rng)
    flags: list[str] = []
    if crosstalk is None:
        found = estimate_crosstalk(full, wide.graph, n_shells, generator)
        low, high, tail, log_noise = (float(value) for value in found.psi)
        flags = found.flags
        crosstalk = Crosstalk((low, high), max(tail, 0.0), float(np.exp(log_noise)), found.spread)
    return _snapshots(full, wide, crosstalk, flags)


def _snapshots(
    intensity: Float, wide: LatticeSnapshots, crosstalk: Crosstalk, flags: list[str]
) -> LatticeSnapshots:
    """Return the record with all evidence."""
    fields = np.stack([
        CrosstalkTerms.of(one, wide.graph).site_field(crosstalk.psi) for one in intensity
    ])  # fmt: skip
    table = np.stack([-fields, fields], axis=-1)
    table -= table.max(axis=-1, keepdims=True)
    observed = np.isfinite(intensity)
    middle = np.mean(crosstalk.levels)
    degree = np.bincount(
        wide.graph.edges[wide.graph.shell == 0].ravel(), minlength=wide.graph.n_sites
    )
    above = np.where(observed, intensity, 0.0) > middle * (1 + crosstalk.tail * degree)
    rising = crosstalk.levels[1] > crosstalk.levels[0]
    return LatticeSnapshots(
        np.where(above == rising, 1, -1), wide.graph,
        observed=observed,
        label_log_likelihood=table,
        metadata={
            **wide.metadata,
            KEY: {
                **crosstalk.to_json(),
                "intensity": [[v if np.isfinite(v) else None for v in row.tolist()]
                              for row in intensity],
            },
        },
        warnings=tuple(flags),
    )  # fmt: skip


def pair_evidence(snapshots: LatticeSnapshots, picture: int) -> PairEvidence | None:
    """Return what the intensities of a picture say about pairs of sites, or None.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> pair_evidence(LatticeSnapshots(np.ones((1, 16)), square_lattice((4, 4))), 0) is None
    True
    """
    if KEY not in snapshots.metadata:
        return None
    crosstalk = Crosstalk.from_json(snapshots.metadata[KEY])
    if crosstalk.tail == 0:
        return None
    terms = CrosstalkTerms.of(picture_intensity(snapshots, picture), snapshots.graph)
    strength = natural_terms(crosstalk.psi)[:2]
    return PairEvidence(terms.edges, terms.kind, terms.times, strength[:, None, None] * LIKE)


def picture_intensity(snapshots: LatticeSnapshots, picture: int) -> Float:
    """Return the intensities of a picture as ``read_intensities`` kept them, NaN where none."""
    kept = snapshots.metadata[KEY]["intensity"][picture]
    return np.array([np.nan if value is None else value for value in kept], np.float64)
