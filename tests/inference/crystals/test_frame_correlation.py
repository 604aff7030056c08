"""Films of crystals: frames that resemble each other, drift, or carry errors of their own."""

import numpy as np
import pytest
from scipy.stats import binomtest

from physlearn.checks import InputError
from physlearn.inference import fit_crystal, sample_harmonic_crystal, spring_bound
from physlearn.inference.crystals.crystal_kinds import KINDS
from physlearn.inference.crystals.frame_correlation import frame_variance
from physlearn.inference.crystals.harmonic_box import whole_box
from physlearn.inference.crystals.thermal_crystals import BoxWaves
from physlearn.records import AtomicConfiguration, Trajectory

TRUTH = np.array([300.0, -15.0, 20.0, -3.0])
ASKED = {"sampling": "thermal_snapshot", "rng": 1}
ERROR = 0.01


def film(size, n_frames, step, seed, drift=0.0):
    """Overdamped springs, exactly: a wave of stiffness k keeps exp(-step k / 300) a frame."""
    rng = np.random.default_rng((seed, 9))
    box = whole_box(KINDS["triangular"], 1.0, np.full(2, size - 1e-9))
    waves = BoxWaves.of(box, 2)
    values, vectors = np.linalg.eigh(waves.stiffness(TRUTH))
    kept = np.exp(-step * values / 300.0)
    keep = np.einsum("qij,qj,qkj->qik", vectors, kept, vectors)
    renew = np.einsum("qij,qj,qkj->qik", vectors, np.sqrt(1.0 - kept**2), vectors)
    field, frames = waves.vibrate(TRUTH, rng), []
    for f in range(n_frames):
        frames.append(box.sites + field + f * drift + ERROR * rng.standard_normal(field.shape))
        fresh = waves.vibrate(TRUTH, rng)
        field = sum(
            waves.back(np.einsum("qij,qj->qi", part, waves.forward(old)))
            for part, old in ((keep, field), (renew, fresh))
        )
    lengths = np.diag(box.cell)
    return [
        AtomicConfiguration(f - np.floor(f / lengths) * lengths, unit="reduced", cell=box.cell)
        for f in frames
    ]


def as_trajectory(frames, localization_sd=None):
    n = frames[0].n
    return Trajectory(
        np.repeat(np.arange(len(frames)), n), np.tile(np.arange(n), len(frames)),
        np.concatenate([f.positions for f in frames]), np.arange(len(frames), dtype=float),
        unit="reduced", cell=frames[0].cell,
        localization_sd=None if localization_sd is None else np.full(n * len(frames),
                                                                     localization_sd),
    )  # fmt: skip


