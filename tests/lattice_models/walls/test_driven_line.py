"""The driven line against closed forms: modes, equilibrium, growth, depinning, and geometry."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline

from physlearn.checks import InputError
from physlearn.lattice_models.random_numbers import ziggurat_tables
from physlearn.lattice_models.walls import driven_line_kernels as kernels
from physlearn.lattice_models.walls.driven_line import LineOptions, line_energy, simulate_wall
from physlearn.lattice_models.walls.pinning import PinningLandscape, random_landscape


def heights(track):
    return track.table["y"].to_numpy().reshape(track.n_frames, -1)


def modes(ends, n):
    """Eigenvectors of the discrete second difference, one a row, and minus their eigenvalues."""
    i = np.arange(n)
    if ends == "periodic":
        k = np.arange(n // 2 + 1)
        return np.cos(2 * np.pi * np.outer(k, i) / n), 2 - 2 * np.cos(2 * np.pi * k / n)
    if ends == "free":
        return np.cos(np.pi * np.outer(i, i + 0.5) / n), 2 - 2 * np.cos(np.pi * i / n)
    k = np.arange(1, n - 1)
    return np.sin(np.pi * np.outer(k, i) / (n - 1)), 2 - 2 * np.cos(np.pi * k / (n - 1))


@pytest.mark.parametrize("ends", ["periodic", "free", "pinned"])
def test_each_mode_decays_by_the_schemes_factor(ends, oracle):
    n, tension, mobility, spacing = 12, 1.7, 0.6, 0.5
    step, count = 0.05, 20
    vectors, values = modes(ends, n)
    for vector, value in zip(vectors, values, strict=True):
        options = LineOptions(spacing, ends, time_step=step)
        track = simulate_wall(
            tension, mobility, 0.0, start=vector, frame_times=[0.0, step * count], options=options,
            rng=0,
        )  # fmt: skip
        a = mobility * tension / spacing**2 * value * step
        factor = (1 - a + a**2 / 2) ** count
        error = np.abs(heights(track)[1] - factor * vector).max()
        oracle(f"line, {ends}, decay of a mode", error=error, bound=1e-13)


def test_relaxation_converges_to_the_exponential_in_second_order(oracle):
    n, q = 16, 2 * np.pi * 3 / 16
    start = np.sin(q * np.arange(n))
    rate = 0.8 * 1.2 * (2 - 2 * np.cos(q))
    errors = []
    for step in (0.1, 0.05):
        options = LineOptions(time_step=step)
        track = simulate_wall(
            1.2, 0.8, 0.0, start=start, frame_times=[0.0, 2.0], options=options, rng=0
        )
        errors.append(np.abs(heights(track)[1] - np.exp(-2 * rate) * start).max())
    oracle("line, order of the step", error=np.log2(errors[0] / errors[1]) - 2, bound=0.1)


@pytest.mark.parametrize("ends", ["periodic", "free"])
def test_constant_and_stepwise_drives_move_a_flat_line_exactly(ends, oracle):
    times = np.array([0.0, 1.0, 2.5, 3.0])
    drive = np.array([0.5, -1.0, 2.0, 7.0])
    track = simulate_wall(
        1.0, 3.0, drive, start=np.full(6, 2.0), frame_times=times,
        options=LineOptions(ends=ends, drive_unit="V"), rng=0,
    )  # fmt: skip
    exact = 2.0 + np.concatenate([[0.0], np.cumsum(3.0 * drive[:-1] * np.diff(times))])
    error = np.abs(heights(track) - exact[:, None]).max()
    oracle("line, velocity = mobility x drive", error=error, bound=1e-12)
    assert track.drive.tolist() == drive.tolist()
    speed = track.table["normal_velocity"].to_numpy().reshape(4, 6)
    assert speed[0] == pytest.approx(1.5)
    assert speed[3] == pytest.approx(6.0)


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_thermal_line_has_the_schemes_stationary_spectrum(share, oracle):
    """kT / (tension q^2), times the closed form of Heun's step; frames far apart."""
    n, tension, mobility, kt, spacing = 16, 1.3, 0.7, 0.4, 0.5
    stiffness = tension / spacing**2
    step = share / (4 * mobility * stiffness)
    value = 2 - 2 * np.cos(2 * np.pi * np.arange(1, n // 2 + 1) / n)
    wait = 5.0 / (mobility * stiffness * value[0])
    n_frames = 1500 if share < 1 else 6000
    options = LineOptions(spacing, thermal_energy=kt, time_step=step)
    track = simulate_wall(
        tension, mobility, 0.0, start=np.zeros(n), frame_times=wait * np.arange(n_frames + 2),
        options=options, rng=11,
    )  # fmt: skip
    a = mobility * stiffness * value * track.metadata["time_step"]
    power = np.abs(np.fft.rfft(heights(track)[2:], axis=1)[:, 1:]) ** 2 / n
    exact = kt / (spacing * stiffness * value) * (2 - a) / (2 - a + a**2 / 2)
    ratio = power / exact
    freedom = np.where(np.arange(1, n // 2 + 1) < n / 2, 2, 1)
    for k in range(n // 2):
        error = np.sqrt(2 / freedom[k] / n_frames)
        oracle(
            f"line, S(q) at {share} of the step's limit, mode {k + 1}",
            z=(ratio[:, k].mean() - 1) / error,
        )
    p = stats.kstest((ratio[:, :-1] * 2).ravel(), stats.chi2(2).cdf).pvalue
    oracle(f"line, distribution of mode powers at {share}", p=p)


def test_flat_line_roughens_as_edwards_and_wilkinson(oracle):
    n, kt, mobility, tension, runs = 32, 0.5, 1.5, 0.8, 400
    step, count = 0.1, 25
    end = []
    for seed in range(runs):
        track = simulate_wall(
            tension, mobility, 0.0, start=np.zeros(n), frame_times=[0.0, step * count],
            options=LineOptions(thermal_energy=kt, time_step=step), rng=(seed * 7919 + 1),
        )  # fmt: skip
        end.append(heights(track)[1])
    power = np.abs(np.fft.rfft(end, axis=1)) ** 2 / n
    a = mobility * tension * (2 - 2 * np.cos(2 * np.pi * np.arange(n // 2 + 1) / n)) * step
    factor = (1 - a + a**2 / 2) ** 2
    kick = 2 * mobility * kt * step * (1 - a / 2) ** 2
    exact = kick * sum(factor**j for j in range(count))
    freedom = np.where(np.isin(np.arange(n // 2 + 1), [0, n // 2]), 1, 2)
    z = (power / exact - 1).mean(axis=0) / np.sqrt(2 / freedom / runs)
    oracle(
        "line, Edwards-Wilkinson growth, worst mode",
        p=1 - (1 - 2 * stats.norm.sf(np.abs(z).max())) ** 17,
    )
    oracle("line, diffusion of the mean", z=z[0])


def test_force_is_the_derivative_of_scipys_periodic_spline(oracle):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 24))
    medium = PinningLandscape(values, period=6.0)
    u = rng.uniform(-20, 20, (40, 5))
    splines = [
        CubicSpline(np.linspace(0, 6, 25), np.append(row, row[0]), bc_type="periodic")
        for row in values
    ]
    energy = np.column_stack([s(c % 6.0) for s, c in zip(splines, u.T, strict=True)])
    force = np.column_stack([-s(c % 6.0, 1) for s, c in zip(splines, u.T, strict=True)])
    bend = max(np.abs(s(s.x, 2)).max() for s in splines)
    oracle("medium, energy", error=np.abs(medium.energy(u) - energy).max(), bound=1e-12)
    oracle("medium, force", error=np.abs(medium.force(u) - force).max(), bound=1e-12)
    oracle("medium, curvature", error=medium.largest_curvature() / bend - 1, bound=1e-12)
    fine = np.linspace(0, 6, 240001)[:-1]
    rms = np.sqrt(np.mean([s(fine, 1) ** 2 for s in splines]))
    oracle("medium, strength", error=medium.strength() / rms - 1, bound=1e-9)
    inside = np.empty(5)
    for row, exact in zip(u, force, strict=True):
        kernels.line_force(row, medium.force_table(), 1 / 6.0, 0.0, 0.0, 0, inside)
        oracle("medium, force in the kernel", error=np.abs(inside - exact).max(), bound=1e-12)


def test_random_medium_has_the_correlation_it_names(oracle):
    length, draws = 2.0, 200
    lags = [(1, 0), (2, 0), (0, 2), (0, 4), (3, 3), (6, 0)]
    rng = np.random.default_rng(5)
    found = np.empty((draws, len(lags)))
    for k in range(draws):
        v = random_landscape(32, 1.0, 0.7, length, 32.0, rng=rng).potential
        power = np.abs(np.fft.rfft2(v)) ** 2
        correlation = np.fft.irfft2(power, v.shape)
        for m, (i, j) in enumerate(lags):
            r2 = i**2 + (j * length / 4) ** 2
            found[k, m] = correlation[i, j] - np.exp(-r2 / (2 * length**2)) * correlation[0, 0]
    z = found.mean(axis=0) / (found.std(axis=0, ddof=1) / np.sqrt(draws))
    for lag, value in zip(lags, z, strict=True):
        oracle(f"medium, correlation at lag {lag}", z=value)


def washboard(n, strength, knots=256):
    place = 2 * np.pi * np.arange(knots) / knots
    return PinningLandscape(np.tile(strength * np.cos(place) / (2 * np.pi), (n, 1)), period=1.0)


def test_washboard_depins_at_its_largest_force(oracle):
    """Force f sin(2 pi u): at rest below f, mean velocity mobility sqrt(F^2 - f^2) above."""
    medium, mobility = washboard(4, 2.0), 0.7
    still = simulate_wall(
        1.0, mobility, 1.9, medium, start=np.zeros(4), frame_times=[0.0, 30.0, 40.0], rng=0
    )
    rest = heights(still)
    assert np.abs(rest[2] - rest[1]).max() < 1e-12
    # at rest the drive balances the medium: F = -f sin(2 pi u)
    place = 1 - np.arcsin(-1.9 / 2.0) / (2 * np.pi) - 0.5
    error = np.abs((rest[2] % 1.0) - (place % 1.0)).max()
    oracle("washboard, where it rests", error=error, bound=1e-6)
    drive = 2.2
    speed = mobility * np.sqrt(drive**2 - 2.0**2)
    periods = 40
    moving = simulate_wall(
        1.0, mobility, drive, medium, start=np.zeros(4), frame_times=[0.0, periods / speed],
        options=LineOptions(time_step=2e-3), rng=0,
    )  # fmt: skip
    error = heights(moving)[1].mean() / periods - 1
    oracle("washboard, mean velocity", error=error, bound=2e-4)
    assert "farther than the medium's period" in moving.warnings[0]


def test_random_medium_holds_a_weak_drive_and_lets_a_strong_one_go():
    medium = random_landscape(128, 1.0, 1.0, 1.0, 200.0, rng=4)
    times = np.array([0.0, 200.0, 260.0, 320.0])
    final = {}
    for drive in (0.05, 2.0):
        track = simulate_wall(
            1.0, 1.0, drive, medium, start=np.zeros(128), frame_times=times, rng=0
        )
        u = heights(track).mean(axis=1)
        final[drive] = (u[3] - u[2]) / 60.0
    assert abs(final[0.05]) < 1e-6
    assert 0.5 < final[2.0] < 2.0


@pytest.mark.parametrize("ends", ["periodic", "free", "pinned"])
def test_energy_never_rises_without_noise_at_the_largest_step(ends):
    medium = random_landscape(40, 0.8, 2.0, 1.0, 30.0, rng=2)
    tension, mobility, drive = 1.4, 0.9, 0.6
    largest = 1 / (mobility * (4 * tension / 0.8**2 + medium.largest_curvature()))
    track = simulate_wall(
        tension, mobility, drive, medium, start=np.random.default_rng(1).normal(0, 2, 40),
        frame_times=largest * np.arange(400),
        options=LineOptions(0.8, ends, time_step=largest), rng=0,
    )  # fmt: skip
    energy = line_energy(heights(track), tension, drive, medium, spacing=0.8, ends=ends)
    assert np.all(np.diff(energy) <= 1e-12 * np.abs(energy).max())
    assert energy[-1] < energy[0] - 1.0
    if ends == "pinned":
        assert np.ptp(heights(track)[:, [0, -1]], axis=0).max() == 0.0


def test_kernel_force_is_the_gradient_of_the_energy(oracle):
    medium = random_landscape(12, 0.8, 1.0, 1.0, 10.0, rng=2)
    u = np.random.default_rng(0).normal(0, 3, 12)
    for number, ends in enumerate(("periodic", "free")):
        force = np.empty(12)
        kernels.line_force(u, medium.force_table(), 0.1, 1.3 / 0.64, 0.4, number, force)
        numeric = np.empty(12)
        for i in range(12):
            up, down = u.copy(), u.copy()
            up[i] += 1e-4
            down[i] -= 1e-4
            both = line_energy(np.array([up, down]), 1.3, 0.4, medium, spacing=0.8, ends=ends)
            numeric[i] = -(both[0] - both[1]) / 2e-4 / 0.8
        oracle(f"line, {ends}, gradient", error=np.abs(force - numeric).max(), bound=1e-6)


def test_geometry_follows_the_conventions_of_wall_tracks(oracle):
    n = 400
    x = np.arange(n) * 0.1
    q = 2 * np.pi / 40.0
    track = simulate_wall(
        1.0, 1.0, 0.0, start=3 * np.cos(q * x), frame_times=[0.0, 1e-3],
        options=LineOptions(0.1, unit="nm", time_unit="s"), rng=0,
    )  # fmt: skip
    assert track.closed == {0: False}
    assert (track.unit, track.time_unit) == ("nm", "s")
    first = track.contour(0, 0)
    slope, bend = -3 * q * np.sin(q * x), -3 * q**2 * np.cos(q * x)
    curvature = -bend / (1 + slope**2) ** 1.5
    assert curvature[0] > 0  # the positive domain, below, is convex where the line bulges upward
    error = np.abs(first["curvature"] - curvature).max() / curvature.max()
    oracle("line, curvature", error=error, bound=2e-4)
    normal = np.stack([-slope, np.ones(n)]) / np.hypot(1, slope)
    found = first[["normal_x", "normal_y"]].to_numpy().T
    oracle("line, normals", error=np.abs(found - normal).max(), bound=2e-4)
    steps = np.linspace(0, x[-1], 200_001)
    length = np.trapezoid(np.hypot(1, 3 * q * np.sin(q * steps)), steps)
    oracle("line, length", error=first["arc_length"].iloc[-1] / length - 1, bound=1e-4)
    # it shrinks where it bulges: motion against the normal, tension x curvature for small slopes
    assert first["normal_velocity"][0] == pytest.approx(bend[0], rel=1e-2)


def test_result_depends_on_the_seed_alone_and_goes_on_after_a_stop(tmp_path):
    medium = random_landscape(64, 1.0, 0.5, 1.0, 50.0, rng=4)
    path = tmp_path / "line.npz"

    def run(**options):
        return simulate_wall(
            1.0, 1.0, [0.5, -0.5, 1.0, 0.0], medium, start=np.zeros(64),
            frame_times=[0.0, 40.0, 100.0, 20000.0], options=LineOptions(thermal_energy=0.2), rng=3,
            **options,
        )  # fmt: skip

    def interrupt(done, total):
        if done > 0.01 * total:
            os.kill(os.getpid(), signal.SIGINT)

    straight = run()
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        run(checkpoint=path, progress=interrupt)
    assert run(checkpoint=path).table.equals(straight.table)
    assert not path.exists()
    stopped = run(progress=interrupt)
    assert stopped.n_frames < 4
    assert "by Ctrl-C" in stopped.warnings[0]
    assert np.array_equal(heights(stopped), heights(straight)[: stopped.n_frames])


def test_threads_change_nothing():
    def move(seed):
        medium = random_landscape(300, 1.0, 0.5, 2.0, 60.0, rng=seed)
        return simulate_wall(
            1.0, 1.0, 0.8, medium, start=np.zeros(300), frame_times=[0.0, 20.0, 40.0], rng=seed,
            options=LineOptions(thermal_energy=0.3),
        )  # fmt: skip

    serial = [move(seed) for seed in (1, 2, 3, 4)]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(move, (1, 2, 3, 4)))
    for mine, theirs in zip(serial, threaded, strict=True):
        assert mine.table.equals(theirs.table)


@pytest.mark.parametrize("ends", [0, 1, 2])
def test_compiled_steps_equal_their_python_form(ends, monkeypatch):
    medium = random_landscape(7, 1.0, 0.5, 1.0, 9.0, rng=4)
    start = np.random.default_rng(2).normal(0, 5, 7)
    results = []
    for form in ("compiled", "python"):
        steps = kernels.line_steps
        if form == "python":
            for name in ("next_word", "uniform", "normal", "fill_normal", "line_force"):
                monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
            steps = steps.py_func
        u, state = start.copy(), np.array([5, 9], np.uint64)
        with np.errstate(over="ignore"):
            steps(
                u, medium.force_table(), 1 / 9.0, 1.1, 0.3, ends, 0.1, 0.2, 40, state,
                ziggurat_tables(), np.empty((4, 7)),
            )  # fmt: skip
        results.append((u, state))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])
    assert np.any(results[0][0] != start)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tension": -1.0}, "tension must be"),
        ({"mobility": 0.0}, "mobility must be"),
        ({"drive": np.nan}, "drive must hold finite"),
        ({"drive": [1.0, 2.0, 3.0]}, "drive must have shape"),
        ({"start": [0.0, 1.0]}, "at least 3 points"),
        ({"start": [0.0, np.inf, 1.0]}, "finite"),
        ({"frame_times": [1.0, 1.0]}, "must ascend"),
        ({"pinning": washboard(5, 1.0)}, "one row for each of the 8 points"),
        ({"options": LineOptions(time_step=0.3)}, "time_step must be at most 0.25.*Take 0.06"),
        (
            {"options": LineOptions(time_step=1e-300)},
            r"at most 1e\+12 steps in all; 1e-300 makes 1e\+300 steps of the interval of 1 after",
        ),
        ({"options": {"spacing": 1.0}}, "options must be LineOptions or None; got dict"),
        ({"pinning": np.zeros((8, 16))}, "pinning must be a PinningLandscape.*got ndarray"),
        ({"tension": None}, "tension must be"),
        ({"drive": "up"}, "drive must"),
        ({"start": None}, "start must"),
    ],
)
def test_bad_input_gets_one_sentence(change, message):
    call = {
        "tension": 1.0, "mobility": 1.0, "drive": 0.0, "start": np.zeros(8),
        "frame_times": [0.0, 1.0], "rng": 0,
    } | change  # fmt: skip
    with pytest.raises(InputError, match=message):
        simulate_wall(**call)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LineOptions(spacing=0.0), "spacing"),
        (lambda: LineOptions(ends="open"), "ends must be one of"),
        (lambda: LineOptions(thermal_energy=-1.0), "thermal_energy"),
        (lambda: LineOptions(time_step=0.0), "time_step"),
        (lambda: PinningLandscape(np.zeros((3, 3)), 1.0), "at least 4 knots"),
        (lambda: PinningLandscape(np.zeros((3, 8)), -1.0), "period"),
        (lambda: PinningLandscape(np.full((3, 8), np.nan), 1.0), "finite"),
        (lambda: random_landscape(2, 1.0, 1.0, 1.0, 9.0), "n_points"),
        (lambda: random_landscape(8, 1.0, 1.0, 1.0, 2.0), "period must be at least 4"),
        (lambda: random_landscape(8, 1.0, 0.0, 1.0, 9.0), "strength"),
        (lambda: washboard(4, 1.0).force(np.zeros(3)), "heights must have shape"),
    ],
)
def test_bad_media_get_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()
