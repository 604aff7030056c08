"""Partial differential equations from films: the weak form, instruments, and supports weighed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_array
from physlearn.inference.dynamics.field_film import FieldFilm, read_film
from physlearn.inference.dynamics.field_fit import TargetFit, fit_target
from physlearn.inference.dynamics.field_library import Feature, build_library
from physlearn.inference.dynamics.field_moments import WeakSystem, weak_system
from physlearn.inference.dynamics.field_noise import first_widths, frame_noise, shared_noise
from physlearn.inference.dynamics.field_options import FieldLawOptions
from physlearn.inference.dynamics.field_report import equation_set
from physlearn.inference.dynamics.field_windows import space_windows, time_windows
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.one_thread import one_blas_thread

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Trial", "WeighedFilm", "discover_field_law", "weigh_film"]

Floats = NDArray[np.float64]
Widths = tuple[float, float]
logger = logging.getLogger(__name__)

SHORTEST_FRAMES = 8  # half width over the distance of frames that share noise
NARROWEST_PIXELS = 8
LARGEST_GAP = 4
FEWEST_IN_HALF = 5  # frames and pixels in half widths that a user asks for
FEWEST_LENGTHS = 6.0  # of the film over the half width in time
STEPS = ((1.0, 1.4), (1.0, 1 / 1.4), (1.5, 1.0), (1 / 1.5, 1.0))
MOST_WINDOWS = 9
DERIVATIVES = (0, 1, 2, 3, 4, 6)


@dataclass(frozen=True, eq=False)
class Trial:
    """One pair of half widths, what its windows say, and the windows."""

    widths: Widths
    fits: tuple[TargetFit, ...]
    system: WeakSystem
    known: dict[tuple[int, tuple[int, ...]], float] = field(default_factory=dict)

    def looseness(self, supports: list[tuple[int, ...]]) -> float:
        """Mean logarithm of the constants' variances, were these the supports; summed over fields.

        ``known`` keeps what was worked out.
        """
        total = 0.0
        for target, places in enumerate(supports):
            if places and (target, places) not in self.known:
                variances = np.diag(self.fits[target].constants(places)[1])
                size = float(np.mean(np.log(np.maximum(variances, 1e-300))))
                self.known[target, places] = size
            total += self.known.get((target, places), 0.0)
        return total

    @property
    def gain(self) -> float:
        """Evidence of the laws over no law, in nats."""
        return sum(f.nothing.description_length - f.best.description_length for f in self.fits)


@dataclass(frozen=True, eq=False)
class WeighedFilm:
    """A film, its candidate terms, and what the chosen windows say of them."""

    film: FieldFilm
    library: tuple[Feature, ...]
    trial: Trial
    remarks: tuple[str, ...]


def discover_field_law(
    video: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray],
    *,
    options: FieldLawOptions | None = None,
    rng: int | np.random.Generator | None = None,
) -> EquationSet | dict[str, EquationSet]:
    """Find the partial differential equation of a film: du/dt as a weighted set of short sums.

    The equation is multiplied by smooth bumps in space and time and integrated by parts, so that no
    derivative of a noisy film is taken. Features come once from the even and once from the odd
    frames, whose noise is independent, so that their cross moments hold none of it (instruments);
    powers are cleared of the noise's mean by Hermite polynomials (Gaussian noise). Supports are
    ranked by the misfit of all moments under their covariance, with windows that overlap accounted
    for; the constants' errors are those of the same covariance (sandwich).

    Parameters
    ----------
    video
        Dims (time, y, x), or (time, x) for a line; coordinates in units, ``drive`` along time as a
        regressor; NaN where not seen (windows that touch such a pixel are left out; whole frames
        may lack). A Dataset or a dict of two such films: two fields, one law each.
    options
        See `FieldLawOptions`.
    rng
        Checked, not used: the search holds no chance.

    Returns
    -------
    EquationSet or dict
        Target ``du/dt``; the variables are features named ``u``, ``u2``, ``lap_u``, .... For two
        fields a dict of targets.

    Raises
    ------
    InputError
        For a film that cannot be used, unknown terms, or windows that do not fit into the film.

    Notes
    -----
    Weak form: Messenger and Bortz 2021, 10.1016/j.jcp.2021.110525. Covariance with overlap: Conley
    1999, 10.1016/S0304-4076(98)00084-0. The unit of a constant is that of du/dt over its feature.

    Examples
    --------
    >>> import xarray as xr
    >>> t, x = np.arange(40)[:, None] * 0.1, np.arange(64) * 0.2
    >>> wave = np.exp(-0.1 * t) * np.sin(x) + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)
    >>> film = xr.DataArray(wave, dims=("time", "x"), coords={"time": t[:, 0], "x": x})
    >>> options = FieldLawOptions(terms=["u", "u2", "lap_u", "u_x"])
    >>> laws = discover_field_law(film, options=options)
    >>> [(term.program, round(term.coefficient, 3)) for term in laws.best.terms]
    [(('lap_u',), 0.1)]
    """
    as_generator(rng)
    settings = FieldLawOptions() if options is None else options
    if not isinstance(settings, FieldLawOptions):
        raise InputError(f"options must be a FieldLawOptions; got {type(options).__name__}.")
    weighed = weigh_film(video, settings)
    film, trial = weighed.film, weighed.trial
    found = {
        f"d{name}/dt": equation_set(
            film, weighed.library, trial.fits[k], trial.system, k, settings.n_kept, weighed.remarks
        )
        for k, name in enumerate(film.names)
    }  # fmt: skip
    return found if len(found) > 1 else next(iter(found.values()))


def weigh_film(
    video: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray], settings: FieldLawOptions
) -> WeighedFilm:
    """Choose windows and rank the laws of a film that is still to be checked."""
    film = read_film(video, settings)
    library = build_library(
        film.names, settings.terms, flat=film.flat, driven=film.drive is not None,
        isotropic=settings.isotropic, conservative=settings.conservative,
        extra=settings.extra_terms, expressions=settings.expressions,
    )  # fmt: skip
    remarks: list[str] = []
    noise = _noise_of(film, settings, remarks)
    gap = _gap_of(film, settings, remarks)
    with one_blas_thread():
        trial = _best_trial(film, library, noise, gap, settings, remarks)
    return WeighedFilm(film, library, trial, (_said(film, trial, noise, gap), *remarks))


def _noise_of(film: FieldFilm, settings: FieldLawOptions, remarks: list[str]) -> Floats:
    if settings.noise_sd is not None:
        given = np.atleast_1d(np.asarray(settings.noise_sd, dtype=float))
        if given.shape not in ((1,), (len(film.names),)):
            raise InputError(
                f"noise_sd must be one number, or one for each of {len(film.names)} fields; got "
                f"shape {given.shape}."
            )
        return check_array("noise_sd", np.broadcast_to(given, (len(film.names),)), minimum=0.0)
    found = []
    for name, values in zip(film.names, film.values, strict=True):
        sd, spread = frame_noise(values, film.seen)
        found.append(sd)
        if spread:
            remarks.append(
                f"the noise of {name} is shared by neighbouring pixels (a blur); its size was read "
                "from differences in time"
            )
    return np.array(found)


def _gap_of(film: FieldFilm, settings: FieldLawOptions, remarks: list[str]) -> int:
    """Return the distance in frames at which noise is independent."""
    if settings.frame_gap is not None:
        return settings.frame_gap
    gaps = [shared_noise(values, film.seen) for values in film.values]
    unknown = [name for name, own in zip(film.names, gaps, strict=True) if own is None]
    if unknown:
        remarks.append(
            f"whether neighbouring frames share the noise of {' and '.join(unknown)} could not be "
            "told from its finest differences (they hold signal, or the film is short): it is "
            "taken as independent from frame to frame; give frame_gap if it lasts"
        )
    gap = max(own or 1 for own in gaps)
    if gap > 1:
        remarks.append(
            f"neighbouring frames share noise: sets of frames {min(gap, LARGEST_GAP)} apart are "
            "crossed"
        )
    if gap > LARGEST_GAP:
        remarks.append(
            f"noise lasts over more than {LARGEST_GAP} frames: constants may be biased; record "
            "slower or remove the noise that the frames share"
        )
    return min(gap, LARGEST_GAP)


def _best_trial(
    film: FieldFilm, library: tuple[Feature, ...], noise: Floats, gap: int,
    settings: FieldLawOptions, remarks: list[str],
) -> Trial:  # fmt: skip
    """Try half widths around the spectrum's and take those that fix the constants best."""
    if settings.window is not None:
        _check_window(film, settings.window)
        return _trial(film, library, noise, gap, settings, settings.window)
    shortest, longest, narrowest, widest = _limits(film, gap)
    start = first_widths(film.values, noise, film.interval, film.spacing)
    now = (
        float(np.clip(start[0], shortest, longest)),
        float(np.clip(start[1], narrowest, widest)),
    )
    trials = [_trial(film, library, noise, gap, settings, now)]
    tried = {_rounded(now)}
    improved = True
    try:
        _tell(trials, library, settings)
        while improved and len(trials) < MOST_WINDOWS:
            improved = False
            for factor_time, factor_space in STEPS:
                best = _preferred(trials)
                widths = (
                    float(np.clip(best.widths[0] * factor_time, shortest, longest)),
                    float(np.clip(best.widths[1] * factor_space, narrowest, widest)),
                )
                stopped = settings.stop is not None and settings.stop()
                if _rounded(widths) in tried or len(trials) >= MOST_WINDOWS or stopped:
                    continue
                tried.add(_rounded(widths))
                trials.append(_trial(film, library, noise, gap, settings, widths))
                improved |= _preferred(trials) is trials[-1]
                _tell(trials, library, settings)
    except KeyboardInterrupt:
        remarks.append(f"stopped by hand after {len(trials)} of {MOST_WINDOWS} windows")
    return _preferred(trials)


