"""What a film's walls look like: noise and width, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.datasets.contours.contour_width import fit_width
from physlearn.datasets.contours.wall_contours import ContourFinder, FrameFit, WallModel
from physlearn.datasets.frames.frame_levels import BLOCK_PIXEL
from physlearn.datasets.frames.frame_noise import measure_noise, noise_lags
from physlearn.datasets.frames.scaled_film import Film, ScaledFrame, find_levels
from physlearn.datasets.walls.track_options import TrackWallsOptions

__all__ = ["Scene", "measure_scene", "settle_levels"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIRST_WIDTH_PIXEL = 2.0
FIRST_SCALE_PIXEL = 1.5
SEED_NOISE = 0.12
SCALES_PIXEL = 0.7, 4.0
LARGEST_NOISE = 2.0
WIDEST_WALL = 0.12
LEAST_AGREEMENT = 0.5
FRAMES_FOR_WIDTH = 6
FRAMES_FOR_NOISE = 3
WIDTH_ROUNDS = 3
AWAY_BLOCKS = 1.5
WIDE_WALL_PIXEL = 2.6
MARGIN_WIDTHS = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A film on one scale with what its walls look like."""

    film: Film
    model: WallModel
    finder: ContourFinder


def measure_scene(film: Film, options: TrackWallsOptions) -> Scene:
    """Measure noise and width on a few frames, and see whether there are walls at all."""
    finder = ContourFinder(film.seen)
    frames = np.flatnonzero(film.present)
    picked = np.unique(np.linspace(0, len(frames) - 1, FRAMES_FOR_WIDTH).astype(int))
    if len(frames) > 1:
        _check_persistence(film, finder, frames, picked)
    film, model = _settle(film, finder, options, frames[picked])
    if model.width > WIDEST_WALL * min(film.seen.shape):
        raise NotIdentified(
            f"video changes gradually (over {model.width:.0f} pixels): there are no walls in it."
        )
    return Scene(film, _with_noise(film, finder, model, frames[picked]), finder)


def settle_levels(film: Film) -> Film:
    """Take the levels from farther off where the walls turn out to be wide."""
    frames = np.flatnonzero(film.present)
    picked = np.unique(np.linspace(0, len(frames) - 1, FRAMES_FOR_WIDTH).astype(int))
    try:
        options = TrackWallsOptions()
        return _settle(film, ContourFinder(film.seen), options, frames[picked])[0]
    except NotIdentified:
        return film


def _settle(
    film: Film, finder: ContourFinder, options: TrackWallsOptions, picked: NDArray[np.int64]
) -> tuple[Film, WallModel]:
    """Measure the width; where it is large, find the levels again farther from the walls."""
    given = options.wall_width_pixel
    model = WallModel(
        given or FIRST_WIDTH_PIXEL, 0.0, np.array([[0.0, 0.0, 1.0]]), FIRST_SCALE_PIXEL,
        options.spacing_pixel, options.smoothing_pixel, options.shortest_wall_pixel,
    )  # fmt: skip
    model = _with_noise(film, finder, model, picked)
    if given is None:
        model = _with_width(film, finder, model, picked)
    widest = WIDEST_WALL * min(film.seen.shape)
    if WIDE_WALL_PIXEL < model.width < widest and film.block_sums.ndim == 3:
        film = find_levels(
            film, int(np.ceil((MARGIN_WIDTHS * model.width + 0.5 * BLOCK_PIXEL) / BLOCK_PIXEL))
        )
        if given is None:
            model = _with_width(film, finder, model, picked)
    return film, model


def _check_persistence(
    film: Film, finder: ContourFinder, frames: NDArray[np.int64], picked: NDArray[np.int64]
) -> None:
    """Domains stay from one frame to the next; noise does not."""
    space = film.buffer()
    agreements, shares = [], []
    for place in picked:
        pair = []
        for at in (max(place - 1, 0), max(place, 1)):
            smooth, known = finder.smooth_frame(film.scale(int(frames[at]), space), 2.0)
            pair.append((smooth > 0, known))
        both = pair[0][1] & pair[1][1]
        if not both.any():
            continue
        agreements.append(float((pair[0][0] == pair[1][0])[both].mean()))
        shares.append(float(pair[1][0][both].mean()))
    share = float(np.mean(shares)) if shares else 0.0
    if not 0 < share < 1:
        raise NotIdentified("video shows one level only: there is no wall to track.")
    chance = share**2 + (1 - share) ** 2
    if (np.mean(agreements) - chance) / (1 - chance) < LEAST_AGREEMENT:
        raise NotIdentified(
            "video shows no domains that last: the sign of the pixels agrees between frames "
            "hardly more than by chance."
        )


def _with_noise(
    film: Film, finder: ContourFinder, model: WallModel, picked: NDArray[np.int64]
) -> WallModel:
    """Noise sd and autocorrelation, averaged over some of the picked frames."""
    space = film.buffer()
    sds, correlations = [], []
    for index in picked[:: max(1, len(picked) // FRAMES_FOR_NOISE)]:
        frame = film.scale(int(index), space)
        sd, correlation = measure_noise(frame.pixels, _away(finder, frame, model.width))
        if np.isfinite(sd):
            sds.append(sd)
            correlations.append(correlation)
    if not sds:
        raise NotIdentified("video has too few pixels inside its domains to measure the noise.")
    mean: Floats = np.mean(correlations, axis=0)
    significant = np.abs(mean) > max(0.02, 4.0 / np.sqrt(len(sds) * film.seen.sum() * 0.5))
    noise = max(float(np.sqrt(np.mean(np.square(sds)))), 1e-6)
    if noise > LARGEST_NOISE:
        raise NotIdentified(
            f"video shows noise of {noise:.1f} times half the contrast: no domains stand out; "
            "average frames or pixels first."
        )
    scale = float(np.clip(noise / (SEED_NOISE * 2 * np.sqrt(np.pi)), *SCALES_PIXEL))
    lags = noise_lags(np.where(significant, mean, 0.0))
    return replace(model, noise_sd=noise, noise_lags=lags, seed_scale=scale)


def _away(finder: ContourFinder, frame: ScaledFrame, width: float) -> Mask:
    """Pixels farther than 4 widths from the walls, or where that leaves few, well inside."""
    smooth, known = finder.smooth_frame(frame, FIRST_SCALE_PIXEL)
    domain = smooth > 0
    edge = domain != ndimage.minimum_filter(domain, 3)
    away = (ndimage.distance_transform_edt(~edge) > 2 * width + AWAY_BLOCKS) & known
    if away.sum() < 125:
        away = (np.abs(smooth) > 0.5) & known
    rows, columns = frame.pixels.shape
    return np.repeat(np.repeat(away, 2, axis=0), 2, axis=1)[:rows, :columns]


def _with_width(
    film: Film, finder: ContourFinder, model: WallModel, picked: NDArray[np.int64]
) -> WallModel:
    space = film.buffer()
    for _ in range(WIDTH_ROUNDS):
        fits: list[FrameFit] = []
        for index in picked:
            frame = film.scale(int(index), space)
            points, ends, closed, _ = finder.seed(frame, model)
            fit = finder.fit(frame, model, points, ends, closed)
            if fit is not None:
                finder.contours(model, fit)
                fits.append(replace(fit, places=fit.places.copy(), pixels=fit.pixels.copy()))
        before = model.width
        model = replace(model, width=fit_width(fits, model.width, model.noise_sd))
        if abs(model.width / before - 1.0) < 3e-3:
            break
    return model
