"""Thermal noise: structure factors, the Gibbs distribution, and disorder of a given grain."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from physlearn.lattice_models.fields import (
    DepolarizationEnergy,
    FieldSettings,
    LandauPotential,
    ThinFilmDepolarization,
    VectorLandauPotential,
    random_pinning,
    simulate_ginzburg_landau,
)

FILM = simulate_ginzburg_landau
GAUSSIAN = LandauPotential(a=0.8, kappa_x=1.5, kappa_y=0.6, kappa_xy=0.4)
DX, DY, SHAPE = 0.9, 1.2, (12, 16)
N_CELLS = SHAPE[0] * SHAPE[1]


def numbers(shape=SHAPE):
    kx = 2 * np.pi * np.fft.fftfreq(shape[1], DX)[None, :]
    ky = 2 * np.pi * np.fft.fftfreq(shape[0], DY)[:, None]
    return kx, ky


def stiffness_difference():
    kx, ky = numbers()
    xx, yy = (2 - 2 * np.cos(kx * DX)) / DX**2, (2 - 2 * np.cos(ky * DY)) / DY**2
    cross = np.sin(kx * DX) * np.sin(ky * DY) / (DX * DY)
    return 0.8 + 1.5 * xx + 0.6 * yy + 0.8 * cross


def stiffness_spectral():
    kx, ky = numbers()
    nyquist = np.isclose(abs(kx) * DX, np.pi) | np.isclose(abs(ky) * DY, np.pi)
    return 1.5 * kx**2 + 0.6 * ky**2 + 0.8 * np.where(nyquist, 0, kx * ky)


def compare(oracle, name, powers, expected, include_mean=True):
    """z of the mean of the normalised power over low, over high and over all modes.

    Every real degree of freedom counts once: |P_k|^2 of k and of -k are the same number.
    """
    ratio = powers / expected
    rank = np.where(np.isfinite(expected), expected, 0)
    twin = np.roll(expected[::-1, ::-1], (1, 1), (0, 1))
    assert np.allclose(twin, expected, rtol=1e-9)  # so that a mean over both halves is fair
    keep = np.ones(SHAPE, bool)
    keep[0, 0] = include_mean
    low = keep & (rank > np.median(rank))
    for label, chosen in (("long waves", low), ("short waves", keep & ~low), ("all", keep)):
        # sum over the full plane of N chi-square numbers in pairs: variance 2 per real number
        values = ratio[:, chosen].mean(axis=1)
        z = (values.mean() - 1) / np.sqrt(2 / chosen.sum() / len(values))
        oracle(f"structure factor, {name}, {label}", z=z)


def powers_of(film):
    return np.abs(np.fft.fft2(film.to_numpy()[1:])) ** 2 * DX * DY / N_CELLS


@pytest.mark.parametrize("share", [0.2, 0.85])
@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_explicit_structure_factor_is_exact_at_any_stable_step(dynamics, share, oracle):
    """kT / (a + K k^2) of the difference operator; plain Euler noise would miss it 1.7-fold."""
    kt = 0.3
    options = {"pixel_size": (DX, DY), "mobility": 1.4, "method": "explicit"}
    probe = FILM(GAUSSIAN, np.zeros(SHAPE), dynamics, frame_times=[0.0, 1e-6], **options)
    step = share * probe.attrs["stable_time_step"]
    gap = 12.0 if dynamics == "nonconserved" else 20.0  # > 5 times of the slowest mode
    n_frames = 300 if dynamics == "nonconserved" else 100
    film = FILM(GAUSSIAN, np.zeros(SHAPE), dynamics, frame_times=gap * np.arange(n_frames + 1),
                time_step=step, thermal_energy=kt, rng=11, **options)  # fmt: skip
    expected = kt / stiffness_difference()
    compare(oracle, f"explicit {dynamics}, {share} of the limit", powers_of(film), expected,
            include_mean=dynamics == "nonconserved")  # fmt: skip


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_spectral_structure_factor_is_the_closed_form_of_its_step(dynamics, oracle):
    kt, step = 0.3, 0.5
    gap, n_frames = (12.0, 300) if dynamics == "nonconserved" else (20.0, 150)
    film = FILM(GAUSSIAN, np.zeros(SHAPE), dynamics, frame_times=gap * np.arange(n_frames + 1),
                time_step=step, thermal_energy=kt, rng=12, pixel_size=(DX, DY), mobility=1.4,
                method="spectral")  # fmt: skip
    kx, ky = numbers()
    gradient, s = stiffness_spectral(), film.attrs["stabilizer"]
    rate = 1.4 * film.attrs["time_step"] * (kx**2 + ky**2 if dynamics == "conserved" else 1.0)
    with np.errstate(invalid="ignore"):
        variance = 2 * rate * kt * (1 + rate * (s + gradient) / 2)
        expected = variance / ((1 + rate * (s + gradient)) ** 2 - (1 + rate * (s - 0.8)) ** 2)
    expected = np.where(np.isfinite(expected), expected, kt / 0.8)
    equilibrium = kt / (0.8 + gradient)
    assert np.abs(expected / equilibrium - 1).max() < 0.25  # a coarse step on purpose
    compare(oracle, f"spectral {dynamics}", powers_of(film), expected,
            include_mean=dynamics == "nonconserved")  # fmt: skip


def test_spectral_fluctuations_are_those_of_equilibrium_at_the_chosen_step(oracle):
    film_law = ThinFilmDepolarization(strength=0.7, thickness=1.5)
    film = FILM(GAUSSIAN, np.zeros(SHAPE), frame_times=12.0 * np.arange(301), thermal_energy=0.3,
                rng=13, pixel_size=(DX, DY), couplings=film_law)  # fmt: skip
    kx, ky = numbers()
    reach = 1.5 * np.hypot(kx, ky)
    factor = np.divide(1 - np.exp(-reach), reach, out=np.ones_like(reach), where=reach > 0)
    compare(oracle, "spectral with a thin film", powers_of(film),
            0.3 / (0.8 + stiffness_spectral() + 0.7 * factor))  # fmt: skip


@pytest.mark.parametrize("dynamics", ["nonconserved", "conserved"])
def test_no_flux_structure_factor(dynamics, oracle):
    """Cosine modes of a closed grid, half-integer wave numbers."""
    from scipy.fft import dctn

    law = LandauPotential(a=0.8, kappa_x=1.5, kappa_y=0.6)
    gap, n_frames = (12.0, 300) if dynamics == "nonconserved" else (100.0, 60)
    film = FILM(law, np.zeros(SHAPE), dynamics, frame_times=gap * np.arange(n_frames + 1),
                thermal_energy=0.3, rng=14, pixel_size=(DX, DY), method="explicit",
                settings=FieldSettings(boundary="no_flux"))  # fmt: skip
    modes = dctn(film.to_numpy()[1:], axes=(1, 2), norm="ortho") ** 2 * DX * DY
    xx = (2 - 2 * np.cos(np.pi * np.arange(SHAPE[1]) / SHAPE[1])) / DX**2
    yy = (2 - 2 * np.cos(np.pi * np.arange(SHAPE[0]) / SHAPE[0])) / DY**2
    expected = 0.3 / (0.8 + 1.5 * xx[None, :] + 0.6 * yy[:, None])
    ratio = (modes / expected).reshape(len(modes), -1)
    if dynamics == "conserved":
        assert np.abs(ratio[:, 0]).max() < 1e-20  # the mean
        ratio = ratio[:, 1:]
    z = (ratio.mean() - 1) / np.sqrt(2 / ratio.size)
    oracle(f"structure factor without flux, {dynamics}", z=z)
    p = stats.kstest(ratio.ravel(), stats.chi2(1).cdf).pvalue
    oracle(f"cosine modes without flux are Gaussian, {dynamics}", p=p)


@pytest.mark.parametrize("method", ["explicit", "spectral"])
def test_vector_covariance_between_components(method, oracle):
    """<P_k P_-k> = kT (2 a1 + A(k))^-1 as a matrix, with gradients that couple Px and Py."""
    law = VectorLandauPotential(a1=0.4, g11=1.1, g12=0.5, g44=0.6, g44m=0.1)
    kt = 0.3
    couplings = () if method == "explicit" else (DepolarizationEnergy(0.9),)
    film = FILM(law, np.zeros((2, *SHAPE)), frame_times=12.0 * np.arange(301), thermal_energy=kt,
                rng=15, pixel_size=(DX, DY), method=method, couplings=couplings)  # fmt: skip
    kx, ky = numbers()
    if method == "explicit":
        xx, yy = (2 - 2 * np.cos(kx * DX)) / DX**2, (2 - 2 * np.cos(ky * DY)) / DY**2
        xy = np.sin(kx * DX) * np.sin(ky * DY) / (DX * DY)
        along = np.zeros((2, 2, *SHAPE))
    else:
        nyquist = np.isclose(abs(kx) * DX, np.pi) | np.isclose(abs(ky) * DY, np.pi)
        xx, yy, xy = kx**2, ky**2, np.where(nyquist, 0, kx * ky)
        square = np.where((kx == 0) & (ky == 0), 1, kx**2 + ky**2)
        along = 0.9 * np.array([[kx**2 / square, xy / square], [xy / square, ky**2 / square]])
    matrix = np.array([[0.8 + 1.1 * xx + 0.7 * yy, (0.5 + 0.6 - 0.1) * xy],
                       [(0.5 + 0.6 - 0.1) * xy, 0.8 + 0.7 * xx + 1.1 * yy]]) + along  # fmt: skip
    waves = np.fft.fft2(film.to_numpy()[1:]) * np.sqrt(DX * DY / N_CELLS)
    energy = np.einsum("tayx,abyx,tbyx->tyx", waves.conj(), matrix, waves).real / kt
    # P* A P / kT: two real degrees of freedom a mode, mean 2, variance 4 over the full plane
    for label, chosen in (("long", xx + yy < 2.0), ("short", xx + yy >= 2.0)):
        values = energy[:, chosen].mean(axis=1) / 2
        z = (values.mean() - 1) / np.sqrt(1 / chosen.sum() / len(values))
        oracle(f"equipartition of a vector, {method}, {label} waves", z=z)
    cross = (waves[:, 0].conj() * waves[:, 1]).real
    inverse = np.linalg.inv(np.moveaxis(matrix, (0, 1), (2, 3)))
    wanted = kt * inverse[..., 0, 1]
    weight = wanted / wanted.std()
    series = (cross * weight).mean(axis=(1, 2)) - (wanted * weight).mean()
    z = series.mean() / (series.std() / np.sqrt(len(series)))
    oracle(f"cross-correlation of Px and Py, {method}", z=z)


def gibbs_moments(law, temperature):
    """<P^2>, <P^4> of one cell by quadrature; temperature = kT / area of the cell."""

    def weight(p):
        return np.exp(-float(law.density(p)) / temperature)

    total = quad(weight, -6, 6, epsabs=1e-12)[0]
    return [quad(lambda p, n=n: p**n * weight(p), -6, 6, epsabs=1e-12)[0] / total for n in (2, 4)]


CELL = LandauPotential(a=-0.5, c=1.0, kappa_x=0.0, kappa_y=0.0)
KT = 0.4


def cell_film(method, step, n_frames=40, n=128, seed=21):
    area = 0.5
    return FILM(CELL, np.zeros((n, n)), frame_times=6.0 * np.arange(n_frames + 1), time_step=step,
                thermal_energy=KT * area, pixel_size=(0.5, 1.0), rng=seed,
                method=method).to_numpy()[2:]  # fmt: skip


@pytest.mark.parametrize(("method", "step"), [("explicit", 0.15), ("spectral", 0.002)])
def test_a_single_cell_is_distributed_as_gibbs_says(method, step, oracle):
    frames = cell_film(method, step, *((40, 128) if method == "explicit" else (5, 64)))
    for power, exact in zip((2, 4), gibbs_moments(CELL, KT), strict=True):
        values = (frames**power).mean(axis=0).ravel()  # cells are independent, frames nearly
        z = (values.mean() - exact) / (values.std() / np.sqrt(values.size))
        oracle(f"<P^{power}> of a cell, {method}", z=z)
    grid = np.linspace(-6, 6, 24001)
    weight = np.exp(-CELL.density(grid) / KT)
    cumulated = np.cumsum(weight) / weight.sum()
    p = stats.kstest(frames[-1].ravel(), lambda p: np.interp(p, grid, cumulated)).pvalue
    oracle(f"distribution of a cell, {method}", p=p)


def test_noise_of_one_step_alone_would_miss_the_gibbs_distribution():
    """The step of the test above is coarse: there, plain Euler noise is wrong beyond doubt."""
    generator = np.random.default_rng(3)
    # 128 x 128 cells have z of -4 to -6, measured with several seeds: four times as many twice that
    p = np.zeros(256 * 256)
    squares = []
    for count in range(1, 601):
        p += -0.15 * CELL.derivative(p) + np.sqrt(2 * 0.15 * KT) * generator.normal(size=p.size)
        if count % 60 == 0:
            squares.append(p**2)
    values = np.mean(squares[2:], axis=0)
    z = (values.mean() - gibbs_moments(CELL, KT)[0]) / (values.std() / np.sqrt(values.size))
    assert abs(z) > 6


def test_disorder_has_the_strength_and_the_grain_asked_for(oracle):
    length, sd = 3.0, 0.7
    maps = np.stack([random_pinning((64, 64), field_sd=sd, correlation_length=length, rng=n).field
                     for n in range(300)])  # fmt: skip
    for lag in (0, 2, 5):
        products = (maps * np.roll(maps, lag, axis=2)).mean(axis=(1, 2))
        wanted = sd**2 * np.exp(-(lag**2) / (2 * length**2))
        z = (products.mean() - wanted) / (products.std() / np.sqrt(len(products)))
        oracle(f"covariance of disorder at lag {lag}", z=z)
    white = random_pinning((64, 64), softening_sd=0.2, rng=3)
    assert white.field is None
    assert np.std(white.softening) == pytest.approx(0.2, rel=0.05)


def test_same_seed_same_film_and_the_start_is_left_alone():
    start = np.random.default_rng(1).normal(size=(10, 14))
    kept = start.copy()
    law = LandauPotential(a=-1.0, c=1.0)
    for method in ("explicit", "spectral"):
        for noise in (0.0, 0.1):
            films = [FILM(law, start, frame_times=[0, 1, 2.0], thermal_energy=noise, rng=5,
                          method=method) for _ in range(2)]  # fmt: skip
            assert films[0].identical(films[1])
            np.testing.assert_array_equal(start, kept)
    other = FILM(law, start, frame_times=[0, 1, 2.0], thermal_energy=0.1, rng=6)
    assert not np.array_equal(other[1], films[0][1])


def test_threads_change_nothing():
    start = np.random.default_rng(1).normal(size=(48, 40))
    law = LandauPotential(a=-1.0, c=1.0)

    def films(seed):
        return [FILM(law, start, dynamics, frame_times=[0, 0.2, 0.4], thermal_energy=noise,
                     rng=seed, method=method)
                for method in ("explicit", "spectral") for noise in (0.0, 0.1)
                for dynamics in ("nonconserved", "conserved")]  # fmt: skip

    serial = [films(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(films, (1, 2)))
    for one, other in zip(serial, threaded, strict=True):
        assert all(mine.identical(theirs) for mine, theirs in zip(one, other, strict=True))
