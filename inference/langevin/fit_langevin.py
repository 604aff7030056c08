"""Forces and diffusion from the motion of particles: one way in for every kind of motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physlearn.checks import InputError, check_choice, check_positive, check_temperature
from physlearn.inference.langevin.motion_data import check_times
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.records import Trajectory
from physlearn.results import Fit

__all__ = ["fit_langevin"]

DYNAMICS = ("overdamped", "underdamped")
FORCES = ("pair", "external", "none")
METHODS = ("auto", "sub_steps", "displacement", "static")
MOST_OPEN_ROWS = 8000
"""Positions in an open field of view up to which a noisy film is fitted without ``progress``."""
Potential = str | PairFamily | InteractionFamily | Sequence[str | PairFamily] | None
Noise = float | tuple[float, float] | str | None


def fit_langevin(
    trajectory: Trajectory,
    potential: Potential = None,
    *,
    dynamics: str = "overdamped",
    forces: str = "pair",
    localization_sd: Noise = None,
    exposure_s: float | None = None,
    equilibrium: bool | None = None,
    diffusion: str = "constant",
    remove_drift: bool | None = None,
    temperature: tuple[float, float] | None = None,
    cutoff: float | None = None,
    truncation: str = "shift",
    method: str = "auto",
    prior: Any = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit forces and diffusion to tracks, with a law of motion that holds at their frame interval.

    Overdamped: dx = D F(x) dt + sqrt(2 D) dW, energies in kT. Underdamped: dv = F dt - friction v
    dt + noise, velocities unseen. Pair forces come from a family of potentials, external ones from
    a map of the place.

    Parameters
    ----------
    trajectory
        Tracks with times; ``cell`` makes the box periodic, without it the field of view is open.
    potential
        Pair forces: ``lennard_jones`` (the default), ``morse``, ``yukawa``, ``inverse_power``,
        ``spline``, a ``PairFamily``, an ``InteractionFamily``, or one for each pair of species.
        External forces: what ``fit_force_map`` takes.
    dynamics
        ``overdamped``, or ``underdamped``, which takes ``forces="external"`` or ``"none"`` only.
    forces
        ``pair``, ``external`` (each particle alone in a field) or ``none`` (diffusion only).
    localization_sd
        Error of each coordinate: 0 (said, never assumed), a number, ``(mean, sd)``, or ``"free"``.
        None: the record's own, else ``"free"``.
    exposure_s
        Time over which a frame averages, at most the frame interval; None: an instant.
    equilibrium
        True: the tracks are samples of exp(-U/kT) too, and both sources are joined. False: motion
        alone counts. None: joined unless a test of one against the other finds them apart.
    diffusion
        ``constant``, or ``position`` (external forces).
    remove_drift
        Take each frame's common motion away and count the degrees of freedom it costs: None does
        so for pair forces and diffusion. A field can't be told from drift: there True is refused,
        and drift that the tracks hold stays in the map.
    temperature
        ``(mean, sd)`` in kelvin adds energies in meV to pair forces, drag, mass and stiffness in
        SI units to the others; without it energies are in kT alone.
    cutoff, truncation
        Where the pair energy ends and how: see ``make_family``.
    method
        ``sub_steps``: moments of the motion simulated from the observed places; ``displacement``:
        regression of displacements, refused where its bias would show; ``static``: places alone;
        ``auto``: displacement where its bias can't show, else sub_steps.
    prior
        Gaussian ``(mean, covariance)`` of the unconstrained parameters; None: the family's.
    rng, progress
        Seed or generator; called with (pieces done, pieces).

    Returns
    -------
    Fit
        One variable a natural parameter of the potential and ``diffusion``.

    Raises
    ------
    InputError
        For a wrong argument or one that the chosen way can't use, one frame, times in frames,
        particles on one place, tracks that exchange identities, or pair forces of a large noisy
        film in an open field without ``progress``: it takes long.
    NotIdentified
        Where the data can't tell.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import LennardJones, simulate_langevin
    >>> from physlearn.records import AtomicConfiguration
    >>> grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2) * 1.2
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=7.2 * np.eye(2))
    >>> film = simulate_langevin(LennardJones(cutoff=2.0), start, 9, 10, time_step=5e-5, rng=1)
    >>> fit = fit_langevin(film, "lennard_jones", localization_sd=0.0, cutoff=2.0, rng=1)
    >>> low, high = fit.interval("diffusion")
    >>> bool(low < 1.0 < high)
    True

    References
    ----------
    B. M. Bibby and M. Sorensen, Bernoulli 1, 17 (1995), doi:10.2307/3318679; A. Hyvarinen,
    J. Mach. Learn. Res. 6, 695 (2005).
    """
    check_choice("dynamics", dynamics, DYNAMICS)
    check_choice("forces", forces, FORCES)
    check_choice("method", method, METHODS)
    check_choice("diffusion", diffusion, ("constant", "position"))
    if equilibrium not in (None, True, False):
        raise InputError(f"equilibrium must be True, False or None; got {equilibrium!r}.")
    if exposure_s is not None:
        check_positive("exposure_s", exposure_s, allow_zero=True)
    if temperature is not None:
        check_temperature(temperature)
    check_times(trajectory)
    noise = _noise(trajectory, localization_sd)
    pairs = dynamics == "overdamped" and forces == "pair"
    if not pairs:
        _refuse_unused(dynamics, forces, method, equilibrium, cutoff, truncation, remove_drift)
    drift = remove_drift is not False
    if diffusion == "position" and (forces != "external" or dynamics != "overdamped"):
        raise InputError(
            "diffusion='position' needs forces='external' and overdamped motion: a diffusion that "
            "depends on the place is fitted to particles that don't push each other."
        )
    field: Any = potential  # external fields take functions too
    if dynamics == "underdamped":
        from physlearn.inference.langevin.underdamped import fit_underdamped

        return fit_underdamped(
            trajectory, field, forces=forces, localization_sd=noise, exposure_s=exposure_s,
            temperature=temperature, prior=prior, rng=rng, progress=progress,
        )  # fmt: skip
    if forces == "external":
        from physlearn.inference.langevin.force_map import fit_force_map

        return fit_force_map(
            trajectory, field, localization_sd=noise, exposure_s=exposure_s,
            diffusion=diffusion, temperature=temperature, prior=prior, rng=rng, progress=progress,
        )  # fmt: skip
    if forces == "none":
        from physlearn.inference.langevin.diffusion import measure_diffusion

        unused = {"potential": potential, "temperature": temperature, "prior": prior}
        for name in [name for name, value in unused.items() if value is not None]:
            raise InputError(f"{name} means nothing with forces='none'; leave it out.")
        recorded = trajectory.localization_sd
        if noise is None and recorded is not None:
            noise = float(np.sqrt(np.mean(np.square(recorded))))
        measured = measure_diffusion(
            trajectory, localization_sd=noise, exposure_s=exposure_s or 0.0,
            remove_drift=drift, rng=rng,
        )  # fmt: skip
        return measured.fit
    chosen = "lennard_jones" if potential is None else potential
    if noise != 0.0 or exposure_s:
        if method not in ("auto", "sub_steps"):
            raise InputError(
                f"method={method!r} has no place for localisation errors or exposure; take 'auto', "
                "or say localization_sd=0 and no exposure_s."
            )
        from physlearn.inference.langevin.noisy_motion import fit_noisy_motion

        if progress is None:
            _refuse_large(trajectory)
        return fit_noisy_motion(
            trajectory, chosen, localization_sd=noise, exposure_s=exposure_s,
            equilibrium=equilibrium, remove_drift=drift, temperature=temperature,
            cutoff=cutoff, truncation=truncation, prior=prior, rng=rng, progress=progress,
        )  # fmt: skip
    from physlearn.inference.langevin.overdamped_pairs import fit_overdamped_pairs

    return fit_overdamped_pairs(
        trajectory, chosen, equilibrium=equilibrium, remove_drift=drift,
        temperature=temperature, cutoff=cutoff, truncation=truncation, method=method,
        prior=prior, rng=rng, progress=progress,
    )  # fmt: skip


