"""The pure core: frames in, estimates out, whatever the order."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets.synthetic.synthetic_stem import make_stem_image
from physlearn.datasets.synthetic.synthetic_walls import make_wall_video
from physlearn.live import FrameFile, WatchOptions, add_frames, start_state
from physlearn.live.estimates import NewFrame
from physlearn.live.frame_facts import odd_frames
from physlearn.live.pictures import counted_fields
from physlearn.live.same_field import match_fields

SITES = (16, 16)


def new(name: str, image: xr.DataArray, part: int = 0) -> NewFrame:
    checksum = f"{abs(hash((name, part))):015x}"
    return NewFrame(FrameFile(name, checksum), image, part)


@pytest.fixture(scope="module")
def pictures():
    scenes = [make_stem_image(SITES, rng=seed).image for seed in (1, 2)]
    again = scenes[1].copy(data=np.roll(scenes[1].to_numpy(), (4, 7), (0, 1)))
    return [new("f1", scenes[0]), new("f2", scenes[1]), new("f10", again)]


@pytest.fixture(scope="module")
def state(pictures):
    found = add_frames(start_state(WatchOptions(kind="picture"), rng=3), pictures[:1])
    return add_frames(found, pictures[1:])


def noise(name: str, seed: int) -> NewFrame:
    """Return a frame without atoms, which is analysed at once."""
    values = np.random.default_rng(seed).normal(size=(48, 48))
    return new(name, xr.DataArray(values, dims=("y", "x")))


def test_frames_are_in_the_order_in_which_people_count(state):
    assert [one.file.name for one in state.frames] == ["f1", "f2", "f10"]
    assert [one.order for one in state.frames] == [0, 1, 2]


def test_a_repeat_of_a_field_is_recognised_and_counts_once(state):
    assert [one.field for one in state.frames] == [0, 1, 1]
    assert [one.relation for one in state.frames] == ["first", "other", "same"]
    # the picture was rolled by 7 pixels along x and 4 along y
    np.testing.assert_allclose(state.frames[2].shift, (7.0, 4.0), atol=0.1)
    assert len(counted_fields(state.frames)) == 2
    pooled = [one for one in state.estimates if one.name.startswith("couplings")]
    assert {one.basis for one in pooled} == {"2 fields pooled"}
    assert all(one.low < one.mean < one.high for one in pooled)
    assert any("not independent" in text for _, text in state.warnings)


def test_the_answer_does_not_hang_on_the_order_of_arrival(state, pictures):
    other = add_frames(start_state(WatchOptions(kind="picture"), rng=3), pictures[2:])
    other = add_frames(other, pictures[:2])
    assert [one for one in other.estimates if "vacant" not in one.name] == [
        one for one in state.estimates if "vacant" not in one.name
    ]
    assert [one.field for one in other.frames] == [one.field for one in state.frames]


def test_history_grows_by_one_row_a_update(state):
    assert [n for n, _ in state.history] == [1, 3]
    assert state.history[-1][1] == state.estimates


def test_a_state_is_not_changed_by_what_follows():
    before = start_state(WatchOptions(kind="picture"), rng=3)
    after = add_frames(before, [noise("a", 1)])
    assert before.frames == () and len(after.frames) == 1


def test_copies_count_once_and_are_named():
    first, second = noise("a", 1), noise("b", 2)
    copied = replace(first, file=replace(first.file, name="copy of a"))
    state = add_frames(start_state(WatchOptions(kind="picture"), rng=3), [first, second])
    state = add_frames(state, [copied])
    assert len(state.frames) == 2
    assert dict(state.left_out)["copy of a"] == "it is a copy of a, and counts once"


def test_a_file_written_anew_replaces_its_frame():
    state = add_frames(start_state(WatchOptions(kind="picture"), rng=3), [noise("a", 1)])
    newer = NewFrame(FrameFile("a", "0123456789abcdef"), noise("a", 2).image)
    after = add_frames(state, [newer])
    assert [one.file.sha256 for one in after.frames] == ["0123456789abcdef"]


def test_patterns_that_cannot_tell_say_so(state):
    atoms = state.frames[0].atoms
    one_kind = atoms.with_changes(species=np.zeros(atoms.n, dtype=np.int8), species_names=("a",))
    assert match_fields(atoms, one_kind).relation == "unclear"
    # a checkerboard lies on itself at every second site
    grid = np.stack(np.meshgrid(np.arange(14.0), np.arange(14.0)), -1).reshape(-1, 2)
    board = type(atoms)(
        grid, species=(grid.sum(axis=1) % 2).astype(np.int8), species_names=("a", "b")
    )
    assert match_fields(board, board).relation == "unclear"


def test_different_fields_of_one_crystal_are_not_taken_for_one():
    """One hundred pairs of random patterns on one lattice: none may pass for the same field."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), -1).reshape(-1, 2) * 5
    from physlearn.records import AtomicConfiguration

    def atoms():
        return AtomicConfiguration(
            grid + rng.normal(0, 0.1, grid.shape), species=rng.integers(0, 2, len(grid)),
            species_names=("a", "b"),
        )  # fmt: skip

    relations = [match_fields(atoms(), atoms()).relation for _ in range(100)]
    assert relations.count("same") == 0


def test_few_frames_cannot_be_unlike():
    assert odd_frames([{"mean": 1.0}, {"mean": 50.0}, {"mean": 1.0}]) == [[], [], []]


@pytest.fixture(scope="module")
def film():
    return make_wall_video(n_frames=5, rng=1).video.drop_vars("drive")


def test_frames_of_a_film_are_tracked_together(film):
    state = start_state(WatchOptions(kind="film", frame_interval_s=2.0), rng=1)
    state = add_frames(state, [new("w0", film[0])])
    state = add_frames(state, [new(f"w{k}", film[k]) for k in range(1, 5)])
    assert state.track is not None and state.track.n_frames == 5
    assert state.track.time_unit == "s"
    names = {one.name for one in state.estimates}
    assert {"wall_velocity", "curvature_mobility"} <= names
    assert [one.name for one in state.frames] == [f"w{k}" for k in range(5)]
    whole = add_frames(
        start_state(WatchOptions(kind="film", frame_interval_s=2.0), rng=1),
        [new(f"w{k}", film[k]) for k in reversed(range(5))],
    )
    assert whole.estimates == state.estimates


def test_a_frame_of_another_shape_is_named_and_left_out(film):
    state = start_state(WatchOptions(kind="film"), rng=1)
    state = add_frames(state, [new("w0", film[0])])
    state = add_frames(state, [new("w1", film[1][:100])])
    assert len(state.frames) == 1
    assert "shape (100, 160)" in dict(state.left_out)["w1"]


def test_drift_between_frames_of_a_film_is_warned_of(film):
    moved = film[1].copy(data=np.roll(film[1].to_numpy(), 6, axis=1))
    state = start_state(WatchOptions(kind="film"), rng=1)
    state = add_frames(state, [new("w0", film[0]), new("w1", moved)])
    assert abs(state.frames[1].shift[0] - 6) < 1.0
    assert any("w1 lies" in text for source, text in state.warnings if source == "drift")


def test_a_film_is_recognised_by_its_first_frame(film):
    state = add_frames(start_state(rng=1), [new("w0", film[0])])
    assert state.kind == "film"
