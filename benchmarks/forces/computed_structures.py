"""Potentials from computed forces: lithium, silicon, planted potentials, and least squares."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from physlearn.datasets import read_forces, read_structures, registry
from physlearn.inference import fit_forces, prior_from_forces
from physlearn.inference.force_fields.energy_unit import energies_scale, in_unit
from physlearn.inference.force_fields.fit_forces import _family_of, _fit
from physlearn.inference.force_fields.force_worlds import CUTOFF, MORSE, make_force_world
from physlearn.inference.force_fields.structure_table import (
    make_conditions,
    nearest_distance,
    read_computed,
)
from physlearn.results import Fit

__all__ = ["CHECKS"]

Row = dict[str, Any]
NAMES = ("depth", "steepness", "minimum")
ELEMENTS = (("Li", "spline"), ("Li", "morse"), ("Si", "spline"))
WORLDS = {
    "one potential, white errors": {},
    "one potential, errors smooth in space": {"wave": 0.1},
    "conditions that differ": {"spread": (0.1, 0.05, 0.01)},
}


def _morse(world: Any, seed: int, **options: Any) -> Fit:
    return fit_forces(
        world.structures, "morse", energies=world.energies, forces=world.forces,
        conditions=world.conditions, cutoff=CUTOFF, rng=seed, n_draws=800,
        **{"compare": False, **options},
    )  # fmt: skip


def elements(quick: bool) -> list[Row]:
    """Lithium with its error, silicon rejected: public structures, conditions left out."""
    rows: list[Row] = []
    for element, potential in ELEMENTS:
        path = registry.fetch(f"dft_forces_elements/pes_{element}.json")
        step = 4 if quick else 1
        structures, forces = read_structures(path)[::step], read_forces(path)[::step]
        begun = time.process_time()
        fit = fit_forces(structures, potential, forces=forces, rng=1)
        spent = time.process_time() - begun
        found = fit.diagnostics
        groups = "; ".join(
            f"{name} {row['force_error']:.3f} of {row['rms_force']:.3f}"
            for name, row in found["by_group"].items()
        )
        within = [1000.0 * row["energy_error_left_out"] for row in found["by_condition"]]
        offsets = [1000.0 * row["energy_offset_left_out"] for row in found["by_condition"]]
        best = found["comparisons"]["three_body"]
        wanted = best["needed"] if element == "Si" else found["share_unexplained_left_out"] < 0.05
        rows += [
            {"what": f"{element}, {potential}: force error of conditions left out",
             "measured": f"{found['force_error_left_out']:.3f} eV/angstrom, "
             f"{100 * found['share_unexplained_left_out']:.1f} % of the variance unexplained",
             "goal": "silicon rejected, lithium below 5 %", "met": bool(wanted)},
            {"what": f"{element}, {potential}: force error by group, eV/angstrom",
             "measured": groups, "goal": "", "met": None},
            {"what": f"{element}, {potential}: energy error left out, meV/atom",
             "measured": f"{np.median(within):.1f} within a condition (median), offset of a "
             f"condition {np.median(np.abs(offsets)):.0f} (median), {np.max(np.abs(offsets)):.0f} "
             "(largest)", "goal": "", "met": None},
            {"what": f"{element}, {potential}: log10 odds of a three-body term, an embedding",
             "measured": f"{best['log10_odds']:.1f} +- {best['log10_odds_error']:.1f} "
             f"({best['conditions_won']} of {best['n_conditions']} conditions); "
             f"{found['comparisons']['embedded']['log10_odds']:.1f} +- "
             f"{found['comparisons']['embedded']['log10_odds_error']:.1f}",
             "goal": "", "met": None},
            {"what": f"{element}, {potential}: 90 % intervals of forces left out hold",
             "measured": f"{found['coverage_90']:.3f}", "goal": ".85-.95",
             "met": bool(0.85 <= found["coverage_90"] <= 0.95)},
            {"what": f"{element}, {potential}: CPU time, both alternatives included",
             "measured": f"{spent:.1f} s", "goal": "", "met": None},
        ]  # fmt: skip
    return rows


def _least_squares(world: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log parameters and errors of force matching with independent residuals: the peer."""
    data = read_computed(world.structures, world.energies, world.forces, world.conditions, None)
    length = nearest_distance(data.structures)
    scale = energies_scale(data, length)
    conditions = make_conditions(in_unit(data, scale), CUTOFF)
    family = _family_of("morse", data, conditions, length, CUTOFF, "switch")
    pooled = _fit(conditions, family, data, length, "none").pooled
    theta = pooled.theta[:3] + np.array([np.log(scale), 0.0, 0.0])
    return theta, np.sqrt(np.diag(np.linalg.inv(pooled.total)))


