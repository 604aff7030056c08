"""Pictures with the arguments of their fit and their exact posterior, by name.

``CASES[name](seed)`` gives a ``World``; ``World.figures(fit)`` compares a fit's draws with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from exact_grids import ExactPosterior, exact_posterior, normal_prior
from exact_models import (
    blume_capel_units,
    gas_units,
    helmert,
    ising_units,
    pair_tables,
    pair_units,
    potts_units,
)
from exact_posteriors import (
    AllStates,
    Torus,
    kaufman_pictures,
    kaufman_posterior,
    noisy_labels,
)
from scipy.stats import beta

from physlearn.lattice_models import remove_sites, square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots


@dataclass(frozen=True)
class World:
    """Pictures, the fit's arguments, the exact posterior, and what each variable is made of.

    ``rows[name]`` has shape (*lengths, d): the variable is that linear map of the parameters.
    """

    snapshots: LatticeSnapshots
    n_shells: int
    options: dict
    exact: ExactPosterior
    truth: np.ndarray
    rows: dict[str, np.ndarray]

    def figures(self, fit):
        """Return the largest |mean shift| / sd, and the sds' ratios, over all numbers."""
        shifts, ratios = [], []
        for name, rows in self.rows.items():
            mean, sd = self.exact.of(rows)
            draws = fit[name]
            shifts.append(np.ravel((draws.mean(axis=0) - mean) / sd))
            ratios.append(np.ravel(draws.std(axis=0) / sd))
        return np.concatenate(shifts), np.concatenate(ratios)


def unit_rows(*names_and_lengths):
    """Return rows for variables that are parameters themselves, in order; length 0: a number."""
    d = sum(max(length, 1) for _, length in names_and_lengths)
    rows, at = {}, 0
    for name, length in names_and_lengths:
        block = np.eye(d)[at : at + max(length, 1)]
        rows[name], at = (block if length else block[0]), at + max(length, 1)
    return rows


def state_field_rows(q, n_couplings):
    """Return rows of a Potts model: the field of every state, then couplings."""
    d = q - 1 + n_couplings
    field = np.zeros((q, d))
    field[:, : q - 1] = helmert(q).T
    return {"field": field, "couplings": np.eye(d)[q - 1 :]}


# ---- (a) Kaufman --------------------------------------------------------------------------------

PINNED = 1e-6
"""Prior width that holds the field at zero."""


def kaufman_world(seed, shape=(64, 64), low=0.1, high=0.36):
    """Zero field, J in [low, high]."""
    truth = np.random.default_rng(seed).uniform(low, high)
    snapshots = kaufman_pictures(shape, truth, 1, seed)
    exact = kaufman_posterior(snapshots, shape, normal_prior([0.5]))
    prior = {"field": PINNED, "couplings": 0.5}
    return World(
        snapshots, 1, {"prior": prior}, exact, np.array([truth]), {"couplings": np.ones((1, 1))}
    )


def kaufman_world_at_transition(seed):
    """J in [.40, .47]: T_c lies within, and the field is held at zero."""
    return kaufman_world(seed, low=0.40, high=0.47)


# ---- (b) tori -----------------------------------------------------------------------------------


@cache
def ising_torus(shape=(16, 8)):
    """Eight sites round, as wide as strips go here."""
    return Torus(ising_units(1), shape, 1, [(-0.5, 0.5), (-0.5, 0.6)], 16, 12)


@cache
def wide_torus():
    """Six sites round, for wide posteriors: more nodes in a larger box."""
    return Torus(ising_units(1), (20, 6), 1, [(-0.75, 0.75), (-0.75, 0.75)], 24, 20)


@cache
def two_shell_torus():
    """J1 and J2 with a field."""
    return Torus(ising_units(2), (16, 6), 2, [(-0.6, 0.6), (-0.6, 0.6), (-0.6, 0.6)], 16, 14)


@cache
def potts_torus():
    """Three states."""
    return Torus(potts_units(3), (12, 4), 1, [(-0.9, 0.9), (-0.9, 0.9), (-0.7, 1.1)], 14, 12)


@cache
def blume_capel_torus():
    """Spin one."""
    return Torus(blume_capel_units(), (12, 4), 1, [(-1.3, 1.3), (-1.6, 1.6), (-1.0, 1.0)], 18, 12)


def _torus_world(torus, seed, low, high, n_pictures, prior, sds, rows, model=None):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(low, high)
    snapshots = torus.draw(truth, n_pictures, rng)
    options = {"prior": prior} if model is None else {"prior": prior, "model": model}
    n_shells = int(torus.graph.n_shells)
    exact = torus.posterior(snapshots, normal_prior(sds))
    return World(snapshots, n_shells, options, exact, truth, rows)


