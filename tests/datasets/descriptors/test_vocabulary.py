"""The vocabulary: every name once, and what a column is called."""

import pytest

from physlearn.checks import InputError
from physlearn.datasets import controlled_channel_name, descriptor_terms
from physlearn.datasets.descriptors.channel_names import CHANNEL_NAMES
from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm
from physlearn.datasets.descriptors.terms_atoms import ATOM_TERMS
from physlearn.datasets.descriptors.terms_pixels import PIXEL_TERMS
from physlearn.datasets.descriptors.terms_spectra import SPECTRUM_TERMS
from physlearn.datasets.descriptors.terms_walls import WALL_TERMS
from physlearn.datasets.descriptors.vocabulary import DESCRIPTOR_TERMS, find_term


def test_every_name_stands_once_and_says_everything():
    every = [*ATOM_TERMS, *PIXEL_TERMS, *WALL_TERMS, *SPECTRUM_TERMS]
    assert len({term.name for term in every}) == len(every)
    for term in every:
        assert term.name == term.name.lower().replace(" ", "_")
        assert term.unit
        assert len(term.formula) > 10
    assert len(descriptor_terms()) == len(DESCRIPTOR_TERMS)


@pytest.mark.parametrize(
    ("column", "channels", "term"),
    [
        ("composition", (), "composition"),
        ("phase", ("phase",), "channel_mean"),
        ("HeightRetrace", ("HeightRetrace",), "channel_mean"),
        ("phase_local_variance", ("phase",), "local_variance"),
        ("any_channel_gradient", (), "gradient"),
        ("mean_intensity", (), "mean_intensity"),
    ],
)
def test_a_column_finds_its_term(column, channels, term):
    assert find_term(column, channels).name == term


@pytest.mark.parametrize("column", ["nonsense", "gradient_3", "other_gradient"])
def test_a_name_that_no_term_has_is_refused(column):
    with pytest.raises(InputError, match=r"descriptor_terms.*" + column):
        find_term(column, ["phase"])


def test_a_term_may_claim_only_known_invariances():
    with pytest.raises(ValueError, match="moonlight"):
        DescriptorTerm("a", "1", 1, "formula of a descriptor", ("moonlight",))
    with pytest.raises(ValueError, match="tier"):
        DescriptorTerm("a", "1", 7, "formula of a descriptor")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("AmplitudeRetrace", "amplitude_retrace"),
        ("Amplitude1Trace", "amplitude_1_trace"),
        ("Topography", "height"),
        ("KPFM", "surface_potential"),
        ("HAADF", "haadf"),
        ("Z (m) [Bwd]", "height_retrace"),
        ("Piezoresponse", "piezoresponse"),
        ("Trace", "trace"),
    ],
)
def test_instrument_names_become_controlled_ones(given, expected):
    assert controlled_channel_name(given) == expected


def test_a_controlled_name_stays_itself():
    for name in CHANNEL_NAMES:
        assert controlled_channel_name(name) == name
        assert controlled_channel_name(f"{name}_2_retrace") == f"{name}_2_retrace"


def test_a_name_without_letters_is_refused():
    with pytest.raises(InputError, match="hold a word"):
        controlled_channel_name("17")
