"""The default engine: every short expression tried, the laws that remain ranked by length."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.linear_laws import linear_laws
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.refinement import (
    exact_numbers,
    fit_terms,
    refine_candidates,
)
from physlearn.inference.law_search.screening import Fitted, rough_cost, screen_candidates
from physlearn.inference.law_search.search_options import SearchOptions, SearchOutcome
from physlearn.inference.law_search.skeletons import Skeletons
from physlearn.inference.laws.equation import Equation

__all__ = ["SearchOptions", "SearchOutcome", "find_laws", "measure_law", "search_laws"]

Floats = NDArray[np.float64]

SAME_VALUES = 1e-6  # of the spread of y: laws of as many constants that agree so far are one
REPORT_EVERY_S = 0.5
STOPPED = (
    "the search was stopped after {done:.0%} of its work: shorter laws may not have been tried; "
    "run it to its end before you trust the weights."
)


def search_laws(data: SearchData, options: SearchOptions | None = None) -> list[Equation]:
    """Return the laws of `find_laws`, best first.

    Examples
    --------
    >>> x = np.linspace(1.0, 3.0, 30)
    >>> data = SearchData(x[None], 2.5 / x, np.ones(30), False, ("x",))
    >>> search_laws(data, SearchOptions(largest_size=3))[0].terms[0].program
    ('x', 'inv')
    """
    return list(find_laws(data, options).laws)


def find_laws(data: SearchData, options: SearchOptions | None = None) -> SearchOutcome:
    """Try every expression up to a price, fit constants from a few starts, rank by length.

    Three families: one expression with a scale (and an offset), sums of two expressions with
    constants of their own, and sums of up to three plain ones. Linear constants are projected out;
    non-linear ones are found by Levenberg-Marquardt from starts in units of the data, exponents
    and factors that may be exact are tried so. Laws that agree on the data are one.

    Parameters
    ----------
    data
        Points, weights and names.
    options
        What may be used; None takes the defaults.

    Returns
    -------
    SearchOutcome
        Laws by description length (nats), warnings, number of candidates. Ctrl-C or
        ``options.stop`` hands back the best so far with a warning.

    Raises
    ------
    InputError
        If an option cannot be used (`SearchOptions`).
    """
    options = options or SearchOptions()
    skeletons = candidate_laws(
        len(data.x), options.price(len(data.x)), tuple(options.unary), tuple(options.binary),
        options.n_terms, options.largest_size,
    )  # fmt: skip
    watch = _Watch(data, skeletons, options)
    laws: list[Equation] = []
    with np.errstate(all="ignore"):  # a candidate may overflow: it then loses
        try:
            laws += linear_laws(data, skeletons, options.n_terms)
            watch.best = min(laws, key=lambda law: law.description_length, default=None)
            screened = screen_candidates(data, skeletons, watch)
            laws += refine_candidates(data, skeletons, screened, watch)
            if watch.ended_at is None:
                laws = exact_numbers(data, _ranked(data, laws))
        except KeyboardInterrupt:
            laws += _emergency(data, skeletons, watch)
            watch.ended_at = watch.done
    kept, warnings = _allowed(_ranked(data, laws), options)
    if watch.ended_at is not None:
        warnings.append(STOPPED.format(done=watch.ended_at))
    warnings += _left_out(data, options)
    return SearchOutcome(tuple(kept[: options.n_kept]), tuple(warnings), len(skeletons))


def _left_out(data: SearchData, options: SearchOptions) -> list[str]:
    """Say which functions of which variables are undefined on the data and so were not fitted."""
    texts = []
    for name, column in zip(data.names, data.x, strict=True):
        low = float(column.min())
        lost: list[str] = []
        lost += [f for f in ("log", "sqrt") if f in options.unary and (low < 0 or f == "log")]
        lost += ["powers with fitted exponents"] if "pow" in options.binary else []
        zeros = ["inv"] if "inv" in options.unary and (column == 0.0).any() else []
        if low <= 0.0 and lost + zeros:
            texts.append(
                f"{name} goes down to {low:.3g}: laws with {', '.join(lost + zeros)} of {name} "
                "itself are undefined there and were left out."
            )
    return texts


class _Watch:
    """Between pieces of work: asks whether to go on, remembers the best, reports it."""

    def __init__(self, data: SearchData, skeletons: Skeletons, options: SearchOptions) -> None:
        self.data, self.skeletons, self.options = data, skeletons, options
        self.done = 0.0
        self.ended_at: float | None = None
        self.best: Equation | None = None
        self.latest: Fitted | None = None
        self.reported = time.monotonic()

    def __call__(self, done: float, fitted: Fitted) -> bool:
        self.done, self.latest = done, fitted
        progress = self.options.progress
        if progress is not None and time.monotonic() - self.reported > REPORT_EVERY_S:
            self.reported = time.monotonic()
            for law in _best_of(self.data, self.skeletons, fitted, 1):
                if self.best is None or law.description_length < self.best.description_length:
                    self.best = law
            progress(done, "" if self.best is None else str(self.best.sympy()))
        if self.ended_at is None and self.options.stop is not None and self.options.stop():
            self.ended_at = done
        return self.ended_at is None


def _best_of(data: SearchData, skeletons: Skeletons, fitted: Fitted, count: int) -> list[Equation]:
    """Laws of the candidates that look best so far, as they are, coefficients on all points."""
    laws = []
    for index in np.argsort(rough_cost(data, skeletons, fitted), kind="stable")[:count]:
        if np.isfinite(fitted.misfits[index]):
            row = fitted.rows[index]
            code = skeletons.programs[row, : skeletons.lengths[row]].tolist()
            programs = terms_of(code, fitted.constants[index].tolist(), data.names)
            law = fit_terms(data, programs + [(1,)] * int(fitted.offsets[index]))
            laws += [law] if law is not None else []
    return laws


def _emergency(data: SearchData, skeletons: Skeletons, watch: _Watch) -> list[Equation]:
    if watch.latest is None:
        constant = fit_terms(data, [(1,)])
        return [constant] if constant is not None else []
    return _best_of(data, skeletons, watch.latest, 20)


def _ranked(data: SearchData, laws: Sequence[Equation]) -> list[Equation]:
    """Sort by description length; of laws that say the same on the data the shortest stays."""
    sound = [law for law in laws if np.isfinite(law.description_length)]
    sound.sort(key=lambda law: (law.description_length, law.complexity))
    kept: list[Equation] = []
    predicted: dict[int, list[Floats]] = {}
    spread = float(np.std(data.y)) or 1.0
    for law in sound:
        values = law.predict(data.columns)
        if not np.isfinite(values).all():
            continue
        others = predicted.setdefault(law.n_constants, [])
        if any(np.abs(values - other).max() < SAME_VALUES * spread for other in others):
            continue
        kept.append(law)
        others.append(values)
    return kept


def _allowed(laws: list[Equation], options: SearchOptions) -> tuple[list[Equation], list[str]]:
    if options.constraints is None:
        return laws, []
    check: Callable[[Equation], str | None] = options.constraints
    reasons = [check(law) for law in laws]
    kept = [law for law, reason in zip(laws, reasons, strict=True) if reason is None]
    removed = [reason for reason in reasons if reason is not None]
    if not removed:
        return kept, []
    texts = [
        f"{len(removed)} of {len(laws)} laws broke a constraint; the best of them: {removed[0]}"
    ]
    return kept, texts
