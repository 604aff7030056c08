"""Pair potentials from snapshots by score matching: against bounds, peers and errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, kstest

from benchmarks.forces import snapshot_peers as peers
from physlearn.inference import (
    fit_pair_potential,
    measure_structure,
    predict_radial_distribution,
)
from physlearn.inference.configurations.score_matching import find_score_mode, match_score
from physlearn.inference.configurations.snapshot_bound import snapshot_bound
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.particles import (
    InversePower,
    LennardJones,
    MetropolisSettings,
    Morse,
    PairTable,
    Yukawa,
    sample_positions,
)
from physlearn.records import AtomicConfiguration

__all__ = ["CHECKS"]

Row = dict[str, Any]
Float = NDArray[np.float64]
CUTOFF = 2.5
TRUTH = (1.25, 1.0)


def _triangular(columns: int, rows: int, density: float, species: Any = None) -> Any:
    a = np.sqrt(2 / (np.sqrt(3) * density))
    places = [((i + 0.5 * (j % 2)) * a, j * a * np.sqrt(3) / 2)
              for j in range(rows) for i in range(columns)]  # fmt: skip
    cell = np.diag([columns * a, rows * a * np.sqrt(3) / 2])
    return AtomicConfiguration(np.array(places), unit="reduced", cell=cell, species=species)


def _frames(potential: Any, start: Any, n: int, seed: int, between: int = 100) -> list[Any]:
    return list(
        sample_positions(
            potential, start, n, between, settings=MetropolisSettings(burn_in_sweeps=1500), rng=seed
        )
    )


def _row(what: str, measured: Any, goal: str = "", met: bool | None = None) -> Row:
    return {"what": what, "measured": measured, "goal": goal, "met": met}


def _modes(
    frames: Sequence[Any], family: InteractionFamily, truth: Float, sd: float = 0.0
) -> tuple[Float, Float, Float, float]:
    """Errors and standard errors of theta, misfits, and median CPU milliseconds."""
    away, se, misfit, spent, rng = [], [], [], [], np.random.default_rng(1)
    for frame in frames:
        start = time.process_time()
        mode = find_score_mode(read_snapshots(frame, sd), family, rng)
        spent.append(time.process_time() - start)
        away.append(mode.theta - truth)
        se.append(np.sqrt(np.diag(mode.covariance)))
        misfit.append(mode.misfit)
    return np.array(away), np.array(se), np.array(misfit), float(np.median(spent)) * 1e3


def _held(away: Float, se: Float, low: float = 0.85, high: float = 0.95) -> tuple[str, bool]:
    """Coverage of 90 % intervals, and whether it fits [low, high] by the binomial law."""
    n = len(away)
    counts = (np.abs(away) < 1.645 * se).sum(axis=0)
    fine = all(binom.cdf(c, n, low) > 0.005 and binom.sf(c - 1, n, high) > 0.005 for c in counts)
    return ", ".join(f"{c / n:.2f}" for c in counts) + f" ({n} fits, 0 refusals)", fine


def check_liquid(quick: bool) -> list[Row]:
    """One snapshot of 1,000 particles: error over the bound, coverage, milliseconds."""
    start = _triangular(25, 40, 0.7)
    frames = _frames(LennardJones(*TRUTH, cutoff=CUTOFF), start, 20 if quick else 200, 21)
    family = make_interaction("lennard_jones", length=1.05, cutoff=CUTOFF)
    bound = snapshot_bound(start, family, TRUTH, rng=1, n_records=200 if quick else 4000)
    crb = bound.table["share"].to_numpy()
    away, se, misfit, spent = _modes(frames, family, family.unconstrained(TRUTH))
    rmse = np.sqrt((away**2).mean(axis=0))
    share = rmse / crb
    said, fine = _held(away, se)
    z = away.mean(axis=0) / (away.std(axis=0) / np.sqrt(len(away)))
    rows = [
        _row("rmse / crb of ln depth, ln diameter", f"{share[0]:.2f}, {share[1]:.2f}", "<= 2.8",
             bool((share <= 2.8).all())),
        _row("rmse of ln depth, ln diameter", f"{rmse[0]:.3f}, {rmse[1]:.4f}"),
        _row("bias / its standard error", f"{z[0]:.1f}, {z[1]:.1f}"),
        _row("cov90", said, ".85-.95", fine),
        _row("CPU, neighbour search included", f"{spent:.1f} ms", "<= 5 ms", spent <= 5.0),
        _row("misfit, mean of chi2 with 5 degrees of freedom", f"{misfit.mean():.2f}", "5"),
    ]  # fmt: skip
    rng = np.random.default_rng(1)
    ways: dict[str, Callable[[Any], tuple[float, float]]] = {
        "score matching without weights": peers.score_without_weights,
        "pseudolikelihood (as spatstat ppm)": lambda f: peers.pseudolikelihood(f, rng),
        "Boltzmann inversion of g(r)": lambda f: peers.invert_boltzmann(f)[:2],
        "iterative Boltzmann inversion": lambda f: peers.invert_iteratively(f, rng),
    }
    for name, way in ways.items():
        few = frames[: 3 if quick else 60 if "Boltz" not in name else 30]
        clock = time.process_time()
        found = np.array([way(frame) for frame in few])
        spent = (time.process_time() - clock) / len(few) * 1e3
        good = np.isfinite(found).all(axis=1)
        log = np.log(found[good] / TRUTH)
        error = np.sqrt((log**2).mean(axis=0)) / crb if good.any() else np.full(2, np.nan)
        rows.append(
            _row(f"peer: {name}, rmse / crb, bias, CPU",
                 f"{error[0]:.1f}, {error[1]:.1f}; bias {log[:, 0].mean():+.2f}, "
                 f"{log[:, 1].mean():+.3f}; {spent:.0f} ms; "
                 f"{(~good).sum()} of {len(few)} without a well")
        )  # fmt: skip
    return rows


def check_few_particles(quick: bool) -> list[Row]:
    """The whole posterior of one snapshot of 144, 324 and 1,000 particles."""
    family = make_interaction("lennard_jones", length=1.05, cutoff=CUTOFF)
    truth, n, rows = family.unconstrained(TRUTH), 6 if quick else 60, []
    for columns, lines in ((12, 12), (18, 18), (25, 40)):
        start = _triangular(columns, lines, 0.7)
        frames = _frames(LennardJones(*TRUTH, cutoff=CUTOFF), start, n, 31 + columns, 200)
        draws = [match_score(read_snapshots(frame, 0.0), family, rng=np.random.default_rng(k)).draws
                 for k, frame in enumerate(frames)]  # fmt: skip
        mean, sd = (np.array([getattr(own, what)(axis=0) for own in draws])
                    for what in ("mean", "std"))  # fmt: skip
        z = ((mean - truth) / sd).mean(axis=0)
        below = np.array([(own < truth).mean(axis=0) for own in draws])
        held = ((below > 0.05) & (below < 0.95)).sum(axis=0)
        fine = all(binom.cdf(c, n, 0.85) > 0.005 and binom.sf(c - 1, n, 0.95) > 0.005 for c in held)
        rmse = np.sqrt(((mean - truth) ** 2).mean(axis=0))
        rows += [
            _row(f"{start.n} particles: posterior mean less truth, in standard deviations of the "
                 "posterior, ln depth, ln diameter", f"{z[0]:+.2f}, {z[1]:+.2f}", "< .3",
                 bool((np.abs(z) < 0.3).all())),
            _row(f"{start.n} particles: cov90; rmse", ", ".join(f"{c / n:.2f}" for c in held)
                 + f" ({n} fits, 0 refusals); {rmse[0]:.3f}, {rmse[1]:.4f}", ".85-.95", fine),
        ]  # fmt: skip
    return rows


def check_families(quick: bool) -> list[Row]:
    """Other families, two species, three dimensions, a field of view, a crystal."""
    n = 20 if quick else 60
    plane = _triangular(18, 18, 0.7)
    mixed = _triangular(18, 18, 0.7, np.arange(324) % 2)
    edge = (512 / 0.7) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(8) * edge / 8] * 3), -1).reshape(-1, 3)
    space = AtomicConfiguration(grid, unit="reduced", cell=edge * np.eye(3))
    three = PairTable({(0, 0): LennardJones(1.25, 1.0, cutoff=CUTOFF),
                       (0, 1): LennardJones(1.0, 0.9, cutoff=CUTOFF),
                       (1, 1): LennardJones(0.8, 0.8, cutoff=CUTOFF)})  # fmt: skip
    lj = LennardJones(*TRUTH, cutoff=CUTOFF)
    cases: list[tuple[str, Any, Any, str, list[float], int]] = [
        ("Yukawa", Yukawa(40.0, 0.4, cutoff=CUTOFF), plane, "yukawa", [40.0, 0.4], 1),
        ("Morse", Morse(1.5, 5.0, 1.1, cutoff=CUTOFF), plane, "morse", [1.5, 5.0, 1.1], 1),
        ("inverse power", InversePower(2.0, 1.05, 8.0, cutoff=CUTOFF), plane, "inverse_power",
         [2.0, 8.0], 1),
        ("two species", three, mixed, "lennard_jones", [1.25, 1, 1, 0.9, 0.8, 0.8], 2),
        ("three dimensions", LennardJones(1.0, 1.0, cutoff=CUTOFF), space, "lennard_jones",
         [1.0, 1.0], 1),
        ("field of view", lj, _triangular(30, 30, 0.7), "lennard_jones", list(TRUTH), 1),
        ("crystal", LennardJones(2.0, 1.0, cutoff=CUTOFF), _triangular(18, 18, 0.95),
         "lennard_jones", [2.0, 1.0], 1),
    ]  # fmt: skip
    rows = []
    for k, (name, potential, start, family_name, numbers, n_species) in enumerate(cases):
        frames = _frames(potential, start, n, 40 + k)
        if name == "field of view":
            view = (0.0, 0.0, *np.diag(start.cell))
            frames = [AtomicConfiguration(f.positions, unit="reduced", field_of_view=view)
                      for f in frames]  # fmt: skip
        family = make_interaction(family_name, n_species, length=1.05, cutoff=CUTOFF)
        away, se, misfit, spent = _modes(frames, family, family.unconstrained(numbers))
        said, fine = _held(away, se)
        rmse = np.sqrt((away**2).mean(axis=0))
        spare = 7 * len(family.parts)
        rows.append(
            _row(f"{name}, {start.n} particles: cov90; rmse of theta; misfit; CPU",
                 f"{said}; {', '.join(f'{value:.3g}' for value in rmse)}; "
                 f"{misfit.mean():.1f} of {spare - family.n_parameters}; {spent:.0f} ms",
                 ".85-.95", fine)
        )  # fmt: skip
    return rows


def check_errors_of_positions(quick: bool) -> list[Row]:
    """Errors of .01 and .02 diameters, stated and not, 1,000 particles."""
    frames = _frames(
        LennardJones(*TRUTH, cutoff=CUTOFF), _triangular(25, 40, 0.7), 10 if quick else 60, 22
    )
    family = make_interaction("lennard_jones", length=1.05, cutoff=CUTOFF)
    truth, rng, rows = family.unconstrained(TRUTH), np.random.default_rng(3), []
    for sd in (0.01, 0.02, 0.03):
        shaken = [AtomicConfiguration(f.positions + rng.normal(0, sd, f.positions.shape),
                                      unit="reduced", cell=f.cell) for f in frames]  # fmt: skip
        away, se, _, spent = _modes(shaken, family, truth, sd)
        said, fine = _held(away, se)
        naive = _modes(shaken[:20], family, truth)[0].mean(axis=0)
        bias = away.mean(axis=0) / se.mean(axis=0)
        rows += [
            _row(f"error {sd:g}: cov90, CPU", f"{said}, {spent:.0f} ms", ".85-.95", fine),
            _row(f"error {sd:g}: bias in standard errors", f"{bias[0]:+.2f}, {bias[1]:+.2f}",
                 "< .3", bool((np.abs(bias) < 0.3).all())),
            _row(f"error {sd:g} not stated: bias of ln depth, ln diameter",
                 f"{naive[0]:+.2f}, {naive[1]:+.3f}"),
        ]  # fmt: skip
    return rows


def check_prediction(quick: bool) -> list[Row]:
    """p-values of g(r): of a frame held out, of the fit's own frame, and of a wrong family."""
    n = 6 if quick else 60
    frames = _frames(LennardJones(*TRUTH, cutoff=CUTOFF), _triangular(16, 16, 0.7), 2 * n, 23, 60)
    asked = {"sampling": "thermal_snapshot", "method": "score", "cutoff": CUTOFF,
             "position_sd": 0.0}  # fmt: skip
    held: list[Any] = []
    own: list[Any] = []
    wrong: list[Any] = []
    for k in range(n):
        fit = fit_pair_potential(frames[2 * k], rng=k, **asked)
        for where, values in ((frames[2 * k + 1], held), (frames[2 * k], own)):
            found = predict_radial_distribution(
                fit, where, position_sd=0.0, n_draws=10, n_bins=30, rng=k
            )
            values.append(found.p_value)
        if k < n // 4:
            bad = fit_pair_potential(
                frames[2 * k], "inverse_power", prior={"exponent": (4.0, 0.01)}, rng=k, **asked
            )
            wrong.append(
                predict_radial_distribution(
                    bad, frames[2 * k + 1], position_sd=0.0, n_draws=10, n_bins=30, rng=k
                ).p_value
            )
    uniform = float(kstest(held, "uniform").pvalue)
    return [
        _row("held-out frame: share of p < .1", f"{np.mean(np.array(held) < 0.1):.2f} of {n}",
             ".10", bool(binom.sf(int((np.array(held) < 0.1).sum()) - 1, n, 0.1) > 0.005)),
        _row("held-out frame: p-values uniform, Kolmogorov-Smirnov p", f"{uniform:.2g}"),
        _row("the fit's own frame: share of p < .1, mean p",
             f"{np.mean(np.array(own) < 0.1):.2f}, {np.mean(own):.2f}"),
        _row("wrong exponent (4): share of p < .05", f"{np.mean(np.array(wrong) < 0.05):.2f}"),
    ]  # fmt: skip


