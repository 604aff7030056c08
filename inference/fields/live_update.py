"""One more frame: a new posterior without a new fit of the whole film."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, as_generator, check_array
from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.gauss_newton import scaled_inverse
from physlearn.inference.fields.live_state import (
    Drive,
    FieldState,
    drive_between_frames,
    state_of,
)
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit, fit_from_draws

__all__ = ["update_fit"]

Floats = NDArray[np.float64]
Mode = Literal["wrap", "reflect"]
POOLING = 2.0  # pixels over which the deviations' variance is pooled
SOLVES, CLOSE = 30, 1e-3
SURPRISE = 1.10  # innovation over what was expected, above which the model is doubted
N_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Spread:
    """Covariance at fixed parameters: ``sd(r) sd(r') exp(-(r - r')^2 / (2 length^2))``."""

    sd: Floats
    length: float
    mode: Mode

    def times(self, field: Floats) -> Floats:
        """Return the covariance times a field."""
        weight = 2 * np.pi * self.length**2
        smooth = ndimage.gaussian_filter(self.sd * field, self.length, mode=self.mode)
        result: Floats = weight * self.sd * smooth
        return result


def update_fit(
    previous: Fit,
    video: ArrayLike,
    *,
    frame_times: ArrayLike | None = None,
    drive: FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None = None,
    drive_between: str = "held",
    terms: Sequence[str | FieldTerm] | None = None,
    n_draws: int = N_DRAWS,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Add one or a few frames to the fit of a film, for use while the film is being taken.

    A filter: the last field is carried to the new frame by the model, with its dependence on the
    parameters (exact tangents), and what the frame says about both is added. The parameters'
    information stays whole; what is approximated is the covariance of the field at fixed
    parameters: a standard deviation in each place (from a few draws, pooled over neighbours) and
    one correlation length; a blur is taken as known. `fit_ginzburg_landau` on the whole film is
    the check.

    Parameters
    ----------
    previous
        Fit of the frames before, by `fit_ginzburg_landau` or by this function.
    video
        New frame(s), (n_rows, n_columns) or (n_new, n_rows, n_columns), NaN where not seen; a
        DataArray's times count.
    frame_times
        Of the new frames; None: the film's usual interval goes on.
    drive
        E from the last frame on, one number per new frame, or a function of time.
    drive_between
        ``held``: the numbers are those of the intervals that end with the new frames; ``linear``:
        those of the last frame and of each new one, with straight lines between.
    terms
        The fit's terms again, where they hold `FieldTerm` records.
    n_draws
        Posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        As before, with the new posterior and the field at the new last frame.

    Raises
    ------
    InputError
        For frames of another shape, times that do not follow, or a fit that holds no field.

    Notes
    -----
    Separate-bias estimation: Friedland, IEEE Trans. Autom. Control 14, 359 (1969),
    doi:10.1109/TAC.1969.1099223.

    Examples
    --------
    >>> from physlearn.inference import fit_ginzburg_landau
    >>> from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
    >>> noise = np.random.default_rng(1)
    >>> film = simulate_ginzburg_landau(
    ...     LandauPotential(a=-0.4, c=0.4, kappa_x=0.6, kappa_y=0.6), noise.normal(size=(24, 24)),
    ...     frame_times=np.arange(2.0, 14.0), time_step=0.05)
    >>> film = film + 0.05 * noise.normal(size=film.shape)
    >>> fit = fit_ginzburg_landau(film[:-1], drift=False, rng=1)
    >>> newer = update_fit(fit, film[-1], rng=1)
    >>> bool(newer["landau"].std(0)[0] < fit["landau"].std(0)[0])
    True
    """
    state = state_of(previous, terms)
    generator, seed = as_generator(rng)
    frames, times = _checked_frames(state, video, frame_times)
    wave = drive_between_frames(drive, state.settings, np.append(state.time, times), drive_between)
    surprises = []
    with one_blas_thread():
        for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
            held: Drive | None = None
            if wave is not None:
                held = lambda moments, intervals, k=index: wave(moments, intervals + k)  # noqa: E731
            state, surprise = _one_frame(state, frame, float(time), held, generator)
            surprises.append(surprise)
    return _dressed(previous, state, frames, (seed, n_draws), generator, surprises)


