"""Drift, exchanged identities, gaps, and what bad trajectories are told."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import (
    check_trajectory,
    cut_swaps,
    find_swaps,
    fit_noisy_motion,
    measure_diffusion,
    remove_drift,
)
from physlearn.inference.langevin.film import film_of
from physlearn.records import Trajectory


def walks(n=12, n_frames=40, step=0.1, seed=0, cell=None):
    rng = np.random.default_rng(seed)
    places = np.cumsum(rng.normal(0.0, step, (n_frames, n, 2)), axis=0) + 8.0 * rng.random((n, 2))
    return made(places, cell)


def made(places, cell=None, times=None, time_unit="s"):
    n_frames, n, _ = places.shape
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames),
        places.reshape(-1, 2), 0.1 * np.arange(n_frames) if times is None else times,
        unit="um", time_unit=time_unit, cell=cell,
    )  # fmt: skip


def test_a_common_drift_is_taken_out_exactly():
    film = walks()
    moved = film.positions + 0.3 * film.frame[:, None]
    shifted = Trajectory(film.frame, film.particle, moved, film.times, unit="um")
    assert np.allclose(remove_drift(shifted).positions, remove_drift(film).positions)
    assert np.allclose(np.subtract(remove_drift(shifted).metadata["drift"],
                                   remove_drift(film).metadata["drift"]), 0.3 * 39)  # fmt: skip


def test_exchanged_identities_are_found_and_undone():
    film = walks(step=0.05, seed=3)
    places = film.positions.reshape(40, 12, 2).copy()
    places[20:, [4, 7]] = places[20:, [7, 4]]
    swapped = made(places)
    found = find_swaps(swapped)
    assert found[["frame", "particle_a", "particle_b"]].to_numpy().tolist() == [[19, 4, 7]]
    assert np.array_equal(cut_swaps(swapped).positions, film.positions)
    with pytest.raises(InputError, match="exchange identities"):
        fit_noisy_motion(swapped)
    report = check_trajectory(swapped).set_index("what")
    assert report.value["exchanged identities"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_honest_motion_is_no_exchange(seed):
    assert len(find_swaps(walks(60, 100, seed=seed))) == 0


def test_tracks_share_slots_and_run_on_across_the_border():
    film = Trajectory(
        [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 1, 5],
        [[0.9, 0.5], [0.2, 0.2], [0.05, 0.5], [0.2, 0.3], [0.2, 0.4], [0.5, 0.5]],
        [0.0, 1.0, 2.0], unit="um", cell=np.eye(2),
    )  # fmt: skip
    found = film_of(film)
    assert found.places.shape == (3, 2, 3)
    assert found.places[1, 0, 0] == pytest.approx(1.05)
    assert found.joined.tolist() == [[1, 1], [0, 1]]


def test_bad_trajectories_are_told_in_one_sentence():
    single = Trajectory([0, 0], [0, 1], [[0.0, 0.0], [1.0, 0.0]], [0.0])
    for call in (measure_diffusion, fit_noisy_motion, find_swaps, check_trajectory):
        with pytest.raises(NotIdentified, match="frames"):
            call(single)
        with pytest.raises(InputError, match="must be a Trajectory"):
            call(np.zeros((3, 2)))
    places = walks().positions.reshape(40, 12, 2).copy()
    places[5, 3] = places[5, 2]
    with pytest.raises(InputError, match="on top of each other"):
        fit_noisy_motion(made(places))
    assert check_trajectory(made(places)).set_index("what").value[
        "particles on top of each other"
    ] == 1  # fmt: skip
    uneven = np.r_[0.0, 0.1, 0.25, 0.35 + 0.1 * np.arange(37)]
    with pytest.raises(InputError, match="even grid"):
        measure_diffusion(made(walks().positions.reshape(40, 12, 2), times=uneven))
    alone = walks(1)
    with pytest.raises(NotIdentified, match="single particle"):
        measure_diffusion(alone)
    unlinked = Trajectory([0, 1], [0, 1], [[0.0, 0.0], [1.0, 0.0]], [0.0, 1.0])
    with pytest.raises(NotIdentified, match="link"):
        measure_diffusion(unlinked)


def test_frames_without_particles_leave_no_drift_behind(oracle):
    """Every third frame is dropped; the stage moves on meanwhile."""
    misses = []
    for seed in range(5):
        film = walks(40, 60, 0.2, seed)
        keep = film.frame % 3 != 2
        moved = Trajectory(
            film.frame[keep], film.particle[keep],
            film.positions[keep] + 1.0 * film.frame[keep, None], film.times, unit="um",
        )  # fmt: skip
        found = measure_diffusion(moved, lags=[1, 2, 3], rng=seed)
        misses.append(np.log(found.diffusion / 0.2) / np.log(found.fit["diffusion"]).std())
    oracle("bias", z=np.mean(misses) * np.sqrt(5))


def test_long_films_of_open_fields_are_refused_at_once():
    rng = np.random.default_rng(1)
    places = 100.0 * rng.random((260, 2)) + np.cumsum(rng.normal(0, 0.1, (60, 260, 2)), axis=0)
    with pytest.raises(InputError, match="measure_pair_force"):
        fit_noisy_motion(made(places), "lennard_jones", rng=1)


@pytest.mark.slow
def test_stiff_potentials_at_long_intervals_are_refused():
    rng = np.random.default_rng(1)
    places = 100.0 * rng.random((260, 2)) + np.cumsum(rng.normal(0, 0.1, (60, 260, 2)), axis=0)
    small = made(places[:6, :40])
    with pytest.raises(InputError, match=r"time steps|minutes"):
        fit_noisy_motion(small, "lennard_jones", localization_sd=0.01, rng=1, cutoff=2.5,
                         prior={"diameter": (8.0, 0.01), "depth": (500.0, 1.0)})  # fmt: skip


def test_times_that_were_rounded_are_even():
    film = walks()
    rounded = np.round(np.arange(40) / 29.97, 3)
    times = Trajectory(film.frame, film.particle, film.positions, rounded, unit="um")
    assert film_of(times).interval == pytest.approx(1 / 29.97, rel=1e-3)
