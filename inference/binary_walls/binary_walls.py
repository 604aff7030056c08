"""Mobility of walls from a film of black and white pixels: fronts inside the pixels' likelihood."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.inference.binary_walls.binary_contours import (
    BinaryContour,
    FrontPiece,
    cut_pieces,
    film_contours,
    lone_rate,
    stray_pixels,
)
from physlearn.inference.binary_walls.binary_errors import locked_walls, simulate_films, wall_jitter
from physlearn.inference.binary_walls.binary_fronts import ChainFront
from physlearn.inference.binary_walls.binary_likelihood import (
    BinaryFilm,
    BinaryOptimum,
    optimize_fronts,
)
from physlearn.inference.binary_walls.binary_start import first_parameters, widest_priors
from physlearn.inference.wall_laws.drive_laws import draw_law
from physlearn.inference.wall_laws.wall_drive import WallDrive, design_of, unit_of_drive
from physlearn.inference.wall_laws.wall_units import WallUnits
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_binary_walls"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LAWS = ("linear", "levels", "creep", "depinning")
LEAST_FLIP = 1e-4
MOST_FLIPS = 0.2
SIMULATED_FILMS = 120
BLUR = 0.2
UNFOLLOWED_REACH = 5.0
LARGEST_JITTER = 0.3
MISFIT_SIGMA = 4.0
MISFIT_RATIO = 1.3
PRIOR_SHARE = 0.3
SAME_PIXEL = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """The film's labels with its axes."""

    labels: NDArray[np.uint8]
    usable: NDArray[np.bool_]
    times: Floats
    pixel: float
    unit: str
    time_unit: str
    drive: ArrayLike | None
    drive_unit: str


