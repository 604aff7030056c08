"""A fitted Ginzburg-Landau equation asked what its patches would show at another drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.counterfactual_models.physical_models import PhysicalModel, PhysicalQuestion
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import InputError, check_array, check_positive
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.results import Fit

N_RUNS = 32
TERMS = ("bias", "alpha", "cubic", "beta", "gamma", "gradient", "gradient_x", "gradient_y", "field")


@dataclass(frozen=True, slots=True, eq=False)
class FieldRun:
    """The run whose last frame the outcome column is read from.

    Attributes
    ----------
    start
        The order parameter at the first time, (n_rows, n_columns).
    duration
        Until the frame that is read, in the film's unit of time.
    drive
        The field during the run: a number, or a picture (n_rows, n_columns).
    patch_of_pixel
        Row of the patch table of each pixel, -1 for none, (n_rows, n_columns).
    pixel_size
        In the unit of length of the fit.
    boundary
        "periodic" or "no_flux".
    temperature, critical_temperature
        With both known the run can be asked at another temperature: alpha is then proportional to
        T - Tc.

    Raises
    ------
    InputError
        For pictures of different shapes, or a temperature at Tc.

    Examples
    --------
    >>> FieldRun(np.zeros((8, 8)), 1.0, 0.0, np.zeros((8, 8), int)).boundary
    'periodic'
    """

    start: Floats
    duration: float
    drive: Floats | float
    patch_of_pixel: Integers
    pixel_size: float = 1.0
    boundary: str = "periodic"
    temperature: float | None = None
    critical_temperature: float | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        start = check_array("start", self.start, ndim=2)
        check_positive("duration", self.duration)
        check_positive("pixel_size", self.pixel_size)
        check_array("patch_of_pixel", self.patch_of_pixel, shape=start.shape, dtype=np.int64)
        drive = check_array("drive", self.drive)
        if drive.shape not in ((), start.shape):
            raise InputError(
                f"drive must be a number or a picture of shape {start.shape}; got {drive.shape}."
            )
        if (self.temperature is None) != (self.critical_temperature is None):
            raise InputError("temperature and critical_temperature must be given together.")
        if self.temperature is not None and self.temperature == self.critical_temperature:
            raise InputError("temperature must differ from critical_temperature: alpha is 0 there.")


def field_model(
    fit: Fit,
    run: FieldRun,
    *,
    outcome: str,
    drive: str,
    temperature: str | None = None,
    drives: tuple[float, float],
) -> PhysicalModel:
    """Return the model of a fitted field: the mean order parameter of patches at another drive.

    The run is simulated twice for 32 posterior draws, as it was and as asked; all patches that
    are asked for are changed in one run, so that what one does to its neighbours is in the answer.

    Parameters
    ----------
    fit
        From `fit_ginzburg_landau` with a drive (nonconserved).
    run
        How the outcome came about.
    outcome
        Column: the patch's mean of the last frame.
    drive, temperature
        Columns that may be set; a temperature must be the same at all patches.
    drives
        Smallest and largest drive that the fit saw.

    Raises
    ------
    InputError
        For a fit without a drive, or terms that the simulation does not know.

    Examples
    --------
    >>> run = FieldRun(np.zeros((8, 8)), 1.0, 0.0, np.zeros((8, 8), int))
    >>> field_model({}, run, outcome="order", drive="bias", drives=(-1, 1))
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: fit must come from fit_ginzburg_landau with a drive; got dict.
    """
    terms = _terms(fit)
    if temperature is not None and run.temperature is None:
        raise InputError("run must hold temperature and critical_temperature to be asked for it.")
    causes = (drive,) if temperature is None else (drive, temperature)

    def change(question: PhysicalQuestion) -> Floats:
        chosen = np.random.default_rng(question.seed).integers(len(terms["alpha"]), size=N_RUNS)
        patch = np.asarray(run.patch_of_pixel)
        before = np.broadcast_to(np.asarray(run.drive, dtype=np.float64), patch.shape)
        after = before.copy()
        step = question.do.get(drive, question.seen[drive]) - question.seen[drive]
        for row, more in zip(question.patches, step, strict=True):
            after[patch == row] += more
        factor = _alpha_factor(run, question, temperature)
        moved = np.empty((N_RUNS, len(question.patches)))
        for k, draw in enumerate(chosen):
            own = {name: float(values[draw]) for name, values in terms.items()}
            seen = _last_frame(run, own, before)
            changed = _last_frame(run, {**own, "alpha": own["alpha"] * factor}, after)
            for place, row in enumerate(question.patches):
                moved[k, place] = (changed - seen)[patch == row].mean()
        return moved

    def supported(question: PhysicalQuestion) -> NDArray[np.bool_]:
        asked = question.do.get(drive, question.seen[drive])
        return np.asarray((asked >= drives[0]) & (asked <= drives[1]))

    return PhysicalModel(
        "Ginzburg-Landau equation",
        causes,
        outcome,
        change,
        supported,
        "the fitted equation holds for the whole run, without thermal noise",
        warnings=tuple(fit.warnings),
    )


def _terms(fit: Fit) -> dict[str, Floats]:
    """Return the draws of each term by name."""
    names: list[str] = []
    if "landau" in getattr(fit, "variables", ()):
        names = [str(name) for name in fit.idata["posterior"]["landau"].coords["term"].to_numpy()]
    if "field" not in names:
        raise InputError(
            f"fit must come from fit_ginzburg_landau with a drive; got {type(fit).__name__}"
            + (f" with the terms {', '.join(names)}." if names else ".")
        )
    strange = [name for name in names if name not in TERMS]
    if strange:
        raise InputError(f"fit holds the term {strange[0]!r}, which cannot be simulated here.")
    draws = fit["landau"]
    found = {name: draws[:, k] for k, name in enumerate(names)}
    return {"alpha": np.zeros(len(draws)), **found}


def _alpha_factor(run: FieldRun, question: PhysicalQuestion, temperature: str | None) -> float:
    if temperature is None or temperature not in question.do:
        return 1.0
    asked = question.do[temperature]
    if np.ptp(asked) > 0:
        raise InputError(f"do[{temperature!r}] must be the same at all patches of a run.")
    known, critical = run.temperature, run.critical_temperature
    if known is None or critical is None:  # pragma: no cover -- refused when the model was made
        return 1.0
    return float((asked[0] - critical) / (known - critical))


def _last_frame(run: FieldRun, terms: dict[str, float], drive: Floats) -> Floats:
    """Return the order parameter at the end of the run."""
    from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
    from physlearn.lattice_models.fields.settings import FieldSettings

    both = terms.get("gradient", 0.0)
    potential = LandauPotential(
        a=terms["alpha"],
        b=terms.get("cubic", 0.0),
        c=terms.get("beta", 0.0),
        e=terms.get("gamma", 0.0),
        kappa_x=max(terms.get("gradient_x", both), 0.0),
        kappa_y=max(terms.get("gradient_y", both), 0.0),
    )
    force = terms["field"] * drive + terms.get("bias", 0.0)
    step: float | None = None
    ends = []
    for _ in range(2):
        film = simulate_ginzburg_landau(
            potential,
            run.start,
            frame_times=[0.0, run.duration],
            pixel_size=run.pixel_size,
            time_step=step,
            drive=np.asarray(force)[None],
            settings=FieldSettings(boundary=run.boundary),
        )
        ends.append(np.asarray(film.to_numpy()[-1], dtype=np.float64))
        step = float(film.attrs["time_step"]) / 2.0
    # the stepper's error is proportional to its step (1.5 % at the step it chooses): taken out
    return np.asarray(2.0 * ends[1] - ends[0])
