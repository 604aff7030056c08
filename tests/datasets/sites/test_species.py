"""Species from intensities: planted classes, honest likelihoods, drifting thickness."""

import numpy as np
import pytest
from scipy.stats import norm

from physlearn.checks import InputError
from physlearn.datasets import classify_species
from physlearn.records import AtomicConfiguration


def planted(levels, shares, *, n=1500, spread=0.05, error=0.05, tilt=0.0, seed=0):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 500, (n, 2))
    kind = rng.choice(len(levels), n, p=shares)
    mean = np.asarray(levels)[kind] * (1 + tilt * (positions[:, 0] / 500 - 0.5))
    sd = error * mean * rng.uniform(0.5, 1.5, n)
    intensity = mean * np.exp(rng.normal(0, spread, n)) + rng.normal(0, sd)
    return AtomicConfiguration(positions, intensity=intensity, intensity_sd=sd), kind


@pytest.mark.parametrize(
    ("levels", "shares"),
    [((100.0,), (1.0,)), ((50.0, 100.0), (0.5, 0.5)), ((30.0, 60.0, 120.0), (0.3, 0.3, 0.4)),
     ((100.0, 200.0), (0.98, 0.02))],
)  # fmt: skip
def test_number_and_kind_of_species_come_back(levels, shares):
    atoms, kind = planted(levels, shares)
    found = classify_species(atoms)
    assert len(found.species_names) == len(levels)
    assert (found.species == kind).mean() > 0.995
    for k, level in enumerate(levels):
        assert found.metadata[f"species_{k}_mean_intensity"] == pytest.approx(level, rel=0.03)


def test_intrinsic_spread_is_told_from_the_fit_errors():
    atoms, _ = planted((50.0, 100.0), (0.5, 0.5), spread=0.04, error=0.1, n=4000)
    found = classify_species(atoms, 2)
    # without the deconvolution the spread would be about sqrt(.04^2 + .1^2) = .11
    assert found.metadata["species_relative_spread"] == pytest.approx(0.04, abs=0.02)


def test_a_thickness_gradient_does_not_mix_species():
    atoms, kind = planted((80.0, 100.0), (0.5, 0.5), spread=0.02, error=0.02, tilt=0.5)
    flat = classify_species(atoms)
    assert (flat.species == kind).mean() > 0.99
    assert flat.metadata["intensity_surface_range"] == pytest.approx(0.5, abs=0.1)


def test_likelihoods_have_no_class_weights():
    atoms, _ = planted((50.0, 70.0), (0.9, 0.1), spread=0.06, error=0.08, n=6000, seed=3)
    found = classify_species(atoms, 2)
    ratio = found.species_log_likelihood[:, 1] - found.species_log_likelihood[:, 0]
    # oracle: the planted densities, whatever the shares of the classes
    sd = np.hypot(0.06, atoms.intensity_sd / atoms.intensity)
    value = np.log(atoms.intensity)
    wanted = norm.logpdf(value, np.log(70.0), sd) - norm.logpdf(value, np.log(50.0), sd)
    between = (atoms.intensity > 52) & (atoms.intensity < 68)
    assert np.median(ratio[between] - wanted[between]) == pytest.approx(0.0, abs=0.4)
    # a posterior would sit at log(.1 / .9) = -2.2 from it
    assert np.corrcoef(ratio[between], wanted[between])[0, 1] > 0.97


def test_an_outlier_is_no_stronger_evidence():
    atoms, _ = planted((50.0, 100.0), (0.5, 0.5), n=300)
    bright, sd = atoms.intensity.copy(), atoms.intensity_sd.copy()
    bright[0], sd[0] = 1e4, 500.0
    ratio = np.diff(
        classify_species(
            atoms.with_changes(intensity=bright, intensity_sd=sd), 2
        ).species_log_likelihood,
        axis=1,
    )[:, 0]
    assert ratio[0] <= np.max(ratio[1:]) + 1.0


def test_names_and_bad_arguments():
    atoms, _ = planted((50.0, 100.0), (0.5, 0.5), n=200)
    assert classify_species(atoms, 2, names=("Mo", "W")).species_names == ("Mo", "W")
    for arguments, words in (
        ((atoms, 0), "n_species"), ((atoms, "many"), "n_species"), ((atoms, 2, ("Mo",)), "names"),
        ((AtomicConfiguration([[0.0, 0.0]]),), "intensities"),
        ((atoms.with_changes(intensity=-atoms.intensity),), "above 0"),
        ((AtomicConfiguration([[0.0, 0.0]], intensity=[1.0]), 2), "at least 6"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            classify_species(*arguments)


def test_a_flat_or_heavy_tailed_peak_is_one_species():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        for values in (
            1 + 0.3 * (rng.random(400) - 0.5), np.exp(0.15 * rng.standard_t(4, 400)),
        ):  # fmt: skip
            seen = np.maximum(values + rng.normal(0, 0.02, 400), 0.05)
            atoms = AtomicConfiguration(
                rng.uniform(0, 500, (400, 2)), intensity=seen, intensity_sd=np.full(400, 0.02)
            )
            assert len(classify_species(atoms).species_names) == 1
        two = np.where(rng.random(400) < 0.3, 1.5, 1.0) * (1 + 0.05 * rng.normal(size=400))
        assert len(classify_species(atoms.with_changes(intensity=two)).species_names) == 2