def fit_binary_walls(
    video: xr.DataArray | ArrayLike,
    *,
    drive: ArrayLike | None = None,
    flip_rate: float | None = None,
    law: str = "linear",
    drive_unit: str | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit ``v_n = speed(drive) - curvature_mobility curvature`` to a thresholded film.

    Every wall, closed or open, is a chain of nodes that starts from a free shape and moves by the
    law; the likelihood is that of the pixels: one is in the True domain when its centre lies
    inside, and wrong with the probability ``flip_rate``. Where walls meet or part, or a domain
    appears, the walls are followed anew from a free shape two frames later.

    Parameters
    ----------
    video
        DataArray or array (time, y, x) of booleans, or of 0 and 1 (NaN where nothing was seen).
        The True domain is the positive one: a positive velocity makes it grow.
    drive
        Drive that acts from a frame to the next, shape (n_frames,); None takes the coordinate
        ``drive`` of the video, and where there is none fits the velocity that the walls share.
    drive_unit
        Unit of ``drive``; None takes the film's, where the drive is the film's, too.
    flip_rate
        Probability that a label is wrong; None infers it from the pixels far from every wall.
    law
        ``linear``: speed = drive_mobility drive. ``levels``: a speed for every level of the
        drive. ``creep``, ``depinning``: a law through those speeds as well (`fit_drive_law`); the
        draws of the speeds do not assume it, and are not paired with its own.
    rng
        Seed or generator.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        ``drive_mobility`` (length / time per unit of drive), or ``drive_velocity``, or
        ``level_velocity`` (dimension drive_level); ``curvature_mobility`` (mobility times tension,
        length^2 / time); the law's own variables. ``diagnostics``: flip_rate, wall_jitter (pixels:
        scatter of the threshold that suits the film), numbers of walls, frames and cuts,
        ``misfit`` (pull of the pixels on stretches of wall over what the model expects).

    Raises
    ------
    InputError
        If ``video`` does not hold two values, the pixels are not square, or an argument does not
        fit.
    NotIdentified
        If no wall can be followed over three frames, more than a fifth of the labels are wrong, or
        the film does not tell the parameters apart.

    Notes
    -----
    Fisher scoring on all shapes and parameters, with the threshold blurred at first over 1.5 and
    at last over 0.2 pixels. A pixel grid is no independent noise: the wall keeps its place under
    it from frame to frame. The covariance is therefore that of the estimate in 120 films of the
    fitted walls with the grid shifted at random and with new flips (a parametric bootstrap of one
    step; Efron & Tibshirani, An Introduction to the Bootstrap, 1993), not the inverse information.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, WallVideoOptions
    >>> quiet = WallVideoOptions(radii_pixel=(13.0, 19.0), noise_sd=0.0)
    >>> film = make_wall_video((96, 96), 8, options=quiet, rng=1).video > 0
    >>> fit = fit_binary_walls(film, rng=1)
    >>> low, high = fit.interval("drive_mobility")
    >>> bool(0.45 < low < high < 0.55)
    True
    """
    check_choice("law", law, LAWS)
    n_draws = check_count("n_draws", n_draws, 100)
    if flip_rate is not None and not 0 <= flip_rate < MOST_FLIPS:
        raise InputError(f"flip_rate must lie between 0 and {MOST_FLIPS}; got {flip_rate}.")
    seen = _labels_of(video)
    seen = replace(seen, drive_unit=unit_of_drive(seen.drive_unit, drive, drive_unit))
    told = design_of(seen.drive if drive is None else drive, len(seen.labels), law)
    generator, seed = as_generator(rng)
    with one_blas_thread():
        return _fit(seen, told, flip_rate, law, generator, seed, n_draws)


def _fit(
    seen: _Labels, told: WallDrive, flip_rate: float | None, law: str,
    generator: np.random.Generator, seed: int, n_draws: int,
) -> Fit:  # fmt: skip
    """Follow the walls, climb the likelihood, simulate the errors, and say how well it fits."""
    pieces, film, counts, texts = _prepared(seen, told, flip_rate)
    used = np.zeros(len(seen.times) - 1, dtype=bool)
    for piece in pieces:
        used[piece.frames[0] : piece.frames[-1]] = True
    told, film = _seen_levels(told, film, used, texts)
    travel = 2.0 * np.sqrt(float(np.ptp(seen.times)) / np.diff(seen.times).mean())
    fronts = [ChainFront.of(piece, 8.0 + min(travel, 20.0)) for piece in pieces]
    start = first_parameters(pieces, film)
    prior_sd = widest_priors(pieces, film)
    optimum = optimize_fronts(film, fronts, start, prior_sd, BLUR)
    jitter = wall_jitter(film, optimum)
    covariance, misfits = simulate_films(
        film, fronts, optimum, BLUR, jitter, generator, SIMULATED_FILMS
    )
    if (np.sqrt(np.diag(covariance)) > PRIOR_SHARE * prior_sd).any() or not optimum.converged:
        raise NotIdentified(
            "the film does not tell speed and curvature mobility apart, or its walls do not move "
            "by this law at all: take more frames, or walls of different curvature."
        )
    diagnostics = {
        "flip_rate": film.flip, "wall_jitter": jitter, "n_walls": len(pieces),
        "n_wall_frames": int(sum(len(piece.contours) for piece in pieces)), **counts,
        "misfit": misfits[0] / float(np.mean(misfits[1:])),
        "last_step": optimum.last_step, "converged": optimum.converged,
    }  # fmt: skip
    texts += _doubts(jitter, misfits)
    locked = len(locked_walls(film, fronts, optimum))
    if locked:
        texts.append(
            f"{locked} wall(s) lie along the rows or columns of pixels and never leave theirs: "
            "they are known to a pixel, and the intervals were widened by that"
        )
    return _as_fit(
        seen, told, law, optimum, covariance, prior_sd, diagnostics, texts, generator, seed, n_draws
    )


def _labels_of(video: xr.DataArray | ArrayLike) -> _Labels:
    """Read labels, axes and units, or say what is wrong with them."""
    from physlearn.records import check_video

    if not isinstance(video, xr.DataArray):
        values = np.asarray(video)
        if values.ndim != 3:
            raise InputError(f"video must have the axes (time, y, x); got shape {values.shape}.")
        video = xr.DataArray(values, dims=("time", "y", "x"))
    checked = check_video(video.astype(float) if video.dtype.kind in "bui" else video)
    values = checked.to_numpy()
    usable = np.isfinite(values)
    if not np.isin(values[usable], (0.0, 1.0)).all():
        raise InputError(
            "video must hold booleans, or 0 and 1 (NaN for unseen pixels): threshold it first, or "
            "give the raw film to track_walls."
        )
    steps = [float(np.diff(checked[axis].to_numpy()).mean()) for axis in ("x", "y")]
    if abs(steps[0] / steps[1] - 1.0) > SAME_PIXEL:
        raise InputError(f"video must have square pixels; they are {steps[0]:g} x {steps[1]:g}.")
    known = "drive" in checked.coords
    return _Labels(
        np.ascontiguousarray(values == 1.0, dtype=np.uint8),
        np.ascontiguousarray(usable),
        checked["time"].to_numpy().astype(float),
        steps[0],
        str(checked["x"].attrs["units"]),
        str(checked["time"].attrs["units"]),
        checked["drive"].to_numpy() if known else None,
        str(checked["drive"].attrs.get("units", "")) if known else "",
    )


def _prepared(
    seen: _Labels, told: WallDrive, flip_rate: float | None
) -> tuple[list[FrontPiece], BinaryFilm, dict[str, object], list[str]]:
    """Walls between events, pixels that count, and the flip rate."""
    lone = lone_rate(seen.labels)
    contours, smooth = film_contours(
        seen.labels, seen.usable, 0.8 if lone < 0.003 else 1.0 if lone < 0.04 else 1.6
    )
    n_far, n_wrong, n_pairs = stray_pixels(smooth, seen.labels, seen.usable)
    measured = n_wrong / max(n_far, 1)
    if max(measured, lone) > MOST_FLIPS:
        raise NotIdentified(
            f"{max(measured, lone):.0%} of the labels are wrong: no wall can be followed; average "
            "frames before the threshold."
        )
    pieces, unused, events = cut_pieces(contours)
    if not pieces:
        raise NotIdentified(
            "video holds no wall longer than 20 pixels that can be followed over 3 frames: take a "
            "longer film, or more frames a second."
        )
    texts = []
    if flip_rate is not None and n_far > 1000:
        spread = np.sqrt(max(flip_rate, 1.0 / n_far) / n_far)
        if abs(measured - flip_rate) > 5 * spread + 0.2 * flip_rate:
            texts.append(
                f"flip_rate is given as {flip_rate:.2g}, far from the walls {measured:.2g} of the "
                "labels are wrong"
            )
    if n_pairs > 4 * n_far * measured**2 + 20:
        texts.append(
            "wrong labels far from the walls come in clusters: small domains, or flips that depend "
            "on each other; they count as flips"
        )
    film = BinaryFilm(
        seen.labels, _without(seen.usable, unused), seen.times, told.design[:-1],
        max(measured if flip_rate is None else flip_rate, LEAST_FLIP),
    )  # fmt: skip
    counts: dict[str, object] = {f"n_{kind}": count for kind, count in events.items()}
    counts["n_unfollowed"] = len(unused)
    return pieces, film, counts, texts


def _without(usable: NDArray[np.bool_], unused: list[BinaryContour]) -> NDArray[np.bool_]:
    """Leave out the pixels near walls that are not followed."""
    from scipy.ndimage import distance_transform_edt

    result = usable.copy()
    for frame in {contour.frame for contour in unused}:
        mask = np.ones(usable.shape[1:], dtype=bool)
        for contour in unused:
            if contour.frame == frame:
                columns, rows = np.rint(contour.points).astype(int).T
                mask[rows, columns] = False
        result[frame] &= distance_transform_edt(mask) > UNFOLLOWED_REACH
    return result


def _seen_levels(
    told: WallDrive, film: BinaryFilm, used: NDArray[np.bool_], texts: list[str]
) -> tuple[WallDrive, BinaryFilm]:
    """Leave out levels of the drive that acted while no wall was followed."""
    acting = film.design[used].any(axis=0)
    if acting.all():
        return told, film
    if not acting.any() or not told.levels.size:
        raise NotIdentified(
            "drive is zero in every frame in which a wall is followed: its mobility cannot show."
        )
    texts.append(f"{(~acting).sum()} drive level(s) acted while no wall could be followed")
    design = np.ascontiguousarray(told.design[:, acting])
    kept = WallDrive(design, told.name, told.levels[acting], told.known, told.constant, told.force)
    return kept, BinaryFilm(film.labels, film.usable, film.times, design[:-1], film.flip)


def _doubts(jitter: float, misfits: Floats) -> list[str]:
    """Say when the pixels scatter more than the model can."""
    ratio = misfits[0] / float(np.mean(misfits[1:]))
    excess = (misfits[0] - np.mean(misfits[1:])) / np.std(misfits[1:])
    if jitter > LARGEST_JITTER or (excess > MISFIT_SIGMA and ratio > MISFIT_RATIO):
        return [
            f"the law does not fit: stretches of wall are off {np.sqrt(ratio):.1f} times as far as "
            f"they may, or their pixels scatter ({jitter:.2f} pixels; pinning, thermal motion or "
            "another law); the intervals are too narrow"
        ]
    return []


def _as_fit(
    seen: _Labels, told: WallDrive, law: str, optimum: BinaryOptimum, covariance: Floats,
    prior_sd: Floats, diagnostics: dict[str, object], texts: list[str],
    generator: np.random.Generator, seed: int, n_draws: int,
) -> Fit:  # fmt: skip
    """Draws in the video's units."""
    scale = np.append(np.full(prior_sd.size - 1, seen.pixel), seen.pixel**2)
    draws = optimum.parameters + generator.multivariate_normal(
        np.zeros(prior_sd.size), covariance, n_draws
    )
    if (draws[:, -1] <= 0).mean() > 1e-3:
        texts.append("curvature_mobility is not told from zero: only its upper end means something")
    draws = draws * scale
    spread = covariance * np.outer(scale, scale)
    levels = bool(told.levels.size)
    named = {
        told.name: draws[:, :-1] if levels else draws[:, 0],
        "curvature_mobility": draws[:, -1],
    }
    units = WallUnits(seen.unit, seen.time_unit, seen.drive_unit)
    named_units = units.of_law(told.name)
    if law in ("creep", "depinning"):
        means = (optimum.parameters * scale)[:-1]
        found = draw_law(told.levels, means, spread[:-1, :-1], law, generator, n_draws)
        named.update(found.draws)
        texts += found.warnings
        diagnostics["drive_law"] = found.diagnostics
        named_units |= units.of_drive_law(found.units)
    if not told.known:
        texts.append("no drive was given: drive_velocity is the velocity that the walls share")
    flagged = any("the law does not fit" in text for text in texts)
    verdict = "model inadequate: the interval is too narrow" if flagged else ""
    prior = prior_sd * scale
    logger.info("binary walls: %s pieces", diagnostics["n_walls"])
    return fit_from_draws(
        named,
        model=f"v_n = {told.name} - curvature_mobility * curvature",
        likelihood="labels of pixels inside or outside of propagated fronts, wrong at a flip rate",
        approximation="Gaussian with the covariance of the estimate in simulated films",
        seed=seed,
        data=[seen.labels, seen.usable, seen.times, told.force],
        prior_sd={told.name: prior[:-1] if levels else float(prior[0]),
                  "curvature_mobility": float(prior[-1])},
        units=named_units,
        dims={"level_velocity": ["drive_level"]} if levels else None,
        coords={"drive_level": told.levels.tolist()} if levels else None,
        diagnostics=diagnostics,
        warnings=texts,
        verdicts=dict.fromkeys(named, verdict) if verdict else {},
        attrs={"subject": "walls", "law": law, "time_unit": seen.time_unit, "unit": seen.unit},
    )  # fmt: skip
