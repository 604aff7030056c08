"""Springs of crystals: against the bound, in hot Lennard-Jones crystals, in a field of view."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from physlearn.checks import NotIdentified
from physlearn.inference import fit_crystal
from physlearn.inference.configurations.simulated_likelihood import fit_by_simulation
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.inference.crystals.crystal_kinds import KINDS
from physlearn.inference.crystals.harmonic_box import whole_box
from physlearn.inference.crystals.harmonic_crystal import sample_harmonic_crystal
from physlearn.inference.crystals.spring_bound import spring_bound
from physlearn.inference.crystals.thermal_crystals import (
    BoxWaves,
    CrystalBox,
    effective_springs,
    thermal_springs,
    thermalise,
)
from physlearn.inference.potential_families.make_family import make_family, make_interaction
from physlearn.inference.potential_families.user_function import with_prior
from physlearn.lattice_models import LennardJones
from physlearn.lattice_models.particles.interaction import read_physics
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.records import AtomicConfiguration

__all__ = ["CHECKS"]

Row = dict[str, Any]
Float = NDArray[np.float64]
SPRINGS = {
    "triangular": (32, [300.0, -15.0, 20.0, -3.0]), "square": (32, [300.0, 20.0, 150.0, 10.0]),
    "honeycomb": (24, [300.0, 60.0, 40.0, 5.0]), "fcc": (8, [300.0, -15.0, 20.0, -3.0]),
    "bcc": (9, [200.0, -10.0, 120.0, -5.0]),
}  # fmt: skip
ERRORS: dict[str, tuple[float, Any]] = {
    "no error": (0.0, 0.0), "known error": (0.02, 0.02), "error +-10 %": (0.02, (0.02, 0.002)),
    "unknown error": (0.02, "free"),
}  # fmt: skip
SWEEPS = 300


Maker = Callable[[int], AtomicConfiguration]


def _held(inside: list[NDArray[np.bool_]]) -> tuple[Float, bool]:
    """Coverage of each number, and whether all are binomial with .90 at a joint 1 %."""
    n, each = len(inside), np.mean(inside, axis=0)
    level = 0.01 / len(each)
    low, high = np.asarray(binom.ppf(np.array([level / 2, 1 - level / 2]), n, 0.90)) / n
    return each, bool(((each >= low) & (each <= high)).all())


def _judge(
    what: str, make: Maker, springs: ArrayLike, n: int, *, bound: Float | None = None,
    **options: Any,
) -> Row:  # fmt: skip
    """Bias, error over the bound, coverage, refusals and CPU seconds of n crystals."""
    truth = np.asarray(springs, dtype=np.float64)
    errors, medians, inside, seconds, refused = [], [], [], [], 0
    for index in range(n):
        atoms = make(index)
        begun = time.process_time()
        try:
            fit = fit_crystal(atoms, sampling="thermal_snapshot", rng=index, **options)
        except NotIdentified:
            refused += 1
            continue
        seconds.append(time.process_time() - begun)
        draws = np.stack([fit["longitudinal"], fit["transverse"]], axis=2)
        draws = draws.reshape(len(draws), -1)
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
        inside.append((low < truth) & (truth < high))
        errors.append(draws.mean(axis=0) - truth)
        medians.append(middle[0] / truth[0] - 1.0)
    off = np.array(errors)
    bias, sd = off.mean(axis=0), off.std(axis=0, ddof=1)
    ratio = None if bound is None else np.sqrt((off**2).mean(axis=0)) / bound
    held, met = _held(inside)
    loss = "" if ratio is None else f"error/bound {ratio.round(2).tolist()}, "
    return {
        "what": what,
        "measured": f"first spring {bias[0] / truth[0]:+.3f} +- "
        f"{sd[0] / truth[0] / np.sqrt(len(off)):.3f} off (median {np.mean(medians):+.3f}), "
        f"bias/sd {(bias / sd).round(2).tolist()}, "
        f"{loss}cov90 {held.round(3).tolist()} (n {len(off)}), {refused} refused, "
        f"{np.median(seconds):.2f} s",
        "goal": "cov90 binomial with .90", "met": met,
    }  # fmt: skip


def _stated(error: float, said: Any) -> Any:
    """What a bound needs: an error nobody knows has its value, and no information."""
    return (error, 100.0) if said == "free" else said


def harmonic(quick: bool) -> list[Row]:
    """Exact Gaussian crystals of known springs."""
    rows = []
    for lattice, (size, springs) in SPRINGS.items():
        for name, (error, said) in ERRORS.items():
            if lattice != "triangular" and name != "known error":
                continue
            n = 10 if quick else (40 if lattice == "honeycomb" else 100)

            def make(
                index: int, what: tuple[str, int, list[float], float] = (
                    lattice, size, springs, error),
                spread: float = said[1] if isinstance(said, tuple) else 0.0,
            ) -> AtomicConfiguration:  # fmt: skip
                # a stated spread of the error is that of the errors that occur
                own = what[3] + spread * np.random.default_rng((index, 6)).standard_normal()
                return sample_harmonic_crystal(
                    what[0], what[1], what[2], position_sd=own, rng=1000 + index
                )[0]

            bound = spring_bound(make(0), springs, position_sd=_stated(error, said))
            rows.append(
                _judge(
                    f"{lattice}, {make(0).n} atoms, {name}", make, springs, n, bound=bound,
                    position_sd=said, lattice=lattice,
                )
            )  # fmt: skip
    return rows


def _lennard_jones(depth: float, density: float, size: float) -> tuple[CrystalBox, LennardJones]:
    spacing = float(np.sqrt(2.0 / np.sqrt(3.0) / density))
    box = whole_box(KINDS["triangular"], spacing, np.full(2, size * spacing))
    return box, LennardJones(depth, 1.0, cutoff=2.5)


def hot(quick: bool) -> list[Row]:
    """Effective springs of Lennard-Jones crystals; the truth from many simulated crystals."""
    rows = []
    for depth in (5.0, 15.0):
        box, potential = _lennard_jones(depth, 0.93, 30)
        waves = BoxWaves.of(box, 2)
        n = 12 if quick else 100
        rng = np.random.default_rng(int(depth))
        bare = thermal_springs(potential, box.geometry(2), np.full((2, 2), 1e-12))
        start = bare * np.array([1.05, 1.0, 1.0, 1.0])
        fields = [
            thermalise(box, waves.vibrate(start, rng), potential, SWEEPS, rng) for _ in range(n)
        ]
        truth = effective_springs(box, np.stack(fields), 2)
        rows.append(
            {
                "what": f"Lennard-Jones depth {depth:g}, density .93: effective springs over V'', "
                "first shell",
                "measured": f"{truth[0] / bare[0]:.3f} (V'' {bare[0]:.1f}, effective "
                f"{truth.round(1).tolist()})",
                "goal": "told", "met": None,
            }
        )  # fmt: skip
        cases: list[tuple[float, Any]] = [(0.01, 0.01), (0.03, 0.03), (0.03, "free")]
        for error, said in cases:

            def make(
                index: int, shaken: list[Float] = fields, error: float = error,
                box: CrystalBox = box,
            ) -> AtomicConfiguration:  # fmt: skip
                places = box.sites + shaken[index]
                noise = np.random.default_rng((index, 5))
                places = places + error * noise.standard_normal(places.shape)
                return AtomicConfiguration(places, unit="reduced", cell=box.cell)

            bound = spring_bound(make(0), truth, position_sd=_stated(error, said))
            known = "unknown" if said == "free" else "known"
            rows.append(
                _judge(
                    f"Lennard-Jones depth {depth:g}, {len(box.sites)} atoms, error {error:g} "
                    f"{known}", make, truth, n, bound=bound, position_sd=said,
                )
            )  # fmt: skip
    return rows


def window(quick: bool) -> list[Row]:
    """A field of view cut out of a crystal three times as large."""
    n, springs = (6 if quick else 40), [300.0, -15.0, 20.0, -3.0]

    def make(index: int) -> AtomicConfiguration:
        whole = sample_harmonic_crystal("triangular", 36, springs, position_sd=0.02, rng=index)[0]
        away = np.abs(whole.positions - np.median(whole.positions, axis=0))
        return AtomicConfiguration(whole.positions[(away < 9).all(axis=1)], unit="reduced")

    return [
        _judge(
            f"field of view of about {make(0).n} atoms, error .02 {name}", make, springs, n,
            position_sd=said,
        )
        for name, said in (("known", 0.02), ("unknown", "free"))
    ]  # fmt: skip


def vacancies(quick: bool) -> list[Row]:
    """Lennard-Jones crystals of depth 5 that lack atoms, against the springs of the whole one."""
    rows, truth = [], np.array([350.9, -6.4, -7.6, 0.1])  # of "hot crystals"
    box, potential = _lennard_jones(5.0, 0.93, 16)
    waves, n_sites = BoxWaves.of(box, 2), len(box.sites)
    for missing in (0.01, 0.02):

        def make(index: int, n_gone: int = int(missing * n_sites)) -> AtomicConfiguration:
            rng = np.random.default_rng((index, 4))
            kept = np.sort(rng.choice(n_sites, n_sites - n_gone, replace=False))
            start = AtomicConfiguration(
                (box.sites + waves.vibrate(truth, rng))[kept], unit="reduced", cell=box.cell
            )
            particles, interaction = read_physics(potential, start)
            walk = MetropolisWalk(particles, interaction, 1.0, 0.15)
            walk.random_state[:] = seed_words(rng, (2,))
            walk.sweep(600)
            places = walk.positions()
            places += 0.01 * rng.standard_normal(places.shape)
            return AtomicConfiguration(places, unit="reduced", cell=box.cell)

        rows.append(
            _judge(
                f"Lennard-Jones depth 5, {int(missing * n_sites)} of {n_sites} atoms gone, error "
                ".01 known", make, truth, 4 if quick else 20, position_sd=0.01,
            )
        )  # fmt: skip
    return rows


def potential(quick: bool) -> list[Row]:
    """Lennard-Jones itself from one crystal: the exact likelihood, anharmonic.

    One density tells one number of the two (depth times a power of the diameter): the prior has its
    say, so true numbers are drawn from it.
    """
    box, _ = _lennard_jones(5.0, 0.93, 20)
    known = with_prior(
        make_family("lennard_jones", length=1.0, cutoff=2.5),
        {"depth": (5.0, 1.5), "diameter": (1.0, 0.02)},
    )
    waves, family = BoxWaves.of(box, 2), make_interaction(known, length=1.0, cutoff=2.5)
    errors, inside, seconds = [], [], []
    for index in range(4 if quick else 40):
        rng = np.random.default_rng((index, 3))
        theta = rng.multivariate_normal(family.prior_mean, family.prior_covariance)
        true = LennardJones(*np.exp(theta).tolist(), cutoff=2.5)
        start = np.array([350.0, -10.0, -5.0, 0.0])
        places = box.sites + thermalise(box, waves.vibrate(start, rng), true, 1000, rng)
        atoms = AtomicConfiguration(places, unit="reduced", cell=box.cell)
        begun = time.process_time()
        draws = fit_by_simulation(read_snapshots(atoms, 0.0), family, rng=rng).draws
        seconds.append(time.process_time() - begun)
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        inside.append((low < theta) & (theta < high))
        errors.append((draws.mean(axis=0) - theta) / draws.std(axis=0))
    held, met = _held(inside)
    return [
        {
            "what": f"Lennard-Jones from one crystal of {len(box.sites)} atoms (ln depth, ln "
            "diameter), truth drawn from the prior: depth 5 +- 30 %, diameter 1 +- 2 %",
            "measured": f"z mean {np.mean(errors, axis=0).round(2).tolist()} sd "
            f"{np.std(errors, axis=0).round(2).tolist()}, cov90 {held.round(3).tolist()}, "
            f"{np.median(seconds):.1f} s",
            "goal": "cov90 binomial with .90", "met": met,
        }
    ]  # fmt: skip


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "harmonic crystals": harmonic, "hot crystals": hot, "field of view of a crystal": window,
    "crystals with vacancies": vacancies,
    "potential from a crystal": potential,
}  # fmt: skip
