"""Work killed at every file that it opens, renames or removes: kill_points.py WORK FOLDER.

A process of its own: it forks, and imports little. Prints {"points": n, "wrong": [...]} as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from physlearn import long_run
from physlearn.findings import Findings, Step, run_steps
from physlearn.kept_steps import keeping
from physlearn.long_run import LongRun
from physlearn.step_store import open_store
from physlearn.study_folder import MARKER, damaged_files, study_folder
from physlearn.whole_files import LEFT, write_whole

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree")
MOST_POINTS = 400


def write_file(folder):
    write_whole(folder / "a.txt", "new")


def file_as_it_was_or_new(folder):
    return (folder / "a.txt").read_text() in ("old", "new")


def file_is_new(folder):
    return (folder / "a.txt").read_text() == "new"


def write_study(folder):
    with study_folder(folder / "out") as place:
        (place / "tables").mkdir()
        for name in ("b.txt", "tables/c.txt"):
            (place / name).write_text("new")


def study_is_whole_or_put_aside(folder):
    out = folder / "out"
    if not out.exists():  # killed between its two moves: the next run puts it back
        return len(list(folder.glob(".out-*/former"))) == 1 or bool(list(folder.glob(".out-*")))
    return damaged_files(out) == []


def study_is_new(folder):
    names = {path.name for path in (folder / "out").rglob("*")}
    return names == {MARKER, "tables", "b.txt", "c.txt"} and damaged_files(folder / "out") == []


def walk(folder):
    """A chain whose every state depends on all before it, with a checkpoint at every piece."""
    long_run.PIECE_SECONDS = long_run.SAVE_SECONDS = 0.0
    word = np.array([1], np.uint64)

    def step(n):
        for _ in range(n):
            word[0] = word[0] * np.uint64(6364136223846793005) + np.uint64(1)

    arguments = {"seed": 1}
    with (
        np.errstate(over="ignore"),
        LongRun(4, checkpoint=folder / "walk.npz", arguments=arguments) as run,
    ):
        if run.saved is not None:
            word[:] = run.saved["word"]
        run.advance_to(4, step, lambda: {"word": word})
    write_whole(folder / "word.txt", str(word[0]))
    run.finish(1, 1, "words")


def walk_is_right(folder):
    word = 1
    for _ in range(4):
        word = (word * 6364136223846793005 + 1) % 2**64
    return (folder / "word.txt").read_text() == str(word) and not (folder / "walk.npz").exists()


def keep_steps(folder):
    def first(findings):
        findings.hopping = True

    def second(findings):
        draw = findings.rng("second").normal()
        findings.correlations = {"on": findings.hopping, "z": draw}

    findings = Findings("a", 1)
    with open_store(folder / "study") as store:
        run_steps(
            (Step("first", "First", first), Step("second", "Second", second, ("hopping",))),
            findings, run_one=keeping(store),
        )  # fmt: skip
        write_whole(folder / "found.json", json.dumps([findings.correlations, store.said]))


def steps_are_right(folder):
    found, said = json.loads((folder / "found.json").read_text())
    return found == {"on": True, "z": Findings("a", 1).rng("second").normal()} and said == []


def anything(_folder):
    return True


WORK = {
    "file": (write_file, file_as_it_was_or_new, file_is_new),
    "study": (write_study, study_is_whole_or_put_aside, study_is_new),
    "walk": (walk, anything, walk_is_right),
    "steps": (keep_steps, anything, steps_are_right),
}


def prepare(work, folder):
    folder.mkdir()
    if work == "file":
        (folder / "a.txt").write_text("old")
    if work == "study":
        with study_folder(folder / "out") as place:
            (place / "a.txt").write_text("old")


def in_a_fork(work, folder, point):
    """Run the work in a fork that is killed at the given event; return how it ended."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        if event not in EVENTS or not str(arguments[0]).startswith(str(folder)):
            return
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        seen += not reads
        if seen == point and not reads:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        WORK[work][0](folder)
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{work} {point}: {type(error).__name__}: {error}\n".encode())
        os._exit(1)


def left_over(folder):
    return [
        path.name for path in folder.rglob(".*")
        if LEFT.fullmatch(path.name) or path.name.startswith(".out-")
    ]  # fmt: skip


def main(work, place):
    _, between, after = WORK[work]
    wrong, point = [], 0
    while point < MOST_POINTS:
        point += 1
        folder = place / f"{work}-{point}"
        prepare(work, folder)
        ended = in_a_fork(work, folder, point)
        if ended == 0:
            break
        if not between(folder):
            wrong.append([point, "killed", sorted(map(str, folder.rglob("*")))])
        ended = in_a_fork(work, folder, 0)
        if ended != 0 or not after(folder) or left_over(folder):
            wrong.append([point, ended, sorted(map(str, folder.rglob("*")))])
    sys.stdout.write(json.dumps({"points": point - 1, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
