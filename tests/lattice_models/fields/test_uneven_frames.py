"""Thermal fluctuations stay those of equilibrium where the frames are unevenly spaced."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.fields import (
    FieldSettings,
    LandauPotential,
    VectorLandauPotential,
    simulate_ginzburg_landau,
)

N, KT = 128, 0.3
PARTS = (0.0, 40.0, 40.25, 41.25, 41.55, 43.0, 43.1)  # frame times in units of the first step
XX = 2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(N))
EXPECTED = KT / (0.8 + 0.2 * (XX[None, :] + XX[:, None]))  # of |P_k|^2 / N^2
SCALAR = LandauPotential(a=0.8, kappa_x=0.2, kappa_y=0.2)
VECTOR = VectorLandauPotential(a1=0.4, g11=0.2, g12=0.0, g44=0.1, g44m=0.1)


def film_of(dynamics, parts, seed=3, precision="float64"):
    """A film that starts in equilibrium: white noise shaped by the closed form."""
    vector = dynamics == "vector"
    shape = (2, N, N) if vector else (N, N)
    white = np.random.default_rng(seed).normal(size=shape)
    start = np.fft.ifft2(np.sqrt(EXPECTED) * np.fft.fft2(white)).real
    law, kind = (VECTOR, "nonconserved") if vector else (SCALAR, dynamics)
    step = 1.6 / ((8.0 if kind == "conserved" else 1.0) * 2.4)  # .8 of the limit
    return simulate_ginzburg_landau(
        law, start, kind, frame_times=step * np.asarray(parts), time_step=step,
        thermal_energy=KT, method="explicit", rng=seed,
        settings=FieldSettings(precision=precision),
    )  # fmt: skip


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved", "vector"])
def test_fluctuations_do_not_depend_on_the_spacing_of_frames(dynamics, oracle):
    """All waves, and the shortest ones, whose errors of the step would be the largest."""
    film = film_of(dynamics, PARTS)
    assert "the step grow" not in film.attrs["warnings"]
    short = np.median(EXPECTED) > EXPECTED
    for k, frame in enumerate(film.to_numpy()[1:], 1):
        ratio = np.abs(np.fft.fft2(frame)) ** 2 / N**2 / EXPECTED
        if dynamics == "conserved":
            ratio[0, 0] = 1.0  # the mean stays
        for label, values in (("all", ratio), ("short", ratio[..., short])):
            z = (values.mean() - 1) / np.sqrt(2 / values.size)
            oracle(f"uneven frames, {dynamics}, frame {k}, {label} waves", z=z)


def test_single_precision_keeps_the_structure_factor(oracle):
    film = film_of("nonconserved", (0.0, 40.0, 40.3, 80.0), precision="float32")
    assert film.dtype == np.float32
    for k, frame in enumerate(film.to_numpy()[1:].astype(float), 1):
        ratio = np.abs(np.fft.fft2(frame)) ** 2 / N**2 / EXPECTED
        z = (ratio.mean() - 1) / np.sqrt(2 / ratio.size)
        oracle(f"structure factor in single precision, frame {k}", z=z)


def test_steps_never_grow_and_a_price_too_high_is_said():
    steps = film_of("nonconserved", (0.0, 1.0, 1.7, 3.7)).attrs["n_steps"]
    assert steps == 1 + 1 + 3
    film = film_of("nonconserved", (0.0, 0.001, 40.0))
    assert "start with intervals of at least" in film.attrs["warnings"]
    assert film.attrs["n_steps"] == 1 + 40


def test_a_count_of_steps_beyond_reach_is_refused():
    with pytest.raises(InputError, match=r"at most 1e\+12 steps in all; 1e-300 makes 1e\+300"):
        simulate_ginzburg_landau(SCALAR, np.ones((4, 4)), frame_times=[0.0, 1.0], time_step=1e-300)
