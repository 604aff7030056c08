"""The envelope: what it predicts is what simulated pictures show."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import operating_envelope
from physlearn.plots import plot_envelope

CONDITIONS = {"pixel_size": 0.2, "width": 0.5, "spacing": 2.8, "weak": 0.4}


def test_more_counts_never_hurt_and_overlap_never_helps():
    table = operating_envelope(
        [100, 1000, 10_000], pixel_size=0.2, width=0.5, spacing=[1.6, 2.2, 3.5], weak=0.4
    ).table
    grid = table.pivot_table(index="counts", columns="spacing", values="position_sd").to_numpy()
    assert (np.diff(grid, axis=0) < 0).all()
    assert (np.diff(grid, axis=1) < 1e-9).all()
    power = table.pivot_table(index="counts", columns="spacing", values="displacement_power")
    assert (np.diff(power.to_numpy(), axis=0) > 0).all()
    for name in ("species_error", "vacancy_error"):
        errors = table.pivot_table(index="counts", columns="spacing", values=name).to_numpy()
        assert (np.diff(errors, axis=0) <= 1e-12).all()
    assert table["can_tell_species"].any()
    assert not table["can_tell_species"].all()


def test_pixel_size_hardly_matters_at_the_same_dose():
    table = operating_envelope(1000, pixel_size=[0.1, 0.2], width=0.5, spacing=2.5).table
    assert table["position_sd"][0] == pytest.approx(table["position_sd"][1], rel=0.02)


def test_simulated_pictures_show_what_was_predicted(oracle):
    envelope = operating_envelope([400, 4000], **CONDITIONS, verify=2, rng=3)
    for _, row in envelope.table.iterrows():
        for kind in ("", "_weak"):
            # each about 120 columns, two coordinates
            ratio = row[f"simulated_position_rms{kind}"] / row[f"position_sd{kind}"]
            oracle(f"simulated over predicted position error at {row['counts']:.0f} counts{kind}",
                   z=float((ratio - 1) * np.sqrt(2 * 240)))  # fmt: skip
        assert row["simulated_found"] > 0.98
        assert row["simulated_found_weak"] > row["found_weak"] - 0.05
        assert row["simulated_false_share"] < 0.02
        assert row["simulated_species_error"] < row["species_error"] + 0.02


@pytest.mark.parametrize("lattice", ["square", "triangular", "honeycomb"])
def test_lattices_have_their_neighbours(lattice):
    from physlearn.datasets.columns.operating_envelope import EnvelopeCell

    cell = EnvelopeCell(1000, 0.2, 0.5, 2.0, 0.5, 0.1, 0.05, lattice)
    places, species = cell.columns(40.0)
    distance = np.hypot(*(places - places[0]).T)
    near = np.isclose(distance, 10.0)
    assert near.sum() == {"square": 4, "triangular": 6, "honeycomb": 3}[lattice]
    assert species[1] != species[0]
    assert distance[1] == pytest.approx(10.0)


def test_verdict_and_picture():
    envelope = operating_envelope([100, 1000], **CONDITIONS | {"spacing": [2.0, 3.0]})
    assert len(envelope.verdict) == 4
    figure = plot_envelope(envelope, against="spacing")
    assert sum(len(ax.patches) for ax in figure.axes) == 16
    with pytest.raises(InputError, match="one spacing"):
        plot_envelope(envelope, against="weak")
    with pytest.raises(InputError, match="against"):
        plot_envelope(envelope, against="colour")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lattice": "kagome"}, "lattice"),
        ({"weak": 1.5}, "weak"),
        ({"width": 0.0}, "width"),
        ({"error_rate": 0.7}, "error_rate"),
        ({"verify": 1000}, "verify"),
    ],
)
def test_bad_arguments(change, words):
    with pytest.raises(InputError, match=words):
        operating_envelope(**({"counts": 100} | CONDITIONS | change))
