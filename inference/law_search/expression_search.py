"""The default engine: every short expression tried, the laws that remain ranked by length."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.description_length import (
    NATS_OF_A_CLAIM,
    measure_law,
    structure_length,
)
from physlearn.inference.law_search.further_laws import with_further_laws
from physlearn.inference.law_search.left_over import nats_left_over
from physlearn.inference.law_search.linear_laws import linear_laws
from physlearn.inference.law_search.link_laws import with_links
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.refinement import (
    exact_numbers,
    fit_terms,
    polish,
    refine_candidates,
)
from physlearn.inference.law_search.screening import Fitted, rough_cost, screen_candidates
from physlearn.inference.law_search.search_options import SearchOptions, SearchOutcome
from physlearn.inference.law_search.skeletons import Skeletons
from physlearn.inference.law_search.unit_scales import (
    power_of_two,
    rescaled_terms,
    scaled_data,
)
from physlearn.inference.laws.equation import Equation

__all__ = ["SearchOptions", "SearchOutcome", "find_laws", "measure_law", "search_laws"]

Floats = NDArray[np.float64]

SAME_VALUES = 1e-6  # of the spread of y: laws that agree so far are one
SAME_FITS = 1e-3  # of the noise: two ways of writing one law, each fitted to rounding
IDLE_VALUES = 0.02  # of the noise: what a constant that says nothing changes
ROUNDING = 1e-20  # of the mean square of y: data without noise, and this is the law
WITH_TWINS = 5  # laws of which other ways of writing are kept until numbers are exact
ORDER_ONE = (1e-3, 1e3)  # largest sizes of columns that are searched in their own unit
LARGEST_LOGARITHM = 300.0  # of an exponential that is fitted and has an error
MOST_DECAYS = 6.0  # within the range of x, that are searched
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
    constants of their own, and sums of up to three plain ones. Longer products and quotients of
    sums follow where a short law leaves something in its residuals (`nats_left_over`) that could
    pay for them. Linear constants are projected out;
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
    scales = {n: _scale(row) for n, row in zip(data.names, data.x, strict=True)}
    target_scale = _scale(data.y)
    scaled = data
    if target_scale != 1.0 or any(scale != 1.0 for scale in scales.values()):
        scaled = scaled_data(data, scales, target_scale)
    watch = _Watch(scaled, options, lambda law: _in_own_units(data, law, scales, target_scale))
    with np.errstate(all="ignore"):  # a candidate may overflow: it then loses
        laws = _searched(scaled, options, watch)
        if scaled is not data:
            laws = [own for law in laws if (own := watch.own(law)) is not None]
        if watch.ended_at is None:
            try:
                ranked, twins = _ranked(data, laws)
                laws = [*exact_numbers(data, ranked), *exact_numbers(data, twins)]
            except KeyboardInterrupt:
                watch.ended_at = watch.done
    kept, warnings = _allowed(_ranked(data, laws)[0], options)
    if watch.ended_at is not None:
        warnings.append(STOPPED.format(done=watch.ended_at))
    warnings += _left_out(data, options)
    return SearchOutcome(tuple(kept[: options.n_kept]), tuple(warnings), len(watch.skeletons))


def _searched(data: SearchData, options: SearchOptions, watch: _Watch) -> list[Equation]:
    """Fit all candidates; Ctrl-C hands back what there is."""
    laws: list[Equation] = []
    try:
        laws += linear_laws(data, watch.skeletons, options.n_terms, options.allows)
        watch.best = min(laws, key=lambda law: law.description_length, default=None)
        screened = screen_candidates(data, watch.skeletons, watch)
        if watch.ended_at is None:
            watch.skeletons, screened = with_links(
                data, watch.skeletons, screened, options.unary, options.binary, options.allows
            )
            if not _says_all(data, watch, screened, options.price(len(data.x))):
                watch.skeletons, screened = with_further_laws(
                    data, watch.skeletons, screened, options.unary, options.binary,
                    options.allows, watch,
                )  # fmt: skip
        laws += refine_candidates(data, watch.skeletons, screened, watch)
    except KeyboardInterrupt:
        laws += _emergency(data, watch.skeletons, watch)
        watch.ended_at = watch.done
    return laws


def _says_all(data: SearchData, watch: _Watch, screened: Fitted, highest_price: int) -> bool:
    """Whether no law above this price can pay for its length by what the best so far leaves."""
    laws = _best_of(data, watch.skeletons, screened, 2)
    laws += [watch.best] if watch.best is not None else []
    sound = [law for law in laws if np.isfinite(law.description_length)]
    if not sound:
        return False
    best = polish(data, min(sound, key=lambda law: law.description_length))
    if best.loss <= ROUNDING * float((data.weight * data.y**2).mean()):
        return True
    left = nats_left_over(data, data.y - best.predict(data.columns))
    price = structure_length(best.terms, len(data.x)) - NATS_OF_A_CLAIM
    return left < NATS_OF_PRICE * highest_price - price


def _scale(values: Floats) -> float:
    """1 for numbers of order one, else the power of two that makes them so."""
    size = float(np.abs(values).max())
    return 1.0 if size == 0.0 or ORDER_ONE[0] <= size <= ORDER_ONE[1] else power_of_two(size)


def _in_own_units(
    data: SearchData, law: Equation, scales: Mapping[str, float], target_scale: float
) -> Equation | None:
    """Return a law of the scaled columns in the columns' own units; None if it has no such form."""
    terms = rescaled_terms(law.terms, scales, target_scale)
    return None if terms is None else measure_law(data, terms)


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
        if "exp" in options.unary and _is_far(column):
            texts.append(
                f"{name} lies far from 0 ({low:.6g} to {float(column.max()):.6g}): exponentials "
                "that change much over this range may overflow and be left out; subtract "
                f"{low:.6g} from {name} and search again if they may be the law."
            )
    return texts


