"""Counts of events, speeds by drive, closed forms: rows that take milliseconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.ledger.row import N_DRAWS, Draws, Rng, Row, Truth, named
from physlearn.datasets import binomial_interval
from physlearn.inference import (
    fit_beam_rates,
    fit_drive_law,
    fit_hop_rates,
    fit_nucleation_rate,
    stokes_einstein,
)
from physlearn.lattice_models import HopRates, simulate_hops, square_lattice
from physlearn.records import SiteGraph, Trajectory, WallTrack
from physlearn.results import Fit

ATTEMPT_HZ, KT_EV = 1e13, 8.617333262e-5 * 300.0

# ---- hops ---------------------------------------------------------------------------------------


def draw_rate(rng: Rng) -> dict[str, Any]:
    """A rate over two decades."""
    return {"hop_rate[1]": 10 ** rng.uniform(-2, 0)}


def hop_counts(theta: Truth, rng: Rng) -> pd.DataFrame:
    """Counts over three exposures of 50 particle times, four bonds."""
    return pd.DataFrame(
        {
            "hops": rng.poisson(theta["hop_rate[1]"] * 4 * 50.0, 3), "exposure": 50.0,
            "n_bonds": 4,
        }
    )  # fmt: skip


def clumped_hop_counts(theta: Truth, rng: Rng) -> pd.DataFrame:
    """The same mean, hops in bursts of four."""
    table = hop_counts(theta, rng)
    return table.assign(hops=4 * rng.poisson(theta["hop_rate[1]"] * 50.0, 3))


def fit_hop_counts(data: pd.DataFrame, rng: Rng) -> Draws:
    """The rate of one bond."""
    fit = fit_hop_rates(data, rng=rng, n_draws=N_DRAWS)
    return named(fit, {"hop_rate[1]": fit["hop_rate"].ravel()})


def draw_walk(rng: Rng) -> dict[str, Any]:
    """Hops of an interval on each bond: 0.02 to 0.5."""
    return {"hop_rate[1]": 10 ** rng.uniform(4.3, 5.7)}


@cache
def torus() -> SiteGraph:
    """Sites of the walks."""
    return square_lattice((8, 8))


def walk(theta: Truth, rng: Rng) -> Trajectory:
    """One adatom on a square lattice, 100 frames a microsecond apart."""
    barrier = -KT_EV * np.log(theta["hop_rate[1]"] / ATTEMPT_HZ)
    start = np.r_[1, np.zeros(63, int)]
    return simulate_hops(HopRates([barrier]), torus(), start, np.arange(100) * 1e-6, rng=rng)


def fit_walk(data: Trajectory, rng: Rng) -> Draws:
    """The rate along one bond."""
    fit = fit_hop_rates(data, hop_vectors=[[1, 0], [0, 1]], rng=rng, n_draws=N_DRAWS)
    return named(fit, {"hop_rate[1]": fit["hop_rate"].reshape(N_DRAWS, -1)[:, 0]})


def biased_walk(theta: Truth, rng: Rng) -> Trajectory:
    """The same walk, with every fourth frame's position on a neighbouring site."""
    film = walk(theta, rng)
    positions = film.positions.copy()
    positions[rng.random(len(positions)) < 0.25, 0] += 1.0
    return replace(film, positions=positions)


# ---- beam ---------------------------------------------------------------------------------------

DOSE_RATES = np.array([0.0, 0.0, 50.0, 100.0])


def draw_beam(rng: Rng) -> dict[str, Any]:
    """Thermal rate and cross section over a decade each."""
    return {
        "thermal_rate": 10 ** rng.uniform(-4, -3), "cross_section": 10 ** rng.uniform(-5.3, -4.3)
    }  # fmt: skip


def beam_counts(theta: Truth, rng: Rng) -> Any:
    """Vacancies among 1,000 sites of four fresh views of 10 s, two of them without a beam."""
    rate = theta["thermal_rate"] + theta["cross_section"] * DOSE_RATES
    return rng.binomial(1000, -np.expm1(-rate * 10.0))


