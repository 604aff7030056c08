"""The front door: what it returns, what it picks, what it refuses, how it stops and resumes."""

import json
import os
import signal

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
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
from physlearn.lattice_models.fields.operators import elastic_form
from physlearn.records import check_video

LAW = LandauPotential(a=-1.0, c=1.0)
VECTOR = VectorLandauPotential(a1=-0.5, a11=0.25, a12=0.4)
START = 0.3 * np.random.default_rng(1).normal(size=(20, 24))
VECTOR_START = 0.3 * np.random.default_rng(2).normal(size=(2, 20, 24))
TIMES = [0.0, 1.0, 2.5]


def run(law=LAW, start=START, dynamics="nonconserved", **options):
    return simulate_ginzburg_landau(law, start, dynamics, **{"frame_times": TIMES, **options})


def test_a_film_carries_units_coordinates_and_provenance():
    settings = FieldSettings(length_unit="nm", time_unit="s", order_unit="C/m^2")
    film = run(pixel_size=(0.5, 2.0), settings=settings, drive=0.1, rng=3, thermal_energy=0.01)
    assert film.dims == ("time", "y", "x")
    assert film.x.values[1] == 0.5
    assert film.y.values[1] == 2.0
    assert film.time.attrs["units"] == "s"
    assert film.attrs["units"] == "C/m^2"
    assert film.attrs["seed"] == 3
    assert json.loads(film.attrs["potential"])["LandauPotential"]["c"] == 1.0
    np.testing.assert_array_equal(film.drive, 0.1)
    np.testing.assert_array_equal(film[0], START)
    assert check_video(film).dims == ("time", "y", "x")
    assert all(isinstance(value, str | int | float) for value in film.attrs.values())
    vector = run(VECTOR, VECTOR_START)
    assert vector.dims == ("time", "component", "y", "x")
    assert list(vector.component.values) == ["x", "y"]


def test_a_film_survives_a_file(tmp_path):
    film = run(couplings=ThinFilmDepolarization(0.5, 2.0))
    film.to_netcdf(tmp_path / "film.nc", engine="h5netcdf")
    again = xr.load_dataarray(tmp_path / "film.nc", engine="h5netcdf")
    assert again.identical(film)


def test_auto_says_what_it_picked_and_why():
    assert run().attrs["method"] == "explicit"
    fine = run(pixel_size=0.05)
    assert fine.attrs["method"] == "spectral"
    assert "cheaper" in fine.attrs["method_reason"]
    coupled = run(couplings=ThinFilmDepolarization(0.5, 2.0))
    assert coupled.attrs["method_reason"] == "couplings live in Fourier space"
    closed = run(settings=FieldSettings(boundary="no_flux"), pixel_size=0.5)
    assert closed.attrs["method"] == "explicit"
    coarse = run(method="spectral", time_step=1.0)
    assert "not accurate in time" in coarse.attrs["warnings"]


def test_forms_of_a_drive_mean_the_same():
    n = len(TIMES) - 1
    reference = run(drive=0.2, method="explicit")
    for drive in (
        FieldDrive(0.2), [0.2] * n, lambda t: 0.2, FieldDrive(lambda t: 0.2 + 0 * t),
        np.full((n, *START.shape), 0.2), FieldDrive(0.2, np.ones(START.shape)),
        lambda t: np.full(START.shape, 0.2), FieldDrive([0.2] * n, np.ones(START.shape)),
    ):  # fmt: skip
        film = run(drive=drive, method="explicit")
        np.testing.assert_allclose(film, reference, rtol=0, atol=1e-13)
    pinned = run(pinning=Pinning(field=np.full(START.shape, 0.2)), method="explicit")
    np.testing.assert_allclose(pinned, reference, rtol=0, atol=1e-13)
    soft = run(pinning=Pinning(softening=np.full(START.shape, 0.4)), method="explicit",
               time_step=0.02)  # fmt: skip
    stiff = run(LandauPotential(a=-0.6, c=1.0), method="explicit", time_step=0.02)
    np.testing.assert_allclose(soft, stiff, rtol=0, atol=1e-13)


