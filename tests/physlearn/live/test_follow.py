"""A real folder: files that arrive, half-written ones, stops and restarts."""

import json
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets.synthetic.synthetic_stem import make_stem_image
from physlearn.live import WatchOptions, follow_folder, watch
from physlearn.live.follow import default_out
from physlearn.live.watcher import scan_folder

QUICK = WatchOptions(kind="picture", settle_s=0.05)


@pytest.fixture(scope="module")
def images():
    return [make_stem_image((16, 16), rng=seed).image.to_numpy() for seed in (1, 2)]


@pytest.fixture(scope="module")
def noises():
    """Pictures without atoms, which are analysed at once."""
    return [np.random.default_rng(k).normal(size=(48, 48)) for k in range(4)]


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "frames"
    place.mkdir()
    return place


def follow_all(folder, **options):
    return list(follow_folder(folder, QUICK, rng=5, once=True, **options))


def test_restart_gives_what_an_uninterrupted_run_gives(folder, images, tmp_path):
    np.save(folder / "a.npy", images[0])
    follow_all(folder)
    np.save(folder / "b.npy", images[1])
    second = follow_all(folder)
    assert [len(state.frames) for state in second] == [1, 2]
    other = tmp_path / "other"
    whole = follow_all(folder, out=other)
    assert [len(state.frames) for state in whole] == [0, 1, 2]
    assert {one.name: one for one in whole[-1].estimates if "vacant" not in one.name} == {
        one.name: one for one in second[-1].estimates if "vacant" not in one.name
    }
    third = follow_all(folder)
    assert len(third) == 1 and third[0].estimates == second[-1].estimates
    assert third[0].history == second[-1].history
    assert third[0].last.image is not None


def test_damage_to_what_was_kept_is_found_and_made_good(folder, images):
    np.save(folder / "a.npy", images[0])
    first = follow_all(folder)[-1]
    record = next((default_out(folder) / "frames").glob("*/couplings.nc"))
    record.write_bytes(record.read_bytes()[:-50])
    said = []
    again = list(
        follow_folder(folder, QUICK, rng=5, once=True, pulse=lambda p: said.extend(p.said))
    )
    assert any("damaged" in text for text in said)
    assert again[-1].estimates == first.estimates
    state = default_out(folder) / "state.json"
    state.write_text(state.read_text()[:-20])
    assert follow_all(folder)[-1].estimates == first.estimates


def test_other_options_or_another_seed_begin_anew(folder, noises):
    np.save(folder / "a.npy", noises[0])
    follow_all(folder)
    said = []
    states = list(
        follow_folder(folder, QUICK, rng=6, once=True, pulse=lambda p: said.extend(p.said))
    )
    assert len(states[0].frames) == 0 and any("another seed" in text for text in said)


def test_a_half_written_file_is_waited_for(folder, noises):
    whole = folder.parent / "whole.npy"
    np.save(whole, noises[0])
    content = whole.read_bytes()
    stop = threading.Event()
    lengths = []

    def write():
        with (folder / "a.npy").open("wb") as file:
            for part in np.array_split(np.frombuffer(content, dtype=np.uint8), 6):
                file.write(part.tobytes())
                file.flush()
                lengths.append(file.tell())
                time.sleep(0.15)

    writer = threading.Thread(target=write)
    states = follow_folder(folder, WatchOptions(kind="picture", settle_s=0.4), rng=5, stop=stop)
    next(states)
    writer.start()
    state = next(states)
    stop.set()
    writer.join()
    states.close()
    assert len(lengths) == 6 and state.frames[0].file.size == len(content)
    assert state.left_out == ()


def test_a_reader_that_fails_is_tried_again_when_the_file_goes_on(folder, noises):
    whole = folder.parent / "whole.npy"
    np.save(whole, noises[0])
    content = whole.read_bytes()
    (folder / "a.npy").write_bytes(content[: len(content) // 2])
    stop = threading.Event()
    states = follow_folder(folder, QUICK, rng=5, stop=stop)
    next(states)
    timer = threading.Timer(0.4, lambda: (folder / "a.npy").write_bytes(content))
    timer.start()
    state = next(states)
    while not state.frames:
        state = next(states)
    stop.set()
    states.close()
    assert state.frames[0].file.size == len(content)
    assert state.left_out == ()


def test_a_file_that_stays_broken_is_named_and_the_rest_goes_on(folder, noises):
    (folder / "broken.tif").write_bytes(b"II*\x00 and nothing more")
    np.save(folder / "a.npy", noises[0])
    state = follow_all(folder)[-1]
    assert len(state.frames) == 1
    assert "broken.tif" in dict(state.left_out)


def test_what_is_no_frame_is_passed_over(folder):
    for name in (".hidden.tif", "a.tif.part", "notes.txt", "a.csv"):
        (folder / name).write_bytes(b"x")
    (folder / "sub").mkdir()
    (folder / "link.tif").symlink_to(folder / "nowhere")
    assert scan_folder(folder, {}, 0.0) == {}


def test_state_stays_out_of_the_watched_folder_and_of_others_files(folder, tmp_path):
    with pytest.raises(InputError, match="outside of the watched folder"):
        next(follow_folder(folder, QUICK, out=folder / "state"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        next(follow_folder(folder, QUICK, out=tmp_path / "mine"))
    with pytest.raises(InputError, match="folder that exists"):
        next(follow_folder(folder / "no", QUICK))


def test_a_second_watch_is_kept_out_and_a_killed_one_is_no_hindrance(folder):
    state = default_out(folder)
    (state / "frames").mkdir(parents=True)
    mark = state / ".watching"
    code = (
        "import sys, time; from pathlib import Path; from physlearn.file_lock import alone_with\n"
        "with alone_with(Path(sys.argv[1]), ''):\n    print('open', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(mark)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(InputError, match=f"must not be in use; process {other.pid}"):
            follow_all(folder)
        other.kill()
    assert mark.exists()
    assert len(follow_all(folder)) == 1
    assert not mark.exists()


def test_once_writes_a_page_that_asks_for_nothing(folder, noises):
    np.save(folder / "a<b>.npy", noises[0])
    said = []
    page = watch(folder, QUICK, once=True, seed=5, say=said.append)
    text = page.read_text("utf-8")
    assert "a&lt;b&gt;.npy" in text and "a<b>.npy" not in text
    assert "<script" not in text and 'src="/' not in text and "http://" not in text
    assert any(line.startswith("a<b>.npy: 1 frame") for line in said)
    state = json.loads((page.parent / "state.json").read_text("utf-8"))
    assert state["seed"] == 5 and len(state["frames"]) == 1
    assert not [p for p in page.parent.rglob("*") if p.suffix in (".pkl", ".pickle")]


def test_frames_that_wait_are_counted_and_none_is_lost(folder, noises):
    for k in range(4):
        np.save(folder / f"f{k}.npy", noises[k])
        time.sleep(0.02)
    pulses = []
    states = list(follow_folder(folder, QUICK, rng=5, once=True, pulse=pulses.append))
    first = next(state for state in states if state.frames)
    assert first.frames[0].file.name == "f3.npy"
    assert len(states[-1].frames) == 4
    assert [p.waiting for p in pulses if p.doing.startswith("analyses")] == [3, 2, 1, 0]
    shutil.rmtree(folder.parent / "frames-watch")
