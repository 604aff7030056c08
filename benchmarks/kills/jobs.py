"""Small jobs of each kind that keep what they did: run, killed, run again, and compared.

Each is a function of a folder. What it leaves there at the end is compared by content: seconds,
dates and whether a step was kept are no part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physlearn import long_run
from physlearn.checks import InputError
from physlearn.whole_files import atomic_write, write_whole

SAVE_SECONDS = 0.01
"""Checkpoints are written that often here, and every half minute otherwise."""
TIMES = {
    "seconds", "kept", "created_at", "lag_s", "analysed_s", "update_s", "noticed", "modified_ns",
    "waited_s", "read_s", "queued_s",
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One kind of work.

    Attributes
    ----------
    run
        Does it in a folder, or goes on with it there.
    kept
        Whether a folder holds something to go on from.
    content
        What the finished work left, as (name, value) pairs that are to be the same.
    """

    run: Callable[[Path], Any]
    kept: Callable[[Path], bool]
    content: Callable[[Path], Iterator[tuple[str, Any]]]

    def digest(self, folder: Path) -> str:
        """Return a fingerprint of what the finished work left."""
        told = hashlib.sha256()
        for name, value in self.content(folder):
            told.update(name.encode())
            told.update(value if isinstance(value, bytes) else json.dumps(value).encode())
        return told.hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in TIMES}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _netcdf(path: Path) -> Iterator[tuple[str, Any]]:
    import h5py

    found: list[tuple[str, Any]] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            held = node[()]
            found.append((name, held.tobytes() if held.dtype.kind != "O" else str(held.tolist())))
        for key in sorted(node.attrs):
            if key not in TIMES and not key.startswith(("REFERENCE", "DIMENSION", "_Netcdf4")):
                found.append((f"{name}.{key}", str(node.attrs[key])))

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    yield from found


def _put_array(path: Path, values: Any) -> None:
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, values)


def _run_study(folder: Path) -> None:
    from physlearn import Study, StudyOptions, run_study

    path = folder / "picture.npy"
    if not path.exists():
        _put_array(path, np.random.default_rng(1).normal(100.0, 10.0, (64, 64)))
    options = StudyOptions(leave_out=("laws", "plan", "counterfactual"))
    run_study(Study(path, options=options), out=folder / "out", seed=5, keep=True)


