"""The diffusion constant of tracked particles by lag, and the lag from which on it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import (
    CREDIBLE_MASS,
    InputError,
    NotIdentified,
    as_generator,
    check_count,
)
from physlearn.inference.langevin.diffusion_estimate import (
    LOOSE,
    Estimate,
    KnownError,
    constancy,
    estimate_at,
    posterior_draws,
    read_known_error,
)
from physlearn.inference.langevin.diffusion_spectra import spectra_of
from physlearn.inference.langevin.residual_tests import (
    Memory,
    memory_of_steps,
    spread_between_particles,
)
from physlearn.inference.langevin.tracks import (
    Tracks,
    mean_square_displacement,
    tracks_of,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import Trajectory
from physlearn.records.storage import html_table
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Diffusion", "measure_diffusion"]

Float = NDArray[np.float64]
LAGS = (1, 2, 3, 5, 8, 12, 18, 24, 36, 48, 72, 96)
LARGEST_SHARE = 6
"""A lag is at most this part of the film: fewer displacements in a row test nothing."""
LARGEST_P = 0.005
N_DRAWS = 4000
NOT_MOVING_DECADES = 8.0


@dataclass(frozen=True, eq=False)
class Diffusion:
    """The diffusion constant, lag by lag and from the lag on that holds.

    Attributes
    ----------
    table
        One row a lag: lag (frames), lag_time, diffusion, q05, q95, error_variance (of one
        position, less the blur), mean_square_displacement (of all pairs of positions just so far
        apart, drift removed), apparent_diffusion (this over 2 d lag_time), memory_p,
        constancy_p, used.
    diffusion, low, high
        Posterior median and the ends of the 90 % interval, in ``unit``.
    unit
        Length^2 / time.
    min_lag
        Frames from which on free diffusion describes the tracks.
    flags
        ``smeared`` (short lags remember beyond one frame), ``per_frame_likelihood_fails``,
        ``particles_differ``, ``nothing_moves``, ``per_frame_times``.
    warnings
        The same in sentences.
    fit
        The posterior: ``diffusion`` and ``error_variance``.

    ``physlearn.plots.plot_diffusion`` draws it.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> walk = np.cumsum(rng.normal(0.0, 0.2, (100, 5, 2)), axis=0)
    >>> film = Trajectory(np.repeat(range(100), 5), np.tile(range(5), 100), walk.reshape(-1, 2),
    ...     0.1 * np.arange(100), unit="um")
    >>> found = measure_diffusion(film, rng=1)
    >>> found.unit, found.min_lag, found.low < 0.2 < found.high
    ('um^2/s', 1, True)
    """

    table: pd.DataFrame
    diffusion: float
    low: float
    high: float
    unit: str
    min_lag: int
    flags: dict[str, bool]
    warnings: tuple[str, ...]
    fit: Fit

    _repr_html_ = html_table

    def __repr__(self) -> str:
        head = f"D = {self.diffusion:.4g} ({self.low:.4g} to {self.high:.4g}) {self.unit}, lags of "
        return "\n".join([f"{head}{self.min_lag} frame(s)", *self.warnings])


def measure_diffusion(
    trajectory: Trajectory,
    *,
    lags: Sequence[int] | None = None,
    min_lag: int | None = None,
    localization_sd: float | tuple[float, float] | str | None = None,
    exposure_s: float | None = None,
    remove_drift: bool = True,
    rng: int | np.random.Generator | None = None,
) -> Diffusion:
    """Measure the diffusion constant of tracked particles, with errors that are right.

    At each lag the exact Gaussian likelihood of the displacements of each track is used, their
    correlation through shared positions included (Berglund 2010, doi:10.1103/PhysRevE.82.011917):
    var = 2 D t - 2 D tau / 3 + 2 sd^2, neighbours -sd^2 + D tau / 3, gaps as they are. Each lag k
    takes every k-th frame, from all k first frames; its error comes from the differences between
    particles. D must be the same at all longer lags, and displacements that share no position must
    be uncorrelated: lag 1 is used where it passes both tests, else the second shortest that does.

    Parameters
    ----------
    trajectory
        Linked tracks, with gaps and of any length. Times in frames give D per frame.
    lags
        Frames; None: 1, 2, 3, 5, 8, 12, ... up to a sixth of the film.
    min_lag
        Use this lag instead of the one that the tests choose.
    localization_sd
        Standard deviation of a position along an axis, (mean, sd), or None or ``"free"``: free at
        each lag.
    exposure_s
        Time over which a frame averages, in the trajectory's unit of time; None: anything up to
        the frame interval. Needed where ``localization_sd`` is given.
    remove_drift
        Take the common motion of all particles out and count what that takes from each.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For lags that are not rising or longer than the film, or an exposure beyond the interval.
    NotIdentified
        For a single frame, unlinked positions, or the drift of a single particle.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> walk = np.cumsum(rng.normal(0.0, 0.2, (100, 5, 2)), axis=0)
    >>> film = Trajectory(np.repeat(range(100), 5), np.tile(range(5), 100), walk.reshape(-1, 2),
    ...     0.1 * np.arange(100), unit="um")
    >>> measure_diffusion(film, rng=1).table.lag.tolist()
    [1, 2, 3, 5, 8, 12]
    """
    generator, seed = as_generator(rng)
    with one_blas_thread():
        tracks = tracks_of(trajectory, remove_drift)
        if not (np.diff(tracks.places, axis=0)[np.diff(tracks.particle) == 0] != 0.0).any():
            return _at_rest(trajectory, tracks, generator, seed)
        known = read_known_error(localization_sd, exposure_s, tracks.interval)
        chosen = _lags(lags, min_lag, tracks)
        estimates = [
            found
            for lag in chosen
            if (found := estimate_at(tracks, lag, known, generator)) is not None
        ]
        if not estimates:
            raise NotIdentified(
                "no track of trajectory spans the lags that were asked for; give shorter lags."
            )
        memories = {one.lag: memory_of_steps(tracks, one.lag) for one in estimates}
        fixed = {k: constancy(estimates, k) for k in range(len(estimates))}
        place = _chosen(estimates, memories, fixed, min_lag)
        table = _table(tracks, estimates, memories, fixed, place)
        used = estimates[place]
        spectra = spectra_of(tracks, used.lag, 1)
        spread = spread_between_particles(spectra, used.diffusion, used.error, generator)
        draws, shape = posterior_draws(used, N_DRAWS, generator)
    flags = _flags(estimates, memories, fixed, place, spread, known)
    flags["per_frame_times"] = trajectory.time_unit == "frame"
    said = _sentences(flags, estimates, memories, fixed, place, spread)
    diagnostics = {
        "min_lag_frames": used.lag,
        "memory_frames": estimates[0].lag * memories[estimates[0].lag].reach,
        "pareto_k": shape, "spread_of_ln_diffusion": spread[0],
        "spread_p": spread[1], "memory_z_of_first_lag": memories[estimates[0].lag].z,
        "memory_of_first_lag": memories[estimates[0].lag].correlation,
        "flags": flags, "n_particles": tracks.n_particles, "table": table.to_dict("list"),
    }  # fmt: skip
    return _wrapped(trajectory, table, draws, used.lag, flags, said, diagnostics, seed)


def _wrapped(
    trajectory: Trajectory, table: pd.DataFrame, draws: Float, lag: int, flags: dict[str, bool],
    said: list[str], diagnostics: dict[str, Any], seed: int,
) -> Diffusion:  # fmt: skip
    unit = f"{trajectory.unit}^2/{trajectory.time_unit}"
    warnings = [*trajectory.warnings, *said]
    fit = fit_from_draws(
        {"diffusion": draws[:, 0], "error_variance": draws[:, 1]},
        model=f"free diffusion of {trajectory.n_particles} tracks, every {lag}. frame",
        likelihood="exact Gaussian likelihood of displacements, first frames together",
        approximation="curvature set to the differences between particles; importance sampling",
        seed=seed, data=[trajectory.positions, trajectory.frame, trajectory.particle],
        units={"diffusion": unit, "error_variance": f"{trajectory.unit}^2"},
        diagnostics=diagnostics, warnings=warnings,
    )  # fmt: skip
    tails = [(1 - CREDIBLE_MASS) / 2, 0.5, (1 + CREDIBLE_MASS) / 2]
    low, middle, high = np.quantile(draws[:, 0], tails).tolist()
    return Diffusion(table, middle, low, high, unit, lag, flags, tuple(warnings), fit)


def _lags(given: Sequence[int] | None, least: int | None, tracks: Tracks) -> list[int]:
    n_frames = int(tracks.frame.max() - tracks.frame.min()) + 1
    if least is not None:
        check_count("min_lag", least, 1)
        if least >= n_frames:
            raise InputError(f"min_lag must be below the {n_frames} frames; got {least}.")
    if given is not None:
        chosen = [check_count("lags", lag, 1) for lag in given]
        if not chosen or any(b <= a for a, b in pairwise(chosen)):
            raise InputError(f"lags must be rising whole numbers; got {list(given)}.")
        if chosen[-1] >= n_frames:
            raise InputError(f"lags must be below the {n_frames} frames; got {chosen[-1]}.")
    else:
        chosen = [lag for lag in LAGS if lag == 1 or lag * LARGEST_SHARE <= n_frames]
    return sorted({*chosen, *([] if least is None else [least])})


def _chosen(
    estimates: list[Estimate], memories: dict[int, Memory], fixed: dict[int, float],
    least: int | None,
) -> int:  # fmt: skip
    """Return the place of the shortest lag that passes the tests, or of the one asked for."""
    if least is not None:
        places = [k for k, one in enumerate(estimates) if one.lag == least]
        if not places:
            raise NotIdentified(f"no track of trajectory spans min_lag = {least} frames.")
        return places[0]
    # what a position remembers of the frames before must be over within one lag
    least = estimates[0].lag * memories[estimates[0].lag].reach
    passed = [
        min(memories[one.lag].p, fixed[k])
        if one.lag >= least and (k == 0 or one.covariance[0, 0] < LOOSE**2)
        else -1.0
        for k, one in enumerate(estimates)
    ]
    good = [k for k, p in enumerate(passed) if p > LARGEST_P]
    if not good:
        return int(np.argmax(passed))
    # where shorter lags fail, the first that passes may only lack the power to fail: one more
    return good[1] if good[0] > 0 and len(good) > 1 else good[0]


def _table(
    tracks: Tracks, estimates: list[Estimate], memories: dict[int, Memory],
    fixed: dict[int, float], place: int,
) -> pd.DataFrame:  # fmt: skip
    """One row a lag."""
    import pandas as pd

    rows = []
    for k, one in enumerate(estimates):
        sd = float(np.sqrt(one.covariance[0, 0]))
        span = np.exp(min(1.6448536269514722 * sd, 50.0))
        square = mean_square_displacement(tracks, one.lag)
        rows.append({
            "lag": one.lag, "lag_time": one.lag * tracks.interval, "diffusion": one.diffusion,
            "q05": one.diffusion / span, "q95": one.diffusion * span,
            "error_variance": one.error, "mean_square_displacement": square,
            "apparent_diffusion": square / (2 * tracks.dimension * one.lag * tracks.interval),
            "memory_p": memories[one.lag].p, "constancy_p": fixed[k], "used": k == place,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _flags(
    estimates: list[Estimate], memories: dict[int, Memory], fixed: dict[int, float], place: int,
    spread: tuple[float, float], known: KnownError,
) -> dict[str, bool]:  # fmt: skip
    first = estimates[0]
    sd = float(np.sqrt(first.covariance[1, 1])) if known.mean is None else 0.0
    # blur over a whole frame is the most that an exposure can take away
    least = -first.diffusion * known.exposure / 3.0
    beyond = first.lag == 1 and sd > 0.0 and (first.error - least) / sd < -3.0
    positive = (memories[first.lag].z > 3.0).any()
    failed = min(memories[first.lag].p, fixed[0]) <= LARGEST_P
    return {
        "smeared": bool(first.lag == 1 and (beyond or (positive and failed))),
        "per_frame_likelihood_fails": bool(first.lag == 1 and (failed or beyond)),
        "particles_differ": bool(spread[1] < LARGEST_P),
        "nothing_moves": False,
        "no_lag_holds": bool(min(memories[estimates[place].lag].p, fixed[place]) <= LARGEST_P),
    }


def _sentences(
    flags: dict[str, bool], estimates: list[Estimate], memories: dict[int, Memory],
    fixed: dict[int, float], place: int, spread: tuple[float, float],
) -> list[str]:  # fmt: skip
    first, used = estimates[0], estimates[place]
    said = []
    if flags["smeared"]:
        said.append(
            "short lags are smeared beyond one frame: displacements that share no position are "
            f"correlated (z = {np.abs(memories[first.lag].z).max():.1f}), D rises from "
            f"{first.diffusion:.3g} at lag {first.lag} to {used.diffusion:.3g} at lag {used.lag}."
        )
    if flags["per_frame_likelihood_fails"]:
        said.append(
            "the per-frame likelihood does not hold here: "
            f"p = {min(memories[first.lag].p, fixed[0]):.1g}; lags from {used.lag} frames on are "
            "used."
        )
    if flags["no_lag_holds"]:
        said.append(
            f"free diffusion is rejected at the lag used ({used.lag} frames, p = "
            f"{min(memories[used.lag].p, fixed[place]):.1g}): forces, walls or flow act, and D is "
            "an effective number."
        )
    if flags["particles_differ"]:
        said.append(
            f"the particles differ: ln D spreads by {spread[0]:.2f} (p = {spread[1]:.2g}); D is "
            "their mean."
        )
    if flags["per_frame_times"]:
        said.append(
            "times are in frames: D is per frame; set_scale(tracks, frame_interval_s=...) gives "
            "seconds."
        )
    return said


def _at_rest(
    trajectory: Trajectory, tracks: Tracks, rng: np.random.Generator, seed: int
) -> Diffusion:
    """Return what a film in which nothing moves allows: steps below the last written digit."""
    import pandas as pd

    digits = next(
        (k for k in range(-3, 13) if np.allclose(
            np.round(tracks.places, k), tracks.places, rtol=0.0, atol=1e-14
        )), 12,
    )  # fmt: skip
    resolution = 10.0**-digits
    spectra = spectra_of(tracks, 1)
    if not len(spectra.rate):
        raise NotIdentified("no track of trajectory is seen in two frames in a row.")
    highest = np.log(resolution**2 / tracks.interval)
    grid = np.exp(highest - np.linspace(0.0, np.log(10.0) * NOT_MOVING_DECADES, 400))
    error = resolution**2 / 12.0
    height = spectra.log_likelihood(grid, np.full(len(grid), error))
    weights = np.exp(height - height.max())
    place = rng.choice(len(grid), N_DRAWS, p=weights / weights.sum())
    step = np.log(grid[0] / grid[1])
    diffusion = grid[place] * np.exp(step * (rng.random(N_DRAWS) - 0.5))
    draws = np.column_stack([diffusion, np.full(N_DRAWS, error)])
    said = [
        f"nothing moves in this trajectory: steps stay below its last digit ({resolution:g}); D is "
        f"an upper bound, its prior log-uniform over {NOT_MOVING_DECADES:.0f} decades."
    ]
    flags = {
        "smeared": False, "per_frame_likelihood_fails": False, "particles_differ": False,
        "nothing_moves": True, "no_lag_holds": False,
        "per_frame_times": trajectory.time_unit == "frame",
    }  # fmt: skip
    low, middle, high = np.quantile(diffusion, [0.05, 0.5, 0.95]).tolist()
    table = pd.DataFrame([{
        "lag": 1, "lag_time": tracks.interval, "diffusion": middle, "q05": low, "q95": high,
        "error_variance": error, "mean_square_displacement": 0.0, "apparent_diffusion": 0.0,
        "memory_p": 1.0, "constancy_p": 1.0, "used": True,
    }])  # fmt: skip
    return _wrapped(trajectory, table, draws, 1, flags, said, {"flags": flags}, seed)
