"""One Ginzburg-Landau problem on its grid, and the time step that suits it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.lattice_models.fields.nonlocal_energies import Coupling
from physlearn.lattice_models.fields.operators import elastic_form, largest_gradient
from physlearn.lattice_models.fields.potentials import LandauPotential, VectorLandauPotential

__all__ = ["FieldProblem", "StepPlan", "count_steps", "plan_steps"]

Floats = NDArray[np.float64]
RELAXED_SHARE = 0.05  # of the fastest local relaxation that one step may cover
THERMAL_REACH = 10.0  # kT above the lowest energy: one cell in 20,000 is beyond
SAFE_SHARE = 0.5  # of the stability limit, where the explicit step obeys a maximum principle
MOST_STEPS = 1e12
ROUNDING = 1e-9  # an interval of whole steps stays so
MOST_EFFORT = 10  # times the steps, so that steps with memory of their noise never grow
# one step's cost per cell, in units of a plain explicit one
EXPLICIT_COST, CONSERVED_COST, FORCED_COST, SPECTRAL_COST = 1.0, 2.0, 6.0, 30.0


@dataclass(frozen=True)
class FieldProblem:
    """What a stepper needs to know besides the field."""

    potential: LandauPotential | VectorLandauPotential
    couplings: tuple[Coupling, ...]
    shape: tuple[int, int, int]
    spacing: tuple[float, float]
    conserved: bool
    mobility: float
    thermal_energy: float
    mirror: bool
    precision: str

    @property
    def cell_area(self) -> float:
        """Area of a cell."""
        return self.spacing[0] * self.spacing[1]


@dataclass(frozen=True)
class StepPlan:
    """The chosen method and step.

    ``limit``: largest stable explicit step; ``accurate``: the step that resolves the local
    relaxation; ``stabilizer``: s of the spectral step, at least half the largest curvature.
    """

    method: str
    reason: str
    time_step: float
    limit: float
    accurate: float
    stabilizer: float
    extent: float
    warnings: tuple[str, ...]


def _extent(
    problem: FieldProblem, start: Floats, fields: tuple[float, float], softening: float
) -> tuple[float, float]:
    """Return the range of P that the run will hardly leave."""
    wells = problem.potential.extent(*fields, softening)
    low = min(float(start.min()), float(wells[0]))
    high = max(float(start.max()), float(wells[1]))
    if problem.conserved or problem.couplings:
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    if problem.thermal_energy > 0:
        warmth = problem.thermal_energy / problem.cell_area
        _, size = problem.potential.largest_curvature(low, high)
        stiffness = size + 0.1 * largest_gradient(problem.potential, problem.spacing)
        spread = 4.0 * np.sqrt(warmth / max(stiffness, 1e-30))
        # a lone cell of this temperature stays here; neighbours only hold it back
        alone = problem.potential.thermal_extent(THERMAL_REACH * warmth)
        low = min(low, max(low - spread, float(alone[0])))
        high = max(high, min(high + spread, float(alone[1])))
    if problem.shape[0] == 2:
        reach = np.sqrt(2.0) if np.abs(start).max() >= max(-low, high) * 0.999 else 1.0
        low, high = -reach * max(-low, high), reach * max(-low, high)
    return low, high


def plan_steps(
    problem: FieldProblem,
    start: Floats,
    fields: tuple[float, float],
    softening: tuple[float, float],
    *,
    method: str,
    forced: bool,
    time_step: float | None,
) -> StepPlan:
    """Choose method and time step, or say why what was asked for cannot be used.

    Explicit steps are stable up to ``2 / (L (f'' + A))`` with the largest curvature f'' of the
    potential on the range of P and the largest eigenvalue A of the gradient operator (conserved:
    times the largest eigenvalue of the Laplacian). The semi-implicit step never raises the free
    energy, whatever its length, while ``stabilizer >= f'' / 2`` (Shen and Yang, Discrete Contin.
    Dyn. Syst. 28, 1669 (2010), doi:10.3934/dcds.2010.28.1669); its length is a matter of accuracy.
    """
    low, high = _extent(problem, start, fields, softening[0])
    largest, size = problem.potential.largest_curvature(low, high)
    largest, size = largest + softening[1], size + max(softening[1], -softening[0])
    form = elastic_form(problem.couplings, problem.shape[1:], problem.spacing)
    if form is not None:
        extra = 6 * float(form.max()) * max(low * low, high * high)
        largest, size = largest + extra, size + extra
    dx, dy = problem.spacing
    laplacian = 4 / dx**2 + 4 / dy**2
    stiffest = max(largest, 0.0) + largest_gradient(problem.potential, problem.spacing)
    factor = problem.mobility * (laplacian if problem.conserved else 1.0)
    limit = 2.0 / (factor * stiffest) if stiffest > 0 else np.inf
    accurate = RELAXED_SHARE / (factor * size) if size > 0 else np.inf
    if problem.conserved and isinstance(problem.potential, LandauPotential) and size > 0:
        kappa = min(problem.potential.kappa_x, problem.potential.kappa_y)
        square = min(laplacian, size / kappa) if kappa > 0 else laplacian
        accurate = 2 * RELAXED_SHARE / (problem.mobility * size * square)
    explicit_step = min(SAFE_SHARE * limit, accurate)
    chosen, reason = _choose(problem, method, forced, explicit_step, accurate)
    automatic = explicit_step if chosen == "explicit" else accurate
    warnings: tuple[str, ...] = ()
    if time_step is None:
        used = automatic
    else:
        used = check_positive("time_step", time_step)
        if chosen == "explicit" and used > limit:
            raise InputError(
                f"time_step must be at most {limit:.3g} for the explicit method on this grid and "
                f"potential; got {used:.4g}. Use {explicit_step:.3g}, or method='spectral'."
            )
        if used > 10 * accurate:
            warnings = (
                f"time_step {used:.4g} is stable but coarse: the local relaxation is resolved "
                f"with {accurate:.3g}; the way to the final state is not accurate in time.",
            )
    return StepPlan(
        chosen, reason, used, limit, automatic, max(largest, 0.0) / 2, max(-low, high), warnings
    )


def count_steps(
    intervals: Floats, longest: float, keeps_noise: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the number of even steps in each interval between frames, and warnings.

    Explicit steps that keep the last noise are exact as long as no step is longer than the one
    before it (``keeps_noise``).
    """
    free = np.maximum(1.0, np.ceil(intervals / longest - ROUNDING))
    if not free.sum() <= MOST_STEPS:
        worst = int(np.argmax(free))
        raise InputError(
            f"time_step must leave at most {MOST_STEPS:.0e} steps in all; {longest:.3g} makes "
            f"{free[worst]:.3g} steps of the interval of {intervals[worst]:.3g} after frame "
            f"{worst}: take a longer step or shorter intervals."
        )
    if not keeps_noise:
        return free.astype(np.int64), ()
    counts, step = np.empty_like(free), longest
    for k, interval in enumerate(intervals):
        counts[k] = max(1.0, np.ceil(interval / step - ROUNDING))
        step = min(step, interval / counts[k])
    if counts.sum() <= MOST_EFFORT * free.sum():
        return counts.astype(np.int64), ()
    return free.astype(np.int64), (
        "frame_times make the step grow between frames: the fluctuations of waves that relax "
        "within few steps are too weak just after that; start with intervals of at least "
        f"{longest:.3g}, or let no interval be much shorter than the later ones.",
    )


