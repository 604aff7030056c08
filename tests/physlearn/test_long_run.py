"""Long work: the same result however it is cut, stopped and resumed."""

import signal
import threading

import numpy as np
import pytest

from physlearn import long_run
from physlearn.checks import InputError
from physlearn.long_run import LongRun

TOTAL = 400


@pytest.fixture(autouse=True)
def single_units(monkeypatch):
    monkeypatch.setattr(long_run, "PIECE_SECONDS", 0.0)


class Walk:
    """A chain whose every state depends on all before it."""

    def __init__(self):
        self.word = np.array([1], np.uint64)
        self.samples = np.zeros(4, np.uint64)
        self.n = 0

    def step(self, n):
        for _ in range(n):
            self.word[0] = self.word[0] * np.uint64(6364136223846793005) + np.uint64(1)

    def arrays(self):
        return {"word": self.word, "samples": self.samples, "n": np.array(self.n)}


def walk(interrupt_at=None, **options):
    chain = Walk()
    pieces = []

    def step(n):
        chain.step(n)
        pieces.append(n)
        if interrupt_at is not None and run.done >= interrupt_at:
            signal.raise_signal(signal.SIGINT)

    with np.errstate(over="ignore"), LongRun(TOTAL, **options) as run:
        if run.saved is not None:
            chain.word[:], chain.samples[:] = run.saved["word"], run.saved["samples"]
            chain.n = int(run.saved["n"])
        for k in range(chain.n, 4):
            if not run.advance_to((k + 1) * TOTAL // 4, step, chain.arrays):
                break
            chain.samples[k] = chain.word[0]
            chain.n = k + 1
    return chain, run, pieces


def test_stopped_and_resumed_equals_uninterrupted(tmp_path):
    whole, run, _ = walk()
    assert run.finish(4, 4, "samples") == ()
    path = tmp_path / "walk.npz"
    part, run, _ = walk(interrupt_at=150, checkpoint=path, arguments={"seed": 1})
    assert run.stopped and part.n == 1 and run.done not in (100, 200, 300)
    with pytest.raises(KeyboardInterrupt, match="Stopped after 1 of 4 samples; the same call"):
        run.finish(part.n, 4, "samples")
    rest, run, pieces = walk(checkpoint=path, arguments={"seed": 1})
    assert sum(pieces) < TOTAL  # it went on, it did not begin again
    np.testing.assert_array_equal(rest.samples, whole.samples)
    run.finish(4, 4, "samples")
    assert not path.exists()


def test_without_checkpoint_the_samples_so_far_are_returned():
    part, run, _ = walk(interrupt_at=250)
    assert run.finish(part.n, 4, "samples") == ("Stopped after 2 of 4 samples, by Ctrl-C.",)
    with pytest.raises(KeyboardInterrupt, match="nothing to return"):
        run.finish(0, 4, "samples")


def test_the_handler_of_others_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    walk(interrupt_at=0)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_stops_at_once():
    with LongRun(10) as run:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert not run.stopped


def test_an_interrupt_in_the_last_piece_is_never_swallowed(monkeypatch):
    whole, run, _ = walk(interrupt_at=TOTAL - 1)
    assert whole.n == 4 and not run.stopped
    with pytest.raises(KeyboardInterrupt):
        run.finish(4, 4, "samples")
    monkeypatch.setattr(long_run, "WORTH_KEEPING_SECONDS", 0.0)
    assert run.finish(4, 4, "samples") == (
        "Ctrl-C came with the last piece of work: it is complete.",
    )


def test_an_event_stops_work_in_a_thread():
    stop, found = threading.Event(), []

    def work():
        with LongRun(10, stop=stop) as run:
            found.append(run.advance_to(10, lambda n: stop.set(), dict))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_checkpoint_names_its_seed(tmp_path):
    path = tmp_path / "walk.npz"
    part, run, _ = walk(interrupt_at=150, checkpoint=path, arguments={"seed": 41})
    with pytest.raises(KeyboardInterrupt, match="the same call with rng=41, checkpoint="):
        run.finish(part.n, 4, "samples")
    with pytest.raises(InputError, match=r"other arguments \(its seed is rng=41\)"):
        LongRun(TOTAL, checkpoint=path, arguments={"seed": 42})


def test_a_failing_progress_leaves_a_checkpoint(tmp_path):
    path = tmp_path / "walk.npz"

    def progress(done, total):
        if done > 150:
            raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        walk(checkpoint=path, progress=progress)
    whole, _, _ = walk()
    rest, _, pieces = walk(checkpoint=path)
    assert sum(pieces) < TOTAL
    np.testing.assert_array_equal(rest.samples, whole.samples)


def test_a_checkpoint_that_cannot_be_saved_costs_no_samples(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(long_run, "atomic_write", full)
    part, run, _ = walk(interrupt_at=250, checkpoint=tmp_path / "walk.npz")
    (warning,) = run.finish(part.n, 4, "samples")
    assert part.n == 2 and "not saved" in warning and "No space left" in warning


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(long_run.tempfile, "TemporaryFile", denied)
    with pytest.raises(InputError, match=r"can be written to.*Permission denied"):
        LongRun(10, checkpoint=tmp_path / "walk.npz")


def test_progress_reaches_the_total():
    seen = []
    walk(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (TOTAL, TOTAL)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "not"), (b"text", "not"), (b"PK\x03\x04broken", "not")],
)  # fmt: skip
def test_wrong_files_are_refused(tmp_path, content, sentence):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        LongRun(10, checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "other",
    [{"field": 1, "size": 3}, {"seed": 3, "step": 1}, {"seed": 2, "step": 1},
     {"seed": "1", "step": 2}, {"seed": 1, "step": 2, "wind": 0}],
)  # fmt: skip
def test_names_values_and_kinds_tell_calls_apart(tmp_path, other):
    path = tmp_path / "walk.npz"
    walk(interrupt_at=150, checkpoint=path, arguments={"seed": 1, "step": 3})
    with pytest.raises(InputError, match="other arguments"):
        LongRun(TOTAL, checkpoint=path, arguments=other)
    # the order in which they are given means nothing
    assert LongRun(TOTAL, checkpoint=path, arguments={"step": 3, "seed": 1}).done > 0


def test_checkpoints_of_other_calls_are_refused(tmp_path):
    path = tmp_path / "walk.npz"
    walk(interrupt_at=150, checkpoint=path, arguments={"field": np.zeros(3)})
    with pytest.raises(InputError, match="other arguments"):
        LongRun(TOTAL, checkpoint=path, arguments={"field": np.ones(3)})
    with pytest.raises(InputError, match="folder that exists"):
        LongRun(10, checkpoint=tmp_path / "absent" / "a.npz")
