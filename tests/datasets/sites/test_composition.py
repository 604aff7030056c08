"""Composition of a rare, overlapping species; lattice constants with honest errors."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import (
    binomial_interval,
    classify_species,
    find_atoms,
    measure_lattice_constant,
    read_image,
    species_composition,
)
from physlearn.datasets.sites import mixture_kernels as kernels
from physlearn.records import AtomicConfiguration

RATIO = 1.6
DISTANCE = 2.073
"""Class means this many standard deviations apart overlap by 30 %."""


def overlapping(n, share, seed):
    """Return columns of two species, 70 % of the variance from counting, and who is rare."""
    rng = np.random.default_rng((5, seed))
    rare = rng.random(n) < share
    joint = (RATIO - 1) / DISTANCE
    middle = 0.5 * (1 + RATIO)
    mean = np.where(rare, RATIO, 1.0)
    gain = 0.7 * joint**2 / middle
    value = mean * (1 + np.sqrt(0.3) * joint / middle * rng.normal(size=n))
    value = np.maximum(value + np.sqrt(gain * mean) * rng.normal(size=n), 0.02)
    atoms = AtomicConfiguration(
        rng.uniform(0, 500, (n, 2)), intensity=1000 * value,
        intensity_sd=1000 * np.sqrt(gain * np.maximum(value, 0.05)),
    )  # fmt: skip
    return atoms, rare


@pytest.mark.parametrize("n_scenes", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_two_per_cent_at_thirty_per_cent_overlap_are_not_biased(n_scenes, oracle):
    off = []
    for seed in range(n_scenes):
        atoms, _ = overlapping(4000, 0.02, seed)
        metadata = classify_species(atoms, intensity_ratios=(1.0, RATIO)).metadata
        off.append(metadata["species_1_share"] - 0.02)
    error = np.std(off, ddof=1) / np.sqrt(len(off))
    oracle(f"2 % at 30 % overlap, {n_scenes} scenes", z=float(np.mean(off) / error))
    assert abs(np.mean(off)) < 0.002 + 3 * (n_scenes < 50) * error


def test_the_interval_of_a_share_holds_it():
    inside = []
    for seed in range(8):
        atoms, _ = overlapping(2000, 0.05, 100 + seed)
        row = species_composition(atoms, intensity_ratios=(1.0, RATIO)).iloc[1]
        inside.append(row["low"] <= 0.05 <= row["high"])
        assert row["low"] <= row["share"] <= row["high"]
    # 95 %: fewer than 5 of 8 happens once in 2700 times
    assert sum(inside) >= 5


def test_well_apart_shares_are_binomial():
    atoms, rare = overlapping(1500, 0.1, 3)
    bright = atoms.intensity * np.where(rare, 2.5, 1.0)
    table = species_composition(atoms.with_changes(intensity=bright), 2)
    assert table["count"][1] == pytest.approx(rare.sum(), abs=3)
    width = table["high"][1] - table["low"][1]
    assert width == pytest.approx(table["count_high"][1] - table["count_low"][1], rel=0.15)


def test_skewness_alone_is_no_second_species():
    rng = np.random.default_rng(1)
    skewed = np.exp(rng.normal(0, 0.25, 3000))
    atoms = AtomicConfiguration(rng.uniform(0, 500, (3000, 2)), intensity=skewed)
    assert len(classify_species(atoms).species_names) == 1


def test_haze_is_said():
    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.arange(40.0), np.arange(40.0))
    places = 10 * np.stack([x.ravel(), y.ravel()], axis=1)
    haze = 1 + 0.1 * np.sin(places[:, 0] / 25) * np.cos(places[:, 1] / 30)
    flat = 1 + 0.05 * rng.normal(size=1600)
    clean = AtomicConfiguration(places, intensity=flat, intensity_sd=np.full(1600, 0.05))
    hazy = clean.with_changes(intensity=flat * haze)
    assert abs(classify_species(clean).metadata["intensity_likeness_z"]) < 4
    assert any("haze" in text for text in classify_species(hazy).warnings)


def test_exact_interval_and_refusals():
    # Clopper and Pearson for 0 and all of 10: 1 - 0.025^(1/10)
    assert binomial_interval(0, 10) == pytest.approx((0.0, 0.30850), abs=1e-5)
    assert binomial_interval(10, 10) == pytest.approx((0.69150, 1.0), abs=1e-5)
    atoms, _ = overlapping(100, 0.1, 1)
    for call, words in (
        (lambda: binomial_interval(5, 3), "count"),
        (lambda: species_composition(atoms, level=2.0), "level"),
        (lambda: classify_species(atoms, intensity_ratios=(2.0, 1.0)), "intensity_ratios"),
        (lambda: classify_species(atoms, 3, intensity_ratios=(1.0, 2.0)), "intensity_ratios"),
        (lambda: measure_lattice_constant(atoms, scale_sd=0.7), "scale_sd"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_kernels_equal_their_python():
    rng = np.random.default_rng(3)
    values, errors = rng.uniform(0.5, 2, 40), rng.uniform(0.05, 0.1, 40)
    rules = np.array([0.1, 1e-3, 4, 0.0, -1.0, 1e-3])
    results = []
    for climb in (kernels.climb_mixture, kernels.climb_mixture.py_func):
        means, weights, share = np.array([0.8, 1.5]), np.array([0.5, 0.5]), np.empty((40, 2))
        spread, total = climb(
            values, errors, 0.01, np.empty(0), means, weights, rules, share
        )  # fmt: skip
        results.append(np.concatenate([means, weights, share.ravel(), [spread, total]]))
    assert np.allclose(*results, rtol=1e-10)
    one = kernels.mixture_log_densities(values, errors, 0.01, means, 0.1)
    assert np.allclose(one, kernels.mixture_log_densities.py_func(values, errors, 0.01, means, 0.1))


def test_error_of_the_lattice_constant_is_the_scatter(oracle):
    vectors = 12.0 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    index = np.stack(np.meshgrid(np.arange(-30, 30), np.arange(-30, 30)), -1).reshape(-1, 2)
    ideal = index @ vectors
    ideal = ideal[np.all((ideal > 0) & (ideal < 250), axis=1)]
    z = []
    for seed in range(40):
        places = ideal + np.random.default_rng(seed).normal(0, 0.3, ideal.shape)
        constant = measure_lattice_constant(AtomicConfiguration(places))
        z.append((constant.value - 12.0) / constant.statistical_sd)
    assert constant.lattice == "triangular"
    assert constant.scale_sd == 0.0
    # robust errors over some 25 blocks scatter by 14 % themselves
    assert abs(np.std(z) - 1) < 4 / np.sqrt(2 * 40) + 0.1
    oracle("lattice constant, mean of z", z=float(np.mean(z) * np.sqrt(40)))


def crystal_of_rows(kind, seed, n=14):
    """Return a square crystal of 3 angstrom whose rows shift along y by 0.046 angstrom."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    steps = rng.normal(size=n)
    shift = np.zeros(n)
    if kind == "memory":
        for k in range(n):
            shift[k] = 0.5 * shift[k - 1] * (k > 0) + (0.75**0.5 if k else 1.0) * steps[k]
    elif kind == "walk":
        shift = np.cumsum(0.5 * steps)
    places = 3.0 * np.stack([x, y + 0.046 / 3.0 * shift[:, None]], axis=-1).reshape(-1, 2)
    places += rng.normal(0, 0.03, places.shape)
    return AtomicConfiguration(places, unit="angstrom")