def test_a_local_drive_switches_only_where_it_acts():
    profile = np.zeros((32, 32))
    profile[8:16, 8:16] = 1.0
    film = run(start=-np.ones((32, 32)), frame_times=[0.0, 10.0],
               drive=FieldDrive(1.5, profile), method="explicit")  # fmt: skip
    assert film[1, 9:15, 9:15].min() > 0.5
    assert film[1, 24:, 24:].max() < -0.9


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "explicit"), ({"dynamics": "conserved"}, "explicit"), ({}, "spectral"),
        ({"pinning": random_pinning(START.shape, field_sd=0.1, rng=1)}, "explicit"),
        ({"law": VECTOR, "start": VECTOR_START}, "explicit"),
        ({"law": VECTOR, "start": VECTOR_START}, "spectral"),
    ],
)  # fmt: skip
def test_a_stopped_run_goes_on_to_the_bit(tmp_path, options, method, noise):
    wanted = run(**options, method=method, thermal_energy=noise, rng=9)
    path = tmp_path / "run.npz"

    def stop_midway(done, total):
        if done > total // 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        run(**options, method=method, thermal_energy=noise, rng=9, checkpoint=path,
            progress=stop_midway)  # fmt: skip
    assert path.exists()
    with pytest.raises(InputError, match="belongs to a call with other arguments"):
        run(**options, method=method, thermal_energy=noise, rng=10, checkpoint=path)
    film = run(**options, method=method, thermal_energy=noise, rng=9, checkpoint=path)
    assert film.identical(wanted)
    assert not path.exists()


def test_ctrl_c_without_a_checkpoint_returns_the_frames_so_far():
    def stop(done, total):
        if done > 0.6 * total:
            os.kill(os.getpid(), signal.SIGINT)

    film = run(frame_times=np.arange(20.0), progress=stop)
    assert 2 <= film.sizes["time"] < 20
    assert "Stopped after" in film.attrs["warnings"]
    whole = run(frame_times=np.arange(20.0))
    np.testing.assert_array_equal(film, whole[: film.sizes["time"]])


