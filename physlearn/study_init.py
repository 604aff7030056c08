"""A study file written from what the files hold, every key with its meaning beside it."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physlearn.checks import BackendUnavailable, InputError
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.findings import Findings

__all__ = ["described", "find_inputs", "write_study_file"]

SUFFIXES = frozenset((
    ".3ds", ".avi", ".dm3", ".dm4", ".dump", ".emd", ".gif", ".gsd", ".gwy", ".h5", ".hdf5",
    ".ibw", ".lammpstrj", ".mp4", ".mrc", ".nc", ".npy", ".nxs", ".png", ".ser", ".spm", ".sxm",
    ".tif", ".tiff",
))  # fmt: skip
MOST_FOUND = 50
MOST_SEED = 2**31


def find_inputs(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the pictures, videos and tracks that lie in a folder, by name.

    Raises
    ------
    InputError
        When there is none, or too many to be one study.

    Examples
    --------
    >>> find_inputs("/no/such/folder")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: no picture, video or tracks lie in /no/such/folder; name ...
    """
    place = Path(folder)
    found = sorted(p for p in place.glob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(
            f"no picture, video or tracks lie in {place}; name a file: physlearn init image.tiff"
        )
    if len(found) > MOST_FOUND:
        raise InputError(
            f"{len(found)} files lie in {place}; name those of one study: physlearn init FILE FILE"
        )
    return found


def write_study_file(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "study.yaml",
    *,
    replace: bool = False,
) -> list[str]:
    """Write a study file for some inputs and return a sentence for each: what it holds.

    Parameters
    ----------
    files
        Pictures, videos or tracks.
    out
        The study file.
    replace
        Overwrite a file of that name.

    Raises
    ------
    FileNotFoundError
        When a file does not exist.
    InputError
        When there is a study file already, or a file cannot be read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "noise.npy", np.random.default_rng(0).normal(size=(64, 64)))
    >>> write_study_file([folder / "noise.npy"], folder / "study.yaml")
    ['noise.npy: a picture of 64 x 64 pixels; the file does not say how large a pixel is']
    """
    target = Path(out)
    if target.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"out must be a .yaml file; got {target}.")
    if target.exists() and not replace:
        raise InputError(f"{target} is there already; edit it, or give --force to write it anew.")
    if not files:
        raise InputError("files must name at least one picture, video or file of tracks.")
    told, entries, without_scale, without_time = [], [], False, False
    for file in files:
        findings = _read(file)
        sentence = " ".join(described(findings).split())
        told.append(f"{Path(file).name}: {sentence}")
        entries.append(_entry(Path(file), target.parent, sentence))
        without_scale |= "how large a pixel" in sentence
        without_time |= "how far apart" in sentence
    text = _TEXT.format(
        title=json.dumps(Path(files[0]).stem if len(files) == 1 else target.stem),
        inputs="".join(entries), compare="auto", out=f"{target.stem}-results",
        seed=secrets.randbelow(MOST_SEED),
        pixel=_NEEDED if without_scale else "", time=_NEEDED if without_time else "",
    )  # fmt: skip
    with atomic_write(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return told


_NEEDED = "  # <- fill in: a file does not say it"


def _read(file: str | os.PathLike[str]) -> Findings:
    from physlearn.study import read_study

    try:
        return read_study(file)
    except (InputError, BackendUnavailable) as error:
        raise InputError(f"{Path(file).name}: {error}") from None


def described(findings: Findings) -> str:
    """Return in words what the input of a study is.

    Examples
    --------
    >>> from physlearn.demo import demo_findings
    >>> described(demo_findings(1, small=True)[0])
    'a picture of 312 x 312 pixels; the file does not say how large a pixel is'
    """
    tracks = findings.trajectory
    if tracks is not None:
        n_frames, n_particles = tracks.positions.shape[0], tracks.positions.shape[-2]
        return (
            f"tracks of {n_particles} particles over {n_frames} frames, in {tracks.unit} and "
            f"{tracks.time_unit}"
        )
    data = findings.image if findings.image is not None else findings.video
    if data is None:
        return "nothing that can be studied"
    rows, columns = data.sizes["y"], data.sizes["x"]
    unit, size = pixel_of(data)
    scale = (
        "the file does not say how large a pixel is"
        if unit in ("", "px", "pixel")
        else (f"a pixel is {size:.4g} {unit} wide")
    )
    if "time" not in data.dims:
        kind = "spectra by pixel," if findings.spectra is not None else "a picture of"
        return f"{kind} {columns} x {rows} pixels; {scale}"
    time_unit = str(data.coords["time"].attrs.get("units", "frame"))
    apart = "" if time_unit != "frame" else "; the file does not say how far apart frames are"
    return f"a video of {data.sizes['time']} frames of {columns} x {rows} pixels; {scale}{apart}"


def pixel_of(data: xr.DataArray) -> tuple[str, float]:
    """Return the unit of length of a picture and the width of one pixel in it."""
    axis = data.coords["x"]
    values = axis.to_numpy()
    return str(axis.attrs.get("units", "px")), float(
        abs(values[-1] - values[0]) / (len(values) - 1)
    )


def _entry(file: Path, folder: Path, sentence: str) -> str:
    try:
        shown = Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        shown = str(file.resolve())
    lines = [f"  - file: {json.dumps(shown, ensure_ascii=False)}  # {sentence}"]
    guessed = re.search(r"(?<![\d.])(\d{1,4}(?:\.\d+)?) ?K(?![a-zA-Z])", file.stem)
    if guessed and float(guessed[1]) > 0:
        lines.append(f"    temperature_K: {guessed[1]}  # read from the file's name: check it")
    held = _channels(file)
    if len(held) > 1:
        names = ", ".join(held).replace("\n", " ")
        lines.append(
            f"    # picture: {json.dumps(held[0], ensure_ascii=False)}  # it holds {names}"
        )
    return "\n".join(lines) + "\n"


def _channels(file: Path) -> list[str]:
    from physlearn.datasets.reading.read_channels import channels_of, has_menu

    try:
        return [one.name for one in channels_of(file)] if has_menu(file) else []
    except (InputError, BackendUnavailable):
        return []


_TEXT = """\
# A study by physlearn.   physlearn check study.yaml   says what would be done, and what is missing;
# physlearn study study.yaml   does it. Change a line and run it again: only what depends on the
# line is computed anew. All paths begin at the folder of this file.
physlearn: 1                 # format of this file
title: {title}

inputs:                      # one or many: each gets its own report, several an overview as well
{inputs}\
    # label: as grown        # what the report calls it
    # temperature_K: 300     # K; also composition, dose, time_s: what differs between the inputs
    # channels: [piezo.npy]  # other pictures of the same field: responses whose causes are sought
    # repeat: again.tiff     # a second scan of the same place: measures the noise
    # drive: bias.csv        # of a video: one row a frame, column named with its unit (bias_V)
    # atoms: atoms.csv       # atoms of an earlier study, edited by hand
    # region: 0:512,0:512    # only these pixels: columns,rows

# How several inputs belong together: auto, nothing, repeats (the same sample again),
# before_after (two inputs), or along temperature_K, composition, dose or time_s
compare: {compare}

out: {out}   # folder to write: replaced as a whole by the next run
seed: {seed}             # repeats every number

units:                       # only where the files do not say it
  pixel_size:                # 0.05nm, 0.4angstrom, 0.1um{pixel}
  frame_interval_s:          # seconds from frame to frame{time}

steps:
  leave_out: []              # such as [counterfactual, plan]; physlearn check lists all steps
  campaign: false            # true rehearses the next experiment by simulation: half a minute more

options:
  lattice:                   # square, triangular, any: declares it, and scan rows are put in order
  n_shells: 2                # shells of neighbours whose couplings are fitted, 1 to 6
  n_species:                 # species that columns are told apart into; empty finds the number
  patch_size:                # edge of a patch in the picture's unit of length; empty chooses
  graph_method: auto         # search for causes: auto, pc, fci, ges, boss, exact
  significance: 0.05         # level of the tests in that search
  longest_wall_step: 6.0     # pixels that a wall may move from frame to frame
  shortest_wall: 15.0        # pixels; shorter walls are left out
"""
