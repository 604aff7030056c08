"""One small call of every fit of forces, hops and diffusion that has compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from physlearn.records import Trajectory

__all__ = ["FORCE_CALLS"]

CUTOFF = 2.5


def _film(n_frames: int = 8) -> Trajectory:
    from physlearn.lattice_models import LennardJones, sample_positions
    from physlearn.lattice_models.particles.langevin import simulate_langevin
    from physlearn.records import AtomicConfiguration

    grid = 1.2 * np.stack(np.meshgrid(*[np.arange(6.0)] * 2), -1).reshape(-1, 2)
    law = LennardJones(1.0, cutoff=CUTOFF)
    start = AtomicConfiguration(grid, unit="reduced", cell=7.2 * np.eye(2))
    begun = sample_positions(law, start, 2, 200, rng=1)[-1]
    return simulate_langevin(law, begun, n_frames, 10, time_step=1e-5, rng=1)


def _walk(n_frames: int = 40, n: int = 6) -> Trajectory:
    from physlearn.records import Trajectory

    noise = np.random.default_rng(1).normal(size=(n_frames, n, 2))
    places = np.zeros((n_frames, n, 2), dtype=np.float64)
    for k in range(1, n_frames):
        places[k] = 0.8 * places[k - 1] + 0.6 * noise[k]
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames),
        places.reshape(-1, 2), 0.2 * np.arange(n_frames, dtype=np.float64), unit="reduced",
        time_unit="reduced",
    )  # fmt: skip


def _pair_potential(method: str) -> None:
    from physlearn.inference import fit_pair_potential
    from physlearn.records import AtomicConfiguration

    film = _film()
    last = film.positions[film.frame == film.n_frames - 1]
    shot = AtomicConfiguration(last, unit="reduced", cell=film.cell)
    fit_pair_potential(
        shot, sampling="thermal_snapshot", method=method, cutoff=CUTOFF, position_sd=0.0, rng=1
    )


def _crystal() -> None:
    from physlearn.inference import fit_crystal
    from physlearn.records import AtomicConfiguration

    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 2), -1).reshape(-1, 2)
    shaken = grid + np.random.default_rng(1).normal(0.0, 0.03, grid.shape)
    fit_crystal(
        AtomicConfiguration(shaken, unit="reduced", cell=8.0 * np.eye(2)),
        sampling="thermal_snapshot", position_sd=0.0, rng=1,
    )  # fmt: skip


def _overdamped() -> None:
    from physlearn.inference import fit_langevin

    fit_langevin(_film(), cutoff=CUTOFF, localization_sd=0.0, rng=1)


def _noisy() -> None:
    from physlearn.inference import fit_noisy_motion

    fit_noisy_motion(
        _film(), cutoff=CUTOFF, localization_sd=0.02, n_simulations=(30, 30, 30), rng=1
    )


def _diffusion() -> None:
    from physlearn.inference import measure_diffusion

    measure_diffusion(_walk(), rng=1)


def _map_of_forces() -> None:
    from physlearn.inference import ForceMapSettings, fit_force_map, force_map_table

    def trap(positions: Any, log_stiffness: float) -> Any:
        return 0.5 * np.exp(log_stiffness) * (positions**2).sum(axis=-1)

    quick = ForceMapSettings(check=False)
    found = fit_force_map(_walk(), "harmonic", localization_sd=0.0, settings=quick, rng=1)
    force_map_table(found, [[0.0, 0.0]])
    # one parameter: its check by simulated tracks is the cheapest
    checked = ForceMapSettings(start=[0.0])
    fit_force_map(_walk(20, 4), trap, localization_sd=0.0, settings=checked, rng=1)


def _underdamped() -> None:
    from physlearn.inference import ForceMapSettings, fit_underdamped
    from physlearn.lattice_models import HarmonicTrap, simulate_langevin

    rng = np.random.default_rng(1)
    swing = simulate_langevin(
        HarmonicTrap(4.0), rng.normal(size=(4, 2)), 60, 10, time_step=0.01,
        dynamics="underdamped", rng=rng,
    )  # fmt: skip
    quick = ForceMapSettings(check=False)
    fit_underdamped(swing, "harmonic", localization_sd=0.0, settings=quick, rng=1)


def _hop_rates() -> None:
    from physlearn.inference import fit_hop_rates
    from physlearn.lattice_models import HopRates, simulate_hops, square_lattice

    graph = square_lattice((6, 6))
    walk = simulate_hops(HopRates([0.5]), graph, [1] + 35 * [0], np.arange(60) * 1e-6, rng=1)
    fit_hop_rates(walk, graph, rng=1)
    fit_hop_rates(walk, hop_vectors=[[1, 0], [0, 1]], rng=1)


FORCE_CALLS: dict[str, Callable[[], None]] = {
    **{f"fit_pair_potential {method}": partial(_pair_potential, method)
       for method in ("score", "likelihood")},
    "fit_crystal": _crystal,
    "fit_langevin": _overdamped,
    "fit_noisy_motion": _noisy,
    "measure_diffusion": _diffusion,
    "fit_force_map": _map_of_forces,
    "fit_underdamped": _underdamped,
    "fit_hop_rates": _hop_rates,
}  # fmt: skip