@pytest.mark.parametrize(("kind", "least"), [("white", 0.95), ("memory", 0.95), ("walk", 0.85)])
def test_the_interval_holds_shifts_that_rows_share(kind, least, oracle):
    n = 40
    held, z = 0, []
    for seed in range(n):
        constant = measure_lattice_constant(crystal_of_rows(kind, seed))
        held += constant.low <= 3.0 <= constant.high
        z.append((constant.value - 3.0) / constant.statistical_sd)
    # a walk's slope is part of the lattice seen: its interval rests on the memory alone
    error = np.sqrt(least * (1 - least) / n)
    oracle(f"coverage with {kind} rows", error=least - held / n, bound=4 * error)
    oracle(f"mean of z with {kind} rows", z=float(np.mean(z) * np.sqrt(n) / max(np.std(z), 1)))


@pytest.mark.parametrize("turn", [0.0, 0.4])
@pytest.mark.parametrize(
    ("ratio", "angle", "kind"),
    [(1.2, 90, "rectangular"), (1.3, 90, "rectangular"), (1.5, 75, "oblique"),
     (2.0, 90, "rectangular"), (3.0, 90, "rectangular"), (2.0, 82, "oblique"),
     (1.0, 75, "oblique")],
)  # fmt: skip
def test_rectangular_and_oblique_lattices_are_found_and_named(ratio, angle, kind, turn):
    radians = np.radians(angle)
    vectors = 3.0 * np.array([[1, 0], [ratio * np.cos(radians), ratio * np.sin(radians)]])
    cosine, sine = np.cos(turn), np.sin(turn)
    vectors = vectors @ np.array([[cosine, sine], [-sine, cosine]])
    index = np.stack(np.meshgrid(np.arange(-60, 60), np.arange(-60, 60)), -1).reshape(-1, 2)
    places = index @ vectors
    places = places[np.all((places > 0) & (places < 42 * np.sqrt(ratio)), axis=1)]
    places += np.random.default_rng(0).normal(0, 0.03, places.shape)
    constant = measure_lattice_constant(AtomicConfiguration(places, unit="angstrom"))
    assert constant.n_columns > 0.97 * len(places)
    assert constant.lattice == kind
    assert sorted(constant.lengths) == pytest.approx([3.0, 3.0 * ratio], rel=0.005)
    assert constant.angle == pytest.approx(angle, abs=0.5)
    assert constant.low < 3.0 * np.sqrt(ratio * np.sin(radians)) < constant.high
    assert "edge of a square" in str(constant)


