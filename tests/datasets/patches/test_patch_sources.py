"""What is given is sorted by kind, lies where it should, and is refused in one sentence."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import PatchOptions, SpectraOptions, describe_patches, make_spectra
from physlearn.records import AtomicConfiguration, WallTrack


def picture(shape=(64, 64), seed=0, step=1.0, **attrs):
    rng = np.random.default_rng(seed)
    coords = {
        "y": ("y", step * np.arange(shape[0]), {"units": "nm"}),
        "x": ("x", step * np.arange(shape[1]), {"units": "nm"}),
    }
    smooth = np.add.outer(np.sin(np.arange(shape[0]) / 9), np.cos(np.arange(shape[1]) / 7))
    return xr.DataArray(
        smooth + 0.1 * rng.normal(size=shape), dims=("y", "x"), coords=coords,
        attrs={"noise_sd": 0.1, **attrs},
    )  # fmt: skip


def test_every_way_to_hand_over_channels_gives_one_table():
    maps = {"Height Retrace": picture(seed=1), "Amp": picture(seed=2)}
    mapping = describe_patches(maps, patch_size=8.0)
    assert mapping.columns == ["height_retrace", "amp"]
    assert mapping.n_patches == 64
    stacked = xr.concat(list(maps.values()), "channel").assign_coords(channel=list(maps))
    for other in (
        describe_patches(xr.Dataset(maps), patch_size=8.0),
        describe_patches(None, None, maps, patch_size=8.0),
        describe_patches(stacked, patch_size=8.0),
    ):
        assert np.allclose(other.frame, mapping.frame)
        assert np.allclose(other.measurement_covariance, mapping.measurement_covariance)
    assert mapping.metadata["channels"] == ["height_retrace", "amp"]
    assert mapping.covariates is not None
    assert list(mapping.covariates) == ["row", "column"]


def test_channels_of_other_pixel_size_lie_on_the_same_patches():
    fine = picture((128, 128), step=0.5)
    wide = picture((70, 66), seed=3)
    table = describe_patches({"fine": fine, "wide": wide}, patch_size=8.0)
    assert table.n_patches == 64  # the area that both cover
    center = table.centers[9]
    inside = wide.sel(
        x=slice(center[0] - 4 + 1e-6, center[0] + 4), y=slice(center[1] - 4 + 1e-6, center[1] + 4)
    )
    assert abs(table.frame["wide"][9] - float(inside.mean())) < 0.1


def test_a_video_gives_a_row_a_patch_and_frame():
    film = xr.concat([picture(seed=k) + k for k in range(3)], "time").assign_coords(
        time=("time", [0.0, 2.0, 5.0], {"units": "s"})
    )
    table = describe_patches(
        {"height": film}, patch_size=16.0,
        options=PatchOptions(drift=[[0, 0], [1, 0], [2, 0]], dose=[1.0, 2.0, 3.0]),
    )  # fmt: skip
    assert table.n_patches == 48
    assert np.allclose(table.centers[:16], table.centers[16:32])
    covariates = table.covariates
    assert np.array_equal(covariates["frame"], np.repeat([0.0, 1, 2], 16))
    assert np.array_equal(covariates["time"], np.repeat([0.0, 2, 5], 16))
    assert np.array_equal(covariates["drift_x"], covariates["frame"])
    assert np.array_equal(covariates["dose"], covariates["frame"] + 1)
    means = table.frame["height"].groupby(covariates["frame"]).mean()
    assert np.allclose(np.diff(means), 1.0, atol=0.02)
    with pytest.raises(InputError, match="2 frames and a 3"):
        describe_patches({"a": film, "b": film[:2]})


def test_scan_time_and_a_dose_map_are_covariates():
    scan = picture(dwell_time_s=1e-3, flyback_time_s=0.0)
    dose = scan.copy(data=np.tile(np.arange(64.0), (64, 1)))
    table = describe_patches({"a": scan}, patch_size=16.0, options=PatchOptions(dose=dose))
    rows = table.covariates["row"].to_numpy()
    assert np.allclose(table.covariates["dose"], table.covariates["column"])
    expected = rows * 0.064 + table.covariates["column"].to_numpy() * 1e-3
    assert np.allclose(table.covariates["scan_time"], expected)


def test_chosen_centres_and_chosen_patches_are_recorded():
    rng = np.random.default_rng(2)
    centers = rng.uniform(10, 54, (60, 2))
    table = describe_patches(
        {"a": picture()}, patch_size=8.0,
        options=PatchOptions(centers=centers, select=lambda frame: frame["a"] > 0),
    )  # fmt: skip
    assert table.chosen_by_result
    assert "given centres" in table.selection
    assert "chosen by a function of the result" in table.selection
    assert table.frame["a"].min() > 0
    assert table.overlap > 0
    half = describe_patches({"a": picture()}, patch_size=8.0, options=PatchOptions(overlap=0.5))
    assert (half.n_patches, half.overlap) == (225, 0.5)
    assert half.error_correlation_length == pytest.approx(8.0 * (1 - np.exp(-1)))
    edge = describe_patches(
        {"a": picture()}, patch_size=8.0,
        options=PatchOptions(centers=[[30.0, 30.0], [40.0, 30.0], [-40.0, 0.0]]),
    )  # fmt: skip
    assert edge.selection == "at given centres; 1 of 3 hang over the edge and are left out"
    with pytest.raises(InputError, match="every patch of 8 nm hangs over the edge"):
        describe_patches(
            {"a": picture()}, patch_size=8.0, options=PatchOptions(centers=[[-40.0, 0.0]])
        )
    with pytest.raises(NotIdentified, match="none of the patches"):
        describe_patches(
            {"a": picture()}, options=PatchOptions(select=lambda frame: frame["a"] > 1e9)
        )


def test_atoms_as_centres():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:12, :12].reshape(2, -1) * 5.0 + 4.0
    positions = np.stack([x, y], 1) + rng.normal(0, 0.1, (144, 2))
    atoms = AtomicConfiguration(positions, unit="nm", field_of_view=(0, 0, 64, 64))
    table = describe_patches(
        atoms, None, {"a": picture()}, patch_size=6.0, options=PatchOptions(centers="atoms")
    )
    inside = np.all((positions > 4) & (positions < 60), axis=1)
    assert {tuple(each) for each in table.centers} <= {tuple(each) for each in positions}
    assert 90 <= table.n_patches <= inside.sum()
    assert "on every atom" in table.selection
    with pytest.raises(InputError, match="give atoms as source"):
        describe_patches({"a": picture()}, options=PatchOptions(centers="atoms"))


def test_patches_on_atoms_do_not_count_the_unseen_as_empty():
    y, x = np.mgrid[:40, :40].reshape(2, -1) * 2.5 + 1.25
    rng = np.random.default_rng(3)
    atoms = AtomicConfiguration(
        np.stack([x, y], 1) + rng.normal(0, 0.02, (1600, 2)), unit="nm",
        field_of_view=(0, 0, 100, 100),
    )  # fmt: skip
    table = describe_patches(atoms, patch_size=15.0, options=PatchOptions(centers="atoms"))
    assert table.centers.min() >= 7.5
    density = table.frame["density"].to_numpy()
    outermost = (np.abs(table.centers - 50.0) > 40.0).any(axis=1)
    assert density[outermost].mean() == pytest.approx(density[~outermost].mean(), rel=0.03)
    assert "hang over the edge and are left out" in table.selection


def test_a_phase_without_unit_is_an_angle_however_it_is_given():
    y, x = np.mgrid[:64, :64].astype(float)
    turned = 175.0 + 30.0 * np.sin(x / 9) * np.cos(y / 7)
    phase = xr.DataArray((turned + 180.0) % 360.0 - 180.0, dims=("y", "x"))
    mapped = describe_patches({"phase": phase}, patch_size=8.0)
    dataset = describe_patches(xr.Dataset({"phase": phase}), patch_size=8.0)
    picture_ = describe_patches(phase.rename("phase"), patch_size=8.0)
    assert mapped.units["phase"] == "deg"
    assert any("phase has no unit" in text for text in mapped.warnings)
    truth = turned.reshape(8, 8, 8, 8).mean(axis=(1, 3)).ravel()
    for table in (mapped, dataset, picture_):
        away = (table.frame.iloc[:, 0].to_numpy() - truth + 180.0) % 360.0 - 180.0
        assert np.abs(away).max() < 0.2
    assert np.ptp(mapped.frame["phase"]) < 70.0
    assert not mapped.flags


@pytest.mark.parametrize(
    ("unit", "turn"), [("mrad", 2000 * np.pi), ("°", 360.0), ("grad", 400.0), ("turn", 1.0)]
)
def test_repeated_angles_of_any_unit_do_not_jump(unit, turn):
    y, x = np.mgrid[:64, :64].astype(float)
    rng = np.random.default_rng(4)
    scans = []
    for _ in "ab":
        value = 0.49 + 0.1 * np.sin(x / 5) * np.cos(y / 4) + 0.01 * rng.normal(size=x.shape)
        scans.append({"phase": xr.DataArray(((value + 0.5) % 1.0 - 0.5) * turn, dims=("y", "x"),
                                            attrs={"units": unit})})  # fmt: skip
    table = describe_patches(scans[0], repeat=scans[1], patch_size=4.0)
    assert np.ptp(table.frame["phase"]) < 0.25 * turn
    sd = float(np.sqrt(table.measurement_covariance[0, 0, 0])) / turn
    assert sd == pytest.approx(0.01 / 4 / np.sqrt(2), rel=0.3)


def test_an_angle_that_spans_more_than_half_a_turn_is_marked():
    rng = np.random.default_rng(5)
    field = 200.0 * np.sin(np.arange(64) / 5)[:, None] * np.cos(np.arange(64) / 6)
    field = field + rng.normal(0, 1.0, field.shape)
    phase = xr.DataArray((field + 180.0) % 360.0 - 180.0, dims=("y", "x"), attrs={"units": "deg"})
    table = describe_patches({"phase": phase}, patch_size=4.0)
    assert "use its cosine and sine, or complex_response" in table.flags["phase"]


def test_users_descriptors_are_checked_before_the_work():
    def top(pixels):
        return pixels.max(axis=(1, 2))

    with pytest.raises(InputError, match="'nope' is none of a"):
        describe_patches({"a": picture()}, options=PatchOptions(extra={("nope", "top"): top}))
    for key in ("my/top", "", ("a", "b", "c"), 3):
        with pytest.raises(InputError, match="without a slash"):
            PatchOptions(extra={key: top})
    table = describe_patches(
        {"a": picture(), "b": picture()}, patch_size=8.0,
        options=PatchOptions(extra={("a", "top"): top}),
    )  # fmt: skip
    assert "a_top" in table.columns
    assert "b_top" not in table.columns
    assert table.tiers["a_top"] == 2
    here = [table.columns.index(name) for name in ("a", "a_top")]
    assert table.measurement_covariance.mean(axis=0)[tuple(here)] > 0
    assert table.metadata["pixels_of"]["a_top"] == "a"


def test_a_constant_channel_is_said_once():
    maps = {"a": picture(), "flat": picture() * 0.0 + 3.0}
    table = describe_patches(maps, patch_size=8.0)
    assert list(table.columns) == ["a"]
    assert [text for text in table.warnings if "flat" in text] == [
        "flat does not vary between patches and was left out."
    ]


def test_gaps_cost_only_the_patches_they_fill():
    holed = picture()
    holed[:8, :16] = np.nan
    holed[40, 40] = np.nan
    table = describe_patches({"a": holed}, patch_size=8.0)
    assert table.n_patches == 62
    assert "62 of 64" in table.selection
    with pytest.raises(NotIdentified, match="no patch"):
        describe_patches({"a": holed * np.nan}, patch_size=8.0)


def test_tiers_and_pooled_covariance():
    both = {"a": picture(seed=1), "b": picture(seed=2)}
    table = describe_patches(
        both, patch_size=8.0, options=PatchOptions(tiers={"a": 1}, covariance="pooled")
    )
    assert table.tiers == {"a": 1, "b": 2}
    assert table.measurement_covariance.shape == (1, 2, 2)
    each = describe_patches(both, patch_size=8.0, options=PatchOptions(covariance="each"))
    assert np.allclose(
        each.measurement_covariance.mean(axis=0), table.measurement_covariance[0], rtol=1e-6
    )


def walls():
    angle = np.linspace(0, 2 * np.pi, 190, endpoint=False)
    circle = pd.DataFrame(
        {"frame": 0, "wall": 0, "time": 0.0, "x": 32 + 15 * np.cos(angle),
         "y": 32 + 15 * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
         "normal_error": 0.1, "error_correlation_length": 1.0, "arc_length": 15 * angle,
         "curvature": 1 / 15, "normal_velocity": np.nan}
    )  # fmt: skip
    return WallTrack(circle, [0.0], unit="nm", closed={0: True})


def test_bad_sources_get_one_sentence():
    a = picture()
    atoms = AtomicConfiguration(np.random.default_rng(0).uniform(0, 60, (50, 2)), unit="nm")
    cases = [
        (lambda: describe_patches("a.tif"), "source must be an AtomicConfiguration"),
        (lambda: describe_patches(None), "nothing to describe"),
        (lambda: describe_patches({"a": a}, patch_size=50.0), "too large"),
        (lambda: describe_patches({"a": a, "A": a}), "is taken"),
        (lambda: describe_patches({"a": a}, measurements=[1]), "give the atoms as source"),
        (lambda: describe_patches(walls(), walls=walls()), "given twice"),
        (lambda: describe_patches({"a": a.expand_dims(z=2, w=2)}), "must be a DataArray"),
        (lambda: describe_patches({"a": a}, spectra=a), "axis of the spectrum"),
        (lambda: describe_patches({"a": a, "b": a.assign_coords(x=a.x + 100)}), "do not overlap"),
        (lambda: describe_patches(atoms, None, a.expand_dims(time=2).rename("f")), "one moment"),
        (lambda: describe_patches({"a": a}, options=PatchOptions(require=("b",))), "'b' is none"),
        (lambda: describe_patches({"a": a}, options=PatchOptions(tiers={"b": 1})), "tiers must"),
        (lambda: PatchOptions(overlap=1.0), "overlap must be"),
        (lambda: PatchOptions(centers=[[0, 0], [0, 0]]), "coincide"),
        (lambda: PatchOptions(centers=[[0, 0]], overlap=0.5), "belongs to a grid"),
        (lambda: PatchOptions(centers="sites"), "centers"),
        (lambda: PatchOptions(covariance="none"), "covariance"),
        (lambda: PatchOptions(descriptors="moments"), "tuple of groups"),
        (lambda: PatchOptions(tiers={"a": 3}), "0, 1 or 2"),
        (lambda: describe_patches({"a": a}, options=PatchOptions(drift=[[0, 0]] * 2)), "drift"),
        (lambda: describe_patches({"a": a}, options=PatchOptions(dose=[1.0, 2.0])), "dose"),
    ]
    for call, words in cases:
        with pytest.raises(InputError, match=words):
            call()


def test_walls_and_a_frame_without_any():
    track = walls()
    moved = track.table.assign(frame=2, time=2.0, x=track.table["x"] + 3)
    film = WallTrack(pd.concat([track.table, moved]), [0.0, 1.0, 2.0], unit="nm", closed={0: True})
    table = describe_patches(film, patch_size=6.0)
    assert {"wall_distance", "wall_length"} <= set(table.columns)
    assert set(table.covariates["frame"]) == {0.0, 2.0}  # no distance where there is no wall
    assert "that have every descriptor" in table.selection
    whole = WallTrack(
        film.table, film.frame_times, unit="nm", metadata={"field_of_view": [0, 0, 64, 64]}
    )
    assert len(np.unique(describe_patches(whole, patch_size=6.0).centers, axis=0)) == 100
    both = describe_patches({"a": picture()}, walls=walls(), patch_size=8.0)
    assert both.n_patches == 64
    assert both.columns[0] == "a"


def test_spectra_and_their_names():
    spectra = make_spectra("loops", (24, 24), rng=1).spectra
    table = describe_patches(spectra)
    assert "coercive_voltage_rising" in table.columns
    assert table.n_patches <= 36
    twice = describe_patches(None, spectra={"one": spectra, "two": spectra + 1e-3})
    assert "one_coercive_voltage_rising" in twice.columns
    assert "two_imprint" in twice.columns
    assert all(of[0].startswith(name[:4]) for name, of in twice.derived.items())


def test_noise_is_not_measured_on_pixels_as_large_as_patches():
    rough = xr.DataArray(np.random.default_rng(0).normal(size=(16, 16)), dims=("y", "x"))
    table = describe_patches({"map": rough}, patch_size=1.0)
    assert table.errors_unknown == ("map",)
    assert table.flags == {}
    assert any("as large as the patches" in note for note in table.warnings)
    declared = describe_patches({"map": rough.assign_attrs(noise_sd=0.2)}, patch_size=1.0)
    assert np.allclose(declared.measurement_covariance, 0.04)


def test_channels_that_say_nothing_of_their_own_are_marked():
    scene = 20 * gaussian_filter(np.random.default_rng(5).normal(size=(96, 96)), 5)
    height = picture((96, 96)).copy(data=scene).drop_attrs(deep=False)
    slope = height.copy(data=np.gradient(height.to_numpy(), axis=1))
    idle = height.copy(data=np.random.default_rng(1).normal(size=(96, 96)))
    channels = {"Height": height, "Deflection": slope, "Idle": idle}
    table = describe_patches(
        channels, patch_size=12.0, options=PatchOptions(descriptors=("mean", "variance"))
    )
    assert table.flags["idle"] == "no signal above its noise"
    assert table.derived["deflection"] == ("height",)
    assert all(
        of == tuple(name.replace("deflection", "height") for _ in of)
        for name, of in table.derived.items()
        if name.startswith("deflection")
    )
    assert any("no signal above its noise; it is kept" in note for note in table.warnings)


def test_every_group_of_descriptors_and_fewer_patches_than_columns():
    options = PatchOptions(
        descriptors=("moments", "texture", "periodicity", "polar_fourier", "radial"),
        extra={"range": lambda pixels: np.ptp(pixels, axis=(1, 2)),
               ("b", "top"): lambda pixels: pixels.max(axis=(1, 2))},
    )  # fmt: skip
    maps = {"a": picture((72, 72)), "b": picture((72, 72), seed=4)}
    table = describe_patches(maps, patch_size=12.0, options=options)
    assert {
        "a",
        "b_local_variance",
        "a_symmetry_6",
        "b_polar_fourier_1",
        "a_range",
        "b_top",
    } <= set(table.columns)
    assert "a_top" not in table.columns
    assert table.measurement_covariance.shape == (36, len(table.columns), len(table.columns))
    assert any("fewer patches than columns" in note for note in table.warnings)
    assert np.linalg.eigvalsh(table.measurement_covariance).min() > -1e-9


def test_amplitude_and_phase_are_one_response():
    rng = np.random.default_rng(0)
    maps = {
        name: xr.DataArray(rng.normal(size=(64, 64)), dims=("y", "x"), attrs={"units": unit})
        for name, unit in (("AmplitudeRetrace", "pm"), ("PhaseRetrace", "deg"), ("Phase2", "deg"))
    }
    table = describe_patches(maps, patch_size=8.0)
    pixels = table.metadata["pixels_of"]
    assert pixels["amplitude_retrace"] == pixels["phase_retrace"]
    assert pixels["phase2"] == "phase2"
    assert any("two parts of one response" in text for text in table.warnings)


def test_numbers_of_one_loop_are_marked_as_such():
    loops = make_spectra("loops", (24, 24), rng=1).spectra
    table = describe_patches(None, spectra=loops)
    assert set(table.metadata["pixels_of"].values()) == {"the spectra"}
    stack = make_spectra("edges", (24, 24), rng=1).spectra
    edges = SpectraOptions(edges={"nitrogen": ((340.0, 396.0), (400.0, 460.0))})
    elements = describe_patches(None, spectra=stack, options=PatchOptions(spectra=edges))
    assert "pixels_of" not in elements.metadata


@pytest.mark.parametrize(
    ("pixels", "cells"), [((256, 256), 64), ((1024, 1030), 64), ((300, 256), 64), ((128, 200), 32),
                          ((100, 100), 25)],
)  # fmt: skip
def test_channels_alone_get_patches_enough_for_the_test_that_allows_for_blur(pixels, cells):
    table = describe_patches({"a": picture(pixels, seed=1), "b": picture(pixels, seed=2)})
    places = [len(np.unique(np.round(table.centers[:, k], 6))) for k in (0, 1)]
    assert min(places) == cells
    assert table.patch_size == np.floor(table.patch_size)  # whole pixels, which are 1 nm here
    assert table.errors_unknown == ()
    assert describe_patches({"a": picture(pixels)}).patch_size >= 8.0  # nothing to link it to


def test_channels_beside_walls_keep_the_larger_patches():
    assert describe_patches({"a": picture((256, 256))}, walls=walls()).patch_size == 16.0
