"""Walls and fields: widths, motion, roughness, pinning, films of an order parameter, loops."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.ledger.row import N_DRAWS, Draws, Rng, Row, Truth, interval_draws, named, seed_of
from benchmarks.walls.binary_scenes import make_crossing_wall
from benchmarks.walls.smoothing import _cut_line, _points
from physlearn.checks import NotIdentified
from physlearn.datasets import (
    WallVideoOptions,
    make_wall_video,
    measure_roughness,
    track_walls,
)
from physlearn.inference import (
    fit_binary_walls,
    fit_ginzburg_landau,
    fit_landau_loop,
    fit_pinning_map,
    fit_wall_dynamics,
    fit_wall_profile,
)
from physlearn.inference.hysteresis.loop_scenes import make_loop_map
from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture
from physlearn.inference.walls.planted_lines import open_wall, pinned_wall
from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
from physlearn.records import WallTrack
from physlearn.results import Fit

# ---- width of a still wall ----------------------------------------------------------------------


def draw_width(rng: Rng) -> dict[str, Any]:
    """Width and blur, in pixels; the blur is known to .05."""
    return {"wall_width": rng.uniform(1.0, 4.0), "psf_width": rng.normal(1.0, 0.05)}


def still_wall(theta: Truth, rng: Rng, blur: float | None = None) -> Any:
    """A picture of 20 x 25 pixels, noise .1 of the half jump."""
    return make_wall_picture(
        theta["wall_width"], theta["psf_width"] if blur is None else blur, noise_sd=0.1,
        position=rng.uniform(-1, 1), angle=rng.uniform(-0.3, 0.3),
        curvature=0.01 * rng.standard_normal(), rng=rng,
    )  # fmt: skip


def wall_of_another_blur(theta: Truth, rng: Rng) -> Any:
    """The blur is 1.5, not 1 +- .05."""
    return still_wall(theta, rng, 1.5)


def wall_with_bright_pixels(theta: Truth, rng: Rng) -> Any:
    """One pixel in a hundred is off by twice the jump."""
    picture = still_wall(theta, rng)
    return picture + 4.0 * (rng.random(picture.shape) < 0.01)


def fit_width(data: Any, rng: Rng) -> Fit:
    """The blur as it is known."""
    return fit_wall_profile(data, psf_width=(1.0, 0.05), rng=rng, n_draws=N_DRAWS)


# ---- motion -------------------------------------------------------------------------------------


def draw_mobilities(rng: Rng) -> dict[str, Any]:
    """Of the drive and of the curvature."""
    return {
        "drive_mobility": rng.uniform(0.3, 0.7), "curvature_mobility": rng.uniform(0.2, 1.0)
    }  # fmt: skip


def moving_wall(theta: Truth, rng: Rng) -> WallTrack:
    """An open wall that a sine drives, 12 frames; contour errors known."""
    return open_wall(
        rng, n_frames=12, mobility=theta["drive_mobility"], tension=theta["curvature_mobility"],
        length=80,
    )  # fmt: skip


def fit_motion(data: WallTrack, rng: Rng) -> Fit:
    """The linear law."""
    return fit_wall_dynamics(data, rng=rng, n_draws=N_DRAWS)


def growing_domains(theta: Truth, rng: Rng) -> WallTrack:
    """Closed domains, tracked from a film of 8 frames with noise .1."""
    options = WallVideoOptions(
        drive_mobility=theta["drive_mobility"], curvature_mobility=theta["curvature_mobility"]
    )
    return track_walls(make_wall_video(n_frames=8, options=options, rng=seed_of(rng)).video)


def draw_crossing(rng: Rng) -> dict[str, Any]:
    """The planted law of the black and white film."""
    return {"drive_mobility": 0.4, "curvature_mobility": 0.8, "seed": seed_of(rng)}


def crossing(theta: Truth, _rng: Rng) -> Any:
    """A wavy wall that crosses 96 x 96 pixels, 20 frames, 1 % flipped."""
    return make_crossing_wall(int(theta["seed"]), flip=0.01, n_frames=20)


def fit_crossing(data: Any, rng: Rng) -> Fit:
    """The flip rate inferred."""
    return fit_binary_walls(data.labels, drive=data.drive, rng=rng, n_draws=N_DRAWS)


def draw_pinned(rng: Rng) -> dict[str, Any]:
    """The planted field and law."""
    return {
        "drive_mobility": 0.5, "curvature_mobility": 1.2, "pinning_strength": 0.2,
        "pinning_length": 2.1, "seed": seed_of(rng),
    }  # fmt: skip


def pinned(theta: Truth, _rng: Rng, length: int = 96, n_frames: int = 40) -> WallTrack:
    """A wall that moves through a frozen field."""
    rng = np.random.default_rng(int(theta["seed"]))
    return pinned_wall(rng, length=length, n_frames=n_frames)[0]


def fit_pinned(data: WallTrack, rng: Rng) -> Fit:
    """With its map."""
    return fit_pinning_map(data, rng=rng)


# ---- roughness and advance ----------------------------------------------------------------------


def draw_exponent(rng: Rng) -> dict[str, Any]:
    """Zeta."""
    return {"exponent": rng.uniform(0.3, 1.1)}


def rough_line(theta: Truth, rng: Rng) -> WallTrack:
    """A self-affine line cut out of a longer one, six frames, noise .05."""
    return _points(_cut_line(theta["exponent"], 128, 6, rng), 0.05, rng)


def line_with_bend(theta: Truth, rng: Rng) -> WallTrack:
    """Half of its variance is at one wavelength."""
    heights = _cut_line(theta["exponent"], 128, 6, rng)
    wave = np.sin(2 * np.pi * np.arange(128) / 16 + rng.uniform(0, 6))
    return _points(heights + np.sqrt(2) * heights.std() * wave, 0.05, rng)


def fit_exponent(data: WallTrack, rng: Rng) -> Draws:
    """The one wall."""
    found = measure_roughness(data)
    row = found.table.iloc[0]
    if row["refused"]:
        raise NotIdentified(str(row["refused"]))
    return named(found, {"exponent": interval_draws(rng, row["low"], row["high"])})


# ---- films --------------------------------------------------------------------------------------


def draw_landau(rng: Rng) -> dict[str, Any]:
    """Alpha, beta and gradient of a non-conserved film."""
    return {
        "landau": np.array([-rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5), rng.uniform(0.4, 0.8)])
    }  # fmt: skip


def film(
    theta: Truth, rng: Rng, heat: float = 0.0, drift: float = 0.0, dynamics: str = "nonconserved"
) -> Any:
    """24 x 24 pixels, 12 frames, noise .05."""
    a, c, kappa = (float(value) for value in theta["landau"])
    start = ndimage.gaussian_filter(rng.normal(size=(24, 24)), 1.5, mode="wrap")
    seen = simulate_ginzburg_landau(
        LandauPotential(a=a, c=c, kappa_x=kappa, kappa_y=kappa), start / start.std(), dynamics,
        frame_times=np.arange(2.0, 14.0), time_step=0.004, thermal_energy=heat, method="explicit",
        rng=seed_of(rng),
    )  # fmt: skip
    if drift:
        frames = [
            ndimage.shift(frame, (0, drift * k**2), mode="wrap", order=3)
            for k, frame in enumerate(seen.to_numpy())
        ]
        seen = seen.copy(data=np.array(frames))
    return seen + 0.05 * rng.normal(size=seen.shape)


def fit_film(data: Any, rng: Rng) -> Fit:
    """No drift, camera noise alone."""
    return fit_ginzburg_landau(data, drift=False, edges="periodic", n_draws=N_DRAWS, rng=rng)


def fit_conserved(data: Any, rng: Rng) -> Fit:
    """A conserved order parameter."""
    return fit_ginzburg_landau(
        data, dynamics="conserved", drift=False, edges="periodic", n_draws=N_DRAWS, rng=rng
    )


def draw_thermal(rng: Rng) -> dict[str, Any]:
    """The same, with mobility 1."""
    return {**draw_landau(rng), "mobility": 1.0}


def fit_thermal(data: Any, rng: Rng) -> Fit:
    """Thermal noise of a known temperature."""
    return fit_ginzburg_landau(
        data, temperature=0.02, noise_sd=0.05, edges="periodic", drift=False, n_draws=N_DRAWS,
        rng=rng,
    )  # fmt: skip


# ---- loops --------------------------------------------------------------------------------------


def draw_loop(rng: Rng) -> dict[str, Any]:
    """Steps of the two branches, in volts."""
    rising, falling = rng.uniform(3, 6), -rng.uniform(2, 5)
    return {"coercive_voltages": np.array([rising, falling]), "imprint": (rising + falling) / 2}


def loops(theta: Truth, rng: Rng, spoilt: float = 0.0) -> Any:
    """A map of 8 x 8 pixels whose coercive voltages scatter by .3."""
    up, down = (float(value) for value in theta["coercive_voltages"])
    return make_loop_map(
        (8, 8), steps=(up, down), spread=0.3, spoilt_share=spoilt, rng=seed_of(rng)
    ).loops


def fit_loops(data: Any, rng: Rng) -> Fit:
    """The population."""
    return fit_landau_loop(data, rng=rng, n_draws=N_DRAWS)


WIDTH = Row(
    "walls/width", "inference.fit_wall_profile", "width U(1, 4), blur N(1, .05); fit: its own",
    draw_width, still_wall, fit_width, 0.3, ("wall_width",),
)  # fmt: skip
MOTION = Row(
    "walls/open", "inference.fit_wall_dynamics", "mobilities U(.3, .7), U(.2, 1); fit: flat",
    draw_mobilities, moving_wall, fit_motion, 1.0,
)  # fmt: skip
ROUGH = Row(
    "walls/roughness", "datasets.measure_roughness", "zeta U(.3, 1.1); fit: its own", draw_exponent,
    rough_line, fit_exponent, 0.2,
)  # fmt: skip
FILM = Row(
    "fields/film", "inference.fit_ginzburg_landau",
    "alpha U(-.5, -.3), beta U(.3, .5), gradient U(.4, .8); fit: flat", draw_landau, film, fit_film,
    1.0,
)  # fmt: skip
LOOPS = Row(
    "loops/map", "inference.fit_landau_loop", "rising U(3, 6), falling U(-5, -2); fit: its own",
    draw_loop, loops, fit_loops, 0.5,
)  # fmt: skip
ROWS = (
    WIDTH, WIDTH.probed("blur", "the blur is 1.5, told as 1 +- .05", wall_of_another_blur),
    WIDTH.probed("outliers", "one pixel in a hundred off by twice the jump",
                 wall_with_bright_pixels),
    MOTION,
    replace(MOTION.probed("pinning", "a frozen field pins the wall", pinned), draw=draw_pinned,
            variables=("drive_mobility", "curvature_mobility")),
    Row("walls/closed", "inference.fit_wall_dynamics", "mobilities U(.3, .7), U(.2, 1); fit: flat",
        draw_mobilities, growing_domains, fit_motion, 4.0),
    Row("walls/binary", "inference.fit_binary_walls", "one law: .4, .8", draw_crossing, crossing,
        fit_crossing, 20.0, ("drive_mobility", "curvature_mobility")),
    Row("walls/pinned", "inference.fit_pinning_map",
        "one law, strength and length of the field; 48 pixels, 24 frames", draw_pinned,
        partial(pinned, length=48, n_frames=24), fit_pinned, 15.0,
        ("drive_mobility", "curvature_mobility", "pinning_strength", "pinning_length"), goal=40),
    ROUGH, ROUGH.probed("wave", "two thirds of the variance at one wavelength", line_with_bend),
    FILM,
    FILM.probed("heat", "thermal noise in the dynamics", partial(film, heat=0.02)),
    FILM.probed("drift", "the picture drifts and gathers speed", partial(film, drift=0.01)),
    FILM.probed("conserved", "the order parameter is conserved",
                partial(film, dynamics="conserved")),
    Row("fields/conserved", "inference.fit_ginzburg_landau",
        "alpha U(-.5, -.3), beta U(.3, .5), gradient U(.4, .8); fit: flat", draw_landau,
        partial(film, dynamics="conserved"), fit_conserved, 3.0),
    Row("fields/thermal", "inference.fit_ginzburg_landau",
        "alpha U(-.5, -.3), beta U(.3, .5), gradient U(.4, .8), mobility 1; fit: flat",
        draw_thermal, partial(film, heat=0.02), fit_thermal, 3.0),
    LOOPS, LOOPS.probed("spikes", "a quarter of the pixels full of spikes",
                        partial(loops, spoilt=0.25)),
)  # fmt: skip
