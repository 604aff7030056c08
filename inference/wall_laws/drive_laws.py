"""How fast a wall moves at a drive: linear, creep and depinning laws through measured speeds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_choice,
    check_count,
)
from physlearn.inference.wall_laws.law_grid import integrated, law_peak, law_shapes, settled_grid
from physlearn.results import Fit, fit_from_draws

__all__ = ["DRIVE_LAWS", "LawPosterior", "draw_law", "fit_drive_law"]

Floats = NDArray[np.float64]

DRIVE_LAWS = ("linear", "creep", "depinning")
FORMULAS = {
    "linear": "v = drive_mobility * E",
    "creep": "v = v0 exp(-(E0 / |E|)^creep_exponent) sign(E)",
    "depinning": "v = depinning_velocity (|E| / depinning_field - 1)^depinning_exponent sign(E)",
}
UNKNOWNS = {"linear": 1, "creep": 3, "depinning": 3}
CREEP_EXPONENTS = (0.02, 3.0)
STEEPEST_CREEP = 200.0
DEPINNING_EXPONENTS = (0.05, 3.0)
DOUBTFUL_P = 1e-3
MOVING_SIGMA = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class LawPosterior:
    """Draws of a drive law's parameters with what must be said about them.

    Attributes
    ----------
    draws
        Variable -> (n_draws,).
    units
        Variable -> unit.
    prior_sd
        Variable -> standard deviation of its prior, where it has a proper one.
    diagnostics
        chi2, its degrees of freedom and tail probability, numbers of levels.
    warnings
        Sentences.
    """

    draws: dict[str, Floats]
    units: dict[str, str]
    prior_sd: dict[str, float]
    diagnostics: dict[str, object]
    warnings: tuple[str, ...] = field(default=())


def fit_drive_law(
    levels: ArrayLike,
    velocities: ArrayLike,
    covariance: ArrayLike,
    law: str = "creep",
    *,
    exponent: tuple[float, float] | None = None,
    drive_unit: str = "",
    velocity_unit: str = "",
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit a linear, creep or depinning law to speeds measured at several drives.

    Parameters
    ----------
    levels
        Drives, shape (n,); a negative one has the mirrored velocity.
    velocities
        Measured velocities, shape (n,), such as ``drive_velocity`` of a fit with
        ``law="levels"``.
    covariance
        Of the velocities, shape (n, n); or their standard deviations, shape (n,).
    law
        ``linear``: v = m E. ``creep``: v = v0 exp(-(E0 / E)^mu). ``depinning``:
        v = v1 (E / Ec - 1)^beta above the threshold field Ec, 0 below.
    exponent
        (value, sd) of the exponent, where it is known from elsewhere.
    drive_unit, velocity_unit
        Units, for the summary.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        ``linear``: ``drive_mobility``. ``creep``: ``creep_exponent``, ``creep_barrier``
        ((E0 / E_ref)^mu, the barrier over kT at the geometric mean E_ref of the levels),
        ``reference_velocity`` (at E_ref), ``log_creep_velocity`` (ln v0) and ``log_creep_field``
        (ln E0). ``depinning``: ``depinning_field``, ``depinning_exponent``,
        ``depinning_velocity`` (at twice the threshold field). ``diagnostics``: chi2, p.

    Raises
    ------
    InputError
        For shapes that do not fit, a covariance that is not positive, or an unknown law.
    NotIdentified
        If there are fewer distinct drives than unknowns (two fields cannot test a creep
        exponent), or no velocity that differs from zero.

    Notes
    -----
    The velocities are Gaussian about the law (their logarithms are not: a slow level may have
    been measured negative). The law's speed enters linearly and is integrated out exactly; the
    two others lie on a grid that is refined about its mass. Priors: exponents even from 0.02
    (0.05) to 3, the speed even above 0, the relative steepness d ln v / d ln E of creep even from
    0 to 200, the threshold even from 0 to the largest drive. Creep of domain walls: Lemerle et
    al., Phys. Rev. Lett. 80, 849 (1998), doi:10.1103/PhysRevLett.80.849; in ferroelectrics Tybell
    et al., Phys. Rev. Lett. 89, 097601 (2002), doi:10.1103/PhysRevLett.89.097601.

    Examples
    --------
    >>> drives = np.linspace(0.5, 1.5, 6)
    >>> speeds = 3.0 * np.exp(-((2.0 / drives) ** 0.5))
    >>> fit = fit_drive_law(drives, speeds, 0.002 * speeds, rng=1)
    >>> low, high = fit.interval("creep_exponent")
    >>> bool(low < 0.5 < high < 0.7)
    True
    """
    generator, seed = as_generator(rng)
    fields, speeds, spread = _checked(levels, velocities, covariance, law, n_draws)
    found = draw_law(fields, speeds, spread, law, generator, n_draws, exponent=exponent)
    per_drive = f"{velocity_unit}/{drive_unit}" if drive_unit else velocity_unit
    named = {"velocity": velocity_unit, "drive": drive_unit, "velocity/drive": per_drive}
    return fit_from_draws(
        found.draws,
        model=FORMULAS[law],
        likelihood="measured velocities, Gaussian with their covariance",
        approximation="none: the speed in closed form, the rest on a refined grid",
        seed=seed,
        data=[fields, speeds, spread],
        prior_sd=found.prior_sd,
        units={name: named.get(unit, unit) or "1" for name, unit in found.units.items()},
        diagnostics=found.diagnostics,
        warnings=found.warnings,
        attrs={"law": law},
    )


