"""A fan of futures of a fitted film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count
from physlearn.inference.fields.gauss_newton import scaled_inverse
from physlearn.inference.fields.live_state import FieldState, drive_between_frames, state_of
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.results import Fit

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.records.walls import WallTrack

__all__ = ["predict_frames"]

Floats = NDArray[np.float64]
REACH = 1.2  # of the film's largest value
DOUBTFUL = ("do not trust", "does not hold", "trust at most", "miss their prediction")
"""Words of a fit's warnings that its futures carry along."""


def predict_frames(
    fit: Fit,
    n_frames: int,
    *,
    frame_times: ArrayLike | None = None,
    drive: FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None = None,
    drive_between: str = "held",
    n_futures: int = 50,
    measured: bool = False,
    terms: Sequence[str | FieldTerm] | None = None,
    track: WallTrack | None = None,
    rng: int | np.random.Generator | None = None,
) -> Any:
    """Simulate futures of a film from draws of the fitted parameters and of its last field.

    Each future has parameters out of the posterior and a last field drawn with them: the spread is
    that of what the film leaves open, under a model without noise in its dynamics.

    Parameters
    ----------
    fit
        Of `fit_ginzburg_landau` (also a live one), or of `fit_wall_dynamics` with ``track``.
    n_frames
        Frames ahead.
    frame_times
        Their times; None: the film's usual interval goes on.
    drive
        E from the last frame on, one number per new frame, or a function of time; needed where the
        fit has a field term. For walls as in `predict_walls`: what acts from each FUTURE frame on
        (``held.drive`` as it is).
    drive_between
        ``held`` (numbers of the intervals) or ``linear`` (of the last frame and each new one).
    n_futures
        Futures.
    measured
        As the camera would see them: blurred, drifted and with the film's noise. Else the field.
    terms
        The fit's terms again, where they hold `FieldTerm` records.
    track
        The walls that a wall fit was made of.
    rng
        Seed or generator.

    Returns
    -------
    xarray.DataArray
        (draw, time, y, x) for a film, with the fit's doubts in ``attrs["warnings"]``; what
        `predict_walls` returns for a wall fit.

    Raises
    ------
    InputError
        For times that do not follow, a drive that is missing, a fit that holds no field.

    Examples
    --------
    >>> from physlearn.inference import fit_ginzburg_landau
    >>> from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
    >>> noise = np.random.default_rng(1)
    >>> film = simulate_ginzburg_landau(
    ...     LandauPotential(a=-0.4, c=0.4, kappa_x=0.6, kappa_y=0.6), noise.normal(size=(24, 24)),
    ...     frame_times=np.arange(2.0, 14.0), time_step=0.05)
    >>> film = film + 0.05 * noise.normal(size=film.shape)
    >>> fit = fit_ginzburg_landau(film[:10], drift=False, rng=1)
    >>> futures = predict_frames(fit, 2, n_futures=20, rng=1)
    >>> futures.dims, futures.time.values.tolist()
    (('draw', 'time', 'y', 'x'), [12.0, 13.0])
    """
    count = check_count("n_frames", n_frames, 1)
    draws = check_count("n_futures", n_futures, 1)
    if isinstance(fit, Fit) and fit.attrs.get("subject") == "walls":
        if track is None:
            raise InputError(
                "track must be given for a fit of walls: predict_frames(fit, n, track=track)."
            )
        from physlearn.inference.walls.wall_prediction import predict_walls

        if measured or terms is not None or drive_between != "held":
            raise InputError(
                "measured, terms and drive_between must be left out for a fit of walls."
            )
        if isinstance(drive, FieldDrive) or callable(drive):
            raise InputError(
                "drive must be numbers for a fit of walls: what acts from each future frame on."
            )
        levels = None if drive is None else np.asarray(drive, dtype=float)
        return predict_walls(
            fit, track, count, drive=levels, times=frame_times, n_futures=draws, rng=rng
        )
    state = state_of(fit, terms)
    generator, seed = as_generator(rng)
    times = _checked_times(state, frame_times, count)
    wave = drive_between_frames(drive, state.settings, np.append(state.time, times), drive_between)
    model = state.model(np.append(state.time, times), wave)
    futures = np.empty((draws, count, *state.view))
    margin = int(state.settings["margin"])
    camera = state.camera(np.zeros((count, *state.view)), np.ones((count, *state.view)), times)
    for k in range(draws):
        few, start = _drawn(state, generator)
        frames = model.forward(start, few[: state.n_terms])[1:]
        if not np.isfinite(frames).all():
            raise InputError("n_frames reaches too far ahead: a future runs away.")
        if measured:
            camera.place(few[state.n_terms :])
            seen = camera.observe(np.concatenate([frames[:1], frames])[None])[0, 1:]
            futures[k] = seen + state.noise_sd * generator.normal(size=seen.shape)
        else:
            rows, columns = (slice(margin, size - margin) for size in state.field.shape)
            futures[k] = frames[:, rows, columns]
    found = _dressed(futures, times, state, measured, seed)
    doubts = [text for text in fit.warnings if any(word in text for word in DOUBTFUL)]
    if doubts:  # futures of a fit that is not to be trusted say so wherever they go
        found.attrs["warnings"] = doubts
    return found


def _checked_times(state: FieldState, frame_times: ArrayLike | None, count: int) -> Floats:
    """Return the times of the new frames."""
    if frame_times is None:
        return np.asarray(
            state.time + state.settings["frame_interval"] * np.arange(1, count + 1), dtype=float
        )
    times = check_array("frame_times", frame_times, shape=(count,))
    if np.any(np.diff(np.append(state.time, times)) <= 0):
        raise InputError(
            f"frame_times must increase and lie after the last frame's ({state.time:g}); got "
            f"{np.array2string(times[:3], precision=6)}."
        )
    return times


def _drawn(state: FieldState, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the few, and the last field that belongs to them."""
    root = np.linalg.cholesky(scaled_inverse(state.information))
    change = root @ generator.normal(size=state.mean.size)
    mixture = generator.normal(size=len(state.deviations)) / np.sqrt(len(state.deviations))
    start = (state.field + np.tensordot(change, state.sensitivity, 1)
             + np.tensordot(mixture, state.deviations, 1))  # fmt: skip
    # beyond open edges nothing holds a draw within what the model's steps are made for
    reach = REACH * float(state.settings["largest"])
    return state.mean + change, np.clip(start, -reach, reach)


def _dressed(
    futures: Floats, times: Floats, state: FieldState, measured: bool, seed: int
) -> xr.DataArray:
    """Return the futures with coordinates and units."""
    import xarray as xr

    settings = state.settings
    length = {"units": settings["length_unit"]}
    dx, dy = settings["pixel_size"]
    return xr.DataArray(
        futures, dims=("draw", "time", "y", "x"), name="order_parameter",
        coords={
            "time": ("time", times, {"units": settings["time_unit"]}),
            "y": ("y", np.arange(futures.shape[2]) * dy, length),
            "x": ("x", np.arange(futures.shape[3]) * dx, length),
        },
        attrs={
            "units": settings["order_unit"], "source": "predict_frames", "seed": seed,
            "measured": "yes" if measured else "no", "noise_sd": state.noise_sd,
            "meaning": "futures under a model without noise in its dynamics",
        },
    )  # fmt: skip
