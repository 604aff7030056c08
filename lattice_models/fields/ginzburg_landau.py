"""Ginzburg-Landau dynamics of a field: the front door of this package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_positive
from physlearn.lattice_models.argument_hints import SEED, explain_arguments
from physlearn.lattice_models.fields.explicit_stepper import ScalarSteps, VectorSteps
from physlearn.lattice_models.fields.forcing import FieldDrive, Forcing, Pinning, make_forcing
from physlearn.lattice_models.fields.free_energy import check_spacing, free_energy
from physlearn.lattice_models.fields.nonlocal_energies import Coupling, check_couplings
from physlearn.lattice_models.fields.potentials import (
    LandauPotential,
    VectorLandauPotential,
    check_order,
    check_potential,
)
from physlearn.lattice_models.fields.problem import FieldProblem, StepPlan, count_steps, plan_steps
from physlearn.lattice_models.fields.settings import FieldSettings
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.long_run import LongRun
from physlearn.records.shown import full_text

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.lattice_models.fields.cuda_stepper import CudaScalarSteps
    from physlearn.lattice_models.fields.spectral_stepper import SpectralSteps

__all__ = ["simulate_ginzburg_landau"]

Floats = NDArray[np.float64]
Steps: TypeAlias = "ScalarSteps | VectorSteps | SpectralSteps | CudaScalarSteps"
DriveLike = FieldDrive | ArrayLike | Callable[[float], ArrayLike] | None
WAVE_SAMPLES = 64  # per interval, to know how strong a drive becomes
TOO_LARGE = 1e3  # times the range of P


@explain_arguments(
    SEED
    | dict.fromkeys(
        ("temperature", "T", "kT"), "give thermal_energy=kT, in the unit of the potential's energy"
    )
    | {"dt": "give time_step", "times": "give frame_times"}
)
def simulate_ginzburg_landau(
    potential: LandauPotential | VectorLandauPotential,
    start: ArrayLike,
    dynamics: str = "nonconserved",
    *,
    frame_times: ArrayLike,
    mobility: float = 1.0,
    pixel_size: float | tuple[float, float] = 1.0,
    time_step: float | None = None,
    method: str = "auto",
    thermal_energy: float = 0.0,
    drive: DriveLike = None,
    pinning: Pinning | None = None,
    couplings: Coupling | tuple[Coupling, ...] = (),
    settings: FieldSettings | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> xr.DataArray:
    """Follow an order parameter down its free energy, with noise where there is a temperature.

    Not conserved (Allen-Cahn, model A): ``dP/dt = - L dF/dP + noise`` with
    ``<noise noise'> = 2 L kT delta(r - r') delta(t - t')``; conserved (Cahn-Hilliard, model B):
    ``dP/dt = M laplace(dF/dP) + div flux`` with ``<flux_i flux_j'> = 2 M kT delta_ij ...``.

    Parameters
    ----------
    potential
        `LandauPotential` (scalar) or `VectorLandauPotential` (Px, Py).
    start
        The field at the first frame, (n_rows, n_columns) or (2, n_rows, n_columns).
    dynamics
        ``nonconserved`` or ``conserved`` (scalars).
    frame_times
        Times of the frames, (n_frames,), at least 2, increasing; the first is that of ``start``.
    mobility
        L (P^2 length^2 / energy / time) or M (the same times length^2).
    pixel_size
        Edge of a cell, or (dx, dy).
    time_step
        Longest step; each interval between frames is cut evenly. None chooses (see Notes); the
        result's attribute ``time_step`` says what was used.
    method
        ``explicit`` (Euler, differences of second order), ``spectral`` (semi-implicit), or
        ``auto``: the cheaper one, named in the attributes with the reason.
    thermal_energy
        kT in the energy unit of the potential (density x length^2: a film's per its thickness).
    drive
        Field E: a number, (n_frames - 1,), or (n_frames - 1, [2,] n_rows, n_columns), held from
        each frame to the next; a function of the frame's time that returns one of these; or a
        `FieldDrive` (waveform in time x profile in space). Vectors need a direction.
    pinning
        Quenched disorder.
    couplings
        Depolarisation and elastic energies (spectral method, periodic edges).
    settings
        Edges, precision, units.
    rng
        Seed or generator (read only where there is a temperature).
    progress
        Called with (steps done, steps in all).
    checkpoint
        File to save a stopped run to and go on from, to the bit.

    Returns
    -------
    xarray.DataArray
        (time, y, x), or (time, component, y, x). Coordinates in their units, ``free_energy``
        (time) without the drive, ``drive`` (time) where E is separable. Attributes name the
        method, the step, the seed and the parameters; ``warnings`` what to be careful about.

    Raises
    ------
    InputError
        For input that does not fit together, an explicit time step above the stability limit (a
        usable one is named), or a field that grows without end.

    Notes
    -----
    The explicit step is half the stability limit or 1/20 of the fastest local relaxation; its
    thermal fluctuations are those of equilibrium at any stable step where the potential is
    quadratic, as long as no step is longer than the one before: with a temperature each interval
    between frames gets steps no longer than those of the interval before it (or a warning, where
    that made more than ten times as many steps). The spectral step is 1/20 of the fastest local
    relaxation and cannot raise the free energy; it is of first order in time. Hohenberg and
    Halperin, Rev. Mod. Phys. 49, 435 (1977), doi:10.1103/RevModPhys.49.435, for models A and B.

    Examples
    --------
    >>> noise = 0.1 * np.random.default_rng(1).normal(size=(32, 32))
    >>> film = simulate_ginzburg_landau(
    ...     LandauPotential(a=-1.0, c=1.0), noise, frame_times=[0.0, 5.0, 10.0])
    >>> film.dims, film.attrs["method"], bool((film.free_energy.diff("time") < 0).all())
    (('time', 'y', 'x'), 'explicit', True)
    """
    check_choice("dynamics", dynamics, ("nonconserved", "conserved"))
    check_choice("method", method, ("auto", "spectral", "explicit"))
    chosen = _checked_settings(settings)
    order = check_order(check_potential(potential), start)
    times = _checked_times(frame_times)
    problem = FieldProblem(
        potential=potential,
        couplings=check_couplings(potential, couplings),
        shape=(order.shape[0], order.shape[1], order.shape[2]),
        spacing=check_spacing(pixel_size),
        conserved=dynamics == "conserved",
        mobility=check_positive("mobility", mobility),
        thermal_energy=check_positive("thermal_energy", thermal_energy, allow_zero=True),
        mirror=chosen.boundary == "no_flux",
        precision=chosen.precision,
    )
    _check_problem(problem)
    forcing = make_forcing(drive, pinning, problem.shape, times)
    waves = _sampled_waves(forcing, times)
    fields = forcing.field_range(waves)
    plan = plan_steps(
        problem, order, fields, forcing.strongest_softening(), method=method,
        forced=forcing.is_local or problem.thermal_energy > 0, time_step=time_step,
    )  # fmt: skip
    generator, seed = as_generator(rng)
    steps = _make_steps(problem, plan, order, seed_words(generator, (2,)), chosen.backend)
    counts, uneven = count_steps(
        np.diff(times), plan.time_step,
        keeps_noise=plan.method == "explicit" and problem.thermal_energy > 0,
    )  # fmt: skip
    with LongRun(
        int(counts.sum()), progress=progress, checkpoint=checkpoint,
        arguments={"problem": full_text(problem), "plan": full_text(plan), "start": order,
                   "times": times, "seed": seed, "waves": waves, **_named_maps(forcing)},
    ) as run:  # fmt: skip
        frames, n_done = _run(run, steps, plan, forcing, times, counts, order)
        stopped = run.finish(n_done, times.size, "frames")
    return _film(
        frames[:n_done], times[:n_done], problem, plan, forcing, pinning, chosen,
        {"seed": seed, "n_steps": int(counts[: n_done - 1].sum()),
         "time_step": float((np.diff(times) / counts).max()),
         "warnings": "\n".join((*plan.warnings, *uneven, *stopped))},
    )  # fmt: skip


def _named_maps(forcing: Forcing) -> dict[str, Any]:
    """Return the maps of drive and disorder, for what defines a run."""
    names = ("softening", "field", "film", "profile")
    maps = {name: getattr(forcing, name) for name in names}
    return {name: "none" if value is None else value for name, value in maps.items()}


def _checked_settings(settings: FieldSettings | None) -> FieldSettings:
    """Return the settings, the usual ones by default."""
    if settings is None:
        return FieldSettings()
    if not isinstance(settings, FieldSettings):
        raise InputError(f"settings must be FieldSettings; got {type(settings).__name__}.")
    return settings


def _checked_times(frame_times: ArrayLike) -> Floats:
    """Return increasing times."""
    times: Floats = check_array("frame_times", frame_times, ndim=1)
    if times.size < 2:
        raise InputError(f"frame_times must hold at least 2 times, got {times.size}.")
    falls = np.flatnonzero(np.diff(times) <= 0)
    if falls.size:
        index = int(falls[0]) + 1
        raise InputError(
            f"frame_times must increase; got {times[index]} after {times[index - 1]} at index "
            f"{index}."
        )
    return times


def _check_problem(problem: FieldProblem) -> None:
    """Refuse combinations that have no meaning here."""
    if problem.shape[0] == 2 and problem.conserved:
        raise InputError(
            "dynamics must be nonconserved for a vector: a polarisation is not conserved; "
            "got 'conserved'."
        )
    if problem.mirror and problem.shape[0] == 2:
        raise InputError("boundary must be periodic for a vector; got 'no_flux'.")
    if problem.mirror and getattr(problem.potential, "kappa_xy", 0.0) != 0.0:
        raise InputError("boundary must be periodic with kappa_xy other than 0; got 'no_flux'.")


def _sampled_waves(forcing: Forcing, times: Floats) -> Floats:
    """Return the waveform over the whole run, to know its range."""
    inner = (np.arange(WAVE_SAMPLES) + 0.5) / WAVE_SAMPLES
    return np.concatenate(
        [
            forcing.drive.values(times[k] + inner * (times[k + 1] - times[k]), k)
            for k in range(times.size - 1)
        ]
    )


def _make_steps(
    problem: FieldProblem, plan: StepPlan, order: Floats, words: NDArray[np.uint64], backend: str
) -> Steps:
    """Return the stepper of the plan."""
    if backend == "cuda":
        # the CUDA target takes a while to load, and few machines have one
        from physlearn.lattice_models.fields.cuda_stepper import CudaScalarSteps

        if plan.method != "explicit":
            raise InputError(
                f"method must be 'explicit' with settings.backend='cuda'; got {plan.method!r}."
            )
        return CudaScalarSteps(problem, order, words)
    if plan.method == "spectral":
        # scipy's transforms take a while to load and explicit steps do without
        from physlearn.lattice_models.fields.spectral_stepper import SpectralSteps

        return SpectralSteps(problem, order, words, plan.stabilizer)
    if problem.shape[0] == 2:
        return VectorSteps(problem, order, words)
    return ScalarSteps(problem, order, words)


def _run(
    run: LongRun,
    steps: Steps,
    plan: StepPlan,
    forcing: Forcing,
    times: Floats,
    counts: NDArray[np.int64],
    order: Floats,
) -> tuple[NDArray[Any], int]:
    """Do all steps; return the frames and how many there are."""
    frames = np.zeros((times.size, *order.shape), np.dtype(steps.problem.precision))
    frames[0] = order
    state = {"frames": 1, "done": run.done}
    if run.saved is not None:
        steps.restore(run.saved)
        frames[:] = run.saved["frames"]
        state["frames"] = int(run.saved["n_frames"])
    ends = np.cumsum(counts)
    bound = TOO_LARGE * plan.extent + 1.0

    def arrays() -> dict[str, NDArray[Any]]:
        return {**steps.arrays(), "frames": frames, "n_frames": np.array(state["frames"])}

    for interval in range(state["frames"] - 1, times.size - 1):
        length = (times[interval + 1] - times[interval]) / counts[interval]
        steps.set_interval(length, forcing.local(interval) if forcing.is_local else None)
        first = int(ends[interval] - counts[interval])

        def step(n: int, interval: int = interval, length: float = length,
                 first: int = first) -> None:  # fmt: skip
            middles = times[interval] + (state["done"] - first + np.arange(n) + 0.5) * length
            wave = forcing.drive.values(middles, interval)
            none = np.zeros_like(wave)
            steps.step(np.stack([wave, none] if forcing.profile is None else [none, wave]))
            state["done"] += n
            largest = steps.largest()
            if not largest <= bound:
                raise InputError(
                    f"time_step {length:.4g} let the field grow to {largest:.3g} by time "
                    f"{middles[-1]:.4g}; use at most {min(plan.accurate, length / 4):.3g}."
                )

        if not run.advance_to(int(ends[interval]), step, arrays):
            break
        frames[interval + 1] = steps.field()
        state["frames"] = interval + 2
    return frames, state["frames"]


def _film(
    frames: NDArray[Any],
    times: Floats,
    problem: FieldProblem,
    plan: StepPlan,
    forcing: Forcing,
    pinning: Pinning | None,
    settings: FieldSettings,
    account: dict[str, Any],
) -> xr.DataArray:
    """Dress the frames with coordinates, units and where they came from."""
    import xarray as xr

    length = {"units": settings.length_unit}
    series = {"units": "energy density x length^2", "meaning": "free energy without the drive"}
    derivative = "spectral" if plan.method == "spectral" else "difference"
    energies = free_energy(
        frames[:, 0] if problem.shape[0] == 1 else frames,
        problem.potential, pixel_size=problem.spacing, couplings=problem.couplings,
        pinning=pinning, derivative=derivative, boundary=settings.boundary,
    )  # fmt: skip
    coordinates: dict[str, Any] = {
        "time": ("time", times, {"units": settings.time_unit}),
        "y": ("y", np.arange(problem.shape[1]) * problem.spacing[1], length),
        "x": ("x", np.arange(problem.shape[2]) * problem.spacing[0], length),
        "free_energy": ("time", energies, series),
    }
    wave = forcing.drive.waveform
    if forcing.film is None and (callable(wave) or np.any(np.asarray(wave))):
        values = [
            float(forcing.drive.values(times[k : k + 1], min(k, max(times.size - 2, 0)))[0])
            for k in range(times.size)
        ]
        coordinates["drive"] = ("time", np.array(values))
    dims: tuple[str, ...] = ("time", "y", "x")
    data = frames[:, 0]
    if problem.shape[0] == 2:
        dims, data = ("time", "component", "y", "x"), frames
        coordinates["component"] = ("component", ["x", "y"])
    attributes = {
        "units": settings.order_unit,
        "source": "simulate_ginzburg_landau",
        "dynamics": "conserved" if problem.conserved else "nonconserved",
        "method": plan.method,
        "method_reason": plan.reason,
        "stable_time_step": float(plan.limit),
        "stabilizer": plan.stabilizer if plan.method == "spectral" else 0.0,
        "mobility": problem.mobility,
        "thermal_energy": problem.thermal_energy,
        "boundary": settings.boundary,
        "precision": settings.precision,
        "potential": json.dumps({type(problem.potential).__name__: asdict(problem.potential)}),
        "couplings": json.dumps([{type(c).__name__: asdict(c)} for c in problem.couplings]),
        **account,
    }
    return xr.DataArray(
        data, dims=dims, coords=coordinates, attrs=attributes, name="order_parameter"
    )