def _refuse_unused(
    dynamics: str, forces: str, method: str, equilibrium: bool | None, cutoff: float | None,
    truncation: str, remove_drift: bool | None,
) -> None:  # fmt: skip
    """Refuse what only a fit of overdamped pair forces can use: nothing said is dropped."""
    way = f"dynamics={dynamics!r}, forces={forces!r}"
    given = {"method": method != "auto", "equilibrium": equilibrium is not None,
             "cutoff": cutoff is not None, "truncation": truncation != "shift"}  # fmt: skip
    for name in [name for name, said in given.items() if said]:
        raise InputError(
            f"{name} serves pair forces of overdamped motion and means nothing with {way}; "
            "leave it out."
        )
    if remove_drift and (forces != "none" or dynamics == "underdamped"):
        raise InputError(
            f"remove_drift=True can't be had with {way}: a field moves all particles together too; "
            "where it is the stage that drifts, give remove_drift(trajectory)."
        )


def _refuse_large(trajectory: Any) -> None:
    """Refuse a noisy film in an open field that would take very long before it says a word."""
    if trajectory.cell is not None or len(trajectory.frame) <= MOST_OPEN_ROWS:
        return
    raise InputError(
        f"trajectory holds {len(trajectory.frame):,} positions in an open field of view: a fit of "
        "pair forces with localisation errors can take many minutes; pass progress= to let it "
        "run, give fewer frames or a part of the field, or measure weak forces of dilute "
        "particles with measure_pair_force."
    )


def _noise(trajectory: Any, given: Noise) -> Noise:
    """Return the localisation error: a number, (mean, sd), "free", or None: the record's rows."""
    if given is None:
        recorded = getattr(trajectory, "localization_sd", None)
        if recorded is None:
            return "free"
        return None if np.any(np.asarray(recorded) > 0.0) else 0.0  # None: row by row, as recorded
    if isinstance(given, str):
        check_choice("localization_sd", given, ("free",))
        return given
    if isinstance(given, tuple):
        if len(given) != 2:
            raise InputError(f"localization_sd must be (mean, sd); got {given!r}.")
        return (
            check_positive("localization_sd mean", given[0], allow_zero=True),
            check_positive("localization_sd sd", given[1]),
        )
    return check_positive("localization_sd", given, allow_zero=True)