def heated_counts(theta: Truth, rng: Rng) -> Any:
    """The beam heats: the thermal rate grows with the square of the dose rate."""
    rate = theta["thermal_rate"] * (1 + (DOSE_RATES / 25.0) ** 2)
    rate = rate + theta["cross_section"] * DOSE_RATES
    return rng.binomial(1000, -np.expm1(-rate * 10.0))


def fit_beam(data: Any, rng: Rng) -> Fit:
    """Both."""
    return fit_beam_rates(
        data, n_sites=1000, duration_s=10.0, dose_rate=DOSE_RATES, rng=rng, n_draws=N_DRAWS
    )


# ---- births of domains --------------------------------------------------------------------------


def draw_births(rng: Rng) -> dict[str, Any]:
    """3 to 100 births in the film."""
    return {"nucleation_rate": 10 ** rng.uniform(-4.0, -2.5)}


def births(theta: Truth, rng: Rng) -> WallTrack:
    """A track of 20 frames, a fifth of the births unseen, that holds events alone."""
    return _births(rng.poisson(theta["nucleation_rate"] * 0.8 * 1600.0, 19))


def births_in_bursts(theta: Truth, rng: Rng) -> WallTrack:
    """Five at a time."""
    return _births(5 * rng.poisson(theta["nucleation_rate"] * 0.8 * 1600.0 / 5, 19))


def _births(counts: Any) -> WallTrack:
    frames = np.repeat(np.arange(1, 20), counts)
    events = pd.DataFrame(
        {
            "kind": "birth", "frame": frames, "time": frames.astype(float), "x": 20.0, "y": 20.0,
            "wall": 0,
        }
    )  # fmt: skip
    return replace(_quiet_track(), events=events)


@cache
def _quiet_track() -> WallTrack:
    from physlearn.lattice_models.walls import simulate_wall

    return simulate_wall(
        1.0, 1.0, 0.0, start=np.zeros(20), frame_times=np.arange(20.0), rng=1
    )  # fmt: skip


def fit_births(data: WallTrack, rng: Rng) -> Draws:
    """One rate; the tracker's recall is known to 3 %."""
    fit = fit_nucleation_rate(
        data, area=1600.0, detection=(0.8, 0.03), rng=rng, n_draws=N_DRAWS
    )  # fmt: skip
    return named(fit, {"nucleation_rate": fit["nucleation_rate"].ravel()})


# ---- drive laws ---------------------------------------------------------------------------------

DRIVES = np.linspace(0.4, 2.0, 8)


def draw_linear(rng: Rng) -> dict[str, Any]:
    """A mobility."""
    return {"drive_mobility": rng.uniform(0.2, 2.0)}


def linear_speeds(theta: Truth, rng: Rng) -> Any:
    """Eight drives, errors of 0.1."""
    return theta["drive_mobility"] * DRIVES + rng.normal(0, 0.1, 8)


def fit_linear(data: Any, rng: Rng) -> Fit:
    """v = m E."""
    return fit_drive_law(DRIVES, data, np.full(8, 0.1), "linear", rng=rng, n_draws=N_DRAWS)


def draw_creep(rng: Rng) -> dict[str, Any]:
    """The fit's own prior: exponent even, steepness even; speed even (location by the data)."""
    return {
        "creep_exponent": rng.uniform(0.2, 2.0), "steepness": rng.uniform(0.5, 4.0),
        "reference_velocity": rng.uniform(0.5, 2.0),
    }  # fmt: skip


def creep_speeds(theta: Truth, rng: Rng) -> Any:
    """Eight drives over a factor of five, errors of 2 % of the speed at their geometric mean."""
    reference = np.exp(np.log(DRIVES).mean())
    barrier = theta["steepness"] / theta["creep_exponent"]
    speed = theta["reference_velocity"] * np.exp(
        -barrier * ((reference / DRIVES) ** theta["creep_exponent"] - 1)
    )
    return speed + rng.normal(0, 0.02, 8)


def creep_of_another_law(theta: Truth, rng: Rng) -> Any:
    """Depinning at half of the largest drive in place of creep."""
    over = np.clip(DRIVES / 1.0 - 1, 0, None)
    return theta["reference_velocity"] * over**0.7 + rng.normal(0, 0.02, 8)


