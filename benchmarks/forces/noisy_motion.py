"""Noisy films with unknown localisation errors, and diffusion constants of tracked particles."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference import fit_noisy_motion, measure_diffusion
from physlearn.lattice_models.particles import LennardJones, sample_positions, simulate_langevin
from physlearn.lattice_models.particles.metropolis import MetropolisSettings
from physlearn.records import AtomicConfiguration, Trajectory

Row = dict[str, Any]
Floats = NDArray[np.float64]
TRUTH = {"depth": 1.25, "diameter": 1.0, "diffusion": 1.0, "localization_sd": 0.02}
SUB = 100
"""Heun steps a frame of the films that play the experiment, eight times finer than the fit's."""


def lennard_jones_film(seed: int, exposure: float = 0.0, n_frames: int = 41) -> Trajectory:
    """Return 144 particles at density .7, kT = 1, D = 1, frames .002 apart, errors of .02."""
    rng = np.random.default_rng((seed, 77))
    spacing = float(np.sqrt(2.0 / (np.sqrt(3.0) * 0.7)))
    rows = [((i + 0.5 * (j % 2) + 0.25), (j + 0.5) * np.sqrt(0.75)) for j in range(12)
            for i in range(12)]  # fmt: skip
    lengths = 12 * spacing * np.array([1.0, np.sqrt(0.75)])
    start = AtomicConfiguration(spacing * np.array(rows), unit="reduced", cell=np.diag(lengths))
    potential = LennardJones(1.25, 1.0, cutoff=2.5)
    settings = MetropolisSettings(burn_in_sweeps=2000)
    start = sample_positions(potential, start, 1, 1, settings=settings, rng=rng)[0]
    step = 0.002 / SUB
    if exposure == 0.0:
        film = simulate_langevin(potential, start, n_frames, SUB, time_step=step, rng=rng)
        places = film.positions.reshape(n_frames, 144, 2)
    else:
        film = simulate_langevin(potential, start, n_frames * SUB, 1, time_step=step, rng=rng)
        every, width = film.positions.reshape(-1, 144, 2), round(exposure * SUB)
        places = np.stack([every[t * SUB : t * SUB + width].mean(0) for t in range(n_frames)])
    places = places + 0.02 * rng.standard_normal(places.shape)
    return Trajectory(
        np.repeat(np.arange(n_frames), 144), np.tile(np.arange(144), n_frames),
        places.reshape(-1, 2), 0.002 * np.arange(n_frames), unit="reduced",
        time_unit="reduced", cell=np.diag(lengths),
    )  # fmt: skip


def _films(n: int, first: int, exposure: float, noise: str | float) -> list[Row]:
    """Fit n films; bias, spread, coverage and time of each parameter."""
    outcome: dict[str, list[tuple[float, float, bool]]] = {}
    seconds = []
    for seed in range(first, first + n):
        film = lennard_jones_film(seed, exposure)
        begun = time.process_time()
        fit = fit_noisy_motion(
            film, "lennard_jones", cutoff=2.5, localization_sd=noise,
            exposure_s=0.002 * exposure, rng=seed,
        )  # fmt: skip
        seconds.append(time.process_time() - begun)
        for name in [name for name in fit.variables if name in TRUTH]:
            draws = np.log(fit[name] / TRUTH[name])
            low, high = np.quantile(draws, [0.05, 0.95])
            outcome.setdefault(name, []).append(
                (float(np.median(draws)), float(draws.std()), bool(low < 0.0 < high))
            )
    spent = float(np.median(seconds))
    rows = []
    for name, found in outcome.items():
        miss, sd = np.array([one[0] for one in found]), np.array([one[1] for one in found])
        cover = float(np.mean([one[2] for one in found]))
        bias = float(miss.mean() / sd.mean())
        rows.append({
            "what": f"ln {name}, {n} films of 144 x 40, dt .002, error .02 "
            f"{'unknown' if noise == 'free' else 'known'}, exposure {exposure:g} of the interval",
            "measured": f"bias {bias:+.2f} se, rmse {np.sqrt((miss**2).mean()):.3f}, se "
            f"{np.median(sd):.3f}, cov90 {cover:.2f}, {spent:.1f} s",
            "goal": "|bias| < .3 se, cov90 .85-.95, <= 10 s",
            "met": bool(abs(bias) < 0.3 and 0.85 <= cover <= 0.95 and spent <= 10.0),
        })  # fmt: skip
    return rows


