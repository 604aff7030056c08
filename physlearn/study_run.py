"""A study file run: one input gives a study, several a series of studies with an overview."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from physlearn.executors import ExecutorLike
from physlearn.study import Progress, StudyResult, run_study
from physlearn.study_file import StudySpec, read_study_file, study_of

if TYPE_CHECKING:
    from physlearn.series import SeriesResult

__all__ = ["run_study_file"]


def run_study_file(
    spec: StudySpec | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
    executor: ExecutorLike | None = None,
) -> StudyResult | SeriesResult:
    """Do what a study file says; keep each step, so that the next run does only what changed.

    Parameters
    ----------
    spec
        A study file, or its path.
    out, seed
        Instead of those in the file.
    progress
        Called with the title of each step and the finished share, 0 to 1.
    fresh
        Take nothing that was kept.
    executor
        Studies the inputs of a series side by side, see `run_series`; one input has no use for it.

    Raises
    ------
    FileNotFoundError
        When a file does not exist.
    InputError
        When the file or an input is refused, or ``out`` holds other files.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from physlearn.study_init import write_study_file
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "noise.npy", np.random.default_rng(0).normal(size=(64, 64)))
    >>> _ = write_study_file([folder / "noise.npy"], folder / "study.yaml")
    >>> results = [run_study_file(folder / "study.yaml") for _ in range(2)]
    >>> [any(note.kept for note in result.findings.notes) for result in results]
    [False, True]
    """
    if not isinstance(spec, StudySpec):
        spec = read_study_file(spec)
    place = spec.out if out is None else Path(out)
    number = spec.content.seed if seed is None else seed
    if len(spec.content.inputs) > 1:
        from physlearn.series import run_series

        return run_series(
            spec, out=place, seed=number, progress=progress, fresh=fresh, executor=executor
        )
    study = study_of(spec, 0)
    return run_study(study, out=place, seed=number, progress=progress, keep=True, fresh=fresh)