def draw_law(
    levels: Floats,
    velocities: Floats,
    covariance: Floats,
    law: str,
    generator: np.random.Generator,
    n_draws: int,
    *,
    exponent: tuple[float, float] | None = None,
) -> LawPosterior:
    """Draw a law's parameters; see `fit_drive_law` for the arguments.

    Raises
    ------
    NotIdentified
        As `fit_drive_law`.

    Examples
    --------
    >>> found = draw_law(np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.diag([0.01, 0.01]),
    ...     "linear", np.random.default_rng(1), 1000)
    >>> bool(abs(found.draws["drive_mobility"].mean() - 2.0) < 0.1)
    True
    """
    moving = levels != 0
    texts: tuple[str, ...] = ()
    if not moving.all():
        texts = (f"{(~moving).sum()} level(s) of zero drive say nothing here and were left out",)
    sign = np.sign(levels[moving])
    strength = np.abs(levels[moving])
    speeds = velocities[moving] * sign
    spread = covariance[np.ix_(moving, moving)] * np.outer(sign, sign)
    _check_levels(strength, speeds, spread, law, exponent)
    weight = np.linalg.cholesky(np.linalg.inv(spread)).T
    data = weight @ speeds
    if law == "linear":
        found = _draw_linear(strength, weight, data, generator, n_draws)
    else:
        found = _draw_curved(law, strength, weight, data, exponent, generator, n_draws)
    n_levels = int(np.unique(strength).size)
    freedom = len(strength) - UNKNOWNS[law] + (exponent is not None)
    chi2 = float(found.diagnostics["chi2"])  # type: ignore[arg-type]
    tail = float(stats.chi2.sf(chi2, freedom)) if freedom > 0 else float("nan")
    if freedom <= 0:
        texts += (f"{n_levels} drives fix the {law} law and cannot test it: measure more levels",)
    elif tail < DOUBTFUL_P:
        texts += (
            f"the {law} law does not fit: chi2 {chi2:.3g} at {freedom} degrees of freedom (p = "
            f"{tail:.1g}); its intervals are too narrow",
        )
    asymmetric = bool((sign > 0).any() and (sign < 0).any())
    if asymmetric:
        texts += ("drives of both signs were taken to act alike (no imprint)",)
    diagnostics = {
        **found.diagnostics, "degrees_of_freedom": freedom, "p": tail, "n_levels": n_levels,
    }  # fmt: skip
    return LawPosterior(found.draws, found.units, found.prior_sd, diagnostics, texts)


def _checked(
    levels: ArrayLike, velocities: ArrayLike, covariance: ArrayLike, law: str, n_draws: int
) -> tuple[Floats, Floats, Floats]:
    """Return drives, velocities and covariance, or say what is wrong with them."""
    check_choice("law", law, DRIVE_LAWS)
    fields = check_array("levels", levels, shape=(None,))
    speeds = check_array("velocities", velocities, shape=(fields.size,))
    spread = check_array("covariance", covariance)
    if spread.ndim == 1:
        spread = np.diag(check_array("covariance", spread, shape=(fields.size,)) ** 2)
    spread = check_array("covariance", spread, shape=(fields.size, fields.size))
    if not (np.linalg.eigvalsh(0.5 * (spread + spread.T))[0] > 0):
        raise InputError("covariance must be positive definite; leave no velocity without error.")
    check_count("n_draws", n_draws, 100)
    return fields, speeds, 0.5 * (spread + spread.T)


