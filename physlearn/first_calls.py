"""One small call of every function of ``lattice_models`` and ``inference`` with compiled kernels.

``physlearn doctor --warm`` runs them all, so that numba's cache holds every kernel in the types of
real use; ``benchmarks/monte_carlo/first_call.py`` times each in a fresh process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from physlearn.first_calls_forces import FORCE_CALLS

__all__ = ["FIRST_CALLS"]

METHODS_ON_BYTES = (
    "heat_bath", "metropolis", "kawasaki", "kawasaki_local", "checkerboard", "wolff",
    "swendsen_wang", "tempering",
)  # fmt: skip


def _lattice(method: str, size: int = 8) -> None:
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    start = np.where(np.arange(size * size) % 2, 1, -1)
    simulate_lattice(
        Ising([0.2]), square_lattice((size, size)), 1, 1,
        method=method, burn_in=1, start=start, rng=1,
    )  # fmt: skip


def _states(method: str) -> None:
    from physlearn.lattice_models import Potts, simulate_lattice, square_lattice

    simulate_lattice(
        Potts(3, [0.2]), square_lattice((6, 6)), 1, 1,
        method=method, burn_in=1, start=np.arange(36) % 3, rng=1,
    )  # fmt: skip


def _triplets() -> None:
    from physlearn.lattice_models import Ising, simulate_lattice, triangular_lattice

    model = Ising([0.2], triplets={(0, 0, 0): 0.1})
    for method in ("heat_bath", "metropolis"):
        simulate_lattice(model, triangular_lattice((6, 6)), 1, 1, method=method, burn_in=1, rng=1)


def _clusters_on_any_graph() -> None:
    from physlearn.lattice_models import Ising, simulate_lattice, triangular_lattice

    for method in ("wolff", "swendsen_wang"):
        graph = triangular_lattice((6, 6))
        simulate_lattice(Ising([0.2], 0.05), graph, 1, 1, method=method, burn_in=1, rng=1)


def _checkerboard_on_threads() -> None:
    from physlearn.lattice_models import CheckerboardIsing

    CheckerboardIsing((128, 8), 0.2, rng=1).sweep(1, n_threads=2)


def _words_of_sites() -> None:
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    for coupling in (0.1, 0.4):  # heat bath, Metropolis
        graph = square_lattice((128, 2))
        simulate_lattice(Ising([coupling]), graph, 1, 1, method="multispin", burn_in=1, rng=1)


def _large_squares() -> None:
    from physlearn.inference import fit_large_square
    from physlearn.lattice_models import MultispinIsing

    lattice = MultispinIsing((128, 128), 0.1, rng=1)
    lattice.sweep(2)
    fit_large_square(lattice.states().reshape(128, 128), method="likelihood", n_draws=100, rng=1)


def _replicas_of_q_states() -> None:
    from physlearn.lattice_models import StateReplicas, square_lattice

    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    copies = StateReplicas(graph, 1, 3, np.zeros(16), 64, rng)
    copies.sweep([0.0, 0.1, 0.2], [-0.5 * np.eye(3)], 1)
    copies.statistics()


def _replicas() -> None:
    from physlearn.lattice_models import square_lattice
    from physlearn.lattice_models.replicas.pair_replicas import Replicas

    copies = Replicas(square_lattice((4, 4), 2), 2, np.ones(16), 64, np.random.default_rng(1))
    copies.sweep(np.array([0.1, 0.2, 0.1]), 1)
    copies.sweep(np.array([0.1, 0.2, 0.1]), 1, site_field=np.zeros(16))
    copies.statistics()
    copies.scores(np.array([0.1, 0.2, 0.1]), np.arange(16))


def _replicas_with_triplets() -> None:
    from physlearn.lattice_models import triangular_lattice
    from physlearn.lattice_models.replicas.term_replicas import TermReplicas

    graph, rng = triangular_lattice((4, 4)), np.random.default_rng(1)
    copies = TermReplicas(graph, 1, [(0, 0, 0)], np.zeros(16), 64, rng, extra=np.zeros((1, 16, 2)))
    pairs, triplets = np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2, 2, 2))
    copies.sweep([0.0, 0.1], [[[0.0, 0.0], [0.0, -0.3]]], 1)
    copies.sums()
    copies.scores(np.zeros((64, 2)), np.array([[0.0, 1.0]]), pairs, triplets, np.arange(16))


def _replicas_at_fixed_composition() -> None:
    from physlearn.lattice_models import square_lattice
    from physlearn.lattice_models.replicas.fixed_composition_replicas import ExchangeReplicas

    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    for n_states in (2, 3):
        copies = ExchangeReplicas(graph, 1, n_states, np.arange(16) % n_states, 64, rng)
        copies.sweep([-0.5 * np.eye(n_states)], 1)


def _replicas_by_clusters() -> None:
    from physlearn.lattice_models import square_lattice
    from physlearn.lattice_models.replicas.cluster_replicas import ClusterReplicas

    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    ClusterReplicas(graph, 1, np.arange(16) % 2, 64, rng).sweep([0.0, 0.1], [-0.3 * np.eye(2)], 1)


def _exact_draws() -> None:
    from physlearn.lattice_models import square_lattice
    from physlearn.lattice_models.replicas.exact_draws import ExactReplicas

    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    ExactReplicas(graph, 1, np.zeros(16), 64, rng).draw([0.0, 0.1], [-0.1 * np.eye(2)])


def _tempering() -> None:
    from physlearn.lattice_models import Potts, spin_glass, square_lattice, temper_lattice

    graph = square_lattice((4, 4))
    for model in (spin_glass(graph, rng=1), Potts(3, [0.5])):
        temper_lattice(model, graph, [0.0, 0.5, 1.0], 4, 1, burn_in=1, rng=1)


def _hops() -> None:
    from physlearn.lattice_models import HopRates, simulate_hops, square_lattice

    simulate_hops(HopRates([0.5]), square_lattice((4, 4)), [1] + 15 * [0], [1e-4], rng=1)


def _transformations() -> None:
    from physlearn.lattice_models import (
        BeamSchedule,
        Transformation,
        simulate_transformations,
        square_lattice,
    )

    knock_out = Transformation(1, 0, cross_section_angstrom2=1e-3)
    simulate_transformations(
        [knock_out], square_lattice((4, 4)), np.ones(16), [0.0, 0.1],
        beam=BeamSchedule([700.0]), rng=1,
    )  # fmt: skip


def _statistics() -> None:
    from physlearn.lattice_models import Ising, sample_statistics, square_lattice

    sample_statistics(Ising([0.2]), square_lattice((4, 4)), 4, method="heat_bath", burn_in=1, rng=1)


def _wall() -> None:
    from physlearn.lattice_models import simulate_wall

    simulate_wall(1.0, 1.0, 0.5, start=np.zeros(8), frame_times=[0.0, 1.0], rng=1)


def _metropolis_particles() -> None:
    from physlearn.lattice_models import LennardJones, MetropolisSettings, sample_positions

    pair = [[0.0, 0.0, 0.0], [1.1, 0.0, 0.0]]
    settings = MetropolisSettings(1, displacement=0.1)
    sample_positions(LennardJones(), pair, 1, 1, settings=settings, rng=1)


def _langevin(dynamics: str) -> None:
    from physlearn.lattice_models import LennardJones, simulate_langevin
    from physlearn.records import AtomicConfiguration

    start = AtomicConfiguration(
        np.array([[0.5, 0.5, 0.5], [1.6, 0.5, 0.5]]), unit="reduced", cell=6.0 * np.eye(3)
    )
    simulate_langevin(LennardJones(), start, 2, 1, time_step=1e-5, dynamics=dynamics, rng=1)


def _field(dynamics: str, method: str) -> None:
    from physlearn.lattice_models import LandauPotential, simulate_ginzburg_landau

    start = 0.01 * np.cos(np.indices((16, 16)).sum(axis=0))
    for thermal_energy in (0.0, 0.01):
        simulate_ginzburg_landau(
            LandauPotential(-1.0, 0.0, 1.0), start, dynamics,
            frame_times=[0.0, 0.01], method=method, thermal_energy=thermal_energy, rng=1,
        )  # fmt: skip


def _vector_field(method: str) -> None:
    from physlearn.lattice_models import VectorLandauPotential, simulate_ginzburg_landau

    start = 0.01 * np.cos(np.indices((2, 16, 16)).sum(axis=0))
    simulate_ginzburg_landau(
        VectorLandauPotential(-1.0, 1.0, 2.0), start,
        frame_times=[0.0, 0.01], method=method, thermal_energy=0.01, rng=1,
    )  # fmt: skip


def _lattice_fits() -> None:
    from physlearn.inference import fit_lattice_hamiltonian
    from physlearn.lattice_models import BlumeCapel, Ising, Potts, simulate_lattice, square_lattice

    graph = square_lattice((8, 8))
    for model in (Ising([0.2]), Potts(3, [0.2]), BlumeCapel([0.2], 0.1)):
        picture = simulate_lattice(model, graph, burn_in=20, method="heat_bath", rng=1)
        fit_lattice_hamiltonian(picture, 1, n_draws=200, rng=1)
        fit_lattice_hamiltonian(picture, 1, method="pseudolikelihood", n_draws=200, rng=1)


def _distances_of_environments() -> None:
    from physlearn.inference import fit_lattice_hamiltonian
    from physlearn.lattice_models import Ising, Potts, simulate_lattice, square_lattice

    graph = square_lattice((20, 20), 2)
    for model in (Ising([0.1, 0.05]), Potts(3, [0.1, 0.05])):
        picture = simulate_lattice(model, graph, burn_in=20, method="heat_bath", rng=1)
        triplets = [(0, 0, 1)] if isinstance(model, Ising) else []
        fit_lattice_hamiltonian(
            picture, 2, triplets=triplets, method="statistical_distance", n_draws=200, rng=1
        )


def _laws() -> None:
    from physlearn.inference import SymbolicRegressor

    x = np.linspace(1.0, 3.0, 20)
    # what the shortest law leaves over makes the search try longer ones
    rest = 0.1 * np.sin(37.0 * np.arange(20))
    SymbolicRegressor(largest_size=3).fit(x[:, None], 2.5 / x + rest)


def _laws_of_motion() -> None:
    from physlearn.inference import MotionLawOptions, discover_motion_law

    t = np.linspace(0.0, 5.0, 40)
    table = {"t": t, "x": 2.0 * np.exp(-0.7 * t) + 0.01 * np.cos(40 * t)}
    discover_motion_law(table, options=MotionLawOptions(order="1", degree=2))


def _laws_of_pairs() -> None:
    from physlearn.inference import PairLawOptions, discover_pair_law
    from physlearn.records import Trajectory

    t = np.linspace(0.0, 6.0, 24)
    turn = 0.5 * np.stack([np.cos(t), np.sin(t)], axis=1)[:, None] * [[[1.0], [-1.0]]]
    places = (turn + 0.01 * np.cos(40.0 * turn)).reshape(-1, 2)
    film = Trajectory(
        np.repeat(np.arange(24), 2), np.tile([0, 1], 24), places, t, time_unit="reduced"
    )
    discover_pair_law(film, options=PairLawOptions("newtonian", search=False, n_refitted=1))


def _networks() -> None:
    from physlearn.inference import fit_binary_units

    units = np.where(np.random.default_rng(1).random((60, 3)) < 0.5, 1, -1)
    fit_binary_units(units, n_draws=100, rng=1)


def _wall_fits() -> None:
    from physlearn.datasets import make_wall_scene, track_walls
    from physlearn.inference import fit_wall_dynamics
    from physlearn.inference.fronts.pin_map import make_pin_map

    line = make_wall_scene("line", (48, 64), 5, rng=1)
    track = track_walls(line.video)
    fit_wall_dynamics(track, rng=1, n_draws=200)
    make_pin_map([(20.0, 20.0)], track, 1.0).at(np.zeros((2, 3)), np.zeros((2, 3)))
    closed = make_wall_scene("domains", (96, 96), 5, rng=1)
    fit_wall_dynamics(closed.binary, rng=1, n_draws=200)


def _pinning_maps() -> None:
    from physlearn.inference import fit_pinning_map
    from physlearn.lattice_models import random_landscape, simulate_wall

    medium = random_landscape(24, 1.0, 0.2, 3.0, 60.0, rng=1)
    line = simulate_wall(
        1.0, 1.0, 0.4, medium, start=np.full(24, 10.0), frame_times=np.arange(0.0, 18.0, 3.0)
    )
    known = {
        "speed": 0.4, "curvature_mobility": 1.0, "pinning_strength": 0.2, "pinning_length": 3.0,
    }  # fmt: skip
    measured = replace(line, table=line.table.assign(normal_error=0.1))
    fit_pinning_map(measured, known=known, small_slopes=True, n_draws=20, rng=1)


def _profiles() -> None:
    from physlearn.inference import fit_wall_profile
    from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture

    picture = make_wall_picture(2.0, 1.0, noise_sd=0.05, rng=1)
    for rows in ("wall", "own positions", "own widths"):
        fit_wall_profile(picture, psf_width=1.0, rows=rows, rng=1, n_draws=200)


def _field_fits(dynamics: str, own_term: bool = False) -> None:
    from physlearn.inference import FieldTerm, fit_ginzburg_landau
    from physlearn.lattice_models import LandauPotential, simulate_ginzburg_landau

    own = (FieldTerm("square", lambda order, _: order**2),) if own_term else ()
    generator = np.random.default_rng(1)
    film = simulate_ginzburg_landau(
        LandauPotential(a=-0.4, c=0.4, kappa_x=0.6, kappa_y=0.6),
        generator.normal(size=(20, 20)), dynamics, frame_times=np.arange(2.0, 10.0),
        time_step=0.01,
    )  # fmt: skip
    fit_ginzburg_landau(
        film + 0.05 * generator.normal(size=film.shape), dynamics=dynamics, n_draws=200,
        terms=("alpha", "beta", "gradient", *own), rng=1,
    )  # fmt: skip


FIRST_CALLS: dict[str, Callable[[], None]] = {
    **{f"simulate_lattice {method}": partial(_lattice, method) for method in METHODS_ON_BYTES},
    "CheckerboardIsing on threads": _checkerboard_on_threads,
    "simulate_lattice multispin": _words_of_sites,
    "fit_large_square": _large_squares,
    "simulate_lattice clusters on any graph": _clusters_on_any_graph,
    **{
        f"simulate_lattice {method}, q states": partial(_states, method)
        for method in ("heat_bath", "metropolis", "kawasaki", "wolff", "swendsen_wang")
    },
    "simulate_lattice with triplets": _triplets,
    "Replicas": _replicas,
    "StateReplicas": _replicas_of_q_states,
    "TermReplicas": _replicas_with_triplets,
    "ExchangeReplicas": _replicas_at_fixed_composition,
    "ClusterReplicas": _replicas_by_clusters,
    "ExactReplicas": _exact_draws,
    "fit_lattice_hamiltonian": _lattice_fits,
    "fit_lattice_hamiltonian statistical distance": _distances_of_environments,
    "fit_binary_units": _networks,
    "SymbolicRegressor": _laws,
    "discover_motion_law": _laws_of_motion,
    "discover_pair_law": _laws_of_pairs,
    "temper_lattice": _tempering,
    "sample_statistics": _statistics,
    "simulate_hops": _hops,
    "simulate_transformations": _transformations,
    "simulate_wall": _wall,
    "sample_positions": _metropolis_particles,
    "simulate_langevin overdamped": partial(_langevin, "overdamped"),
    "simulate_langevin underdamped": partial(_langevin, "underdamped"),
    **{
        f"simulate_ginzburg_landau {dynamics} {method}": partial(_field, dynamics, method)
        for dynamics in ("nonconserved", "conserved")
        for method in ("explicit", "spectral")
    },
    "fit_wall_dynamics": _wall_fits,
    "fit_pinning_map": _pinning_maps,
    "fit_wall_profile": _profiles,
    **{
        f"fit_ginzburg_landau {dynamics}": partial(_field_fits, dynamics)
        for dynamics in ("nonconserved", "conserved")
    },
    "fit_ginzburg_landau with a term of one's own": partial(_field_fits, "nonconserved", True),
    **{
        f"simulate_ginzburg_landau vector {method}": partial(_vector_field, method)
        for method in ("explicit", "spectral")
    },
    **FORCE_CALLS,
}
"""Name of a call -> the call, on data so small that only compiling or loading takes time."""
