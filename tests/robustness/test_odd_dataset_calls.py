"""Odd arguments of the functions of data that once passed, or ended in an error of Python."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from physlearn import AtomicConfiguration, InputError
from physlearn.causal import CampaignStep, ReplayServer
from physlearn.datasets import (
    binomial_interval,
    check_layout,
    column_bounds,
    complex_response,
    count_ring_defects,
    count_transitions,
    describe_loops,
    make_scan_series,
    make_spectra,
    measure_channel_noise,
    measure_drift,
    open_stack,
    operating_envelope,
    set_scale,
    summarize_column_shapes,
)
from physlearn.lazy import guarded

PICTURE = xr.DataArray(np.random.default_rng(1).normal(size=(32, 32)), dims=("y", "x"))
NO_NUMBERS = [None, "3", [], object(), np.nan, True, 1j]


def total_of(table: pd.DataFrame) -> float:
    return float(float((table["a"] ** 2).sum()) + table[["a", "b"]].sum(axis=1).sum())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from("abc"), max_size=4))
def test_tables_are_used_or_their_columns_are_named(names):
    table = pd.DataFrame(np.ones((3, len(names))), columns=names)
    total = guarded(total_of, __name__)
    if names.count("a") == 1 and "b" in names:
        assert total(table) >= 9.0
        return
    with pytest.raises(InputError, match=r"table (must have the column '[ab]'|holds the column)"):
        total(table)


@pytest.mark.parametrize("summary", [summarize_column_shapes, count_ring_defects])
def test_tables_without_their_columns_are_named(summary):
    with pytest.raises(InputError, match="must have the column"):
        summary(pd.DataFrame({"other": [1.0, 2.0]}))


def test_a_column_of_lists_is_named():
    with pytest.raises(InputError, match="table holds object and not real numbers in column 'a'"):
        guarded(total_of, __name__)(pd.DataFrame({"a": [[], []], "b": [1.0, 2.0]}))


@pytest.mark.parametrize("bad", [-1, np.inf, np.nan, "3", None])
def test_counts_of_an_interval_are_finite(bad):
    assert binomial_interval(0, 2**70)[0] == 0.0
    with pytest.raises(InputError, match="total must be a finite number"):
        binomial_interval(0, bad)
    with pytest.raises(InputError, match="count must be a finite number"):
        binomial_interval(bad, 5)


@given(st.integers(0, 200), st.integers(1, 200))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_intervals_hold_the_share_and_shrink(count, more):
    total = count + more
    low, high = binomial_interval(count, total)
    assert 0 <= low <= count / total <= high <= 1
    widths = [np.subtract(*binomial_interval(count * k, total * k)[::-1]) for k in (1, 4, 16)]
    assert all(a >= b for a, b in pairwise(widths))


@pytest.mark.parametrize("bad", [None, "picture", 7, [[1.0]]])
def test_only_pictures_films_and_tracks_have_a_scale(bad):
    with pytest.raises(InputError, match="data must be a picture"):
        set_scale(bad, pixel_size=1.0)
    with pytest.raises(InputError, match="pixel_size must be"):
        set_scale(PICTURE, pixel_size="3")


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (np.nan, "frames must be pictures"), (7, "frames must be pictures"),
        ([np.zeros((1, 32, 32))] * 2, r"frames\[0\] must have 2 dimension"),
        (["a", "b"], r"frames\[0\] must hold real numbers"),
    ],
)  # fmt: skip
def test_frames_are_pictures(frames, told):
    with pytest.raises(InputError, match=told):
        measure_drift(frames)


@pytest.mark.parametrize("bad", [None, 7, np.nan, {}])
def test_linked_atoms_are_what_is_linked(bad):
    with pytest.raises(InputError, match="linked must be"):
        count_transitions(bad)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": (0, 64)}, "shape must be at least 1"), ({"shape": (64, 64, 3)}, "shape must"),
        ({"displacement_px": -1.0}, "displacement_px must be"), ({"peak": 0.0}, "peak must be"),
        ({"shape": (64.5, 64)}, "shape must hold whole numbers"),
    ],
)  # fmt: skip
def test_series_of_scans_have_a_shape(change, told):
    with pytest.raises(InputError, match=told):
        make_scan_series(**{"shape": (64, 64), "rng": 1, **change})


def test_columns_lie_in_the_picture():
    assert column_bounds([[8.0, 8.0]], 10.0, 2.0, background=1.0, shape=(16, 16)).matched_snr[0] > 0
    with pytest.raises(InputError, match="positions must lie in the picture or beside it"):
        column_bounds([[1e12, 8.0]], 10.0, 2.0, background=1.0, shape=(16, 16))
    with pytest.raises(InputError, match="shape must be two numbers of pixels above 0"):
        column_bounds([[8.0, 8.0]], 10.0, 2.0, background=1.0, shape=(0, 16))


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5, np.inf, *NO_NUMBERS])
def test_shares_and_rates_are_shares(bad):
    scene = make_spectra("loops", (4, 4), rng=1)
    with pytest.raises(InputError, match="max_spoilt must be"):
        describe_loops(scene.spectra, max_spoilt=bad)
    with pytest.raises(InputError, match="false_alarm must be"):
        measure_channel_noise(PICTURE, false_alarm=bad)
    with pytest.raises(InputError, match="columns_per_picture must be"):
        operating_envelope(100, pixel_size=0.1, width=0.4, spacing=2.0, columns_per_picture=bad)


@pytest.mark.parametrize("bad", ["3", object(), np.nan, True, np.inf])
def test_offsets_of_a_phase_are_numbers(bad):
    phase = PICTURE.copy()
    phase.attrs["units"] = "rad"
    with pytest.raises(InputError, match="phase_offset must be a finite number"):
        complex_response(abs(PICTURE), phase, phase_offset=bad)
    with pytest.raises(InputError, match="smooth_px must be"):
        make_spectra("loops", (4, 4), smooth_px=-1.0)


@pytest.mark.parametrize("axis", ["counts", "pixel_size", "width", "spacing", "background"])
def test_axes_of_an_envelope_hold_a_value(axis):
    sound = {"counts": 100, "pixel_size": 0.1, "width": 0.4, "spacing": 2.0}
    with pytest.raises(InputError, match=f"{axis} must hold at least one value"):
        operating_envelope(**{**sound, axis: []})


def test_a_layout_without_a_file_is_told():
    with pytest.raises(InputError, match="no such file"):
        check_layout("nowhere.nc")


def letter_of(letters: dict[str, int], name: str, place: int = 0) -> int:
    return letters[name] + next(iter(letters.values())) * int(np.arange(3)[place])


@pytest.mark.parametrize("name", ["", "nonsense", "d"])
def test_names_and_places_that_are_not_there_are_told(name):
    letter = guarded(letter_of, __name__)
    assert letter({"a": 1}, "a", -1) == 3
    with pytest.raises(InputError, match="name must be one of the names that are known here"):
        letter({"a": 1}, name)
    with pytest.raises(InputError, match="place is out of bounds"):
        letter({"a": 1}, "a", 10**12)


@pytest.mark.parametrize("index", [-1, 5, 10**12, 0.5, True, np.array(0)])
def test_frames_of_a_stack_are_counted_from_0(index):
    stack = open_stack(np.zeros((5, 16, 16)))
    assert stack.picture(np.int64(4)).shape == (16, 16)
    with pytest.raises(InputError, match="index must be"):
        stack.picture(index)


@pytest.mark.parametrize("port", [-1, 65_536, 10**12, 0.5, True, "80"])
def test_ports_are_ports(port):
    with pytest.raises(InputError, match="port must be"):
        ReplayServer([PICTURE.assign_coords(x=np.arange(32.0), y=np.arange(32.0))], port=port)


@pytest.mark.parametrize("plain", [{}, {"nonsense": 1}, {"action": {}}, {"action": {1: "a"}}])
def test_steps_are_read_as_they_were_written(plain):
    with pytest.raises(InputError, match="plain must be a step as to_dict writes it"):
        CampaignStep.from_dict(plain)


@pytest.mark.parametrize("bad", [-1, "a", [[1.0]], np.nan])
def test_covariances_of_positions_are_sparse(bad):
    with pytest.raises(InputError, match="covariance must be a sparse matrix"):
        AtomicConfiguration(positions=[[0.0, 0.0]], covariance=bad)


@pytest.mark.parametrize("bad", [0, -1, 0.5, None, "3"])
def test_windows_of_noise_have_pixels(bad):
    noise = measure_channel_noise(PICTURE)
    assert noise.variance_of_mean(2, 2) > 0
    with pytest.raises(InputError, match="rows must be a whole number"):
        noise.variance_of_mean(bad, 2)
    with pytest.raises(InputError, match="columns must be a whole number"):
        noise.variance_of_mean(2, bad)