def ising_world(seed):
    """Field and coupling: 8 pictures of 16 x 8."""
    return _torus_world(
        ising_torus(), seed, (-0.15, -0.2), (0.15, 0.3), 8, {"field": 0.3, "couplings": 0.2},
        [0.3, 0.2], unit_rows(("field", 0), ("couplings", 1)),
    )  # fmt: skip


def one_picture_world(seed):
    """A single picture of 20 x 6: a wide posterior that is no Gaussian."""
    return _torus_world(
        wide_torus(), seed, (-0.1, -0.1), (0.1, 0.2), 1, {"field": 0.1, "couplings": 0.1},
        [0.1, 0.1], unit_rows(("field", 0), ("couplings", 1)),
    )  # fmt: skip


def two_shell_world(seed):
    """J1-J2 with a field: 8 pictures of 16 x 6."""
    return _torus_world(
        two_shell_torus(), seed, (-0.15, -0.15, -0.15), (0.15, 0.2, 0.15), 8,
        {"field": 0.3, "couplings": 0.2}, [0.3, 0.2, 0.2],
        unit_rows(("field", 0), ("couplings", 2)),
    )  # fmt: skip


def potts_world(seed):
    """Three states: 12 pictures of 12 x 4."""
    return _torus_world(
        potts_torus(), seed, (-0.2, -0.2, -0.3), (0.2, 0.2, 0.6), 12,
        {"field": 0.3, "couplings": 0.3}, [0.3, 0.3, 0.3], state_field_rows(3, 1), "potts",
    )  # fmt: skip


def blume_capel_world(seed):
    """Spin one: 12 pictures of 12 x 4."""
    return _torus_world(
        blume_capel_torus(), seed, (-0.2, -0.3, -0.2), (0.2, 0.6, 0.4), 12,
        {"field": 0.3, "crystal_field": 0.5, "couplings": 0.3}, [0.3, 0.5, 0.3],
        unit_rows(("field", 0), ("crystal_field", 0), ("couplings", 1)), "blume_capel",
    )  # fmt: skip


# ---- (c) all states -----------------------------------------------------------------------------


@cache
def all_states(kind):
    """Return every state of one of the small lattices below."""
    square = square_lattice((4, 4))
    two = square_lattice((4, 4), n_shells=2)
    makers = {
        "ising": lambda: AllStates(ising_units(1), square),
        "vacancies": lambda: AllStates(
            ising_units(1), remove_sites(square_lattice((4, 5), periodic=False), [6, 13])
        ),
        "triplets": lambda: AllStates(
            ising_units(1, [(0, 0, 0)]), triangular_lattice((4, 4), periodic=False)
        ),
        "fixed": lambda: AllStates(ising_units(2)[1:], two, (6, 10)),
        "gas": lambda: AllStates(gas_units(1), square),
        "pair": lambda: AllStates(pair_units(3), square_lattice((3, 4)), (4, 4, 4)),
        "potts": lambda: AllStates(potts_units(3), square_lattice((3, 3), periodic=False)),
    }
    return makers[kind]()


def _small_world(kind, seed, low, high, n_pictures, prior, sds, rows, n_shells=1, **options):
    rng = np.random.default_rng(seed)
    world, truth = all_states(kind), rng.uniform(low, high)
    codes = world.draw(truth, n_pictures, rng)
    exact = exact_posterior(world.certain(codes), normal_prior(sds))
    options = {"prior": prior, **options}
    return World(world.snapshots(codes), n_shells, options, exact, truth, rows)


ISING_ROWS = unit_rows(("field", 0), ("couplings", 1))


def vacancies_world(seed):
    """An open 4 x 5 with two vacancies: 12 pictures."""
    return _small_world(
        "vacancies", seed, (-0.3, -0.2), (0.3, 0.3), 12, {"field": 0.5, "couplings": 0.3},
        [0.5, 0.3], ISING_ROWS,
    )  # fmt: skip


def triplets_world(seed):
    """Field, coupling and a triplet on triangles: 24 pictures."""
    return _small_world(
        "triplets", seed, (-0.2, -0.1, -0.15), (0.2, 0.2, 0.15), 24,
        {"field": 0.3, "couplings": 0.3, "triplets": 0.2}, [0.3, 0.3, 0.2],
        unit_rows(("field", 0), ("couplings", 1), ("triplets", 1)), triplets=[(0, 0, 0)],
    )  # fmt: skip


def fixed_composition_world(seed):
    """Two shells at 6 : 10: 40 pictures."""
    return _small_world(
        "fixed", seed, (-0.2, -0.2), (0.3, 0.2), 40, {"couplings": 0.3}, [0.3, 0.3],
        unit_rows(("couplings", 2)), 2, composition="fixed",
    )  # fmt: skip


