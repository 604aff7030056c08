"""The synthetic picture holds what its truth says, and the way from picture to patches finds it."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets import (
    StemSettings,
    assign_sites,
    classify_species,
    describe_patches,
    make_stem_image,
)
from physlearn.datasets.columns.find_atoms import find_atoms


def partial_t(frame, one, two, given):
    """Return Student's t of the partial correlation of two columns."""
    design = np.column_stack([np.ones(len(frame)), *(frame[name] for name in given)])
    left, right = (
        frame[name] - design @ np.linalg.lstsq(design, frame[name], rcond=None)[0]
        for name in (one, two)
    )
    r = (left @ right) / np.sqrt((left @ left) * (right @ right))
    return r * np.sqrt((len(frame) - 2 - len(given)) / (1 - r * r))


def through(scene):
    atoms = classify_species(find_atoms(scene.image))
    sites = assign_sites(atoms)
    return sites, describe_patches(atoms, sites, scene.channels)


@pytest.fixture(scope="module")
def whole():
    scene = make_stem_image(rng=3)
    return (scene, *through(scene))


def test_the_same_seed_gives_the_same_scene():
    one, two, other = (make_stem_image((12, 12), rng=seed) for seed in (5, 5, 6))
    assert np.array_equal(one.image, two.image)
    assert one.channels.equals(two.channels)
    assert not np.array_equal(one.image, other.image)
    again = make_stem_image((12, 12), rng=one.truth.seed)
    assert np.array_equal(one.truth.states, again.truth.states)


def test_picture_to_sites_is_exact(whole):
    scene, sites, _ = whole
    distance, near = cKDTree(sites.graph.positions).query(scene.truth.positions)
    assert sites.graph.n_sites == len(scene.truth.states)
    assert distance.max() < 1.0
    assert np.array_equal(sites.states[0][near], scene.truth.states)


def test_patches_measure_composition_and_dilation(whole):
    scene, _, table = whole
    truth = scene.truth.patches
    assert table.n_patches == len(truth) == 256
    assert np.allclose(table.centers, truth[["x", "y"]])
    assert np.allclose(table.frame["composition"], truth["composition"])
    k = list(table.frame.columns).index("dilation")
    sd = np.sqrt(table.measurement_covariance[:, k, k])
    error = table.frame["dilation"] - truth["dilation"]
    assert (error / sd).std() == pytest.approx(1.0, abs=0.05 + 4 / np.sqrt(2 * 256))
    assert truth["dilation"].std() / error.std() > 4


def test_causes_are_visible_and_the_distractor_is_not_one(whole):
    scene, _, table = whole
    causes = ["composition", "dilation"]
    frame = table.frame
    assert partial_t(frame, "response", "composition", ["dilation"]) > 6
    assert partial_t(frame, "response", "dilation", ["composition"]) > 6
    assert partial_t(frame, "response", "distractor", []) > 6
    assert abs(partial_t(frame, "response", "distractor", causes)) < 4
    # strain is no function of composition
    assert abs(np.corrcoef(frame["dilation"], frame["composition"])[0, 1]) < 0.7
    design = np.column_stack([np.ones(256), scene.truth.patches[causes]])
    slopes = np.linalg.lstsq(design, scene.channels["response"].to_numpy().ravel(), rcond=None)[0]
    planted = {(a, b): c for a, b, c, _ in scene.truth.edges}
    assert slopes[1] == pytest.approx(planted["composition", "response"], rel=0.25)
    assert slopes[2] == pytest.approx(planted["dilation", "response"], rel=0.25)


@pytest.mark.slow
def test_distractor_is_independent_given_the_causes_over_twenty_seeds():
    scores = []
    for seed in range(20):
        scene = make_stem_image(rng=seed)
        frame = through(scene)[1].frame
        scores.append(
            [
                partial_t(frame, "response", "composition", ["dilation", "distractor"]),
                partial_t(frame, "response", "dilation", ["composition", "distractor"]),
                partial_t(frame, "response", "distractor", ["composition", "dilation"]),
            ]
        )
    scores = np.array(scores)
    assert scores[:, :2].min() > 6
    # alike neighbours widen the law of t a little beyond Student's
    assert (np.abs(scores[:, 2]) < 3).sum() >= 17
    assert abs(scores[:, 2].mean()) < 4 * 1.4 / np.sqrt(20)


def test_triangular_lattice_and_settings():
    settings = StemSettings(spacing_px=14.0, peak_counts=(80.0, 160.0))
    scene = make_stem_image((15, 15), lattice="triangular", settings=settings, rng=1)
    atoms = classify_species(find_atoms(scene.image))
    sites = assign_sites(atoms)
    assert sites.metadata["lattice"] == "triangular"
    assert sites.graph.n_sites == 225
    assert sites.metadata["lattice_constant"] == pytest.approx(14.0, rel=0.03)


def test_bad_arguments():
    with pytest.raises(InputError, match="shape"):
        make_stem_image((6, 40))
    with pytest.raises(InputError, match="lattice"):
        make_stem_image(lattice="round")
    with pytest.raises(InputError, match="peak_counts"):
        StemSettings(peak_counts=(5.0, 1.0))