def _choose(
    problem: FieldProblem, method: str, forced: bool, explicit_step: float, accurate: float
) -> tuple[str, str]:
    """Return the method and why."""
    if method == "explicit":
        if problem.couplings:
            raise InputError(
                "method must be spectral with couplings: they live in Fourier space; "
                "got method='explicit'."
            )
        return "explicit", "asked for"
    if problem.mirror:
        if method == "spectral" or problem.couplings:
            raise InputError(
                "boundary must be periodic for the spectral method and for couplings; got "
                "'no_flux': leave the couplings out and use method='explicit'."
            )
        return "explicit", "edges without flux need the explicit method"
    if method == "spectral":
        return "spectral", "asked for"
    if problem.couplings:
        return "spectral", "couplings live in Fourier space"
    if not np.isfinite(accurate):
        return "spectral", "the local part is flat, so that the implicit step is exact at any size"
    cost = CONSERVED_COST if problem.conserved else EXPLICIT_COST
    if forced or problem.shape[0] == 2:
        cost = FORCED_COST
    if cost / explicit_step <= SPECTRAL_COST / accurate:
        return "explicit", f"its step of {explicit_step:.3g} is the cheaper one"
    return "spectral", f"its step of {accurate:.3g} (explicit: {explicit_step:.3g}) is the cheaper"