def _check_window(film: FieldFilm, window: Widths) -> None:
    """Refuse windows of so few frames or pixels that their weights no longer differentiate."""
    pixel = film.spacing[1] if film.flat else max(film.spacing)
    for name, value, step, kind, unit in (
        ("window[0]", window[0], film.interval, "frames", film.time_unit or "units of time"),
        ("window[1]", window[1], pixel, "pixels", film.length_unit or "units of x"),
    ):
        if value < FEWEST_IN_HALF * step * (1 - 1e-9):
            raise InputError(
                f"{name} must be a half width of at least {FEWEST_IN_HALF} {kind}, here "
                f"{FEWEST_IN_HALF * step:.4g} {unit}; got {value:g}: take a larger one."
            )


def _tell(trials: list[Trial], library: tuple[Feature, ...], settings: FieldLawOptions) -> None:
    """Report progress with the best law so far."""
    if settings.progress is not None:
        names = [library[k].name for k in _preferred(trials).fits[0].best.places]
        settings.progress(len(trials), MOST_WINDOWS, " + ".join(names) or "0")


def _rounded(widths: Widths) -> tuple[float, float]:
    return float(f"{widths[0]:.3g}"), float(f"{widths[1]:.3g}")


def _preferred(trials: list[Trial]) -> Trial:
    """Return the windows that fix the constants of the most evident laws most tightly."""
    clearest = max(trials, key=lambda trial: trial.gain)
    supports = [fit.best.places for fit in clearest.fits]
    if not any(supports):
        return trials[0]

    return min(trials, key=lambda trial: trial.looseness(supports))


