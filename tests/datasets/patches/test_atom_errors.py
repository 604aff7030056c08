"""The joint errors of atoms from a fit's own covariance, by hand."""

import numpy as np
import pytest
from scipy import sparse

from physlearn.datasets.patches.atom_errors import atom_errors
from physlearn.records import AtomicConfiguration


def fitted(intensity_sd):
    """Two atoms whose x, y, log amplitude and log width have one dense covariance."""
    root = np.random.default_rng(0).normal(size=(8, 8))
    covariance = 1e-4 * (root @ root.T)
    blocks = np.stack([covariance[i : i + 4, i : i + 4] for i in (0, 4)])
    atoms = AtomicConfiguration(
        [[0.0, 0.0], [5.0, 1.0]], intensity=[2.0, 3.0], intensity_sd=intensity_sd(blocks),
        position_covariance=blocks[:, :2, :2], covariance=sparse.csr_array(covariance),
    )  # fmt: skip
    return atoms, covariance


def sd_by_hand(blocks):
    """Intensity = amplitude x width^2 times a constant: ln I = ln a + 2 ln w."""
    variance = blocks[:, 2, 2] + 4.0 * blocks[:, 2, 3] + 4.0 * blocks[:, 3, 3]
    return np.array([2.0, 3.0]) * np.sqrt(variance)


def test_log_intensity_is_log_amplitude_and_twice_log_width():
    atoms, covariance = fitted(sd_by_hand)
    found = atom_errors(atoms)
    assert found.known == {"position", "intensity", "width"}
    both = sparse.csr_array(np.array([[1.0, -1.0]]))
    # the difference of the two log intensities, and of the widths, with all that correlates
    intensity = np.array([0, 0, 1, 2, 0, 0, -1, -2.0])
    width = np.array([0, 0, 0, 1, 0, 0, 0, -1.0])
    for kind, weights in (("intensity", intensity), ("width", width)):
        variance = found.variances(found.of_atoms(both, kind))
        assert variance == pytest.approx(weights @ covariance @ weights)
    places = found.position_sd(sparse.csr_array(np.array([[0.5, 0.5]])))
    middle = np.array([0.5, 0, 0, 0, 0.5, 0, 0, 0])
    assert places[0, 0] == pytest.approx(np.sqrt(middle @ covariance @ middle))


def test_a_covariance_of_another_kind_is_not_taken_for_it():
    """Where it does not give the stated errors of intensity, its columns mean something else."""
    atoms, _ = fitted(lambda blocks: 2.0 * sd_by_hand(blocks))
    found = atom_errors(atoms)
    assert found.known == {"position", "intensity"}
    one = sparse.csr_array(np.array([[1.0, 0.0]]))
    variance = found.variances(found.of_atoms(one, "intensity"))
    assert variance == pytest.approx((atoms.intensity_sd[0] / 2.0) ** 2)