def _check_levels(
    strength: Floats,
    speeds: Floats,
    spread: Floats,
    law: str,
    exponent: tuple[float, float] | None,
) -> None:
    """Refuse data that leave the law open."""
    n_levels = np.unique(strength).size
    if exponent is not None:
        value, sd = check_array("exponent", exponent, shape=(2,))
        if law == "linear":
            raise InputError("exponent belongs to law='creep' or 'depinning'; leave it out.")
        if not (value > 0 and sd > 0):
            raise InputError(f"exponent must be (value > 0, sd > 0); got {exponent}.")
    needed = UNKNOWNS[law] - (exponent is not None)
    if n_levels < needed:
        raise NotIdentified(
            f"{n_levels} drive level(s) cannot test a {law} "
            f"{'exponent' if law != 'linear' else 'law'}: it needs {needed} distinct fields"
            + ("" if exponent or law == "linear" else ", or exponent=(value, sd) from elsewhere")
            + "."
        )
    fast = speeds > MOVING_SIGMA * np.sqrt(np.diag(spread))
    least = 1 if law == "linear" else needed
    if np.unique(strength[fast]).size < least:
        raise NotIdentified(
            f"the wall moves (3 standard deviations) at {np.unique(strength[fast]).size} drive "
            f"level(s); a {law} law needs {least}: measure longer or at stronger drives."
        )


def _draw_linear(
    strength: Floats, weight: Floats, data: Floats, generator: np.random.Generator, n_draws: int
) -> LawPosterior:
    column = weight @ strength
    sd = 1.0 / np.sqrt(column @ column)
    mean = float(column @ data) * sd**2
    draws = {"drive_mobility": mean + sd * generator.standard_normal(n_draws)}
    chi2 = float(((data - mean * column) ** 2).sum())
    return LawPosterior(draws, {"drive_mobility": "velocity/drive"}, {}, {"chi2": chi2})


def _draw_curved(
    law: str,
    strength: Floats,
    weight: Floats,
    data: Floats,
    exponent: tuple[float, float] | None,
    generator: np.random.Generator,
    n_draws: int,
) -> LawPosterior:
    """Grid over two parameters, the speed integrated out; refined about its mass."""
    ends = CREEP_EXPONENTS if law == "creep" else DEPINNING_EXPONENTS
    top = STEEPEST_CREEP if law == "creep" else float(strength.max())
    limits = np.array([(1e-6 * top, top), ends])

    def mass_at(points: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        legal = np.asarray(((points > limits[:, 0]) & (points < limits[:, 1])).all(axis=1))
        inside = np.where(legal[:, None], points, limits.mean(axis=1))
        shapes = law_shapes(law, strength, *inside.T) @ weight.T
        log_mass, best, scale, gain = integrated(shapes, data)
        if exponent is not None:
            log_mass = log_mass - 0.5 * ((points[:, 1] - exponent[0]) / exponent[1]) ** 2
        return np.where(legal, log_mass, -np.inf), best, scale, gain

    peak, root = law_peak(law, strength, weight, data, exponent, limits)
    grid = settled_grid(law, mass_at, peak, root, limits)
    if grid is None:
        raise NotIdentified(
            f"the posterior of the {law} law does not settle on a grid: its parameters trade off "
            "against each other; measure more levels."
        )
    log_mass, best, scale, gain = mass_at(grid.points)
    chosen = generator.choice(grid.mass.size, size=n_draws, p=grid.mass)
    jitter = grid.size * generator.uniform(-0.5, 0.5, (n_draws, 2))
    one, two = np.clip(grid.points[chosen] + jitter @ grid.axes.T, *limits.T).T
    mean, sd = best[chosen], scale[chosen]
    tail = generator.uniform(stats.norm.cdf(-mean / sd), 1.0)
    speed = mean + sd * np.minimum(stats.norm.ppf(tail), 9.0)
    chi2 = float(data @ data - np.where(best > 0, gain, 0.0)[np.isfinite(log_mass)].max())
    named, units = _named(law, strength, one, two, np.maximum(speed, 1e-300))
    name = "creep_exponent" if law == "creep" else "depinning_exponent"
    prior = exponent[1] if exponent else (ends[1] - ends[0]) / np.sqrt(12)
    priors = {name: float(prior)}
    if law == "depinning":
        priors["depinning_field"] = top / np.sqrt(12)
    return LawPosterior(named, units, priors, {"chi2": chi2})


def _named(
    law: str, strength: Floats, first: Floats, second: Floats, speed: Floats
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Draws under the names that the law's users know."""
    if law == "depinning":
        twice = speed * (strength.max() / first - 1.0) ** -second
        draws = {
            "depinning_field": first, "depinning_exponent": second, "depinning_velocity": twice,
        }  # fmt: skip
        return draws, {"depinning_field": "drive", "depinning_velocity": "velocity"}
    reference = float(np.mean(np.log(strength)))
    barrier = first / second
    draws = {
        "creep_exponent": second,
        "creep_barrier": barrier,
        "reference_velocity": speed,
        "log_creep_velocity": np.log(speed) + barrier,
        "log_creep_field": reference + np.log(barrier) / second,
    }
    return draws, {"reference_velocity": "velocity"}