def _study_content(folder: Path) -> Iterator[tuple[str, Any]]:
    from physlearn.study_folder import damaged_files

    out = folder / "out"
    if damaged := damaged_files(out):
        raise InputError(f"damaged: {damaged}")
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".nc":
            yield from _netcdf(path)
        elif path.suffix == ".json":
            yield name, _timeless(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix in (".csv", ".png", ".svg") and path.name != "steps.csv":
            yield name, path.read_bytes()
        else:
            yield name, ""


def _simulate(theta: dict[str, float], rng: np.random.Generator) -> Any:
    return rng.normal(theta["mean"], 1.0, 10)


def _fit(data: Any, rng: np.random.Generator) -> dict[str, Any]:
    return {"mean": rng.normal(data.sum() / 11, 11**-0.5, 4000)}


def _run_calibration(folder: Path) -> None:
    from physlearn.inference import check_calibration

    report = check_calibration(
        _simulate, _fit, {"mean": 1.0}, 600, rng=2, checkpoint=folder / "checkpoint.npz"
    )
    report.save(folder / "report.npz")


def _calibration_content(folder: Path) -> Iterator[tuple[str, Any]]:
    with np.load(folder / "report.npz", allow_pickle=False) as file:
        for name in sorted(set(file.files) - TIMES):
            yield name, file[name].tobytes()


def _run_sampling(folder: Path) -> None:
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    pictures = simulate_lattice(
        Ising([0.44]), square_lattice((48, 48)), n_snapshots=40, burn_in=2000, rng=3,
        method="heat_bath", sweeps_between=200, checkpoint=folder / "checkpoint.npz",
    )  # fmt: skip
    pictures.save(folder / "pictures.nc")


def _sampling_content(folder: Path) -> Iterator[tuple[str, Any]]:
    yield from _netcdf(folder / "pictures.nc")


LAWS: dict[str, Callable[[float], float]] = {
    "flat": lambda _: 0.0, "linear": lambda v: 0.1 * v, "curved": lambda v: 0.05 * v * v,
}  # fmt: skip


def _run_campaign(folder: Path) -> None:
    from physlearn.causal import (
        Action,
        DigitalTwin,
        Hypothesis,
        Instrument,
        Planner,
        ResponseSample,
        SafetyEnvelope,
        run_campaign,
    )

    def of(law: Callable[[float], float]) -> Callable[..., tuple[float, float]]:
        return lambda act, _rng, _n: (law(act.number("bias_V")), 0.5)

    envelope = SafetyEnvelope(100.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    acts = [Action("change_bias", {"bias_V": b}, 1.0, 2.0, 1.0) for b in (-3.0, -1.0, 1.0, 3.0)]
    laws = [Hypothesis(name, 1.0, of(law)) for name, law in LAWS.items()]
    planner = Planner(laws, acts, envelope, 60.0, rng=0, state_file=folder / "planner.json")
    sample = ResponseSample(
        lambda act: LAWS["curved"](act.number("bias_V")), field_of_view=(0.0, 0.0, 9.0, 9.0)
    )
    twin = DigitalTwin(
        sample, Instrument(readout_noise_sd=0.5, settle_s=0.5), envelope=envelope, rng=5
    )
    run_campaign(planner, twin, path=folder / "campaign.json")


def _campaign_content(folder: Path) -> Iterator[tuple[str, Any]]:
    from physlearn.causal import Campaign

    for number, step in enumerate(Campaign.from_json(folder / "campaign.json").steps):
        # the planner's names for its questions begin with a key that it draws for itself
        yield str(number), {**step.to_dict(), "question": ""}


def _run_live(folder: Path) -> None:
    from physlearn.datasets.synthetic.synthetic_stem import make_stem_image
    from physlearn.live import WatchOptions, follow_folder

    frames = folder / "frames"
    frames.mkdir(exist_ok=True)
    for number in range(4):
        path = frames / f"{number}.npy"
        if not path.exists():
            noise = np.random.default_rng(number).normal(size=(48, 48))
            _put_array(path, noise if number else make_stem_image((12, 12), rng=1).image.to_numpy())
        os.utime(path, (1e9 + number, 1e9 + number))  # the newest is analysed first
    options = WatchOptions(kind="picture", settle_s=0.0)
    for _ in follow_folder(frames, options, rng=5, out=folder / "state", once=True):
        pass


def _live_content(folder: Path) -> Iterator[tuple[str, Any]]:
    state = _timeless(json.loads((folder / "state" / "state.json").read_text(encoding="utf-8")))
    # which of the waiting frames comes next is a matter of when; each one's own numbers are not
    for frame in sorted(state["frames"], key=lambda one: str(one["file"]["name"])):
        yield (
            frame["file"]["name"],
            {key: value for key, value in frame.items() if key not in ("order", "records")},
        )
    yield "estimates", state["estimates"]


def _saved(name: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / name).exists()


JOBS = {
    "study": Job(
        _run_study, lambda folder: any((folder / ".physlearn-cache").glob("steps/*.json")),
        _study_content,
    ),
    "calibration": Job(_run_calibration, _saved("checkpoint.npz"), _calibration_content),
    "sampling": Job(_run_sampling, _saved("checkpoint.npz"), _sampling_content),
    "campaign": Job(_run_campaign, _saved("campaign.json"), _campaign_content),
    "live": Job(_run_live, _saved("state/state.json"), _live_content),
}  # fmt: skip


def run_job(kind: str, folder: Path) -> None:
    """Do a job, or go on with it, and write that it is done."""
    long_run.SAVE_SECONDS = SAVE_SECONDS
    long_run.PIECE_SECONDS = SAVE_SECONDS / 2
    JOBS[kind].run(folder)
    write_whole(folder / "done.json", json.dumps({"digest": JOBS[kind].digest(folder)}))


def finished(folder: Path) -> str:
    """Return the fingerprint of a finished job, or nothing."""
    path = folder / "done.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["digest"]) if path.exists() else ""
