"""Is an estimator calibrated? Truths from the prior, simulated data, ranks of the truths."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.executors import ExecutorLike, WorkerLost, open_workers
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.inference.calibration.function_identity import function_identity
from physlearn.inference.calibration.truths import (
    Truth,
    TruthSource,
    draws_by_label,
    flat_truth,
    truth_source,
)
from physlearn.long_run import LongRun

__all__ = ["check_calibration"]

Float = NDArray[np.float64]
Simulate = Callable[[Any, np.random.Generator], Any]
Estimate = Callable[[Any, np.random.Generator], Any]
FINISHED, REFUSED, FAILED = 0, 1, 2
HOPELESS = 10
"""So many failures from the start, and nothing else, are a mistake in the call."""
LEAST_DRAWS = 20
LONGEST_MESSAGE = 300


def check_calibration(
    simulate: Simulate,
    fit: Estimate,
    prior: Any,
    n_replicates: int,
    *,
    variables: Sequence[str] | None = None,
    executor: ExecutorLike | None = None,
    rng: int | np.random.Generator | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> CalibrationReport:
    """Measure whether a posterior's intervals hold the truth as often as they say.

    Again and again a truth is drawn from the prior, data are simulated from it and fitted. Where
    estimator and prior belong together, the truth is one more draw of the posterior: its rank
    among the draws is uniform, and an interval of mass m holds it with chance m, averaged over
    the prior (simulation-based calibration: Talts et al. 2018, arXiv:1804.06788).

    Parameters
    ----------
    simulate
        ``simulate(theta, rng)`` returns data.
    fit
        ``fit(data, rng)`` returns a ``Fit``, a mapping name -> draws (n_draws, ...), or for
        truths without names an array (n_draws, ...). It uses the same prior. ``NotIdentified``
        counts as a refusal, any other exception as a failure; neither stops the work. Draws may
        not be serially correlated: thin those of a chain.
    prior
        ``prior(rng)`` returning a number, an array or a mapping name -> number or array; or a
        mapping name -> standard deviation, (mean, standard deviation) or PyMC distribution; or a
        ``Prior`` of a lattice model.
    n_replicates
        How many times. 100 find intervals that are 1.5 times too narrow, 1,000 find 1.15.
    variables
        Names to compare, of whole variables or of elements as ``couplings[1]``; all that the
        truth has when None.
    executor
        Runs replicates side by side: ``"processes:4"``, an executor or a dask client, see
        `physlearn.executors`. Every replicate has random streams of its own, so that the result
        depends neither on the executor nor on its number of workers. Processes need functions
        that can be imported. A replicate whose worker died three times counts as a failure.
    rng
        Seed or generator.
    checkpoint
        File to go on from when it exists, and to save to after Ctrl-C and every half minute; it is
        removed at the end. Give the same seed. One of another simulation, estimator or prior is
        refused: functions are told by their code and by what is bound to them, objects that can
        be called by their type only.
    progress
        Called with (replicates done, in all).

    Returns
    -------
    CalibrationReport
        ``.table`` of coverages with exact binomial tests, ``.scores``, ``.verdict``, ``.plot()``.

    Raises
    ------
    InputError
        When truth and fit do not share their variables and shapes, or when the first ten
        replicates all fail.
    KeyboardInterrupt
        After Ctrl-C, when a checkpoint holds the work or no replicate is done.

    Examples
    --------
    >>> def simulate(theta, rng):
    ...     return rng.normal(theta["mean"], 1.0, 10)
    >>> def fit(data, rng):   # prior: mean ~ normal(0, 1); the exact posterior
    ...     return {"mean": rng.normal(data.sum() / 11, 11**-0.5, 500)}
    >>> report = check_calibration(simulate, fit, {"mean": 1.0}, 200, rng=1)
    >>> report.table["interval"].tolist()
    ['50 %', '80 %', '90 %', 'ranks']
    >>> report.calibrated
    True
    """
    n = check_count("n_replicates", n_replicates, 1)
    for name, given in (("simulate", simulate), ("fit", fit)):
        if not callable(given):
            raise InputError(f"{name} must be a function; got {type(given).__name__}.")
    generator, seed = as_generator(rng)
    wanted = None if variables is None else _names(variables)
    source = truth_source(prior, n, generator)
    task = _Task(simulate, fit, source, wanted, seed)
    arguments = {
        "seed": seed, "n_replicates": n, "simulate": function_identity(simulate),
        "fit": function_identity(fit), "prior": source.identity, "variables": list(wanted or ()),
    }  # fmt: skip
    stop = Event()
    run = LongRun(n, progress=progress, checkpoint=checkpoint, arguments=arguments, stop=stop)
    record = _Record(run.saved)
    places = ((place,) for place in range(len(record.outcomes), n))
    with open_workers(executor) as workers, run:
        outcomes = workers.run(task, places, if_lost=_lost)

        def step(count: int) -> None:
            for _, outcome in islice(outcomes, count):
                record.add(outcome)

        try:
            run.advance_to(n, step, record.arrays)
        except KeyboardInterrupt:  # raised inside a replicate: what is complete is kept
            run.done = len(record.outcomes)
            stop.set()
            run.advance_to(n, step, record.arrays)
    warnings = run.finish(len(record.outcomes), n, "replicates")
    return record.report(seed, warnings)


def _names(variables: Sequence[str]) -> tuple[str, ...]:
    if isinstance(variables, str):
        raise InputError(f"variables must be a list of names; got the text {variables!r}.")
    names = tuple(variables)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"variables must hold at least one name; got {names!r}.")
    return names


class _Outcome(NamedTuple):
    """What is kept of one replicate; the arrays are empty unless it is finished."""

    status: int
    labels: tuple[str, ...]
    truth: Float
    rank: Float
    pit: Float
    mean: Float
    sd: Float
    n_draws: int
    flagged: bool
    seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class _Task:
    """All that a worker needs."""

    simulate: Simulate
    fit: Estimate
    source: TruthSource
    variables: tuple[str, ...] | None
    seed: int

    def stream(self, index: int, part: int) -> np.random.Generator:
        """Return the random stream of one part of one replicate."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index, part)))

    def __call__(self, index: int) -> _Outcome:
        theta = self.source.draw(index, self.stream(index, 0))
        truth = flat_truth(theta)
        begun = perf_counter()
        try:
            data = self.simulate(theta, self.stream(index, 1))
            begun = perf_counter()
            answer = self.fit(data, self.stream(index, 2))
        except NotIdentified as error:
            return _empty(REFUSED, error, perf_counter() - begun)
        except Exception as error:
            # anything that an estimator does wrong is a finding about it, counted and shown
            return _empty(FAILED, error, perf_counter() - begun)
        seconds = perf_counter() - begun
        return self._compare(truth, answer, self.stream(index, 3), seconds)

    def _compare(
        self, truth: Truth, answer: Any, rng: np.random.Generator, seconds: float
    ) -> _Outcome:
        draws = draws_by_label(answer, truth)
        labels = _shared_labels(truth, draws, self.variables)
        values = np.array([truth.values[label] for label in labels])
        table = np.stack([draws[label] for label in labels])
        n_draws = table.shape[1]
        if n_draws < LEAST_DRAWS or not np.isfinite(table).all():
            what = "NaN or infinity" if n_draws >= LEAST_DRAWS else f"{n_draws} draws"
            error = ValueError(f"fit returned {what}, not {LEAST_DRAWS} or more finite draws")
            return _empty(FAILED, error, seconds)
        below = (table < values[:, None]).sum(axis=1)
        ties = (table == values[:, None]).sum(axis=1)
        rank = below + rng.integers(0, ties + 1)
        pit = (rank + rng.random(len(values))) / (n_draws + 1)
        return _Outcome(
            FINISHED, labels, values, rank.astype(np.float64), pit, table.mean(axis=1),
            table.std(axis=1), n_draws, bool(getattr(answer, "warnings", ())), seconds, "",
        )  # fmt: skip


