"""Flat walls against closed forms, and relaxed fields against the walls."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.fields import (
    LandauPotential,
    VectorLandauPotential,
    free_energy,
    simulate_ginzburg_landau,
    wall_profile,
    wall_tension,
    wall_velocity,
    wall_width,
)

A, C, KAPPA = -1.7, 0.8, 1.4
QUARTIC = LandauPotential(a=A, c=C, kappa_x=KAPPA, kappa_y=KAPPA)
TENSION = 2 * np.sqrt(2) / 3 * np.sqrt(KAPPA) * (-A) ** 1.5 / C
# e/6 P^2 (P^2 - 1)^2: wells at -1, 0, 1 of equal depth
E6 = 1.2
SEXTIC = LandauPotential(a=E6 / 3, c=-4 * E6 / 3, e=E6, kappa_x=KAPPA, kappa_y=KAPPA)


def test_quartic_wall_is_the_closed_form(oracle):
    oracle("tension of a quartic wall", error=wall_tension(QUARTIC) / TENSION - 1, bound=1e-11)
    assert wall_width(QUARTIC) == pytest.approx(np.sqrt(-2 * KAPPA / A), rel=1e-12)
    s = np.linspace(-3, 3, 13)
    wanted = np.sqrt(-A / C) * np.tanh(s / np.sqrt(-2 * KAPPA / A))
    np.testing.assert_allclose(wall_profile(QUARTIC, s), wanted, rtol=1e-12)


def test_sextic_wall_is_the_closed_form(oracle):
    exact = np.sqrt(KAPPA * E6 / 3) / 4
    oracle("tension of a sextic wall", error=wall_tension(SEXTIC) / exact - 1, bound=1e-10)
    steepest = np.sqrt(E6 / (3 * KAPPA)) * 2 / (3 * np.sqrt(3))
    assert wall_width(SEXTIC) == pytest.approx(0.5 / steepest, rel=1e-9)
    # dP/ds = rate P (P^2 - 1), P from -1 to 0: P^2 / (1 - P^2) = exp(-2 rate (s - s0))
    rate = np.sqrt(E6 / (3 * KAPPA))
    s = np.linspace(-4, 4, 17)
    growth = 0.5 * np.exp(-2 * rate * s)  # the steepest point is at P^2 = 1/3
    wanted = -np.sqrt(growth / (1 + growth))
    error = np.abs(wall_profile(SEXTIC, s) - wanted).max()
    oracle("profile of a sextic wall", error=error, bound=1e-6)


def test_width_follows_the_gradient_energy_along_the_normal():
    law = LandauPotential(a=-1.0, c=1.0, kappa_x=4.0, kappa_y=1.0, kappa_xy=0.5)
    assert wall_width(law) == pytest.approx(np.sqrt(8.0), rel=1e-12)
    assert wall_width(law, normal_angle=np.pi / 2) == pytest.approx(np.sqrt(2.0), rel=1e-12)
    assert wall_width(law, normal_angle=np.pi / 4) == pytest.approx(np.sqrt(6.0), rel=1e-12)


def relaxed_walls(law, n, dx, method, axis, time=40.0):
    """Two flat walls relaxed on a ring of n cells; the field as a line."""
    half = n * dx / 2
    s = np.arange(n) * dx
    p0 = law.minima()[-1]
    start = p0 * np.tanh(s - half / 2) * np.tanh(half * 1.5 - s)
    start = start[None, :] if axis == "x" else start[:, None]
    return simulate_ginzburg_landau(
        law, start, frame_times=[0.0, time], pixel_size=dx, method=method
    )[-1].to_numpy()  # fmt: skip


def tension_of(field, law, dx, derivative):
    bulk = float(law.density(law.minima()[-1])) * field.size * dx * dx
    return (free_energy(field, law, pixel_size=dx, derivative=derivative) - bulk) / (2 * dx)


def test_relaxed_spectral_wall_has_the_closed_tension_and_profile(oracle):
    field = relaxed_walls(QUARTIC, 96, 0.25, "spectral", "x")
    tension = tension_of(field, QUARTIC, 0.25, "spectral")
    oracle("tension of a relaxed wall, spectral", error=tension / TENSION - 1, bound=1e-6)
    line = field[0]
    crossing = np.flatnonzero((line[:-1] < 0) & (line[1:] >= 0))[0]
    place = (crossing + line[crossing] / (line[crossing] - line[crossing + 1])) * 0.25
    near = np.abs(np.arange(96) * 0.25 - place) < 3
    wanted = wall_profile(QUARTIC, np.arange(96)[near] * 0.25 - place)
    oracle("tanh profile, spectral", error=np.abs(line[near] - wanted).max(), bound=2e-3)


def test_relaxed_explicit_wall_tension_extrapolates_to_the_closed_form(oracle):
    coarse, fine = (
        tension_of(relaxed_walls(QUARTIC, int(24 / dx), dx, "explicit", "y"), QUARTIC, dx,
                   "difference")
        for dx in (0.5, 0.25)
    )  # fmt: skip
    assert 3.5 < (coarse - TENSION) / (fine - TENSION) < 4.5  # second order in the cell
    extrapolated = (4 * fine - coarse) / 3
    oracle("tension of a relaxed wall, explicit, dx -> 0", error=extrapolated / TENSION - 1,
           bound=3e-4)  # fmt: skip


@pytest.mark.parametrize("axis", ["x", "y"])
def test_anisotropic_walls_have_their_own_widths(axis, oracle):
    law = LandauPotential(a=-1.0, c=1.0, kappa_x=2.0, kappa_y=0.5)
    field = relaxed_walls(law, 96, 0.25, "spectral", axis).ravel()
    slope = np.fft.irfft(np.fft.rfft(field) * 2j * np.pi * np.fft.rfftfreq(96, 0.25), 96)
    fine = np.fft.irfft(np.fft.rfft(slope), 96 * 16) * 16
    width = 1.0 / fine.max()
    wanted = np.sqrt(2 * (2.0 if axis == "x" else 0.5))
    oracle(f"width of a wall with its normal along {axis}", error=width / wanted - 1, bound=1e-3)


def test_driven_wall_moves_at_the_closed_velocity(oracle):
    law = LandauPotential(a=-1.0, c=1.0)
    field, mobility = 0.12, 0.7
    low, _, high = law.stationary_points(field)
    speeds = []
    for dx in (0.5, 0.25):
        s = (np.arange(int(80 / dx)) + 0.5) * dx
        start = (high + low) / 2 - (high - low) / 2 * np.tanh((s - 25) / np.sqrt(2))
        film = simulate_ginzburg_landau(
            law, start[None, :], frame_times=[0.0, 30.0, 60.0], drive=field, mobility=mobility,
            pixel_size=dx, method="explicit", settings=closed_edges(),
        )  # fmt: skip
        places = film.sum(("y", "x")).to_numpy() * dx / (high - low)
        speeds.append((places[2] - places[1]) / 30.0)
    wanted = wall_velocity(law, field, mobility=mobility)
    assert wanted > 0.05
    extrapolated = (4 * speeds[1] - speeds[0]) / 3
    oracle("velocity of a driven wall, dx -> 0", error=extrapolated / wanted - 1, bound=3e-4)


def closed_edges():
    from physlearn.lattice_models.fields import FieldSettings

    return FieldSettings(boundary="no_flux")


@pytest.mark.parametrize("method", ["explicit", "spectral"])
@pytest.mark.parametrize("kind", ["180 degrees", "90 degrees"])
def test_walls_of_a_polarisation_have_the_closed_tension(kind, method, oracle):
    """With a12 = 0 the components do not see each other: one of them crosses a quartic wall."""
    law = VectorLandauPotential(a1=-0.5, a11=0.25, g11=1.0, g44=0.8, g44m=0.3)
    exact = 2 * np.sqrt(2) / 3 * np.sqrt(1.1)  # f = -P^2/2 + P^4/4 each, gradient g44 + g44m
    tensions = []
    for dx in (0.5, 0.25):
        n = int(24 / dx)
        s = np.arange(n) * dx
        start = np.zeros((2, 1, n))
        start[1, 0] = np.tanh(s - 6) * np.tanh(18 - s)
        start[0] = 1.0 if kind == "90 degrees" else 0.0
        film = simulate_ginzburg_landau(
            law, start, frame_times=[0.0, 40.0], pixel_size=dx, method=method
        )
        assert film.attrs["method"] == method
        derivative = "difference" if method == "explicit" else "spectral"
        energy = free_energy(film[-1].to_numpy(), law, pixel_size=dx, derivative=derivative)
        bulk = -0.25 * (2 if kind == "90 degrees" else 1)
        tensions.append((energy - bulk * n * dx * dx) / (2 * dx))
    best = (4 * tensions[1] - tensions[0]) / 3 if method == "explicit" else tensions[1]
    bound = 5e-4 if method == "explicit" else 1e-5
    oracle(f"tension of a {kind} wall, {method}", error=best / exact - 1, bound=bound)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wall_tension(LandauPotential(a=1.0)), "needs two"),
        (lambda: wall_tension(LandauPotential(a=-1.0, b=0.3, c=1.0)), "equal depth"),
        (lambda: wall_width(LandauPotential(a=-1.0, c=1.0, kappa_x=0.0)), "gradient energy along"),
        (lambda: wall_velocity(SEXTIC, 0.1), "quartic"),
        (lambda: wall_velocity(QUARTIC, 9.0), "two stable values"),
        (lambda: wall_profile(QUARTIC, [np.nan]), "distance"),
        (lambda: wall_tension(VectorLandauPotential(a1=1.0)), "must be a LandauPotential"),
    ],
)  # fmt: skip
def test_walls_that_cannot_be_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
