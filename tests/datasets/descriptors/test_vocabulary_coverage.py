"""Every column that patches can be described by has its term, with the same unit and tier."""

import numpy as np
import pytest

from physlearn.datasets import (
    ChannelSceneSettings,
    PatchOptions,
    assign_sites,
    classify_species,
    column_shapes,
    describe_patches,
    find_atoms,
    find_rings,
    find_vacancies,
    make_channel_scene,
    make_polar_perovskite,
    make_spectra,
    make_stem_image,
    make_wall_video,
    measure_polarization,
    measure_strain,
    score_local_symmetry,
    track_walls,
)
from physlearn.datasets.descriptors.pixel_groups import GROUPS
from physlearn.datasets.descriptors.vocabulary import DESCRIPTOR_TERMS, find_term


def unnamed(table):
    """Return what the vocabulary does not say, or says otherwise than the table."""
    channels = table.metadata.get("channels", ())
    wrong = []
    for column in table.columns:
        term = find_term(column, channels)
        tier, unit = table.tiers.get(column), table.units[column]
        if term.tier is not None and tier is not None and term.tier != tier:
            wrong.append(f"{column}: tier {tier} against {term.tier}")
        plain = term.unit.replace("{length}", table.unit)
        if "{" not in plain and plain != unit:
            wrong.append(f"{column}: unit {unit} against {plain}")
    return wrong


@pytest.fixture(scope="module")
def picture():
    made = make_stem_image((16, 16), rng=4)
    atoms = classify_species(find_atoms(made.image))
    return made.image, atoms, assign_sites(atoms)


def test_columns_of_atoms(picture):
    _, atoms, snapshots = picture
    assert unnamed(describe_patches(atoms, snapshots)) == []
    assert unnamed(describe_patches(atoms)) == []


def test_columns_of_what_was_measured_on_atoms(picture):
    image, atoms, snapshots = picture
    measured = (
        find_vacancies(atoms, image), measure_strain(atoms), find_rings(atoms),
        score_local_symmetry(atoms), column_shapes(image, atoms),
    )  # fmt: skip
    for record in measured:
        assert unnamed(describe_patches(atoms, snapshots, measurements=(record,))) == []
    polar = make_polar_perovskite((12, 12), rng=0).scene.truth
    field = measure_polarization(polar, center="B", cage="A")
    assert unnamed(describe_patches(polar, measurements=(field,))) == []


def test_columns_of_pixels():
    scan = make_channel_scene(ChannelSceneSettings(shape=(96, 96)), rng=1).scans[0]
    options = PatchOptions(descriptors=GROUPS)
    both = scan[["height", "phase"]]
    assert unnamed(describe_patches(None, None, both, options=options)) == []
    assert unnamed(describe_patches(scan.height, options=options)) == []
    assert unnamed(describe_patches(scan.height)) == []


def test_columns_of_walls_and_spectra():
    track = track_walls(make_wall_video(n_frames=3, rng=1).video)
    assert unnamed(describe_patches(track)) == []
    for kind in ("loops", "resonance", "edges", "tunnelling"):
        spectra = make_spectra(kind, (24, 24), rng=1).spectra
        assert unnamed(describe_patches(None, spectra=spectra)) == []


def test_formulas_are_said_in_plain_letters():
    for term in DESCRIPTOR_TERMS.values():
        assert "\n" not in term.formula
        assert len(term.formula) < 300
        assert np.all([c.isprintable() for c in term.formula])