def test_progress_counts_steps():
    seen = []
    film = run(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (film.attrs["n_steps"],) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_frames_do_not_depend_on_frames_between():
    few = run(frame_times=[0.0, 2.0], time_step=0.02, method="explicit")
    many = run(frame_times=[0.0, 0.5, 1.0, 1.5, 2.0], time_step=0.02, method="explicit")
    np.testing.assert_array_equal(few[-1], many[-1])


# ----------------------------------------------------------------- couplings as energies


def test_depolarisation_of_a_plane_wave_and_of_the_mean(oracle):
    n = 16
    x = np.arange(n)
    flat = VectorLandauPotential(a1=0.0, g11=0.0, g44=0.0)
    cost = DepolarizationEnergy(1.7)
    wave = np.zeros((2, n, n))
    phase = 2 * np.pi * (3 * x[None, :] + 2 * x[:, None]) / n
    wave[0], wave[1] = 0.8 * np.cos(phase), -0.5 * np.cos(phase)
    energy = free_energy(wave, flat, couplings=cost)
    exact = 0.5 * 1.7 * (0.8 * 3 - 0.5 * 2) ** 2 / 13 * n * n / 2
    oracle("depolarisation of a plane wave", error=energy / exact - 1, bound=1e-13)
    across = np.zeros((2, n, n))
    across[0], across[1] = 2 * np.cos(phase), -3 * np.cos(phase)
    assert abs(free_energy(across, flat, couplings=cost)) < 1e-12
    assert abs(free_energy(np.ones((2, n, n)), flat, couplings=cost)) < 1e-12


def test_thin_film_energy_of_stripes_and_of_the_mean(oracle):
    n, dx, t = 20, 0.7, 1.9
    flat = LandauPotential(a=0.0, kappa_x=0.0, kappa_y=0.0)
    phase = 2 * np.pi * 3 * np.arange(n) / n
    stripes = np.broadcast_to(np.cos(phase)[None, :], (n, n))
    k = 2 * np.pi * 3 / (n * dx)
    cost = ThinFilmDepolarization(1.3, t)
    energy = free_energy(stripes, flat, pixel_size=dx, couplings=cost)
    exact = 0.5 * 1.3 * (1 - np.exp(-k * t)) / (k * t) * 0.5 * (n * dx) ** 2
    oracle("stripes in a thin film", error=energy / exact - 1, bound=1e-13)
    uniform = free_energy(np.ones((n, n)), flat, pixel_size=dx, couplings=cost)
    assert uniform == pytest.approx(0.5 * 1.3 * (n * dx) ** 2, rel=1e-13)
    screened = ThinFilmDepolarization(1.3, t, mean_is_screened=True)
    assert abs(free_energy(np.ones((n, n)), flat, pixel_size=dx, couplings=screened)) < 1e-12


ELASTIC = (3.0, 1.2, 0.7)  # c11, c12, c44
WANTED_STRAIN = np.array([[0.3, 0.15], [0.15, -0.2]])


def relaxed_energy(k):
    """C (strain(u) - e)^2 at its minimum over the displacement wave of one k."""
    c11, c12, c44 = ELASTIC
    stiffness = np.array([[c11, c12, 0], [c12, c11, 0], [0, 0, 4 * c44]])  # shear: e_xy, once

    def energy(u):
        strain = 0.5 * (np.outer(u, k) + np.outer(k, u)) - WANTED_STRAIN
        voigt = np.array([strain[0, 0], strain[1, 1], strain[0, 1]])
        return voigt @ stiffness @ voigt

    # quadratic in u: solve from its values
    basis = np.eye(2)
    zero = energy(np.zeros(2))
    slope = np.array([(energy(b) - energy(-b)) / 2 for b in basis])
    bend = np.array([[(energy(b + c) - energy(b) - energy(c) + zero) for c in basis]
                     for b in basis])  # fmt: skip
    return zero - 0.5 * slope @ np.linalg.solve(bend, slope)


def elastic(**options):
    q = WANTED_STRAIN
    return ElasticEnergy(*ELASTIC, q[0, 0], q[1, 1], q[0, 1], **options)


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (1, 1), (2, -1), (-3, 4)])
def test_elastic_form_is_the_energy_left_after_relaxing_displacements(direction, oracle):
    k = np.array(direction, float)
    found = float(elastic().form(k[:1], k[1:])[0])
    oracle(f"elastic form along {direction}", error=found / relaxed_energy(k) - 1, bound=1e-12)


def test_elastic_energy_of_the_mean_is_that_of_a_held_or_a_free_crystal(oracle):
    """An even P wants the strain e P^2 everywhere: held at no strain it costs e C e P^4 / 2."""
    c11, c12, c44 = ELASTIC
    tensor = np.zeros((2, 2, 2, 2))
    tensor[0, 0, 0, 0] = tensor[1, 1, 1, 1] = c11
    tensor[0, 0, 1, 1] = tensor[1, 1, 0, 0] = c12
    for index in ((0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0)):
        tensor[index] = c44
    held = np.einsum("ij,ijkl,kl", WANTED_STRAIN, tensor, WANTED_STRAIN)
    flat = LandauPotential(a=0.0, kappa_x=0.0, kappa_y=0.0)
    energies = [
        float(free_energy(np.full((4, 6), 1.3), flat, pixel_size=(0.5, 2.0),
                          couplings=elastic(clamped=clamped)))
        for clamped in (True, False)
    ]  # fmt: skip
    exact = 0.5 * held * 1.3**4 * 24
    oracle("elastic energy of a clamped mean", error=energies[0] / exact - 1, bound=1e-12)
    oracle("elastic energy of a free mean", error=energies[1], bound=1e-12)


def test_a_wave_at_the_edge_of_the_zone_has_no_sign():
    """At a Nyquist number k and its mirror image are one wave: it costs the mean of both."""
    form = elastic_form((elastic(),), (6, 8), (1.0, 1.0))
    ky = -np.pi
    for column in range(1, 4):
        kx = 2 * np.pi * column / 8
        signs = [relaxed_energy(np.array([kx, sign * ky])) for sign in (1, -1)]
        assert abs(signs[0] - signs[1]) > 0.01
        assert form[3, column] == pytest.approx(np.mean(signs), rel=1e-12)
    for row in (1, 2, 4, 5):
        ky = 2 * np.pi * (row if row < 3 else row - 6) / 6
        signs = [relaxed_energy(np.array([sign * np.pi, ky])) for sign in (1, -1)]
        assert form[row, 4] == pytest.approx(np.mean(signs), rel=1e-12)
        plain = relaxed_energy(np.array([np.pi / 2, ky]))
        assert form[row, 2] == pytest.approx(plain, rel=1e-12)