def test_a_correlation_counts_as_its_square(oracle):
    """An autoregression of .8: a mean square varies as (1 + .64) / (1 - .64) independent ones."""
    rng = np.random.default_rng(2)
    field = np.empty((200, 3000))
    field[0] = rng.standard_normal(3000)
    for f in range(1, 200):
        field[f] = 0.8 * field[f - 1] + 0.6 * rng.standard_normal(3000)
    limit = 1.64 / 0.36
    expected = limit - 2.0 * 0.64 / 200 / 0.36**2  # ends of the film
    oracle("correlated frames", error=abs(frame_variance(field) / expected - 1.0), bound=0.03)
    field[rng.random(field.shape) < 0.2] = np.nan
    oracle("with gaps", error=abs(frame_variance(field) / expected - 1.0), bound=0.03)
    assert frame_variance(rng.standard_normal((50, 3000))) < 1.02
    assert frame_variance(np.tile(field[:1], (50, 1))) == pytest.approx(50.0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_frame_given_many_times_is_one_frame(whole):
    size = 10 if whole else 7
    one = sample_harmonic_crystal("triangular", size, TRUTH, position_sd=ERROR, rng=1)[0]
    if not whole:
        one = AtomicConfiguration(one.positions, unit="reduced")
    alone = fit_crystal(one, position_sd=ERROR, **ASKED)
    many = fit_crystal([one] * 6, position_sd=ERROR, **ASKED)
    assert many.diagnostics["independent_frames"] == pytest.approx(1.0)
    assert any("6 are worth 1.0" in words for words in many.warnings)
    assert many["longitudinal"] == pytest.approx(alone["longitudinal"], rel=1e-6)


def test_a_drifting_film_is_still_correlated():
    still, moving = (film(10, 12, 0.1, 3, drift) for drift in (0.0, 0.27))
    worth = [
        fit_crystal(as_trajectory(f), position_sd=ERROR, **ASKED).diagnostics["independent_frames"]
        for f in (still, moving)
    ]
    assert worth[0] == pytest.approx(worth[1], rel=1e-6)
    assert worth[0] < 6.0
    free = sample_harmonic_crystal("triangular", 10, TRUTH, 12, position_sd=ERROR, rng=4)
    fit = fit_crystal(free, position_sd=ERROR, **ASKED)
    assert fit.diagnostics["independent_frames"] > 11.5
    assert not fit.warnings


@pytest.mark.slow
def test_intervals_of_films_hold_the_springs(oracle):
    inside, shift = [], []
    for index in range(60):
        fit = fit_crystal(film(14, 30, 0.1, 100 + index), position_sd=ERROR, **ASKED)
        draws = np.stack([fit["longitudinal"], fit["transverse"]], axis=2).reshape(-1, 4)
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        inside.append((low < TRUTH) & (high > TRUTH))
        shift.append((draws.mean(axis=0) - TRUTH) / draws.std(axis=0))
    for k, name in enumerate(("L1", "T1", "L2", "T2")):
        held = int(np.sum(inside, axis=0)[k])
        oracle(f"film of a crystal: cov90 of {name}", p=binomtest(held, 60, 0.9).pvalue)
        sd = np.std(shift, axis=0, ddof=1)[k]
        oracle(f"film of a crystal: sd of z of {name}", z=(sd - 1.0) * np.sqrt(2 * 59))


def test_a_strained_turned_view_has_the_same_springs():
    """Sheared by 1 %, turned by 7 degrees and moved: a few per cent of the bonds' own lengths."""
    one = sample_harmonic_crystal("triangular", 8, TRUTH, position_sd=ERROR, rng=8)[0].positions
    cos, sin = np.cos(np.deg2rad(7.0)), np.sin(np.deg2rad(7.0))
    turned = one @ np.array([[1.0, 0.01], [0.0, 1.0]]) @ np.array([[cos, sin], [-sin, cos]]) + 3.0
    fits = [
        fit_crystal(AtomicConfiguration(places, unit="reduced"), position_sd=ERROR, **ASKED)
        for places in (one, turned)
    ]
    for name in ("longitudinal", "transverse"):
        shift = fits[1][name].mean(axis=0) - fits[0][name].mean(axis=0)
        assert (np.abs(shift) < 0.25 * fits[0][name].std(axis=0)).all()


def test_errors_of_every_frame_count(oracle):
    frames = sample_harmonic_crystal("triangular", 16, TRUTH, 4, rng=5)
    rng = np.random.default_rng(6)
    means = []
    for errors in ((1e-6, 0.05, 0.05, 0.05), (0.05, 0.05, 0.05, 1e-6)):
        noisy = [
            f.with_changes(
                positions=f.positions + e * rng.standard_normal(f.positions.shape),
                position_covariance=np.tile(e**2 * np.eye(2), (f.n, 1, 1)),
            )
            for f, e in zip(frames, errors, strict=True)
        ]
        found = fit_crystal(noisy, **ASKED)["longitudinal"][:, 0]
        means.append((found.mean() - 300.0) / found.std())
    for name, z in zip(("first", "last"), means, strict=True):
        oracle(f"frames of other errors, the {name} without", z=z)
    with pytest.raises(InputError, match="1 of 2 frames carry"):
        fit_crystal([noisy[0], frames[1]], **ASKED)
    exact = fit_crystal(as_trajectory(frames, 0.02), **ASKED)
    said = fit_crystal(as_trajectory(frames), position_sd=0.02, **ASKED)
    assert exact["longitudinal"] == pytest.approx(said["longitudinal"])


def test_a_bound_needs_an_error():
    atoms = sample_harmonic_crystal("triangular", 10, TRUTH, rng=7)[0]
    with pytest.raises(InputError, match="no bound"):
        spring_bound(atoms, TRUTH, position_sd="free")
