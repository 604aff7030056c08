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


def test_real_sulphide_has_its_lattice_constant(public_file):
    public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.json")
    image = read_image(public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    constant = measure_lattice_constant(find_atoms(image))
    assert constant.unit == "nm"
    assert abs(constant.value / 0.316 - 1) < 0.05
    assert constant.total_low < 0.316 < constant.total_high
    assert constant.statistical_sd < 0.002
