"""Truths, pictures of them, and the arguments of their fit: one `Study` a family of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    Potts,
    critical_coupling,
    keep_sites,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots, SiteGraph

Float = NDArray[np.float64]
Truth = Mapping[str, Any]
CLUSTER_SWEEPS, LOCAL_SWEEPS, EXCHANGE_SWEEPS = 300, 1000, 3000
POTTS_CRITICAL = float(np.log(1 + np.sqrt(3.0)))
FAR = 0.1
STRONG_FIELD = 5.0


@dataclass(frozen=True)
class Study:
    """What is drawn, simulated and fitted.

    Attributes
    ----------
    title, picture, prior_text
        For the table.
    graph
        Makes the graph.
    draw
        A truth from the prior: values by variable.
    simulate
        A picture of a truth.
    n_shells, options
        Arguments of the fit.
    replicates
        How many the study is meant to have.
    batch
        How many of them at once.
    family, prior_sd
        Model and prior widths (d,) for the bound; None where no bound is compared.
    attainable
        Whether the bound is attainable at a truth, from it and from samples of its statistics.
    """

    title: str
    picture: str
    prior_text: str
    graph: Callable[[], SiteGraph]
    draw: Callable[[np.random.Generator], dict[str, Any]]
    simulate: Callable[[Truth, np.random.Generator], LatticeSnapshots]
    n_shells: int
    options: Mapping[str, Any] = field(default_factory=dict)
    replicates: int = 1000
    family: Callable[[], LatticeFamily] | None = None
    prior_sd: Float | None = None
    attainable: Callable[[Truth, Float], bool] | None = None
    batch: int = 20


def seed_of(rng: np.random.Generator) -> int:
    """A seed for functions that take whole numbers."""
    return int(rng.integers(2**31))


def equilibrium(hamiltonian: Any, graph: SiteGraph, rng: np.random.Generator) -> LatticeSnapshots:
    """One picture: clusters forget the start at a transition, single sites where bonds compete."""
    states = None
    if not isinstance(hamiltonian, BlumeCapel):
        states = simulate_lattice(
            hamiltonian, graph, method="swendsen_wang", burn_in=CLUSTER_SWEEPS, rng=seed_of(rng)
        ).states[0]
    return simulate_lattice(
        hamiltonian, graph, method="heat_bath", start=states,
        burn_in=LOCAL_SWEEPS if states is not None else EXCHANGE_SWEEPS, rng=seed_of(rng),
    )  # fmt: skip


LARGEST_KURTOSIS, LARGEST_SPREAD = 0.5, 1.1


def is_gaussian(_truth: Truth, statistics: Float) -> bool:
    """Whether the sums T, shape (n_records, n_copies, d), are normal and every copy has the same.

    That is where the bound can be reached: not where one state is rare, and not where copies from
    random starts sit in different phases or domains.
    """
    flat = statistics.reshape(-1, statistics.shape[-1])
    z = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    normal = np.abs(np.mean(z**4, axis=0) - 3.0).max() < LARGEST_KURTOSIS
    within = statistics.var(axis=0, ddof=1).mean(axis=0)
    spread = np.sqrt(flat.var(axis=0, ddof=1) / within)
    return bool(normal and spread.max() < LARGEST_SPREAD)


def far_from_ising(truth: Truth, statistics: Float) -> bool:
    """Disordered and 10 % from the transition, or held by the field."""
    coupling, h = float(np.ravel(truth["couplings"])[0]), abs(float(truth["field"]))
    # |h| N m with the magnetization per site that the truth has
    pull = h * abs(float(statistics[..., 0].mean()))
    return abs(coupling) < (1 - FAR) * critical_coupling() or (coupling > 0 and pull > STRONG_FIELD)


def far_from_potts(truth: Truth, _statistics: Float) -> bool:
    """Disordered and 10 % from the transition; no order at any negative coupling."""
    return float(np.ravel(truth["couplings"])[0]) < (1 - FAR) * POTTS_CRITICAL


# ---- Ising --------------------------------------------------------------------------------------


def ising_study(
    title: str, make: Callable[[], SiteGraph], field_sd: float, coupling_sds: tuple[float, ...],
    attainable: Callable[[Truth, Float], bool], picture: str,
) -> Study:  # fmt: skip
    """Field and couplings of some shells, all normal around zero."""
    graph, sds = cache(make), np.array(coupling_sds)

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {"field": rng.normal(0.0, field_sd), "couplings": rng.normal(0.0, sds)}

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        return equilibrium(Ising(truth["couplings"], truth["field"]), graph(), rng)

    prior = {"field": field_sd}
    prior |= {f"couplings[{k + 1}]": sd for k, sd in enumerate(coupling_sds)}
    text = f"h ~ N(0, {field_sd:g}), J ~ N(0, {', '.join(f'{sd:g}' for sd in coupling_sds)})"
    return Study(
        title, picture, text, graph, draw, simulate, len(sds), {"prior": prior},
        family=lambda: lattice_family("ising", (-1, 1), len(sds)),
        prior_sd=np.array([field_sd, *coupling_sds]), attainable=attainable,
    )  # fmt: skip


def transition_study() -> Study:
    """A prior that holds T_c, the field included."""
    graph = cache(lambda: square_lattice((64, 64)))

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {"field": rng.uniform(-0.02, 0.02), "couplings": rng.uniform(0.36, 0.45, 1)}

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        return simulate_lattice(
            Ising(truth["couplings"], truth["field"]), graph(), method="swendsen_wang",
            burn_in=CLUSTER_SWEEPS, rng=seed_of(rng),
        )  # fmt: skip

    return Study(
        "square lattice around T_c", "64 x 64", "h ~ U(-.02, .02), J ~ U(.36, .45); J_c = .4407",
        graph, draw, simulate, 1, {"prior": "uniform around the transition"}, replicates=400,
    )  # fmt: skip


def fixed_study() -> Study:
    """Two shells, the numbers of both states given."""
    graph, sds = cache(lambda: square_lattice((32, 32), n_shells=2)), np.array([0.15, 0.1])

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {"couplings": rng.normal(0.0, sds)}

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        n = graph().n_sites
        start = -np.ones(n, np.int8)
        start[rng.permutation(n)[: rng.integers(n // 5, n // 2 + 1)]] = 1
        return simulate_lattice(
            Ising(truth["couplings"]), graph(), method="kawasaki", start=start,
            burn_in=EXCHANGE_SWEEPS, rng=seed_of(rng),
        )  # fmt: skip

    return Study(
        "fixed composition, two shells", "32 x 32, 20 to 50 % of one kind", "J ~ N(0, .15, .1)",
        graph, draw, simulate, 2,
        {"composition": "fixed", "prior": {"couplings[1]": 0.15, "couplings[2]": 0.1}},
        family=lambda: lattice_family("ising", (-1, 1), 2, fixed_composition=True),
        prior_sd=sds, attainable=is_gaussian,
    )  # fmt: skip


# ---- more states --------------------------------------------------------------------------------


def potts_study() -> Study:
    """Three states with a field of each."""
    graph, sds = cache(lambda: square_lattice((24, 24))), np.array([0.2, 0.2, 0.4])
    family = cache(lambda: lattice_family("potts", (0, 1, 2), 1))

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return dict(family().values(rng.normal(0.0, sds)))

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        return equilibrium(Potts(3, truth["couplings"], truth["field"]), graph(), rng)

    return Study(
        "Potts, q = 3", "24 x 24", "fields ~ N(0, .2) in zero-sum coordinates, J ~ N(0, .4)",
        graph, draw, simulate, 1, {"model": "potts", "prior": {"field": 0.2, "couplings": 0.4}},
        family=family, prior_sd=sds, attainable=far_from_potts,
    )  # fmt: skip


def blume_capel_study() -> Study:
    """Spin one."""
    graph, sds = cache(lambda: square_lattice((24, 24))), np.array([0.2, 0.5, 0.25])

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {
            "field": rng.normal(0.0, 0.2), "crystal_field": rng.normal(0.0, 0.5),
            "couplings": rng.normal(0.0, 0.25, 1),
        }  # fmt: skip

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        model = BlumeCapel(truth["couplings"], truth["crystal_field"], truth["field"])
        return equilibrium(model, graph(), rng)

    return Study(
        "Blume-Capel", "24 x 24", "h ~ N(0, .2), D ~ N(0, .5), J ~ N(0, .25)", graph, draw,
        simulate, 1,
        {
            "model": "blume_capel",
            "prior": {"field": 0.2, "crystal_field": 0.5, "couplings": 0.25},
        },
        family=lambda: lattice_family("blume_capel", (-1, 0, 1), 1), prior_sd=sds,
        attainable=is_gaussian,
    )  # fmt: skip


# ---- errors of the picture ----------------------------------------------------------------------

FLIPS = (0.05, 0.04)


def noisy_study() -> Study:
    """Unknown flips, unlabelled sites, vacancies and a round field of view of a larger crystal."""
    n, radius = 40, 13.0
    whole = cache(lambda: square_lattice((n, n)))
    total = FLIPS[0] * (1 - FLIPS[0]) / FLIPS[1] ** 2 - 1

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {
            "field": rng.normal(0.0, 0.2), "couplings": rng.normal(0.0, 0.2, 1),
            "flip_rate": rng.beta(FLIPS[0] * total, (1 - FLIPS[0]) * total),
        }  # fmt: skip

    def simulate(truth: Truth, rng: np.random.Generator) -> LatticeSnapshots:
        positions = whole().positions
        assert positions is not None
        inside = np.hypot(*(positions - (n - 1) / 2).T) < radius
        # vacancies where one can see them; the crystal beyond is taken as whole
        vacant = inside & (rng.random(whole().n_sites) < 0.02)
        crystal = keep_sites(whole(), np.flatnonzero(~vacant))
        seen = keep_sites(whole(), np.flatnonzero(inside & ~vacant))
        states = equilibrium(Ising(truth["couplings"], truth["field"]), crystal, rng).states
        states = states[:, inside[~vacant]]
        flipped = rng.random(states.shape) < truth["flip_rate"]
        known = rng.random(states.shape) > 0.05
        read = np.where(known, np.where(flipped, -states, states), 1)
        return LatticeSnapshots(read, seen, observed=known)

    return Study(
        "unknown flips, unlabelled sites, vacancies, disc",
        "disc of 530 sites in a larger crystal, 2 % vacant, 5 % unlabelled",
        "h ~ N(0, .2), J ~ N(0, .2), flip rate ~ Beta(mean .05, sd .04)",
        whole, draw, simulate, 1,
        {
            "label_noise": "unknown",
            "prior": {"field": 0.2, "couplings": 0.2, "flip_rate": FLIPS},
        },
        replicates=400,
        batch=5,
    )  # fmt: skip


STUDIES: dict[str, Study] = {
    "square": ising_study(
        "square lattice, h and J", lambda: square_lattice((32, 32)), 0.3, (0.2,), far_from_ising,
        "32 x 32",
    ),
    "j1j2": ising_study(
        "square lattice, J1 and J2", lambda: square_lattice((32, 32), n_shells=2), 0.2,
        (0.15, 0.1), is_gaussian, "32 x 32",
    ),
    "triangular": ising_study(
        "triangular lattice, three shells", lambda: triangular_lattice((32, 32), n_shells=3), 0.2,
        (0.1, 0.07, 0.07), is_gaussian, "32 x 32",
    ),
    "potts": potts_study(),
    "blume_capel": blume_capel_study(),
    "fixed": fixed_study(),
    "transition": transition_study(),
    "noisy": noisy_study(),
}  # fmt: skip