def unknown_error(quick: bool) -> list[Row]:
    """Four unknowns: depth, diameter, D and the localisation error."""
    return _films(3 if quick else 64, 1000, 0.0, "free")


def known_error_and_blur(quick: bool) -> list[Row]:
    """The error is known; frames average over the whole interval."""
    return _films(3 if quick else 36, 3000, 1.0, 0.02)


def walks(
    rng: np.random.Generator, n: int, n_frames: int, *, exposure: float = 0.0,
    drift: float = 0.0, missing: float = 0.0, smeared: int = 0,
) -> Trajectory:  # fmt: skip
    """Free walks of D = .5, frames .1 apart, errors of .1."""
    sub, width = 20, max(1, round(20 * exposure), 20 * smeared)
    fine = rng.standard_normal((n_frames * sub + width, n, 2)) * np.sqrt(0.1 / sub)
    fine = np.cumsum(fine, axis=0) + 20 * rng.random((n, 2))
    places = np.stack([fine[t * sub : t * sub + width].mean(axis=0) for t in range(n_frames)])
    places += 0.1 * rng.standard_normal(places.shape) + drift * np.arange(n_frames)[:, None, None]
    frame, particle = np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames)
    keep = rng.random(len(frame)) >= missing
    return Trajectory(
        frame[keep], particle[keep], places.reshape(-1, 2)[keep], 0.1 * np.arange(n_frames),
        unit="um",
    )  # fmt: skip


def diffusion(quick: bool) -> list[Row]:
    """Coverage of D, the lag chosen, and the usual regression of the mean square displacement."""
    from scipy.stats import binom

    n, rows = 20 if quick else 60, []
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "60 tracks of 100": ({"n": 60, "n_frames": 100}, {}),
        "60 tracks, blur, drift, 20 % missing": (
            {"n": 60, "n_frames": 100, "exposure": 1.0, "drift": 0.3, "missing": 0.2}, {}
        ),
        "4 tracks of 60": ({"n": 4, "n_frames": 60}, {}),
        "4 tracks of 60, error known": (
            {"n": 4, "n_frames": 60, "exposure": 0.5},
            {"localization_sd": 0.1, "exposure_s": 0.05},
        ),
        "60 tracks, lag 5 asked for": ({"n": 60, "n_frames": 100}, {"min_lag": 5}),
        "60 tracks, smeared over 3 frames": ({"n": 60, "n_frames": 100, "smeared": 3}, {}),
    }  # fmt: skip
    for name, (made, options) in cases.items():
        held, miss, peer, flagged = 0, [], [], 0
        for seed in range(n):
            film = walks(np.random.default_rng((seed, 91)), **made)
            found = measure_diffusion(film, rng=seed, **options)
            held += found.low < 0.5 < found.high
            miss.append(np.log(found.diffusion / 0.5))
            flagged += found.flags["per_frame_likelihood_fails"]
            peer.append(np.log(_regressed(film) / 0.5))
        rows.append({
            "what": f"{name}, {n} films",
            "measured": f"cov90 {held / n:.3f}, bias {np.mean(miss):+.1%}, sd {np.std(miss):.1%}, "
            f"per-frame likelihood flagged in {flagged / n:.0%}; line through the first four mean "
            f"square displacements: bias {np.mean(peer):+.1%}, sd {np.std(peer):.1%}",
            "goal": "cov90 .9",
            "met": bool(min(binom.cdf(held, n, 0.9), binom.sf(held - 1, n, 0.9)) > 0.005),
        })  # fmt: skip
    return rows


def _regressed(film: Trajectory) -> float:
    """D from a straight line through the first four mean square displacements: the peer."""
    table = film.to_pandas().pivot(index="frame", columns="particle", values=["x", "y"])
    places = table.to_numpy()
    square = [float(np.nanmean((places[k:] - places[:-k]) ** 2)) for k in (1, 2, 3, 4)]
    return max(float(np.polyfit(0.1 * np.arange(1, 5), square, 1)[0]) / 2.0, 1e-6)


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "noisy films, error unknown": unknown_error,
    "noisy films, error known, blurred": known_error_and_blur,
    "diffusion constants": diffusion,
}