def _limits(film: FieldFilm, gap: int) -> tuple[float, float, float, float]:
    """Shortest and longest half width in time, narrowest and widest in space."""
    delay = abs(film.line_time) * (film.values.shape[2] - 1)
    room = film.times[-1] - film.times[0] - delay
    shortest = SHORTEST_FRAMES * gap * film.interval
    longest = max(room / FEWEST_LENGTHS, shortest)
    if 2 * shortest > room:
        raise InputError(
            f"video must last at least {2 * SHORTEST_FRAMES * gap + 1} frames for windows in "
            f"which noise averages out; it has {len(film.times)}"
            + (f" (noise is shared by {gap} neighbours)." if gap > 1 else ".")
        )
    steps = [film.spacing[1]] if film.flat else list(film.spacing)
    sizes = film.values.shape[3:] if film.flat else film.values.shape[2:]
    lengths = [n * step for n, step in zip(sizes, steps, strict=True)]
    narrowest = NARROWEST_PIXELS * max(steps)
    share = 3.0 if film.periodic else 4.0
    return shortest, longest, narrowest, max(min(lengths) / share, narrowest)


def _trial(
    film: FieldFilm, library: tuple[Feature, ...], noise: Floats, gap: int,
    settings: FieldLawOptions, widths: Widths,
) -> Trial:  # fmt: skip
    order = np.arange(len(film.times))
    subsets = [order[order % (2 * gap) == phase] for phase in range(2 * gap)]
    pairs = tuple((phase, phase + gap) for phase in range(gap))
    if not settings.instruments:
        subsets, pairs = [order], ((0, 0),)
    n_rows, n_columns = film.values.shape[2:]
    delays: Floats = np.zeros(1)
    if film.line_time:
        delays = film.line_time * np.arange(n_rows, dtype=np.float64)
    steep = any(feature.source.squared_gradient is not None for feature in library)
    margin = 2 if steep and not film.periodic else 0
    halves = [max(2, round(widths[1] / step)) for step in film.spacing]
    for name, n, half in (("y", n_rows, halves[0]), ("x", n_columns, halves[1])):
        if n > 1 and 2 * (half + margin) + 1 > n:
            raise InputError(
                f"window: a half width of {widths[1]:g} is {half} pixels along {name}, twice of "
                f"which does not fit into {n} pixels: take a smaller one or more pixels."
            )
    axes = (
        time_windows(film.times, delays, widths[0], subsets),
        space_windows(n_rows, film.spacing[0], halves[0], DERIVATIVES, margin, film.periodic),
        space_windows(n_columns, film.spacing[1], halves[1], DERIVATIVES, margin, film.periodic),
    )
    if axes[0].allowed is None or not axes[0].allowed.any():
        raise InputError(
            f"video has too few frames for windows of half width {widths[0]:g} in time (at least 4 "
            f"of each set of frames, without long gaps); it has {len(film.times)}."
        )
    seen = _well_seen(film.seen) if steep else film.seen
    system = weak_system(
        film.values, seen, noise if settings.debias else 0 * noise, film.drive, film.spacing,
        library, axes, subsets, pairs,
    )  # fmt: skip
    if system.n_windows < 2 * len(library):
        raise InputError(
            f"video leaves {system.n_windows} windows that touch no masked pixel or gap, fewer "
            f"than twice the {len(library)} candidate terms: mask less, or give fewer terms or a "
            "smaller window."
        )
    sizes = np.sqrt(np.mean(film.values**2, axis=(1, 2, 3)))
    fits = tuple(
        fit_target(system, target, sizes, settings.largest_support)
        for target in range(len(film.names))
    )
    return Trial(widths, fits, system)


def _well_seen(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose neighbours up to two away are seen, as differences in space need."""
    if seen.all():
        return seen
    from scipy import ndimage

    reach = (1, 1 if seen.shape[1] == 1 else 5, 5)
    return np.asarray(ndimage.minimum_filter(seen.view(np.uint8), size=reach) > 0)


def _said(film: FieldFilm, trial: Trial, noise: Floats, gap: int) -> str:
    sizes = ", ".join(f"{sd:.3g}" for sd in noise)
    return (
        f"windows: half widths {trial.widths[0]:.3g} {film.time_unit or 'units of time'} and "
        f"{trial.widths[1]:.3g} {film.length_unit or 'units of x'}, "
        f"{trial.system.n_windows} ({trial.system.n_independent:.0f} independent); "
        f"noise {sizes}; frames {gap} apart crossed"
    )
