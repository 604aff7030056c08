"""The law of the force between particles, found from their motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from physlearn.checks import InputError, as_generator
from physlearn.inference.dynamics.pair_bodies import (
    check_tracks,
    masses_of,
    memory_of_steps,
    read_bodies,
)
from physlearn.inference.dynamics.pair_options import PairLawOptions
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.one_thread import one_blas_thread
from physlearn.records import Trajectory

__all__ = ["discover_pair_law"]

COASTING = 0.5  # random walks reach it in 1 of 1000 films, the shortest that are read


def discover_pair_law(
    trajectory: Trajectory,
    *,
    masses: ArrayLike | None = None,
    options: PairLawOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> EquationSet:
    """Find the law f(r) of the force between particles, as a weighted set, from their tracks.

    Newtonian: body i accelerates by sum_j s_j f(r_ij) away from body j. The force is first taken
    free at some distances: a start from the motion integrated against smooth bumps (no derivative
    of a noisy track is taken), then the tracks' likelihood, with strengths s and starting states.
    Laws that follow this curve (known ones and what a search among short expressions proposes) are
    fitted to the tracks themselves by integrating all bodies' motion, constants, strengths and
    starting states together (multiple shooting: pieces of the tracks, whose gaps are closed by
    degrees). Overdamped: the force by distance with its whole covariance comes from the transition
    density of a spline potential (`fit_langevin`) or from displacements by distance
    (`measure_pair_force`), and laws are weighed against that curve. "No force" is always listed.

    Parameters
    ----------
    trajectory
        Positions of at least two particles with times; irregular times, missing frames and bodies
        that appear late or vanish are no special case of Newtonian motion, as long as all are seen
        together for some frames. ``cell``, rectangular, makes the box periodic.
    masses
        Known strengths s_j as sources, one a particle in the order of their numbers. None: fitted,
        with sum 1, or all 1 (``options.strengths``). Newtonian only.
    options
        See `PairLawOptions`.
    rng
        Seed or generator (draws of the overdamped fits).

    Returns
    -------
    EquationSet
        Laws for ``force`` in ``r``; positive: repulsion. Newtonian: acceleration by a source of
        strength 1 (length / time^2); overdamped: kT / length. The strengths stand in the warnings.

    Raises
    ------
    InputError
        For anything but tracks, bodies at one place or hardly seen, masses that do not fit, or a
        skewed box.
    NotIdentified
        For one particle or one frame, bodies that are hardly seen together or that no force on
        the basis can follow, or too few steps to tell the regime.

    Notes
    -----
    Weak form: Messenger and Bortz 2021, 10.1137/20M1343166; multiple shooting: Bock 1983,
    10.1007/978-1-4684-8515-8_6. Newtonian noise is Gaussian of one size (or as
    ``localization_sd`` says), accelerations follow the sources alone: a body's own inertia and its
    strength as a receiver are taken as equal, as in gravity.

    Examples
    --------
    >>> t = np.linspace(0.0, 7.0, 40)
    >>> noise = 0.01 * np.random.default_rng(1).normal(size=(40, 2, 2))
    >>> circle = np.stack([np.cos(t), np.sin(t)], axis=1)[:, None] * [[[0.5], [-0.5]]]
    >>> film = Trajectory(np.repeat(np.arange(40), 2), np.tile([0, 1], 40),
    ...     (circle + noise).reshape(-1, 2), t, unit="reduced", time_unit="reduced")
    >>> options = PairLawOptions(strengths="equal", search=False, n_refitted=3)
    >>> laws = discover_pair_law(film, options=options)
    >>> laws.variables, laws.target, laws.claims_law  # which law, one distance does not tell
    (('r',), 'force', True)
    """
    settings = PairLawOptions() if options is None else options
    if not isinstance(settings, PairLawOptions):
        raise InputError(f"options must be a PairLawOptions, got {type(options).__name__}.")
    generator, _ = as_generator(rng)
    check_tracks(trajectory)
    regime, remark = _regime(trajectory, settings)
    if regime == "overdamped":
        if masses is not None:
            raise InputError("masses act in Newtonian motion only; leave them out here.")
        found = _of_film(trajectory, settings, generator)
    else:
        with one_blas_thread():
            found = _of_bodies(trajectory, masses, settings)
    return _with_remark(found, remark)


def _regime(trajectory: Trajectory, settings: PairLawOptions) -> tuple[str, str]:
    """Return the regime, and what to say where it was chosen."""
    if settings.regime != "auto":
        return settings.regime, ""
    memory = memory_of_steps(trajectory)
    regime = "newtonian" if memory > COASTING else "overdamped"
    how = "Newton's law" if regime == "newtonian" else "overdamped motion in a fluid"
    return regime, (
        f"read as {how}: displacements that follow each other correlate by at least "
        f"{memory:.2f} (regime= says otherwise)"
    )


def _of_bodies(
    trajectory: Trajectory, masses: ArrayLike | None, settings: PairLawOptions
) -> EquationSet:
    from physlearn.inference.dynamics.pair_curve import curve_of_bodies
    from physlearn.inference.dynamics.pair_orbits import laws_of_bodies

    bodies = read_bodies(trajectory)
    strengths = masses_of(masses, bodies)
    if strengths is None and settings.strengths == "equal":
        strengths = np.ones(bodies.n_bodies)
    return laws_of_bodies(curve_of_bodies(bodies, strengths), settings)


def _of_film(
    trajectory: Trajectory, settings: PairLawOptions, rng: np.random.Generator
) -> EquationSet:
    from physlearn.inference.dynamics.pair_films import curve_of_film, laws_of_film

    return laws_of_film(curve_of_film(trajectory, settings, rng), settings)


def _with_remark(laws: EquationSet, remark: str) -> EquationSet:
    from dataclasses import replace

    return replace(laws, warnings=(*laws.warnings, remark)) if remark else laws
