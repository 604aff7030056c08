"""Laws of drift and diffusion of an overdamped motion, by the density of its transitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.inference.dynamics.drift_data import Tracks, read_drift_data
from physlearn.inference.dynamics.drift_search import SearchedDrift, search_drift
from physlearn.inference.dynamics.drift_words import drift_warnings, said_of_drift
from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.one_thread import one_blas_thread
from physlearn.option_fields import check_fields

__all__ = ["DriftLawOptions", "discover_drift_law"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DriftLawOptions:
    """Settings of `discover_drift_law`.

    Attributes
    ----------
    axes
        Coordinates that are looked at, such as ``(0,)`` for x alone; None: all there are.
    localization_sd
        Error of each coordinate: a number (0 for exact places), or ``"free"``; None: the record's
        own, else ``"free"``.
    exposure_s
        Time from each frame's time on over which a place is averaged; None: an instant.
    frames_apart
        Look at places so many frames apart; None: as few as make steps forget the ones before.
    search
        Look for forms beyond the known ones, too (one coordinate).
    n_kept
        Laws to list.
    stop
        Called between laws; True ends the search with the best so far.
    progress
        Called with (laws done, laws, text of the best so far).

    Examples
    --------
    >>> DriftLawOptions(localization_sd=0.0).n_kept
    12
    """

    axes: Sequence[int] | None = None
    localization_sd: float | str | None = None
    exposure_s: float | None = None
    frames_apart: int | None = None
    search: bool = True
    n_kept: int = 12
    stop: Callable[[], bool] | None = None
    progress: Callable[[int, int, str], None] | None = None

    def __post_init__(self) -> None:
        check_count("n_kept", self.n_kept, 1)
        if self.frames_apart is not None:
            check_count("frames_apart", self.frames_apart, 1)
        check_fields(self)


def discover_drift_law(
    data: Tracks,
    *,
    options: DriftLawOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> DynamicsLaws:
    """Find the laws of drift and diffusion of particles that move alone, from their tracks.

    dx = b(x) dt + sqrt(2 D(x)) dW (Ito), with b the drift: force over friction where D is
    the same everywhere; of particles at one temperature in general force over friction + dD/dx, so
    that where D depends on the place b - dD/dx is fitted, too, and a force claimed only where that
    differs from 0. Displacements over
    a frame interval are no measurements of b: a particle that turns within it seems to feel less.
    So laws are scored, and their constants fitted, by the density of the transitions: for exact
    places along one coordinate the Fokker-Planck equation on a grid, which holds at any frame
    interval; with localisation errors, exposure or two coordinates the moments of a force map
    (`fit_force_map`). Free curves of drift and D propose; the likelihood decides. No drift, a
    constant one and a harmonic trap are always among the laws.

    Parameters
    ----------
    data
        A `Trajectory`; or a table with the times ``t``, places ``x`` (and ``y``) and, for several
        particles, ``particle``; or a list of such tables. Gaps and irregular times are allowed.
    options
        See `DriftLawOptions`.
    rng
        Checked, not used: the search holds no chance.

    Returns
    -------
    DynamicsLaws
        Targets ``dx/dt`` (``dy/dt``), the drift in length / time, and ``D`` in length^2 / time;
        where the best D depends on the place also ``dx/dt - dD/dx`` (``dy/dt - dD/dy``). The
        weights of one target's laws are given the best laws of the others. Its first remarks are
        the verdict in words.

    Raises
    ------
    InputError
        For a single frame, a periodic box, fewer than 30 steps, times that do not increase.
    NotIdentified
        Where no likelihood is found.

    Notes
    -----
    Forces between particles are no part of these laws (`discover_pair_law`). Where steps remember
    the ones before beyond what noise explains (smeared frames, a tracker's bias), frames farther
    apart are taken, and said so.

    References
    ----------
    Scharfetter and Gummel 1969, 10.1109/T-ED.1969.16566 (rates on a grid); Sarkka 2007,
    10.1109/TAC.2007.904453 (moments); Lau and Lubensky 2007, 10.1103/PhysRevE.76.011123 (drift of
    the diffusion's gradient).

    Examples
    --------
    >>> rng, places = np.random.default_rng(1), [0.0]
    >>> for _ in range(800):  # a trap: exact steps
    ...     places.append(np.exp(-0.4) * places[-1] + np.sqrt(1 - np.exp(-0.8)) * rng.normal())
    >>> table = {"t": 0.2 * np.arange(801), "x": places}
    >>> options = DriftLawOptions(localization_sd=0.0, search=False)
    >>> laws = discover_drift_law(table, options=options)
    >>> [term.program for term in laws["dx/dt"].best.terms], laws["D"].claims_law
    ([('x',)], False)
    """
    as_generator(rng)
    settings = DriftLawOptions() if options is None else options
    if not isinstance(settings, DriftLawOptions):
        raise InputError(f"options must be a DriftLawOptions, got {type(options).__name__}.")
    read = read_drift_data(data, settings.axes, settings.localization_sd, settings.exposure_s)
    with one_blas_thread():
        found = search_drift(
            read, settings.frames_apart, settings.search, settings.stop, settings.progress
        )
    if found is None:
        raise NotIdentified(
            "no drift and diffusion were found under which these tracks are likely: look at them "
            "for jumps and wrong links (check_trajectory), and, where particles relax between "
            "frames, say localization_sd=0 if errors are small beside a step: with errors the "
            "transitions are taken as Gaussian, which such frames do not bear."
        )
    return _laws(found, settings.n_kept)


def _laws(found: SearchedDrift, n_kept: int) -> DynamicsLaws:
    data = found.data
    names, unit, time = data.names, data.unit, data.time_unit
    known = unit is not None and time is not None
    places = data.series.positions
    ranges = np.stack([places.min(axis=0), places.max(axis=0)], axis=1)
    interval = data.series.interval
    doubts = drift_warnings(found)
    sets = {}
    for axis, name in enumerate(names):
        laws = found.laws[axis]
        kept = [law for law in laws if law in laws[:n_kept] or not law.variables]
        level = float(np.mean(found.curve_fields[1]))
        sets[f"d{name}/dt"] = EquationSet(
            tuple(kept), names, f"d{name}/dt", ranges, math.sqrt(2.0 * level / interval), doubts,
            units=f"{unit}/{time}" if known else None,
            variable_units=(str(unit),) * len(names) if known else None,
        )  # fmt: skip
        if found.forces:
            target = f"d{name}/dt - dD/d{name}"
            sets[target] = replace(sets[f"d{name}/dt"], equations=found.forces[axis], target=target)
    sets["D"] = EquationSet(
        tuple(found.laws[-1][:n_kept]), names, "D", ranges, math.sqrt(2.0) * level, doubts,
        units=f"{unit}^2/{time}" if known else None,
        variable_units=(str(unit),) * len(names) if known else None,
    )  # fmt: skip
    return DynamicsLaws(sets, "particles", said=said_of_drift(found, sets))
