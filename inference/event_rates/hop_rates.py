"""Rates of hops from tracked particles: by direction, neighbours, temperature and beam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_positive
from physlearn.datasets.motion.find_hops import HopEvents
from physlearn.inference.event_rates.hop_checks import hop_checks
from physlearn.inference.event_rates.hop_counts import fit_hop_counts
from physlearn.inference.event_rates.hop_model import (
    LawOptions,
    direction_test,
    fit_model,
    make_model,
)
from physlearn.inference.event_rates.hop_networks import find_hop_vectors
from physlearn.inference.event_rates.hop_report import hop_fit
from physlearn.inference.event_rates.hop_steps import Pairs, pairs_of
from physlearn.one_thread import one_blas_thread
from physlearn.records import SiteGraph, Trajectory
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit_hop_rates"]

Floats = NDArray[np.float64]
Data = Trajectory | HopEvents
NEIGHBOURS = ("none", "from", "from_and_to")


def fit_hop_rates(
    data: Data | Sequence[Data] | pd.DataFrame,
    graph: SiteGraph | None = None,
    *,
    hop_vectors: ArrayLike | None = None,
    by: str = "shell",
    neighbours: str = "none",
    temperature_kelvin: float | Sequence[float] | None = None,
    dose_rate: float | Sequence[float] | None = None,
    barrier: bool | None = None,
    attempt_frequency_hz: tuple[float, float] | None = None,
    edge_margin: float = 0.0,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit how often particles hop along a bond, several hops within an interval counted.

    Parameters
    ----------
    data
        A `Trajectory`, `HopEvents` from `find_hops`, several of them (one for each temperature or
        dose rate), or a table of counts with columns ``hops`` and ``exposure`` (particles x time
        watched) and, where they differ, ``hop`` (class of the hop), ``n_bonds``,
        ``occupied_neighbours``, ``temperature_kelvin``, ``dose_rate``.
    graph
        Sites and bonds along which particles hop; positions are taken to the nearest site. None:
        any lattice, from displacements alone.
    hop_vectors
        Shape (n, d): the single hops, where no graph is given; None finds them among the
        displacements.
    by
        ``shell``: one rate for all bonds of a shell (of a length); ``direction``: each its own.
    neighbours
        ``from``: the log rate changes by ``neighbour_effect`` for each occupied neighbour of the
        site that is left; ``from_and_to``: and of the site gone to. Needs a graph.
    temperature_kelvin, dose_rate
        One number, or one for each data set; dose rates in electrons per square angstrom and time.
    barrier
        True: Arrhenius' law or an error; None: where three temperatures (or a prior of the attempt
        frequency) allow it; False: a rate at each temperature.
    attempt_frequency_hz
        (value, decades): prior of the attempt frequency, log-normal, its sd in powers of ten.
    edge_margin
        Steps that begin nearer than this to the edge of the box of all positions are left out, in
        the trajectory's unit: a particle that hops out of the field of view is lost with its hop,
        which lowers the rates. A hop or more takes that away, to first order in hops a frame.
    rng, n_draws
        Seed or generator; number of posterior draws.

    Returns
    -------
    Fit
        ``hop_rate`` along one bond per unit of time (dims temperature where several, hop),
        ``total_rate`` of a free particle; where asked and allowed ``barrier_ev`` and
        ``log10_attempt_frequency``, ``beam_cross_section`` (square angstrom),
        ``neighbour_effect``. Without a graph also ``diffusion``. ``diagnostics``: hops, steps,
        ``direction_p`` and more.

    Raises
    ------
    InputError
        For data or options that do not fit each other.
    NotIdentified
        For a single frame, hops that cannot be told from rests, a barrier from fewer than three
        temperatures, or a temperature that is missing.

    Notes
    -----
    Positions at the frames are a Markov chain sampled in time: p = exp(Q t) over the sites
    (uniformisation), t the time between two sightings of a particle, so that missed frames are
    longer intervals and two hops in one interval, or a hop and its return, are counted. Prior of
    each rate: rate^(-1/2). Other particles block their sites (with a graph) and count as
    neighbours where they stood at the start for half of an interval and where they stood at its end
    for the other half: exact to second order in hops per interval.

    Examples
    --------
    >>> from physlearn.lattice_models import HopRates, simulate_hops, square_lattice
    >>> walk = simulate_hops(HopRates([0.5]), square_lattice((6, 6)), [1] + 35 * [0],
    ...                      np.arange(200) * 1e-6, rng=1)
    >>> low, high = fit_hop_rates(walk, hop_vectors=[[1, 0], [0, 1]], rng=1).interval("hop_rate")[0]
    >>> bool(low < 39_800 < high)
    True
    """
    check_choice("by", by, ("shell", "direction"))
    check_choice("neighbours", neighbours, NEIGHBOURS)
    generator, seed = as_generator(rng)
    if hasattr(data, "columns"):
        return fit_hop_counts(
            cast("pd.DataFrame", data), barrier, attempt_frequency_hz, generator, seed, n_draws
        )
    sets = [data] if isinstance(data, Trajectory | HopEvents) else list(data)
    if not sets:
        raise InputError("data must hold at least one Trajectory or HopEvents; got none.")
    many = len(sets) > 1
    check_positive("edge_margin", edge_margin, allow_zero=True)
    groups = [
        pairs_of(one, f"data[{k}]" if many else "data", edge_margin) for k, one in enumerate(sets)
    ]
    if len({(g.unit, g.time_unit) for g in groups}) > 1:
        raise InputError("data must share units of length and time.")
    if attempt_frequency_hz is not None and groups[0].time_unit != "s":
        raise InputError(
            "attempt_frequency_hz needs times in seconds; the data count in "
            f"{groups[0].time_unit}: set_scale(tracks, frame_interval_s=...)."
        )
    law_of = LawOptions(
        _per_set("temperature_kelvin", temperature_kelvin, len(sets)),
        _per_set("dose_rate", dose_rate, len(sets)), barrier, attempt_frequency_hz, neighbours,
    )  # fmt: skip
    with one_blas_thread():
        vectors = _vectors(groups, graph, hop_vectors, neighbours)
        model, sample, notes = fit_model(groups, graph, vectors, by, law_of, generator, n_draws)
        tests = {}
        if by == "shell":
            ways, _ = make_model(groups, graph, vectors, "direction", law_of, model.problems.radius)
            tests = direction_test(model, sample, ways, groups, notes)
        tests |= hop_checks(model, sample, groups, notes, graph is not None, edge_margin)
        known = np.unique([] if law_of.temperature is None else law_of.temperature)
        stated = {"temperature_kelvin": float(known[0])} if len(known) == 1 else {}
        return hop_fit(model, sample, groups, notes, seed, by, tests, stated)