def gas_world(seed):
    """Chemical potential and repulsion of a lattice gas: 12 pictures."""
    return _small_world(
        "gas", seed, (-0.5, -0.5), (0.5, 0.8), 12, {"chemical_potential": 0.5, "interactions": 0.5},
        [0.5, 0.5], unit_rows(("chemical_potential", 0), ("interactions", 1)), model="lattice_gas",
    )  # fmt: skip


def pair_world(seed):
    """Three states with any pair table, 4 : 4 : 4: 24 pictures."""
    return _small_world(
        "pair", seed, [-0.3] * 3, [0.3] * 3, 24, {"couplings": 0.4}, [0.4] * 3,
        {"couplings": np.moveaxis(pair_tables(3), 0, -1)[None]}, composition="fixed", model="pair",
    )  # fmt: skip


def _noisy_world(kind, seed, low, high, n_pictures, sds, rows, rate, unlabelled, **options):
    rng = np.random.default_rng(seed)
    world, truth = all_states(kind), rng.uniform(low, high)
    codes = world.draw(truth, n_pictures, rng)
    read, label, known = noisy_labels(codes, rate, len(world.values), rng, unlabelled)
    exact = exact_posterior(world.uncertain(label), normal_prior(sds))
    snapshots = world.snapshots(
        np.where(known, read, 0), observed=known, label_log_likelihood=label
    )
    return World(snapshots, 1, options, exact, truth, rows)


def noise_world(seed):
    """10 % of the labels wrong at a known rate, 15 % of the sites without one: 30 pictures."""
    return _noisy_world(
        "ising", seed, (-0.3, -0.2), (0.3, 0.3), 30, [0.5, 0.3], ISING_ROWS, 0.1, 0.15,
        prior={"field": 0.5, "couplings": 0.3},
    )  # fmt: skip


def noisy_vacancies_world(seed):
    """An open 4 x 5 with two vacancies, 5 % wrong labels, 10 % without: 30 pictures."""
    return _noisy_world(
        "vacancies", seed, (-0.3, -0.2), (0.3, 0.3), 30, [0.5, 0.3], ISING_ROWS, 0.05, 0.1,
        prior={"field": 0.5, "couplings": 0.3},
    )  # fmt: skip


def noisy_potts_world(seed):
    """Three states, 10 % wrong labels, 10 % without: 40 pictures."""
    return _noisy_world(
        "potts", seed, (-0.3, -0.3, -0.2), (0.3, 0.3, 0.6), 40, [0.4, 0.4, 0.4],
        state_field_rows(3, 1), 0.1, 0.1, prior={"field": 0.4, "couplings": 0.4}, model="potts",
    )  # fmt: skip


FLIP_RATE = (0.05, 0.04)
"""Mean and standard deviation of the Beta prior of an unknown flip rate."""


def unknown_rate_world(seed):
    """Labels wrong at an unknown rate, 10 % of the sites without one: 40 pictures."""
    rng = np.random.default_rng(seed)
    mean, sd = FLIP_RATE
    total = mean * (1 - mean) / sd**2 - 1
    prior = beta(mean * total, (1 - mean) * total)
    world = all_states("ising")
    truth = np.append(rng.uniform((-0.3, -0.2), (0.3, 0.3)), prior.rvs(random_state=rng))
    codes = world.draw(truth[:2], 40, rng)
    read, _, known = noisy_labels(codes, truth[2], 2, rng, 0.1)
    exact = exact_posterior(
        world.unknown_rate(read, known),
        normal_prior(
            [0.5, 0.3, sd], [0.0, 0.0, mean], [-9.0, -9.0, 0.0], [9.0, 9.0, 1.0],
            {2: prior.logpdf},
        ),
    )  # fmt: skip
    snapshots = world.snapshots(np.where(known, read, 0), observed=known)
    options = {
        "label_noise": "unknown", "prior": {"field": 0.5, "couplings": 0.3, "flip_rate": FLIP_RATE}
    }  # fmt: skip
    rows = unit_rows(("field", 0), ("couplings", 1), ("flip_rate", 0))
    return World(snapshots, 1, options, exact, truth, rows)


CASES = {
    "kaufman": kaufman_world,
    "kaufman at the transition": kaufman_world_at_transition,
    "ising": ising_world,
    "one picture": one_picture_world,
    "two shells": two_shell_world,
    "potts": potts_world,
    "blume_capel": blume_capel_world,
    "vacancies": vacancies_world,
    "triplets": triplets_world,
    "fixed composition": fixed_composition_world,
    "lattice gas": gas_world,
    "pair table": pair_world,
    "label noise": noise_world,
    "noise and vacancies": noisy_vacancies_world,
    "noisy potts": noisy_potts_world,
    "unknown": unknown_rate_world,
}