def test_elastic_energy_of_a_field_uses_its_square():
    n = 16
    flat = LandauPotential(a=0.0, kappa_x=0.0, kappa_y=0.0)
    record = ElasticEnergy(3.0, 1.2, 0.7, 0.3, -0.2, 0.1)
    field = np.sqrt(1.0 + 0.5 * np.cos(2 * np.pi * 2 * np.arange(n) / n))[None, :] * np.ones((n, 1))
    energy = free_energy(field, flat, couplings=record)
    mean, wave = record.form(np.zeros(1), np.zeros(1))[0], record.form(np.ones(1), np.zeros(1))[0]
    assert energy == pytest.approx(0.5 * n * n * (mean + 0.125 * wave), rel=1e-12)
    form = elastic_form((record,), (n, n), (1.0, 1.0))
    assert form.min() >= 0


def test_depolarisation_removes_head_to_head_walls():
    """Bound charge k.P after quenching, with and without depolarisation."""
    start = 0.1 * np.random.default_rng(4).normal(size=(2, 48, 48))
    law = VectorLandauPotential(a1=-0.5, a11=0.25, a12=1.0)
    shares = []
    for couplings in ((), DepolarizationEnergy(10.0)):
        film = run(law, start, frame_times=[0.0, 15.0], method="spectral", couplings=couplings)
        waves = np.fft.fft2(film[-1].to_numpy())
        k = 2 * np.pi * np.fft.fftfreq(48)
        along = np.abs(k[None, :] * waves[0] + k[:, None] * waves[1]) ** 2
        square = k[None, :] ** 2 + k[:, None] ** 2
        square[0, 0] = 1.0
        shares.append(float((along / square).sum() / (np.abs(waves) ** 2).sum()))
    assert shares[0] > 0.1
    assert shares[1] < 0.02


# ----------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_step": 1.0, "method": "explicit"}, r"time_step must be at most .* Use 0\.0\d+"),
        ({"time_step": 0.0}, "time_step must be a finite number above 0"),
        ({"law": 3}, "potential must be a LandauPotential"),
        ({"start": np.zeros(4)}, "start must have 2 dimension"),
        ({"start": np.full((4, 4), np.nan)}, "start must hold finite numbers"),
        ({"start": np.zeros((0, 4))}, "start must not be empty"),
        ({"law": VECTOR}, "start must have shape"),
        ({"frame_times": [0.0]}, "at least 2 times"),
        ({"frame_times": [0.0, 1.0, 1.0]}, "must increase"),
        ({"frame_times": [0.0, np.inf]}, "frame_times must hold finite"),
        ({"dynamics": "frozen"}, "dynamics must be one of"),
        ({"method": "magic"}, "method must be one of"),
        ({"mobility": -1.0}, "mobility must be"),
        ({"pixel_size": 0.0}, "pixel_size must be"),
        ({"pixel_size": (1.0, 2.0, 3.0)}, "pixel_size must be one number or"),
        ({"thermal_energy": -0.1}, "thermal_energy must be"),
        ({"drive": [0.1]}, "drive must be a number"),
        ({"drive": np.zeros((2, 5, 5))}, "drive must be a number"),
        ({"drive": FieldDrive([0.1])}, "waveform must have shape"),
        ({"drive": FieldDrive(0.1, np.ones((3, 3)))}, "profile must have shape"),
        ({"drive": FieldDrive(lambda t: t[:1])}, "one number per time"),
        ({"pinning": np.zeros((20, 24))}, "pinning must be a Pinning"),
        ({"pinning": Pinning(field=np.zeros((3, 3)))}, "pinning field must have shape"),
        ({"law": VECTOR, "start": VECTOR_START, "drive": 0.1}, "needs a direction"),
        ({"law": VECTOR, "start": VECTOR_START, "dynamics": "conserved"}, "not conserved"),
        ({"couplings": DepolarizationEnergy(1.0)}, "needs an order parameter of 2"),
        ({"couplings": "strain"}, "couplings must hold"),
        ({"couplings": ThinFilmDepolarization(1.0, 1.0), "method": "explicit"}, "Fourier space"),
        ({"settings": FieldSettings(boundary="no_flux"), "method": "spectral"}, "periodic"),
        ({"drive": "up"}, "drive must"),
        ({"drive": {}}, "drive must"),
        ({"couplings": 3.0}, "couplings must hold"),
        ({"couplings": None}, "couplings must hold"),
        ({"couplings": {1: 2}}, "couplings must hold"),
        ({"time_step": "1"}, "time_step must"),
        ({"settings": {"boundary": "no_flux"}}, "settings must be FieldSettings"),
        ({"law": LandauPotential(a=1.0, kappa_xy=0.2),
          "settings": FieldSettings(boundary="no_flux")}, "kappa_xy"),
        ({"law": VECTOR, "start": VECTOR_START,
          "settings": FieldSettings(boundary="no_flux")}, "periodic for a vector"),
        ({"rng": "seed"}, "rng must be"),
    ],
)  # fmt: skip
def test_bad_calls_are_refused_with_one_sentence(options, message):
    with pytest.raises(InputError, match=message):
        run(**options)