def _per_set(name: str, value: float | Sequence[float] | None, n: int) -> Floats | None:
    """Return one number for each data set."""
    if value is None:
        return None
    given = check_array(name, np.atleast_1d(np.asarray(value, np.float64)), ndim=1, minimum=0.0)
    if len(given) not in (1, n):
        raise InputError(f"{name} must hold one number, or one for each of {n} data sets.")
    if name == "temperature_kelvin" and not np.all(given > 0):
        raise InputError(f"{name} must be above 0 K; got {given.tolist()}.")
    return np.array(np.broadcast_to(given, n))


def _vectors(
    groups: Sequence[Pairs], graph: SiteGraph | None, given: ArrayLike | None, neighbours: str
) -> Floats | None:
    """Return the hop vectors where no graph tells them."""
    if graph is not None:
        if not isinstance(graph, SiteGraph):
            raise InputError(f"graph must be a SiteGraph; got {type(graph).__name__}.")
        if given is not None:
            raise InputError("give graph= or hop_vectors=, not both.")
        return None
    if neighbours != "none":
        raise InputError(f"neighbours={neighbours!r} needs graph=, which tells the sites.")
    if given is not None:
        vectors = check_array("hop_vectors", given, ndim=2)
        wide = groups[0].move.shape[1]
        if vectors.shape[1] != wide:
            raise InputError(
                f"hop_vectors must have {wide} columns, as the positions; got {vectors.shape[1]}."
            )
        return vectors
    return find_hop_vectors(np.concatenate([
        np.repeat(p.move[p.direct], p.count[p.direct].astype(np.int64), axis=0) for p in groups
    ]))  # fmt: skip