def planted(quick: bool) -> list[Row]:
    """Coverage of the average potential and of a new condition, least squares beside it."""
    rows: list[Row] = []
    n = 10 if quick else 60
    truth = np.log(MORSE)
    for label, options in WORLDS.items():
        held, new_held, peer, seconds = [], [], [], []
        spread = np.asarray(options.get("spread", (0.0, 0.0, 0.0)))
        for index in range(n):
            world = make_force_world(8, 4, rng=np.random.default_rng((23, index)), **options)  # type: ignore[arg-type]
            begun = time.process_time()
            fit = _morse(world, index)
            seconds.append(time.process_time() - begun)
            held.append([fit.interval(k)[0] < np.exp(t) < fit.interval(k)[1]
                         for k, t in zip(NAMES, truth, strict=True)])  # fmt: skip
            wide = _morse(world, index, target="prior")
            new = truth + spread * np.random.default_rng((29, index)).standard_normal(3)
            new_held.append([wide.interval(k)[0] < np.exp(t) < wide.interval(k)[1]
                             for k, t in zip(NAMES, new, strict=True)])  # fmt: skip
            theta, sd = _least_squares(world)
            peer.append(np.abs(theta - truth) < norm.ppf(0.95) * sd)
        share = np.mean(held, axis=0)
        enough = [binomtest(int(c), n, 0.9).pvalue > 1e-3 for c in np.sum(held, axis=0)]
        rows += [
            {"what": f"{label}: cov90 of depth, steepness, minimum ({n} worlds, 0 refusals)",
             "measured": ", ".join(f"{one:.2f}" for one in share), "goal": ".90 within chance",
             "met": all(enough)},
            {"what": f"{label}: least squares, independent errors",
             "measured": ", ".join(f"{one:.2f}" for one in np.mean(peer, axis=0)), "goal": "",
             "met": None},
            {"what": f"{label}: cov90 of a new condition (target='prior')",
             "measured": ", ".join(f"{one:.2f}" for one in np.mean(new_held, axis=0)),
             "goal": "at least .85", "met": bool(np.min(np.mean(new_held, axis=0)) >= 0.85)},
            {"what": f"{label}: CPU time of a fit, 32 structures of 16 atoms",
             "measured": f"{np.median(seconds):.2f} s", "goal": "", "met": None},
        ]  # fmt: skip
    return rows


def rejections(quick: bool) -> list[Row]:
    """How often pairs alone are rejected, with and without an angle term in the truth."""
    rows: list[Row] = []
    n = 5 if quick else 20
    for label, angle, wanted in (("pairs", 0.0, "at most .05"), ("an angle term", 3.0, ".95")):
        said = []
        for index in range(n):
            fit = _morse(
                make_force_world(6, 4, angle=angle, rng=np.random.default_rng((31, index))),
                index,
                compare=True,
            )
            said.append(any(row["needed"] for row in fit.diagnostics["comparisons"].values()))
        share = float(np.mean(said))
        rows.append(
            {"what": f"truth of {label}: pairs alone rejected ({n} worlds)",
             "measured": f"{share:.3f}", "goal": wanted,
             "met": share <= 0.05 if angle == 0.0 else share >= 0.95}
        )  # fmt: skip
    return rows


def priors(quick: bool) -> list[Row]:
    """How wide lithium's potential is as a prior of a picture at 400 +- 20 K."""
    path = registry.fetch("dft_forces_elements/pes_Li.json")
    step = 6 if quick else 2
    fit = fit_forces(
        read_structures(path)[::step], "morse", forces=read_forces(path)[::step], compare=False,
        rng=1,
    )  # fmt: skip
    part = prior_from_forces(fit, (400.0, 20.0)).parts[0]
    sd = np.sqrt(np.diag(part.prior_covariance))
    told = ", ".join(
        f"{name} {np.exp(m):.3g} ({100 * s:.0f} %)"
        for name, m, s in zip(NAMES, part.prior_mean, sd, strict=True)
    )
    return [{"what": "Li at 400 K as a prior, Morse, kT and angstrom", "measured": told,
             "goal": "", "met": None}]  # fmt: skip


CHECKS: dict[str, Callable[[bool], list[dict[str, Any]]]] = {
    "lithium and silicon": elements,
    "planted potentials": planted,
    "rejections": rejections,
    "prior": priors,
}