def test_the_proposed_step_is_usable():
    with pytest.raises(InputError) as refusal:
        run(time_step=5.0, method="explicit")
    proposed = float(str(refusal.value).split("Use ")[1].split(",")[0])
    assert run(time_step=proposed, method="explicit").attrs["time_step"] <= proposed


def test_a_field_that_runs_away_is_said():
    """Noise far beyond the range that the step was chosen for."""
    law = LandauPotential(a=-1.0, c=1.0)
    kick = FieldDrive(lambda t: np.where(np.abs(t - 0.51) < 0.0015, 1e5, 0.0))
    with pytest.raises(InputError, match=r"let the field grow .* use at most"):
        run(law, frame_times=[0.0, 1.0], time_step=0.02, method="explicit", drive=kick)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DepolarizationEnergy(-1.0), "strength must be"),
        (lambda: ThinFilmDepolarization(1.0, 0.0), "thickness must be"),
        (lambda: ThinFilmDepolarization(1.0, 1.0, mean_is_screened=1), "must be a bool"),
        (lambda: ElasticEnergy(1.0, 2.0, 1.0, 0.1, 0.1), "must be stable"),
        (lambda: ElasticEnergy(3.0, 1.0, 1.0, np.nan, 0.1), "q_xx must be a finite number"),
        (lambda: ElasticEnergy(3.0, 1.0, 1.0, "x", 0.1), "q_xx must be a finite number"),
        (lambda: ElasticEnergy(3.0, 1.0, 1.0, 0.1, 0.1, clamped=2), "clamped must be"),
        (lambda: FieldSettings(boundary="open"), "boundary must be one of"),
        (lambda: FieldSettings(precision="float16"), "precision must be one of"),
        (lambda: FieldDrive(np.zeros((2, 2))), "waveform must be"),
        (lambda: FieldDrive(1.0, np.zeros(3)), "profile must have shape"),
        (lambda: Pinning(field=np.zeros((3, 4, 4))), "one value per cell"),
        (lambda: Pinning(softening=[[np.inf]]), "finite"),
        (lambda: random_pinning((0, 4), field_sd=1.0), "shape must be"),
        (lambda: random_pinning((4, 4), field_sd=-1.0), "field_sd must be"),
        (lambda: free_energy(np.zeros((2, 2, 4, 4)), LAW), "1 component"),
        (lambda: free_energy(START, LAW, boundary="no_flux"), "periodic with spectral"),
        (lambda: free_energy(START, LAW, applied_field=np.ones((3, 3))), "must fit the grid"),
        (lambda: free_energy(VECTOR_START, VECTOR, derivative="difference", boundary="no_flux"),
         "periodic for a vector"),
    ],
)  # fmt: skip
def test_bad_records_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