def _checked_frames(
    state: FieldState, video: ArrayLike, frame_times: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Return new frames (n, rows, columns) and their times."""
    _check_geometry(state, video)
    if {"y", "x"} <= set(getattr(video, "dims", ())):
        video = video.transpose(..., "y", "x")  # type: ignore[union-attr]
    frames = check_array("video", video, finite=False)
    if np.isinf(frames).any():
        raise InputError("video must hold no infinite values; NaN where nothing was seen.")
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3 or frames.shape[1:] != state.view:
        raise InputError(
            f"video must hold frames of {state.view[0]} x {state.view[1]} pixels, as the film of "
            f"the previous fit; got shape {np.shape(video)}."
        )
    coordinates = getattr(video, "coords", {})
    if frame_times is None and "time" in coordinates:
        frame_times = coordinates["time"].to_numpy()
    if frame_times is None:
        frame_times = state.time + state.settings["frame_interval"] * np.arange(1, len(frames) + 1)
    times = check_array("frame_times", np.atleast_1d(np.asarray(frame_times)), ndim=1)
    if times.shape != (len(frames),) or np.any(np.diff(np.append(state.time, times)) <= 0):
        raise InputError(
            f"frame_times must be {len(frames)} increasing time(s) after the last frame's "
            f"({state.time:g}); got {np.array2string(times[:3], precision=6)}."
        )
    return frames, times


def _check_geometry(state: FieldState, video: object) -> None:
    """Refuse frames whose coordinates are not those of the film."""
    coordinates, settings = getattr(video, "coords", {}), state.settings
    expected = dict(zip(("x", "y"), settings["pixel_size"], strict=True))
    for axis in ("x", "y", "time"):
        if axis not in coordinates:
            continue
        kind = "time_unit" if axis == "time" else "length_unit"
        unit = coordinates[axis].attrs.get("units")
        if unit is not None and str(unit) != settings[kind]:
            raise InputError(
                f"the new frames' {axis} is in {unit}, the film's was in {settings[kind]}: convert "
                "it first."
            )
        if axis == "time" or coordinates[axis].size < 2:
            continue
        step = float(np.mean(np.diff(np.asarray(coordinates[axis], dtype=float))))
        if abs(step / expected[axis] - 1) > 1e-3:
            raise InputError(
                f"the new frames' pixels are {step:g} along {axis}, the film's {expected[axis]:g}."
            )


def _one_frame(
    state: FieldState, frame: Floats, time: float, drive: Drive | None,
    generator: np.random.Generator,
) -> tuple[FieldState, float]:  # fmt: skip
    """Carry the state to the frame and add what the frame says."""
    n_few, n_terms = state.mean.size, state.n_terms
    model = state.model(np.array([state.time, time]), drive)
    field = model.forward(state.field, state.mean[:n_terms])[-1]
    if not np.isfinite(field).all():
        raise InputError("the new frames lie too far ahead: the fitted model runs away.")
    turns = np.zeros((n_few + len(state.deviations), n_terms))
    turns[:n_terms] = np.eye(n_terms)
    moved = model.tangent(np.concatenate([state.sensitivity, state.deviations]), turns)[:, -1]
    sensitivity, deviations = moved[:n_few], moved[n_few:]
    state = replace(state, field=field, sensitivity=sensitivity, deviations=deviations, time=time)
    weights = np.isfinite(frame).astype(float)
    if not weights.any():
        return state, float("nan")
    camera = state.camera(np.nan_to_num(frame)[None], weights[None], np.array([time]))
    return _assimilated(state, camera, generator)


def _observed(camera: FieldFrames, fields: Floats) -> Floats:
    """Return what the camera sees of fields at the new time, (m, rows, columns)."""
    films = np.zeros((len(fields), 2, *camera.shape))
    films[:, 1] = fields
    return camera.observe(films)[:, 1]


def _spread_back(camera: FieldFrames, forces: Floats) -> Floats:
    """Transpose of `_observed`."""
    films = np.zeros((len(forces), *camera.values.shape))
    films[:, 1] = forces
    return camera.spread(films)[:, 1]


def _field_spread(state: FieldState) -> Spread:
    """Pool the deviations: a standard deviation in each place, one correlation length."""
    mode: Mode = "wrap" if state.settings["edges"] == "periodic" else "reflect"
    variance = ndimage.gaussian_filter(
        (state.deviations**2).mean(0), POOLING, mode=mode, truncate=3.0
    )
    sd = np.sqrt(np.maximum(variance, 1e-12 * float(variance.max()) + 1e-300))
    unit = state.deviations / sd
    own = float((variance * unit**2).mean())
    near = 0.5 * float((variance[:, 1:] * unit[:, :, 1:] * unit[:, :, :-1]).mean()
                       + (variance[1:] * unit[:, 1:] * unit[:, :-1]).mean())  # fmt: skip
    share = np.clip(near / own, 0.05, 0.98)
    return Spread(sd, float(1 / np.sqrt(-2 * np.log(share))), mode)


def _assimilated(
    state: FieldState, camera: FieldFrames, generator: np.random.Generator
) -> tuple[FieldState, float]:
    """Add a frame's information about parameters and field."""
    n_terms, noise = state.n_terms, state.noise_sd
    weights = camera.weights[1]
    spread = _field_spread(state)
    innovation = camera.values[1] - _observed(camera, state.field[None])[0]
    slopes = _observed(camera, state.sensitivity)
    own = np.zeros((2, *state.field.shape))
    own[1] = state.field
    slopes[n_terms:] += camera.columns(own)[:, 1]
    disturbed = _observed(camera, state.deviations)
    disturbed = disturbed + noise * generator.normal(size=disturbed.shape) * weights
    right = np.concatenate([innovation[None], slopes, disturbed])
    solved = _solve(camera, spread, noise, right)
    n_few = state.mean.size
    gains = np.array([spread.times(force) for force in _spread_back(camera, solved)])
    added = np.einsum("aij,bij->ab", slopes, solved[1 : 1 + n_few])
    information = state.information + (added + added.T) / 2
    change = scaled_inverse(information) @ np.einsum("aij,ij->a", slopes, solved[0])
    carried = state.sensitivity - gains[1 : 1 + n_few]
    # gains[0] and the carried sensitivity together: the innovation less what the few explain
    field = state.field + gains[0] + np.tensordot(change, carried, 1)
    surprise = float(np.vdot(innovation, solved[0])) / float(weights.sum())
    return replace(
        state, mean=state.mean + change, information=information, field=field,
        sensitivity=carried, deviations=state.deviations - gains[1 + n_few :],
    ), surprise  # fmt: skip


def _solve(camera: FieldFrames, spread: Spread, noise: float, right: Floats) -> Floats:
    """Solve ``(camera C camera^T + noise^2) x = right`` on the seen pixels, all at once."""
    weights = camera.weights[1]

    def covariance(forces: Floats) -> Floats:
        fields = np.array([spread.times(force) for force in _spread_back(camera, forces)])
        return _observed(camera, fields) + noise**2 * forces

    right = right * weights
    found, rest = right / noise**2, right - covariance(right / noise**2) * weights
    aim, size = rest.copy(), np.einsum("mij,mij->m", rest, rest)
    limit = CLOSE**2 * np.maximum(np.einsum("mij,mij->m", right, right), 1e-300)
    for _ in range(SOLVES):
        active = size > limit
        if not active.any():
            break
        moved = covariance(aim[active]) * weights
        step = size[active] / np.einsum("mij,mij->m", aim[active], moved)
        found[active] += step[:, None, None] * aim[active]
        rest[active] -= step[:, None, None] * moved
        fresh = np.einsum("mij,mij->m", rest[active], rest[active])
        aim[active] = rest[active] + (fresh / size[active])[:, None, None] * aim[active]
        size[active] = fresh
    return found


def _dressed(
    previous: Fit, state: FieldState, frames: Floats, seeds: tuple[int, int],
    generator: np.random.Generator, surprises: Sequence[float],
) -> Fit:  # fmt: skip
    """Return the new Fit: draws of the few, and the state."""
    (seed, n_draws), covariance = seeds, scaled_inverse(state.information)
    root = np.linalg.cholesky(covariance)
    few = state.mean + generator.normal(size=(n_draws, state.mean.size)) @ root.T
    n_terms = state.n_terms
    draws = {"landau": few[:, :n_terms]}
    dims, coords = {"landau": ["term"]}, {"term": list(state.settings["terms"])}
    names = state.camera_names
    if "drift_x" in names:
        draws["drift"] = few[:, n_terms : n_terms + 2]
        dims["drift"], coords["axis"] = ["axis"], ["x", "y"]
    attrs = previous.attrs
    count = int(state.settings.get("live_frames", 0)) + len(frames)
    settings = {**state.settings, "last_time": state.time, "live_frames": count}
    if "drift_x" in names:
        settings["drift"] = state.mean[n_terms : n_terms + 2].tolist()
    worst = float(np.nanmax(surprises)) if np.isfinite(surprises).any() else float("nan")
    said = [text for text in previous.warnings if not text.startswith("the newest frame")]
    if worst > SURPRISE:
        said.append(
            f"the newest frames miss their prediction: {worst:.2f} of the expected chi square; "
            "something changed, or the model does not hold: fit the whole film again."
        )
    verdicts = json.loads(attrs["verdicts"])
    if worst > SURPRISE:
        verdicts = dict.fromkeys(draws, "the newest frames miss their prediction: too narrow")
    digest = hashlib.sha256(attrs["data_sha256"].encode() + frames.tobytes())
    return fit_from_draws(
        draws, model=previous.model, likelihood=attrs["likelihood"],
        approximation="Laplace, then a filter for the newest frames (field covariance: local sd, "
        "one correlation length)",
        seed=seed, data=digest.digest(), units=json.loads(attrs["units"]), dims=dims,
        coords=coords, prior_sd=json.loads(attrs["prior_sd"]), warnings=said,
        verdicts=verdicts,
        diagnostics={**previous.diagnostics, "live_frames": count, "innovation": surprises},
        attrs={"term_units": attrs["term_units"], "field_model": json.dumps(settings)},
        constants={
            "last_field": state.field, "few_sensitivity": state.sensitivity,
            "field_deviations": state.deviations, "few_mean": state.mean,
            "few_information": state.information, "noise_sd": np.array(state.noise_sd),
        },
    )  # fmt: skip
