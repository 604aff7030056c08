"""Noiseless field dynamics against gradients of the energy, closed forms and each other."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physlearn.lattice_models.fields import (
    DepolarizationEnergy,
    ElasticEnergy,
    FieldDrive,
    FieldSettings,
    LandauPotential,
    Pinning,
    ThinFilmDepolarization,
    VectorLandauPotential,
    free_energy,
    random_pinning,
    simulate_ginzburg_landau,
)

DOUBLE_WELL = LandauPotential(a=-1.0, c=1.0)
SEXTIC = LandauPotential(a=-0.6, b=0.2, c=0.3, e=0.5, kappa_x=1.5, kappa_y=0.7, kappa_xy=0.4)
VECTOR = VectorLandauPotential(a1=-0.7, a11=0.3, a12=0.5, a111=0.1, a112=0.2,
                               g11=1.1, g12=0.3, g44=0.6, g44m=0.2)  # fmt: skip
CLOSED = FieldSettings(boundary="no_flux")
SHAPE = (6, 9)
RNG = np.random.default_rng(5)
START = 0.6 * RNG.normal(size=SHAPE)
VECTOR_START = 0.6 * RNG.normal(size=(2, *SHAPE))
DISORDER = Pinning(field=0.2 * RNG.normal(size=SHAPE), softening=0.3 * RNG.normal(size=SHAPE))
VECTOR_DISORDER = Pinning(
    field=0.2 * RNG.normal(size=(2, *SHAPE)), softening=0.3 * RNG.normal(size=SHAPE)
)
PUSH = RNG.normal(size=SHAPE)
FILM = simulate_ginzburg_landau


def numerical_gradient(field, energy, area):
    """dF/dP by central differences of the free energy (sixth order is not needed here)."""
    gradient = np.zeros_like(field)
    for index in np.ndindex(*field.shape):
        values = []
        for sign in (1, -1):
            moved = field.copy()
            moved[index] += sign * 1e-4
            values.append(energy(moved))
        gradient[index] = (values[0] - values[1]) / 2e-4 / area
    return gradient


def laplacian(field, dx, dy, closed):
    mode = "edge" if closed else "wrap"
    wide = np.pad(field, 1, mode=mode)
    across = wide[1:-1, 2:] + wide[1:-1, :-2] - 2 * field
    along = wide[2:, 1:-1] + wide[:-2, 1:-1] - 2 * field
    return across / dx**2 + along / dy**2


GRADIENT_CASES = [
    ("plain, explicit", SEXTIC, START, {"method": "explicit"}),
    ("plain, spectral", SEXTIC, START, {"method": "spectral"}),
    ("uniform drive, explicit", SEXTIC, START, {"method": "explicit", "drive": 0.3}),
    ("uniform drive, spectral", SEXTIC, START, {"method": "spectral", "drive": 0.3}),
    ("pinning and profile, explicit", SEXTIC, START,
     {"method": "explicit", "pinning": DISORDER, "drive": FieldDrive(0.4, PUSH)}),
    ("pinning and profile, spectral", SEXTIC, START,
     {"method": "spectral", "pinning": DISORDER, "drive": FieldDrive(0.4, PUSH)}),
    ("film of drives, explicit", SEXTIC, START, {"method": "explicit", "drive": PUSH[None]}),
    ("no flux", LandauPotential(a=-0.6, b=0.2, c=0.3, e=0.5, kappa_x=1.5, kappa_y=0.7), START,
     {"method": "explicit", "settings": CLOSED, "pinning": DISORDER}),
    ("thin film", SEXTIC, START, {"couplings": ThinFilmDepolarization(0.8, 1.7)}),
    ("electrostriction", SEXTIC, START,
     {"couplings": ElasticEnergy(3.0, 1.2, 0.7, 0.3, -0.2, 0.15, clamped=False)}),
    ("electrostriction, clamped", SEXTIC, START,
     {"couplings": ElasticEnergy(3.0, 1.2, 0.7, 0.3, 0.2, -0.15, clamped=True)}),
    ("vector, explicit", VECTOR, VECTOR_START, {"method": "explicit"}),
    ("vector, spectral", VECTOR, VECTOR_START, {"method": "spectral"}),
    ("vector, pinning and drive, explicit", VECTOR, VECTOR_START,
     {"method": "explicit", "pinning": VECTOR_DISORDER, "drive": FieldDrive(0.4, [0.6, -0.8])}),
    ("vector, pinning and drive, spectral", VECTOR, VECTOR_START,
     {"method": "spectral", "pinning": VECTOR_DISORDER, "drive": FieldDrive(0.4, [0.6, -0.8])}),
    ("vector, depolarisation", VECTOR, VECTOR_START, {"couplings": DepolarizationEnergy(2.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "law", "start", "options"), GRADIENT_CASES,
                         ids=[case[0] for case in GRADIENT_CASES])  # fmt: skip
def test_first_step_goes_down_the_gradient_of_the_free_energy(name, law, start, options, oracle):
    dx, dy, mobility, step = 0.8, 1.3, 0.7, 2e-8
    film = FILM(law, start, frame_times=[0.0, step], pixel_size=(dx, dy), mobility=mobility,
                time_step=step, **options)  # fmt: skip
    rate = (film[1].to_numpy() - start) / step
    closed = "settings" in options
    drive = options.get("drive")
    applied = None
    if isinstance(drive, FieldDrive):
        profile = np.asarray(drive.profile)
        applied = 0.4 * (profile[:, None, None] if profile.shape == (2,) else profile)
        applied = np.broadcast_to(applied, start.shape)
    elif drive is not None:
        applied = np.broadcast_to(drive, (1, *SHAPE))[0]

    def energy(field):
        return free_energy(
            field, law, pixel_size=(dx, dy), couplings=options.get("couplings", ()),
            applied_field=applied, pinning=options.get("pinning"),
            derivative="difference" if film.attrs["method"] == "explicit" else "spectral",
            boundary="no_flux" if closed else "periodic",
        )  # fmt: skip

    wanted = -mobility * numerical_gradient(start, energy, dx * dy)
    error = np.abs(rate - wanted).max() / np.abs(wanted).max()
    oracle(f"first step against the gradient: {name}", error=error, bound=3e-6)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("pinning", [None, DISORDER])
def test_conserved_first_step_is_the_laplacian_of_the_gradient(closed, pinning):
    law = LandauPotential(a=-0.6, b=0.2, c=0.3, e=0.5, kappa_x=1.5, kappa_y=0.7)
    dx, dy, step = 0.8, 1.3, 1e-7
    settings = CLOSED if closed else None
    film = FILM(law, START, "conserved", frame_times=[0.0, step], pixel_size=(dx, dy),
                mobility=0.7, pinning=pinning, method="explicit", settings=settings)  # fmt: skip

    def energy(field):
        return free_energy(field, law, pixel_size=(dx, dy), pinning=pinning,
                           derivative="difference",
                           boundary="no_flux" if closed else "periodic")  # fmt: skip

    slope = numerical_gradient(START, energy, dx * dy)
    wanted = 0.7 * laplacian(slope, dx, dy, closed)
    rate = (film[1].to_numpy() - START) / step
    np.testing.assert_allclose(rate, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
@pytest.mark.parametrize(
    ("method", "times_the_limit"), [("explicit", 0.98), ("spectral", 0.98), ("spectral", 300.0)]
)
def test_energy_never_rises_without_noise(dynamics, method, times_the_limit, oracle):
    law = LandauPotential(a=-1.0, b=0.1, c=0.5, e=0.5)
    start = 0.3 * np.random.default_rng(2).normal(size=(48, 40))
    probe = FILM(law, start, dynamics, frame_times=[0.0, 1e-6], method="explicit")
    step = times_the_limit * probe.attrs["stable_time_step"]
    film = FILM(law, start, dynamics, method=method, time_step=step,
                frame_times=step * np.arange(120))  # fmt: skip
    assert film.attrs["n_steps"] == 119
    rise = film.free_energy.diff("time").to_numpy().max() / abs(float(film.free_energy[-1]))
    oracle(f"energy falls, {dynamics} {method}, {times_the_limit} of the explicit limit",
           error=max(rise, 0.0), bound=1e-14)  # fmt: skip
    assert film.free_energy[-1] < film.free_energy[0] - 10


def test_just_beyond_the_stability_limit_a_ripple_grows():
    law = LandauPotential(a=1.0)
    ripple = 1e-3 * (-1.0) ** np.add.outer(np.arange(8), np.arange(8))
    limit = FILM(law, ripple, frame_times=[0, 1e-3], method="explicit").attrs["stable_time_step"]
    assert limit == pytest.approx(2 / 9, rel=1e-12)  # 2 / (f'' + 8 kappa / dx^2)
    film = FILM(law, ripple, method="explicit", time_step=limit, frame_times=limit * np.arange(9))
    np.testing.assert_allclose(np.abs(film.to_numpy()), 1e-3, rtol=1e-9)  # neither grows nor falls


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("method", ["explicit", "spectral"])
@pytest.mark.parametrize("closed", [False, True])
def test_conserved_mean_stays_to_round_off(noise, method, closed, oracle):
    if closed and method == "spectral":
        method = "auto"  # spectral steps are periodic; auto must pick the explicit ones here
    start = 0.2 + 0.3 * np.random.default_rng(3).normal(size=(30, 44))
    film = FILM(DOUBLE_WELL, start, "conserved", frame_times=[0.0, 20.0], method=method,
                thermal_energy=noise, rng=4, pinning=random_pinning((30, 44), field_sd=.1, rng=1),
                settings=CLOSED if closed else None)  # fmt: skip
    shift = float(film[1].mean() - film[0].mean())
    oracle(f"conserved mean, {method}, noise {noise}, closed {closed}", error=shift, bound=1e-14)
    assert float(np.abs(film[1] - film[0]).max()) > 0.1


MODE = 2 * np.pi * np.add.outer(2 * np.arange(24) / 24, 3 * np.arange(16) / 16)


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_explicit_growth_factor_of_a_mode_is_that_of_the_discrete_operator(dynamics, oracle):
    law = LandauPotential(a=-0.4, c=1.0, kappa_x=1.5, kappa_y=0.7, kappa_xy=0.3)
    dx, dy, step, n = 0.9, 1.2, 2e-3, 50
    film = FILM(law, 1e-6 * np.cos(MODE), dynamics, frame_times=[0, n * step], time_step=step,
                pixel_size=(dx, dy), mobility=1.3, method="explicit")  # fmt: skip
    qy, qx = 2 * np.pi * 2 / 24, 2 * np.pi * 3 / 16
    xx, yy = (2 - 2 * np.cos(qx)) / dx**2, (2 - 2 * np.cos(qy)) / dy**2
    stiff = -0.4 + 1.5 * xx + 0.7 * yy + 2 * 0.3 * np.sin(qx) * np.sin(qy) / (dx * dy)
    factor = 1 - 1.3 * step * stiff * (xx + yy if dynamics == "conserved" else 1.0)
    found = np.sum(film[1].to_numpy() * np.cos(MODE)) / np.sum(1e-6 * np.cos(MODE) ** 2)
    oracle(f"growth of a mode, explicit {dynamics}", error=found / factor**n - 1, bound=1e-9)


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_spectral_growth_factor_of_a_mode(dynamics, oracle):
    law = LandauPotential(a=-0.4, c=1.0, kappa_x=1.5, kappa_y=0.7, kappa_xy=0.3)
    dx, dy, step, n = 0.9, 1.2, 0.05, 50
    film = FILM(law, 1e-6 * np.cos(MODE), dynamics, frame_times=[0, n * step], time_step=step,
                pixel_size=(dx, dy), mobility=1.3, method="spectral")  # fmt: skip
    ky, kx = 2 * np.pi * 2 / 24 / dy, 2 * np.pi * 3 / 16 / dx
    gradient = 1.5 * kx**2 + 0.7 * ky**2 + 2 * 0.3 * kx * ky
    rate = 1.3 * step * (kx**2 + ky**2 if dynamics == "conserved" else 1.0)
    s = film.attrs["stabilizer"]
    factor = (1 + rate * (s + 0.4)) / (1 + rate * (s + gradient))
    found = np.sum(film[1].to_numpy() * np.cos(MODE)) / np.sum(1e-6 * np.cos(MODE) ** 2)
    oracle(f"growth of a mode, spectral {dynamics}", error=found / factor**n - 1, bound=1e-9)


def test_cahn_hilliard_grows_fastest_where_linear_theory_says(oracle):
    """Rates of many modes about P0 = 0.2 against -M k^2 (f'' + kappa k^2), step -> 0."""
    noise = 1e-7 * np.random.default_rng(1).normal(size=(32, 32))
    noise -= noise.mean()
    film = FILM(DOUBLE_WELL, 0.2 + noise, "conserved", frame_times=[0.0, 0.5], time_step=1e-3,
                method="spectral")  # fmt: skip
    before, after = (np.abs(np.fft.rfft2(film[k].to_numpy() - 0.2)) for k in (0, 1))
    k = 2 * np.pi * np.hypot(np.fft.fftfreq(32)[:, None], np.fft.rfftfreq(32)[None, :])
    slow = (k > 0) & (k < 1.5)
    rate = np.log(after[slow] / before[slow]) / 0.5
    wanted = -(k**2 * (3 * 0.04 - 1 + k**2))[slow]
    oracle("Cahn-Hilliard growth rates", error=np.abs(rate - wanted).max(), bound=0.02)
    assert abs(k[slow][np.argmax(rate)] - np.sqrt(0.88 / 2)) < 0.1


def shrinking_rate(width, radius):
    """-dA/dt / (2 pi L K) of a circle, from steps of two lengths, extrapolated to zero."""
    law = LandauPotential(a=-2.0 / width**2, c=2.0 / width**2)  # kappa 1: width^2 = -2 kappa / a
    n, dx = 80, 0.75
    axis = (np.arange(n) - n / 2) * dx
    r = np.hypot(axis[:, None], axis[None, :])
    start = np.tanh((radius - r) / width)
    rates = []
    for step in (0.02, 0.01):
        film = FILM(law, start, frame_times=[0.0, 12.0, 16.0], pixel_size=dx, mobility=0.5,
                    time_step=step, method="spectral")  # fmt: skip
        areas = (film.sum(("y", "x")).to_numpy() * dx**2 + (n * dx) ** 2) / 2
        rates.append((areas[1] - areas[2]) / 4.0 / (2 * np.pi * 0.5))
        middle = np.sqrt((areas[1] + areas[2]) / 2 / np.pi)
    return 2 * rates[1] - rates[0], width / middle


def test_a_circle_shrinks_as_curvature_says(oracle):
    """R^2 = R0^2 - 2 L K t in the limit of a thin wall: linear in (width / R)^2."""
    found = np.array([shrinking_rate(width, 15.0) for width in (2.4, 1.7)])
    squares = found[:, 1] ** 2
    slope = (found[0, 0] - found[1, 0]) / (squares[0] - squares[1])
    limit = found[1, 0] - slope * squares[1]
    oracle("Allen-Cahn circle, width / R -> 0", error=limit - 1, bound=1e-3)
    assert np.abs(found[:, 0] - 1).max() < 0.03


def smooth_start(n):
    x = np.arange(n) * 2 * np.pi / n
    return 0.4 * np.cos(x)[None, :] + 0.3 * np.sin(2 * x)[:, None] * np.cos(x)[None, :] + 0.1


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_spectral_steps_converge_in_first_order(dynamics, oracle):
    ends = [
        FILM(DOUBLE_WELL, smooth_start(24), dynamics, frame_times=[0.0, 2.0], pixel_size=0.6,
             time_step=step, method="spectral")[1].to_numpy()
        for step in (0.04, 0.02, 0.01)
    ]  # fmt: skip
    ratio = np.abs(ends[0] - ends[1]).max() / np.abs(ends[1] - ends[2]).max()
    oracle(f"order of the spectral step, {dynamics}", error=np.log2(ratio) - 1, bound=0.1)


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_explicit_and_spectral_steps_meet(dynamics, oracle):
    """Explicit at dx and dx / 2 (dt with the limit) against spectral with dt -> 0."""
    size = 12.0
    coarse, fine = (
        FILM(DOUBLE_WELL, smooth_start(24), dynamics, frame_times=[0.0, 2.0], pixel_size=size / 24,
             time_step=step, method="spectral")[1].to_numpy()
        for step in (0.002, 0.001)
    )  # fmt: skip
    truth = 2 * fine - coarse
    errors = []
    for n in (24, 48, 96):
        step = (0.0016 if dynamics == "conserved" else 0.03) * (24 / n) ** 2
        step /= (n / 24) ** 2 if dynamics == "conserved" else 1
        film = FILM(DOUBLE_WELL, smooth_start(n), dynamics, frame_times=[0.0, 2.0],
                    pixel_size=size / n, time_step=step, method="explicit")  # fmt: skip
        end = film[1].to_numpy()
        every = n // 24
        errors.append(np.abs(end[::every, ::every] - truth).max())
    order = np.log2(errors[1] / errors[2])
    oracle(f"order in dx of the explicit step, {dynamics}", error=order - 2, bound=0.15)
    assert errors[2] < 2e-3


@pytest.mark.parametrize("method", ["explicit", "spectral"])
def test_uniform_field_follows_its_ordinary_differential_equation(method, oracle):
    times = np.linspace(0.0, 6.0, 4)
    truth = solve_ivp(
        lambda t, p: -0.8 * (-p + p**3 - 0.9 * np.sin(2 * t)), (0, 6), [0.3], t_eval=times,
        rtol=1e-11, atol=1e-12,
    ).y[0]  # fmt: skip
    ends = [
        FILM(DOUBLE_WELL, np.full((2, 3), 0.3), frame_times=times, mobility=0.8, method=method,
             drive=FieldDrive(lambda t: 0.9 * np.sin(2 * t)), time_step=step)[:, 1, 2].to_numpy()
        for step in (0.01, 0.005)
    ]  # fmt: skip
    extrapolated = 2 * ends[1] - ends[0]
    error = np.abs(extrapolated - truth).max()
    oracle(f"uniform field in a changing drive, {method}", error=error, bound=1e-4)


def test_uniform_vector_follows_its_ordinary_differential_equation(oracle):
    def rate(_, p):
        return -VECTOR.derivative(p) + 0.2 * np.array([0.6, 0.8])

    truth = solve_ivp(rate, (0, 5), [0.1, -0.3], rtol=1e-11, atol=1e-12).y[:, -1]
    start = np.broadcast_to(np.array([0.1, -0.3])[:, None, None], (2, 3, 4))
    for method in ("explicit", "spectral"):
        ends = [
            FILM(VECTOR, start, frame_times=[0.0, 5.0], method=method, time_step=step,
                 drive=FieldDrive(0.2, [0.6, 0.8]))[1, :, 0, 0].to_numpy()
            for step in (0.004, 0.002)
        ]  # fmt: skip
        error = np.abs(2 * ends[1] - ends[0] - truth).max()
        oracle(f"uniform vector in a field, {method}", error=error, bound=1e-4)


def test_no_flux_equals_a_mirrored_periodic_field():
    start = np.random.default_rng(8).normal(size=(11, 7))
    mirrored = np.block([[start, start[:, ::-1]], [start[::-1], start[::-1, ::-1]]])
    for dynamics in ("nonconserved", "conserved"):
        closed = FILM(DOUBLE_WELL, start, dynamics, frame_times=[0, 1.0], time_step=5e-3,
                      method="explicit", settings=CLOSED)  # fmt: skip
        wide = FILM(DOUBLE_WELL, mirrored, dynamics, frame_times=[0, 1.0], time_step=5e-3,
                    method="explicit")  # fmt: skip
        np.testing.assert_allclose(closed[1], wide[1, :11, :7], rtol=0, atol=1e-13)


def test_single_precision_follows_double_precision():
    start = 0.3 * np.random.default_rng(9).normal(size=(40, 30))
    for method in ("explicit", "spectral"):
        ends = [
            FILM(DOUBLE_WELL, start, frame_times=[0, 3.0], method=method,
                 settings=FieldSettings(precision=precision))[1]
            for precision in ("float32", "float64")
        ]  # fmt: skip
        assert ends[0].dtype == np.float32
        np.testing.assert_allclose(ends[0], ends[1], atol=2e-5)
