"""Springs of crystals against closed forms, dense Gaussians and known truths."""

import numpy as np
import pytest
from scipy.stats import binomtest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import (
    crystal_model,
    dispersion_curve,
    fit_crystal,
    sample_harmonic_crystal,
    spring_bound,
)
from physlearn.inference.crystals.crystal_data import read_crystal
from physlearn.inference.crystals.crystal_kinds import KINDS
from physlearn.inference.crystals.crystal_sites import find_sites
from physlearn.inference.crystals.fit_crystal import likelihood_parts
from physlearn.inference.crystals.spring_geometry import spring_geometry
from physlearn.inference.crystals.thermal_crystals import thermal_springs
from physlearn.inference.crystals.whittle_kernels import wave_log_likelihood
from physlearn.inference.crystals.window_likelihood import WindowLikelihood
from physlearn.lattice_models import LennardJones
from physlearn.records import AtomicConfiguration

TRUTH = np.array([300.0, -15.0, 20.0, -3.0])
ASKED = {"sampling": "thermal_snapshot", "rng": 1}


def dense_precision(sites, kind, spacing, springs, cell):
    """Energy of springs as a matrix, bond by bond, from distances alone."""
    n, d = sites.shape
    lengths = kind.shell_lengths(len(springs) // 2) * spacing
    out = np.zeros((n * d, n * d))
    turns = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ cell
    for i in range(n):
        for turn in turns:
            away = sites + turn - sites[i]
            length = np.linalg.norm(away, axis=1)
            for shell, wanted in enumerate(lengths):
                for j in np.flatnonzero(np.abs(length - wanted) < 1e-6):
                    e = away[j] / length[j]
                    k = springs[2 * shell] * np.outer(e, e)
                    k += springs[2 * shell + 1] * (np.eye(d) - np.outer(e, e))
                    at, to = slice(i * d, i * d + d), slice(j * d, j * d + d)
                    out[at, at] += k
                    out[at, to] -= k
    return out


@pytest.mark.parametrize("name", ["triangular", "honeycomb"])
def test_the_waves_likelihood_is_that_of_the_dense_gaussian(name):
    springs = TRUTH if name == "triangular" else np.array([300.0, 60.0, 40.0, 5.0])
    atoms = sample_harmonic_crystal(name, 6, springs, position_sd=0.02, rng=2)[0]
    frames = read_crystal(atoms, name)
    s = frames.sites[0]
    geometry = spring_geometry(s.kind, s.primitive, 2)
    part = likelihood_parts(frames, geometry)[0]
    other, noise = springs * np.array([1.2, 0.7, 1.3, 0.9]), 0.015**2
    spring_rows = np.stack([springs, other])
    ours = np.diff(part.values(spring_rows, np.array([0.02**2, noise])))[0]
    dense = []
    for k, error in ((springs, 0.02**2), (other, noise)):
        precision = dense_precision(s.sites, s.kind, s.spacing, k, s.periods @ s.primitive)
        values, vectors = np.linalg.eigh(precision)
        # every wave but 0: with two atoms a cell that leaves out the cell's own stretch, too
        basis = np.zeros((s.n * 2, 2 * s.kind.n_basis))
        for b in range(s.kind.n_basis):
            for i in range(2):
                basis[2 * np.flatnonzero(s.basis == b) + i, 2 * b + i] = 1.0
        basis /= np.linalg.norm(basis, axis=0)
        rest = np.linalg.svd(np.eye(s.n * 2) - basis @ basis.T)[0][:, : s.n * 2 - basis.shape[1]]
        covariance = vectors[:, 2:] @ np.diag(1.0 / values[2:]) @ vectors[:, 2:].T
        inner = rest.T @ covariance @ rest + error * np.eye(rest.shape[1])
        y = rest.T @ s.displacement.ravel()
        dense.append(-0.5 * (np.linalg.slogdet(inner)[1] + y @ np.linalg.solve(inner, y)))
    assert ours == pytest.approx(dense[1] - dense[0], rel=1e-8, abs=1e-7)


def test_the_kernel_is_its_plain_form():
    rng = np.random.default_rng(1)
    geometry = rng.standard_normal((3, 2, 2, 2))
    geometry = geometry @ geometry.transpose(0, 1, 3, 2)
    spectrum = np.tile(np.eye(2), (3, 1, 1))
    springs, noise = np.array([[1.0, 2.0], [1.0, -9.0]]), np.array([0.1, 0.1])
    out, plain = np.empty(2), np.empty(2)
    wave_log_likelihood(springs, noise, geometry, spectrum, np.ones(3), out)
    wave_log_likelihood.py_func(springs, noise, geometry, spectrum, np.ones(3), plain)
    assert out[0] == pytest.approx(plain[0], rel=1e-12)
    assert out[1] == plain[1] == -np.inf  # not stable


def test_score_and_information_are_derivatives():
    atoms = sample_harmonic_crystal("triangular", 8, TRUTH, position_sd=0.02, rng=3)[0]
    frames = read_crystal(atoms)
    part = likelihood_parts(frames, spring_geometry(
        frames.sites[0].kind, frames.sites[0].primitive, 2))[0]  # fmt: skip
    place, steps = np.append(TRUTH, 4e-4), np.append(1e-4 * np.abs(TRUTH), 1e-8)
    gradient, information = part.score(TRUTH, 4e-4)
    for k, step in enumerate(steps):
        up, down = place.copy(), place.copy()
        up[k] += step
        down[k] -= step
        rows = np.stack([up, down])
        high, low = part.values(np.ascontiguousarray(rows[:, :4]), rows[:, 4].copy())
        assert (high - low) / (2 * step) == pytest.approx(gradient[k], rel=1e-5)
    assert (np.linalg.eigvalsh(information) > 0).all()


def test_elastic_constants_of_central_springs():
    """Triangular: bulk = sqrt(3)/2 k, shear = sqrt(3)/4 k; fcc: c11 = 2 c12 = 2 c44 = k sqrt 2."""
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    kind = KINDS["triangular"]
    flat = spring_geometry(kind, 1.3 * kind.primitive @ turn, 1).elastic(np.array([[100.0, 0.0]]))
    assert flat["bulk_modulus"][0] == pytest.approx(50 * np.sqrt(3), rel=1e-6)
    assert flat["shear_modulus"][0] == pytest.approx(25 * np.sqrt(3), rel=1e-6)
    kind = KINDS["fcc"]
    cubic = spring_geometry(kind, kind.primitive, 1).elastic(np.array([100.0, 0.0]))
    assert cubic["c11"] == pytest.approx(100 * np.sqrt(2), rel=1e-6)
    assert cubic["c12"] == pytest.approx(50 * np.sqrt(2), rel=1e-6)
    assert cubic["c44"] == pytest.approx(50 * np.sqrt(2), rel=1e-6)


@pytest.mark.slow
def test_intervals_hold_the_springs(oracle):
    inside = []
    for index in range(40):
        atoms = sample_harmonic_crystal("triangular", 12, TRUTH, position_sd=0.02, rng=index)[0]
        fit = fit_crystal(atoms, sampling="thermal_snapshot", position_sd=0.02, rng=index)
        for name, part in (("longitudinal", 0), ("transverse", 1)):
            low, high = fit.interval(name).T
            inside.append((low < TRUTH[part::2]) & (high > TRUTH[part::2]))
    held = np.reshape(inside, (40, 4)).sum(axis=0)
    for name, count in zip(("L1", "L2", "T1", "T2"), held, strict=True):
        oracle(f"springs of a crystal: cov90 of {name}", p=binomtest(int(count), 40, 0.9).pvalue)


def test_many_frames_reach_the_bound(oracle):
    frames = sample_harmonic_crystal("bcc", 5, [200.0, -10.0, 120.0, -5.0], 30, rng=4)
    fit = fit_crystal(frames, position_sd=0, **ASKED)
    bound = spring_bound(frames, [200.0, -10.0, 120.0, -5.0], position_sd=0)
    found = np.stack([fit["longitudinal"], fit["transverse"]], axis=2).reshape(-1, 4)
    assert found.std(axis=0) == pytest.approx(bound, rel=0.15)
    for k, truth in enumerate([200.0, -10.0, 120.0, -5.0]):
        oracle(f"springs of bcc: number {k}", z=(found[:, k].mean() - truth) / bound[k])
    assert fit.diagnostics["wave_misfit_p"] > 1e-4


def test_an_unknown_error_is_told_apart(oracle):
    frames = sample_harmonic_crystal("triangular", 20, TRUTH, 8, position_sd=0.02, rng=5)
    fit = fit_crystal(frames, position_sd="free", **ASKED)
    error = fit["position_sd"]
    oracle("position error of a crystal", z=(error.mean() - 0.02) / error.std())
    ignored = fit_crystal(frames, position_sd=0, **ASKED)
    assert ignored["longitudinal"][:, 0].mean() < 0.8 * fit["longitudinal"][:, 0].mean()
    given = fit_crystal(frames, position_sd=(0.02, 0.001), **ASKED)
    assert given["longitudinal"][:, 0].std() < fit["longitudinal"][:, 0].std()


def test_an_error_that_is_hardly_told_is_said():
    atoms = sample_harmonic_crystal("triangular", 12, TRUTH, position_sd=0.02, rng=5)[0]
    free = fit_crystal(atoms, position_sd="free", **ASKED)
    said = [words for words in free.warnings if "hardly tell the position error" in words]
    first = free["longitudinal"][:, 0]
    assert len(said) == (first.mean() > 1.05 * np.median(first)) == 1
    known = fit_crystal(atoms, position_sd=0.02, **ASKED)
    assert not any("hardly tell" in words for words in known.warnings)


def test_a_field_of_view_is_the_marginal_of_the_whole():
    """The window's likelihood is the dense Gaussian of its atoms, linear maps projected out."""
    whole = sample_harmonic_crystal("triangular", 9, TRUTH, position_sd=0.03, rng=6)[0]
    near = np.abs(whole.positions - whole.positions.mean(axis=0))
    piece = find_sites(whole.positions[(near < 2.6).all(axis=1)], None, "triangular")
    geometry = spring_geometry(piece.kind, piece.primitive, 2)
    part = WindowLikelihood.of(piece, geometry)
    values = part.values(np.stack([TRUTH, 1.3 * TRUTH]), np.array([9e-4, 4e-4]))
    size = len(part.starts) - 1
    dense = []
    for springs, noise in ((TRUTH, 9e-4), (1.3 * TRUTH, 4e-4)):
        precision = np.zeros((size, size))
        columns = np.repeat(np.arange(size), np.diff(part.starts))
        precision[part.places, columns] = springs @ part.entries
        values_q, vectors = np.linalg.eigh(precision)
        assert abs(values_q[1]) < 1e-9 * values_q[-1] < values_q[2]
        covariance = (vectors[:, 2:] / values_q[2:]) @ vectors[:, 2:].T
        inner = covariance[np.ix_(part.seen, part.seen)] + noise * np.eye(len(part.seen))
        shift = np.tile(np.eye(2), (len(part.seen) // 2, 1))
        maps = np.column_stack([shift, part.observed[:, 1:]])
        rest = np.linalg.svd(maps)[0][:, maps.shape[1] :]
        inner, y = rest.T @ inner @ rest, rest.T @ part.observed[:, 0]
        dense.append(-0.5 * (np.linalg.slogdet(inner)[1] + y @ np.linalg.solve(inner, y)))
    assert values[1] - values[0] == pytest.approx(dense[1] - dense[0], rel=1e-6)


def test_a_field_of_view_and_a_vacancy_are_fitted(oracle):
    whole = sample_harmonic_crystal("triangular", 22, TRUTH, position_sd=0.02, rng=7)[0]
    near = np.abs(whole.positions - np.median(whole.positions, axis=0))
    piece = AtomicConfiguration(whole.positions[(near < 6).all(axis=1)], unit="reduced")
    fit = fit_crystal(piece, position_sd=0.02, **ASKED)
    found = fit["longitudinal"][:, 0]
    oracle("spring in a field of view", z=(found.mean() - 300.0) / found.std())
    assert fit.diagnostics["surrogate_error"] < 0.3
    small = sample_harmonic_crystal("triangular", 13, TRUTH, position_sd=0.02, rng=8)[0]
    fewer = small.with_changes(positions=np.delete(small.positions, 40, axis=0))
    lacking = fit_crystal(fewer, position_sd=0.02, **ASKED)
    assert any("without an atom" in words for words in lacking.warnings)
    assert lacking["longitudinal"][:, 0].mean() == pytest.approx(300.0, rel=0.4)


def test_units_scale():
    atoms = sample_harmonic_crystal("triangular", 14, TRUTH, rng=9)[0]
    larger = AtomicConfiguration(10.0 * atoms.positions, unit="nm", cell=10.0 * atoms.cell)
    one = fit_crystal(atoms, position_sd=0, **ASKED)
    ten = fit_crystal(larger, position_sd=0, **ASKED)
    assert ten["longitudinal"] * 100 == pytest.approx(one["longitudinal"], rel=1e-4)
    assert ten.summary()["unit"].iloc[0] == "kT/nm^2"


def test_averaged_springs_without_spread_are_second_derivatives():
    potential = LennardJones(5.0, 1.0, cutoff=2.5)
    kind = KINDS["triangular"]
    geometry = spring_geometry(kind, 1.1 * kind.primitive, 2)
    springs = thermal_springs(potential, geometry, np.full((2, 2), 1e-14))
    lengths, step = geometry.lengths(), 1e-4
    values = [potential.value(lengths + k * step) for k in (-1, 0, 1)]
    assert springs[0::2] == pytest.approx(
        (values[0] - 2 * values[1] + values[2]) / step**2, rel=1e-4
    )
    assert springs[1::2] == pytest.approx((values[2] - values[0]) / (2 * step * lengths), rel=1e-4)


def test_dispersion_of_a_chain_of_shears():
    atoms = sample_harmonic_crystal("square", 12, [300.0, 40.0], rng=10)[0]
    fit = fit_crystal(atoms, n_shells=1, position_sd=0, **ASKED)
    table = dispersion_curve(fit, n_waves=3)
    ends = table[table["wave"] == table["wave"].max()]["mean"].to_numpy()
    expected = [np.sqrt(4 * fit[name][:, 0]).mean() for name in ("transverse", "longitudinal")]
    assert ends == pytest.approx(expected, rel=0.01)


def test_the_pymc_model_is_the_same_posterior():
    pytest.importorskip("pymc")
    atoms = sample_harmonic_crystal("triangular", 6, TRUTH, position_sd=0.02, rng=11)[0]
    model = crystal_model(atoms, sampling="thermal_snapshot", position_sd=0.02)
    frames = read_crystal(atoms)
    part = likelihood_parts(frames, spring_geometry(
        frames.sites[0].kind, frames.sites[0].primitive, 2))[0]  # fmt: skip
    fast = {"point_fn": False, "mode": "FAST_COMPILE"}
    value = model.compile_fn(model["waves"], inputs=model.free_RVs, **fast)
    springs = model.compile_fn(model["springs"], inputs=model.free_RVs, **fast)
    places = [(5.6, np.array([0.0, 0.1, 0.0])), (5.8, np.array([-0.05, 0.0, 0.02]))]
    for place in places:
        rows = np.atleast_2d(springs(*place))
        assert value(*place) == pytest.approx(part.values(rows, np.array([4e-4]))[0], rel=1e-9)


def test_what_cannot_be_told_is_said():
    atoms = sample_harmonic_crystal("triangular", 10, TRUTH, rng=12)[0]
    with pytest.raises(InputError, match="measure_structure"):
        fit_crystal(atoms, sampling="time_averaged_image", position_sd=0)
    with pytest.raises(InputError, match="sampling"):
        fit_crystal(atoms, sampling="image", position_sd=0)
    with pytest.raises(InputError, match="position_sd must be said"):
        fit_crystal(atoms, **ASKED)
    with pytest.raises(InputError, match="several species"):
        fit_crystal(atoms.with_changes(species=np.arange(atoms.n) % 2), position_sd=0, **ASKED)
    with pytest.raises(InputError, match="configurations must be"):
        fit_crystal(atoms.positions, position_sd=0, **ASKED)
    with pytest.raises(InputError, match="do not hold"):
        sample_harmonic_crystal("square", 6, [100.0, 0.0], rng=1)
    piece = AtomicConfiguration(atoms.positions, unit="reduced")
    with pytest.raises(NotIdentified, match="give a cell"):
        spring_bound(piece, TRUTH, position_sd=0)
    solid = sample_harmonic_crystal("fcc", 5, TRUTH, rng=12)[0]
    with pytest.raises(NotIdentified, match="three dimensions"):
        fit_crystal(AtomicConfiguration(solid.positions, unit="reduced"), position_sd=0, **ASKED)
    with pytest.raises(NotIdentified, match="PyMC"):
        crystal_model(piece, sampling="thermal_snapshot", position_sd=0)