def _lost(error: WorkerLost) -> _Outcome:
    return _empty(FAILED, error, 0.0)


def _empty(status: int, error: Exception, seconds: float) -> _Outcome:
    none = np.empty(0)
    message = f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
    return _Outcome(status, (), none, none, none, none, none, 0, False, seconds, message)


def _shared_labels(
    truth: Truth, draws: Mapping[str, Float], variables: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the elements to compare, in the truth's order."""
    if variables is None:
        wanted = tuple(truth.values)
    else:
        wanted = tuple(
            label for label in truth.values
            if label in variables or truth.variable[label] in variables
        )  # fmt: skip
        known = set(truth.values) | set(truth.variable.values())
        if unknown := [name for name in variables if name not in known]:
            raise InputError(
                f"variables must be names of the truth ({', '.join(truth.values)}); got "
                f"{unknown[0]!r}."
            )
    if missing := [label for label in wanted if label not in draws]:
        raise InputError(
            f"fit must return draws of every variable of the truth; {missing[0]!r} is not among "
            f"{', '.join(draws)}. Name those to compare in `variables`."
        )
    return wanted


def _restored(saved: Mapping[str, NDArray[Any]], index: int, labels: tuple[str, ...]) -> _Outcome:
    """Return one replicate out of a checkpoint."""
    kept, none = int(saved["status"][index]) == FINISHED, np.empty(0)
    return _Outcome(
        status=int(saved["status"][index]),
        labels=labels if kept else (),
        truth=saved["truth"][index] if kept else none,
        rank=saved["rank"][index] if kept else none,
        pit=saved["pit"][index] if kept else none,
        mean=saved["mean"][index] if kept else none,
        sd=saved["sd"][index] if kept else none,
        n_draws=int(saved["n_draws"][index]),
        flagged=bool(saved["flagged"][index]),
        seconds=float(saved["seconds"][index]),
        message=str(saved["message"][index]),
    )


class _Record:
    """The replicates so far, to and from arrays."""

    def __init__(self, saved: Mapping[str, NDArray[Any]] | None) -> None:
        self.outcomes: list[_Outcome] = []
        if saved is not None:
            labels = tuple(str(label) for label in saved["labels"])
            self.outcomes = [_restored(saved, i, labels) for i in range(len(saved["status"]))]

    def add(self, outcome: _Outcome) -> None:
        """Keep one more, or see that the call is wrong."""
        labels = self.labels
        if outcome.status == FINISHED and labels and outcome.labels != labels:
            raise InputError(
                f"fit must return the same variables every time; first {', '.join(labels)}, then "
                f"{', '.join(outcome.labels)}."
            )
        self.outcomes.append(outcome)
        if len(self.outcomes) == HOPELESS and all(o.status == FAILED for o in self.outcomes):
            raise InputError(
                f"simulate and fit must work for truths from the prior; all of the first "
                f"{HOPELESS} replicates failed, the first with {self.outcomes[0].message}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is compared; empty as long as no replicate is finished."""
        return next((o.labels for o in self.outcomes if o.status == FINISHED), ())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all replicates as arrays, NaN where one is not finished."""
        labels, n = self.labels, len(self.outcomes)
        out: dict[str, NDArray[Any]] = {"labels": np.array(labels, np.str_)}
        for name in ("truth", "rank", "pit", "mean", "sd"):
            table = np.full((n, len(labels)), np.nan)
            for index, outcome in enumerate(self.outcomes):
                if outcome.status == FINISHED:
                    table[index] = getattr(outcome, name)
            out[name] = table
        for name, kind in (
            ("status", np.int8), ("n_draws", np.int64), ("flagged", np.bool_),
            ("seconds", np.float64), ("message", np.str_),
        ):  # fmt: skip
            out[name] = np.array([getattr(outcome, name) for outcome in self.outcomes], kind)
        return out

    def report(self, seed: int, warnings: tuple[str, ...]) -> CalibrationReport:
        """Return the report of what there is."""
        held = self.arrays()
        held["labels"] = np.array(self.labels, np.str_)
        return CalibrationReport.from_arrays(held, seed, warnings)