def fit_creep(data: Any, rng: Rng) -> Fit:
    """Creep with a free exponent."""
    return fit_drive_law(DRIVES, data, np.full(8, 0.02), "creep", rng=rng, n_draws=N_DRAWS)


# ---- closed forms -------------------------------------------------------------------------------


def draw_sphere(rng: Rng) -> dict[str, Any]:
    """Diameter (um), viscosity (mPa s) and temperature as they are known."""
    diameter, viscosity = rng.normal(1.0, 0.03), rng.normal(0.95, 0.03)
    temperature = rng.normal(295.0, 2.0)
    thermal = 1.380649e-23 * temperature
    value = thermal / (3 * np.pi * viscosity * 1e-3 * diameter * 1e-6) * 1e12
    return {"diffusion": value}


def nothing_seen(theta: Truth, rng: Rng) -> None:
    """A prediction has no data."""


def predict_sphere(_data: None, rng: Rng) -> Fit:
    """From what is known."""
    return stokes_einstein((1.0, 0.03), (0.95, 0.03), (295.0, 2.0), rng=rng)


def draw_share(rng: Rng) -> dict[str, Any]:
    """Any share."""
    return {"share": rng.random()}


def successes(theta: Truth, rng: Rng) -> int:
    """Of 60."""
    return int(rng.binomial(60, theta["share"]))


def share_interval(data: int, rng: Rng) -> dict[str, Any]:
    """Beta draws whose quantiles are the function's intervals."""
    levels = rng.uniform(0.01, 0.99, 100)
    ends = np.array([binomial_interval(data, 60, mass)[0] for mass in levels])
    other = np.array([binomial_interval(data, 60, mass)[1] for mass in levels])
    return {"share": np.where(rng.random(100) < 0.5, ends, other)}


HOPS = Row(
    "hops/counts", "inference.fit_hop_rates", "rate 10^U(-2, 0); fit: rate^(-1/2)", draw_rate,
    hop_counts, fit_hop_counts, 0.8,
)  # fmt: skip
WALK = Row(
    "hops/track", "inference.fit_hop_rates",
    "0.02 to 0.5 hops a bond and frame, log-even; fit: rate^(-1/2)", draw_walk, walk, fit_walk, 0.4,
)  # fmt: skip
BEAM = Row(
    "beam/counts", "inference.fit_beam_rates",
    "thermal rate 10^U(-4, -3), cross section 10^U(-5.3, -4.3); fit: reference prior", draw_beam,
    beam_counts, fit_beam, 0.1,
)  # fmt: skip
BIRTHS = Row(
    "births/counts", "inference.fit_nucleation_rate",
    "rate 10^U(-4, -2.5); fit: rate^(-1/2); detection .80 +- .03", draw_births, births, fit_births,
    0.02,
)  # fmt: skip
CREEP = Row(
    "drive/creep", "inference.fit_drive_law",
    "exponent U(.2, 2), steepness U(.5, 4), speed U(.5, 2); fit: even, wider", draw_creep,
    creep_speeds, fit_creep, 0.2, ("creep_exponent", "reference_velocity"),
)  # fmt: skip
ROWS = (
    HOPS, HOPS.probed("bursts", "hops come in bursts of four", clumped_hop_counts),
    WALK, WALK.probed("misplaced", "a quarter of the positions is one site off", biased_walk),
    BEAM, BEAM.probed("heating", "the beam heats: thermal rate (1 + (rate / 25)^2)", heated_counts),
    BIRTHS, BIRTHS.probed("bursts", "births come five at a time", births_in_bursts),
    Row("drive/linear", "inference.fit_drive_law", "mobility U(.2, 2); fit: even", draw_linear,
        linear_speeds, fit_linear, 0.02),
    CREEP,
    CREEP.probed("depinning", "the wall depins at 1: the law has no true constants",
                 creep_of_another_law),
    Row("motion/stokes-einstein", "inference.stokes_einstein", "what is known of the sphere",
        draw_sphere, nothing_seen, predict_sphere, 0.02),
    Row("shares/binomial", "datasets.binomial_interval", "share U(0, 1)", draw_share, successes,
        share_interval, 0.1),
)  # fmt: skip
