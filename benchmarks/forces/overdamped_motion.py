"""Pair forces from exact overdamped tracks: accuracy, speed, families, the guard and peers."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forces.overdamped_families import CASES, measure_family
from benchmarks.forces.overdamped_films import (
    CUTOFF,
    NAMES,
    TRUTH,
    best_errors,
    make_films,
    row,
    share_row,
)
from benchmarks.forces.overdamped_guard import refusals, regress
from benchmarks.forces.overdamped_peers import (
    infer_stochastic_force,
    sindy_installed,
    sparse_regression,
)
from physlearn.inference import fit_langevin

__all__ = ["CHECKS"]

Row = dict[str, Any]
Float = NDArray[np.float64]
N_FILMS, N_PEERS, INTERVAL, SEED = 200, 60, 2e-3, 20_000


def _films(quick: bool) -> Any:
    """The films of the accuracy and of the peers."""
    return make_films(12, 41, INTERVAL, 3 if quick else N_FILMS, SEED)


def _accuracy(quick: bool) -> list[Row]:
    """Replicates at a frame interval of .002 through the front door."""
    films = _films(quick)
    errors, inside, seconds, warned, sds = [], [], [], 0, []
    for k, film in enumerate(films):
        begun = time.process_time()
        fit = fit_langevin(film, localization_sd=0.0, cutoff=CUTOFF, rng=k)
        seconds.append(time.process_time() - begun)
        logs = np.log([fit[name] for name in NAMES])
        errors.append(logs.mean(axis=1) - np.log(TRUTH))
        sds.append(logs.std(axis=1))
        low, high = np.quantile(logs, [0.05, 0.95], axis=1)
        inside.append((low < np.log(TRUTH)) & (np.log(TRUTH) < high))
        warned += bool(fit.warnings)
    e, held, n = np.array(errors), np.sum(inside, axis=0), len(films)
    rmse, bound = np.sqrt((e**2).mean(axis=0)), best_errors(films[:10])
    bias = np.abs(e.mean(axis=0)) / e.std(axis=0, ddof=1)
    off = abs(float(np.exp(e[:, 2].mean()) - 1.0))
    rows: list[Row] = []
    for k, name in enumerate(NAMES):
        rows += [
            row(f"|bias| / sd of ln {name}, {n} films (known to {1 / np.sqrt(n):.2f})",
                float(bias[k]), 0.3, None if quick else bool(bias[k] < 0.3)),
            share_row(name, int(held[k]), n, quick),
            row(f"posterior sd / scatter of ln {name}",
                float(np.median(np.array(sds)[:, k]) / e[:, k].std(ddof=1))),
        ]  # fmt: skip
        ratio, goal = float(rmse[k] / bound[k]), 1.5 if k < 2 else None
        what = "of motion without pause and the first frame's places" if k < 2 else "without forces"
        rows.append(row(f"rmse of ln {name} / bound {what}, which nobody can beat", ratio, goal,
                        None if quick or goal is None else ratio <= goal))  # fmt: skip
    rows.append(row("|bias of D| / D", off, 0.01, None if quick else off < 0.01))
    rows.append(row(f"films of {n}, in equilibrium, that were warned of", warned))
    rows.append(row("CPU s, 144 x 40", float(np.median(seconds))))
    return rows


def _short(quick: bool) -> list[Row]:
    """Motion alone where it says little: c12, c6 of the pair energy, in which it is linear."""
    films, found, inside = make_films(12, 41, 2e-4, 2 if quick else 16, 4000), [], []
    for k, film in enumerate(films):
        fit = fit_langevin(film, localization_sd=0.0, cutoff=CUTOFF, equilibrium=False, rng=k)
        c = [fit["depth"] * fit["diameter"] ** power / TRUTH[0] for power in (12, 6)]
        found.append(np.median(c, axis=1))
        low, high = np.quantile(c, [0.05, 0.95], axis=1)
        inside.append((low < 1.0) & (high > 1.0))
    middle, held, n = np.array(found), np.sum(inside, axis=0), len(films)
    rows: list[Row] = []
    for k, name in enumerate(("c12", "c6")):
        mean, error = middle[:, k].mean(), middle[:, k].std(ddof=1) / np.sqrt(n)
        rows.append(row(f"dt 2e-4, motion alone: median of {name} / truth, mean of {n} "
                        f"(+-{error:.3f})", float(mean)))  # fmt: skip
        rows.append(share_row(f"{name}, dt 2e-4, motion alone", int(held[k]), n, quick))
    return rows


def _speed(quick: bool) -> list[Row]:
    """1,024 particles in 100 frames: CPU time over two cores."""
    film = make_films(8 if quick else 32, 11 if quick else 101, INTERVAL, 1, 7)[0]
    fit_langevin(make_films(8, 11, INTERVAL, 1, 8)[0], localization_sd=0.0, cutoff=2.0, rng=1)
    begun = time.process_time()
    fit_langevin(film, localization_sd=0.0, cutoff=CUTOFF, rng=2)
    half = 0.5 * (time.process_time() - begun)
    return [row("s on two cores, 1,024 x 100", half, 20.0, None if quick else half <= 20.0)]


def _regression(quick: bool) -> list[Row]:
    """Displacement regression over the frame interval, in units of the truth."""
    rows: list[Row] = []
    for interval in (INTERVAL,) if quick else (2e-4, 5e-4, 1e-3, 2e-3, 5e-3):
        films = make_films(12, 41, interval, 2 if quick else 10, 300)
        ratio = np.exp(np.mean([regress(film).estimate for film in films], axis=0)) / TRUTH
        for k, name in enumerate(NAMES):
            what = f"displacement regression, dt = {interval:g}: {name} / truth"
            rows.append(row(what, float(ratio[k])))
    return rows


def _peers(quick: bool) -> list[Row]:
    """What others make of the same films: c12, c6 of the pair energy c12 r^-12 - c6 r^-6, and D."""
    films, rows = _films(quick)[:N_PEERS], []
    truth = np.array([4.0 * TRUTH[0], 4.0 * TRUTH[0], TRUTH[2]])
    ways: dict[str, Any] = {"stochastic force inference": infer_stochastic_force}
    if sindy_installed():
        ways["PySINDy, forward differences"] = partial(sparse_regression, forward=True)
        ways["PySINDy, its own derivative"] = partial(sparse_regression, forward=False)
    else:
        rows.append(row("PySINDy", "not run: not installed"))
    bound = best_errors(films[:10])
    for way, function in ways.items():
        found = np.array([function(film, CUTOFF) for film in films])
        ratio = found / truth
        for k, name in enumerate(("c12", "c6", "diffusion")):
            what = f"{way}: {name} / truth, mean of {len(films)} (scatter {ratio[:, k].std():.3f})"
            rows.append(row(what, float(ratio[:, k].mean())))
        good = (found[:, :2] > 0.0).all(axis=1)
        if good.mean() < 0.9:
            rows.append(row(f"{way}: films whose c12 and c6 are above 0", float(good.mean())))
            continue
        c12, c6, d = found[good].T
        logs = np.log([c6**2 / (4.0 * c12), (c12 / c6) ** (1.0 / 6.0), d]) - np.log(TRUTH)[:, None]
        for k, name in enumerate(NAMES):
            rmse, bias = np.sqrt((logs[k] ** 2).mean()), abs(logs[k].mean()) / logs[k].std(ddof=1)
            rows.append(row(f"{way}: rmse of ln {name} / bound (|bias| / sd {bias:.2f})",
                            float(rmse / bound[k])))  # fmt: skip
    return rows


CHECKS = {
    "accuracy": _accuracy,
    "motion at a short interval": _short,
    "speed": _speed,
    "displacement regression": _regression,
    "peers of motion": _peers,
    "guard": refusals,
    **{f"motion: {name}": partial(measure_family, name) for name in CASES},
}