def _is_far(column: Floats) -> bool:
    """Whether a few decay lengths within the range of x are too many from 0 on for a float."""
    range_ = float(np.ptp(column))
    return 0.0 < range_ * LARGEST_LOGARITHM < MOST_DECAYS * float(np.abs(column).max())


class _Watch:
    """Between pieces of work: asks whether to go on, remembers the best, reports it."""

    def __init__(
        self, data: SearchData, options: SearchOptions,
        own: Callable[[Equation], Equation | None],
    ) -> None:  # fmt: skip
        self.data, self.options, self.own = data, options, own
        self.skeletons = candidate_laws(
            len(data.x), options.price(len(data.x)), tuple(options.unary), tuple(options.binary),
            options.n_terms, options.largest_size, options.highest_price,
        )  # fmt: skip
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
            told = None if self.best is None else self.own(self.best)
            progress(done, "" if told is None else str(told.sympy()))
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


def _ranked(data: SearchData, laws: Sequence[Equation]) -> tuple[list[Equation], list[Equation]]:
    """Sort by description length; of laws that say the same on the data the shortest stays.

    What has a constant more that does nothing says the same, and so does what has constants that
    cannot be told apart. The second list holds the others that say the same as one of the best: a
    number may be exact in one way of writing a law and in no other.
    """
    sound = [law for law in laws if np.isfinite(law.description_length)]
    sound.sort(key=lambda law: (law.description_length, law.complexity))
    kept: list[Equation] = []
    twins: list[Equation] = []
    predicted: list[Floats] = []
    spread = float(np.std(data.y)) or 1.0
    root = np.sqrt(data.weight / data.weight.mean())
    for law in sound:
        values = law.predict(data.columns)
        if not np.isfinite(values).all() or (law.n_constants and law.covariance is None):
            continue
        noise = law.noise_sd or 0.0
        same = max(SAME_VALUES * spread, SAME_FITS * noise)
        idle = max(IDLE_VALUES * noise, same)
        for place, other in enumerate(predicted):
            fewer = kept[place].n_constants < law.n_constants
            if np.abs(root * (values - other)).max() < (idle if fewer else same):
                if place < WITH_TWINS and not fewer:
                    twins.append(law)
                break
        else:
            kept.append(law)
            predicted.append(values)
    return kept, twins


def _allowed(laws: list[Equation], options: SearchOptions) -> tuple[list[Equation], list[str]]:
    """Keep the laws within the user's limits, also with exact numbers, and constraints."""
    laws = [law for law in laws if all(options.allows(term.program) for term in law.terms)]
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
