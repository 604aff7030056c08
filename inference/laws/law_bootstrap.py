"""Selection of laws when whole blocks are resampled: for errors that depend on each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator, check_count
from physlearn.executors import ExecutorLike, open_workers
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.equation_text import text_of
from physlearn.records.storage import html_table, short_repr

__all__ = ["LawBootstrap", "bootstrap_laws"]

Floats = NDArray[np.float64]

FEWEST_BLOCKS = 8
FEWEST_REPLICATES = 20


@dataclass(frozen=True, slots=True, eq=False)
class LawBootstrap:
    """Sets of laws of resampled data.

    Attributes
    ----------
    sets
        One set of laws a replicate.
    n_failed
        Replicates in which no law was found.
    """

    sets: tuple[EquationSet, ...]
    n_failed: int = 0

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def frequencies(self) -> pd.DataFrame:
        """Columns equation (of one replicate), selected (share of the replicates), n_constants.

        Laws that differ in their numbers alone are one; most often selected first.
        """
        best = [laws.best for laws in self.sets]
        counts = Counter(law.structure for law in best)
        first = {laws.best.structure: laws for laws in reversed(self.sets)}
        return pd.DataFrame([
            {"equation": text_of(first[structure].best, first[structure]),
             "selected": count / len(best),
             "n_constants": first[structure].best.n_constants}
            for structure, count in counts.most_common()
        ])  # fmt: skip

    def selected(self, programs: Sequence[Sequence[str]]) -> float:
        """Return the share of replicates whose best law is a sum of these programs."""
        return float(np.mean([laws.index_of(programs) == 0 for laws in self.sets]))

    def constants_interval(
        self, programs: Sequence[Sequence[str]], mass: float = CREDIBLE_MASS
    ) -> Floats:
        """Return intervals (n_constants, 2) of one law's constants over the replicates.

        Rows follow ``programs``: for each its coefficient, then its fitted numbers. Replicates
        whose sets lack the law are left out: look at `selected`.

        Raises
        ------
        NotIdentified
            If fewer than 20 replicates hold the law.
        """
        wanted = [tuple(str(token) for token in program) for program in programs]
        rows = []
        for laws in self.sets:
            place = laws.index_of(wanted)
            if place is not None:
                by_structure = {term.structure: term for term in laws.equations[place].terms}
                rows.append([
                    number for program in wanted
                    for number in (float(by_structure[program].coefficient),
                    *(t for t in by_structure[program].program if isinstance(t, float)))
                ])  # fmt: skip
        if len(rows) < FEWEST_REPLICATES:
            raise NotIdentified(
                f"{len(rows)} of {len(self.sets)} replicates hold this law, an interval needs "
                f"{FEWEST_REPLICATES}."
            )
        return _percentiles(np.array(rows), mass)

    def predict_interval(self, x: ArrayLike, mass: float = CREDIBLE_MASS) -> Floats:
        """Return intervals (n, 2) of what the replicates' best laws say at rows of x."""
        return _percentiles(np.array([laws.predict(x) for laws in self.sets]), mass)


def _percentiles(rows: Floats, mass: float) -> Floats:
    if not 0 < mass < 1:
        raise InputError(f"mass must lie between 0 and 1, got {mass!r}.")
    with np.errstate(all="ignore"):
        sound = np.isfinite(rows).mean(axis=0) >= CREDIBLE_MASS
    result = np.full((rows.shape[1], 2), np.nan)
    if sound.any():
        tails = [(1 - mass) / 2, (1 + mass) / 2]
        values = np.where(np.isfinite(rows), rows, np.nan)[:, sound]
        result[sound] = np.nanquantile(values, tails, axis=0).T
    return result


def bootstrap_laws(
    fit: Callable[[NDArray[np.int64]], EquationSet],
    blocks: ArrayLike,
    n: int = 100,
    rng: int | np.random.Generator | None = None,
    *,
    executor: ExecutorLike | None = None,
) -> LawBootstrap:
    """Find the laws again from resampled blocks of the data (block bootstrap).

    Errors of neighbouring points of a film or a track are not independent; a likelihood that takes
    them for independent is too sure. Blocks longer than the errors' correlation are close to
    independent: they are drawn with replacement, and everything, selection included, runs again
    (Kuensch, Ann. Statist. 17:1217, 1989, DOI 10.1214/aos/1176347265).

    Parameters
    ----------
    fit
        Row numbers (int64, with repeats) to the set of laws found from these rows.
    blocks
        Label of each row's block, shape (n_rows,): a piece of space and time.
    n
        Number of replicates.
    rng
        Seed or generator.
    executor
        Runs replicates side by side, see `physlearn.executors`; changes no number.

    Returns
    -------
    LawBootstrap
        How often each law is selected, intervals of constants and predictions.

    Raises
    ------
    InputError
        If there are fewer than 8 blocks or fewer than 20 replicates are asked for.
    NotIdentified
        If more than half of the replicates yield no law.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> y = np.random.default_rng(1).normal(2.0, 1.0, 40)
    >>> def fit(rows):
    ...     law = Equation((Term(float(y[rows].mean()), (1,)),), 1.0, 0.0, 1)
    ...     return EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 1.0)
    >>> found = bootstrap_laws(fit, np.arange(40) // 4, n=30, rng=2)
    >>> found.selected([("c",)]), found.constants_interval([("c",)]).shape
    (1.0, (1, 2))
    """
    labels = np.asarray(blocks)
    if labels.ndim != 1 or not labels.size:
        raise InputError(f"blocks must have shape (n_rows,), got {labels.shape}.")
    check_count("n", n, FEWEST_REPLICATES)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if len(members) < FEWEST_BLOCKS:
        raise InputError(
            f"blocks must name at least {FEWEST_BLOCKS} blocks, got {len(members)}: use shorter "
            "ones, or more data."
        )
    generator, _ = as_generator(rng)
    picked = (generator.integers(len(members), size=len(members)) for _ in range(n))
    rows = ((np.concatenate([members[index] for index in one]),) for one in picked)
    with open_workers(executor) as workers:
        found = [laws for _, laws in workers.run(partial(_laws_of, fit), rows)]
    sets = [laws for laws in found if laws is not None]
    failed = n - len(sets)
    if failed > n / 2:
        raise NotIdentified(f"{failed} of {n} resampled data sets yield no law.")
    return LawBootstrap(tuple(sets), failed)


def _laws_of(
    fit: Callable[[NDArray[np.int64]], EquationSet], rows: NDArray[np.int64]
) -> EquationSet | None:
    """Return the laws of these rows, or None where there are none."""
    try:
        return fit(rows)
    except (InputError, NotIdentified):
        return None