def check_image(quick: bool) -> list[Row]:
    """Spacing and static strain of a disordered crystal, errors of the fit known."""
    rng, n = np.random.default_rng(1), 20 if quick else 200
    held = np.zeros((n, 3))
    for k in range(n):
        crystal = _triangular(24, 24, 2 / np.sqrt(3))
        shift = rng.normal(0, 1, crystal.positions.shape) * [0.03, 0.02]
        seen = crystal.positions + shift + rng.normal(0, 0.02, shift.shape)
        fit = measure_structure(AtomicConfiguration(seen, unit="angstrom"), position_sd=0.02, rng=k)
        spacing, strain = fit.interval("spacing")[0], fit.interval("strain_sd")[0]
        ratio = fit.interval("strain_anisotropy")
        for at, ((low, high), truth) in enumerate(
            ((spacing, 1.0), (strain, 0.03 / np.sqrt(3)), (ratio, np.log(1.5)))
        ):
            held[k, at] = low < truth < high
    share = held.mean(axis=0)
    return [
        _row(
            f"cov90 of {name} ({n} images)", f"{value:.2f}", ".85-.95", bool(0.85 <= value <= 0.95)
        )
        for name, value in zip(("spacing", "strain_sd", "anisotropy"), share, strict=True)
    ]


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "one snapshot of a liquid": check_liquid,
    "few particles": check_few_particles,
    "families, species, dimensions": check_families,
    "errors of positions": check_errors_of_positions,
    "held-out g(r)": check_prediction,
    "time-averaged image": check_image,
}