def test_a_distorted_square_says_so():
    x, y = np.meshgrid(np.arange(14.0), np.arange(14.0))
    places = np.stack([3.0 * x, 3.2 * y], axis=-1).reshape(-1, 2)
    said = str(measure_lattice_constant(AtomicConfiguration(places)))
    assert said.startswith("square lattice distorted by 6.7%")
    assert "longest at 90 degrees from x" in said
    assert "neighbours 3, 3.2 pixel apart, the vectors at 90.0 degrees" in said


@pytest.mark.parametrize(("along", "scale_sd"), [(0.0, 0.02), (30.0, 0.02), (130.0, 0.1)])
def test_a_stretched_triangular_lattice_names_its_axis_and_doubts_the_scale(along, scale_sd):
    turn = np.radians(along)
    axis = np.array([np.cos(turn), np.sin(turn)])
    stretch = np.eye(2) + 0.08 * np.outer(axis, axis)
    index = np.stack(np.meshgrid(np.arange(18), np.arange(18)), -1).reshape(-1, 2)
    vectors = 3.0 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]]) @ stretch
    places = index @ vectors + np.random.default_rng(0).normal(0, 0.002, (len(index), 2))
    constant = measure_lattice_constant(
        AtomicConfiguration(places, unit="angstrom"), scale_sd=scale_sd
    )
    assert constant.distortion == pytest.approx(0.08, abs=0.003)
    assert abs((constant.stretch_angle - along + 90) % 180 - 90) < 2
    lengths = np.hypot(*np.array([vectors[0], vectors[1], vectors[0] - vectors[1]]).T)
    assert sorted(constant.spacings) == pytest.approx(sorted(lengths), abs=0.005)
    assert constant.value == pytest.approx(3.0 * np.sqrt(1.08), abs=0.005)
    # an axis that is off by 8 % is not known to 2 %
    half = 1.96 * max(scale_sd, 0.04) * constant.value
    assert constant.total_high - constant.value == pytest.approx(half, rel=0.01)
    assert ("contradicts (4.0% taken)" in str(constant)) == (scale_sd < 0.04)
    assert "edge of the undistorted cell" in str(constant)


def test_labels_of_classes_that_overlap_too_much_are_not_counted():
    atoms, _ = overlapping(400, 0.02, 2)
    table = species_composition(atoms, 2)
    wide = table["high"] - table["low"] > 0.3
    assert wide.any()
    assert table["count_share"].isna().equals(wide)


def test_real_sulphide_has_its_lattice_constant(public_file):
    public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.json")
    image = read_image(public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    constant = measure_lattice_constant(find_atoms(image))
    assert constant.unit == "nm"
    assert abs(constant.value / 0.316 - 1) < 0.05
    assert constant.total_low < 0.316 < constant.total_high
    # the picture's rows wander (18 % drift): bands along y, not blocks, give the error
    assert constant.low < 0.316 < constant.high
    assert constant.statistical_sd < 0.01 * constant.value
