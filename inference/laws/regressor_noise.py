"""Laws under a noise model for any backend: a search on weights, then the whole likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.law_constraints import allowed
from physlearn.inference.law_data.noise_models import NoiseModel, Observations
from physlearn.inference.law_data.noisy_laws import is_plain, prepare, refine_law
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.search_options import SearchOutcome
from physlearn.inference.laws.equation import Equation, Term

__all__ = ["laws_under_noise"]

Floats = NDArray[np.float64]

MOST_REFINED = 40
SAME_VALUES = 1e-6
SAME_WEIGHTS = 1.5
INTERRUPTED = (
    "the search was stopped while laws were fitted by the whole likelihood: run it to its end "
    "before you trust the weights."
)


def laws_under_noise(
    observations: Observations,
    noise: NoiseModel,
    search: Callable[[SearchData], SearchOutcome],
    constraints: Callable[[Equation], str | None] | None = None,
) -> tuple[SearchOutcome, float | None, SearchData | None]:
    """Search on weights, refine what was kept, and search again where the best law moves weights.

    The weights of the first search are taken at the measurements. Where those at the best law are
    the same up to a factor of `SAME_WEIGHTS`, a second search would screen the same.

    Parameters
    ----------
    observations, noise
        Measurements and how they scatter.
    search
        The backend, with its options, and units where there are some.
    constraints
        Called with a law fitted by the whole likelihood; a sentence removes it. The search asks
        before that fit, which moves the constants.

    Returns
    -------
    SearchOutcome
        Laws by the description length of the whole likelihood.
    float
        That of the constant; None where it is undefined.
    SearchData
        For exact posteriors, where least squares are the whole likelihood; else None.
    """
    data = prepare(observations, noise)
    first = search(data)
    if is_plain(noise, observations):
        return first, None, data
    warnings, count = list(first.warnings), first.n_candidates
    laws = _refined(first.laws, data, observations, noise, warnings)
    if laws and not any("stopped" in text for text in warnings):  # Ctrl-C or options.stop
        again = prepare(observations, noise, laws[0])
        if not _same_weights(data, again):
            second = search(again)
            warnings = list(dict.fromkeys([*warnings, *second.warnings]))
            more = _refined(second.laws, again, observations, noise, warnings)
            laws = laws + more
            count += second.n_candidates
        laws = _distinct(laws, observations)
    laws, said = allowed(laws, constraints)
    warnings += [text for text in said if text not in warnings]
    length = _constant_length(observations, noise)
    if length is None:
        warnings.append(
            "no constant can be fitted under this noise, so nothing here says whether y varies "
            "with X at all: compare with additive noise"
        )
    return SearchOutcome(tuple(laws), tuple(warnings), count), length, None


def _same_weights(first: SearchData, second: SearchData) -> bool:
    """Whether all but a tenth of the points weigh the same, relative to the others."""
    with np.errstate(all="ignore"):
        ratio = np.log(first.weight / second.weight)
    away = np.abs(ratio - np.median(ratio))
    return bool(np.isfinite(ratio).all() and np.quantile(away, 0.9) < math.log(SAME_WEIGHTS))


def _constant_length(observations: Observations, noise: NoiseModel) -> float | None:
    """Return the length of the best constant; where the mean is no start, other places are."""
    y = observations.y
    positive = y[y > 0]
    starts = [float(np.mean(y)), float(np.median(y))]
    if positive.size:
        starts += [float(np.median(positive)), float(positive.min())]
    lengths = []
    for start in starts:
        law = Equation((Term(start or 1e-12, (1,)),), 0.0, 0.0, 1)
        flat = refine_law(law, observations, noise)
        if flat is not None and math.isfinite(flat.description_length):
            lengths.append(flat.description_length)
    return min(lengths, default=None)


def _refined(
    laws: Sequence[Equation], data: SearchData, observations: Observations, noise: NoiseModel,
    warnings: list[str],
) -> list[Equation]:  # fmt: skip
    """Fit by the whole likelihood; keep what units changed in the price of the expression.

    A law whose likelihood has no maximum where the climb ends is left out. Ctrl-C keeps the laws
    fitted so far and adds a sentence to ``warnings``.
    """
    found: list[Equation] = []
    try:
        for law in laws[:MOST_REFINED]:
            refined = refine_law(law, observations, noise, only_maxima=True)
            if refined is None or not math.isfinite(refined.description_length):
                continue
            dearer = law.description_length - measure_law(data, law.terms).description_length
            if dearer and math.isfinite(dearer):
                length = refined.description_length + dearer
                refined = replace(refined, description_length=length)
            found.append(refined)
    except KeyboardInterrupt:
        if not found:
            raise
        warnings.append(INTERRUPTED)
    return sorted(found, key=lambda law: (law.description_length, law.complexity))


def _distinct(laws: Sequence[Equation], observations: Observations) -> list[Equation]:
    spread = float(np.std(observations.y)) or 1.0
    kept: list[Equation] = []
    seen: list[Floats] = []
    for law in sorted(laws, key=lambda law: (law.description_length, law.complexity)):
        values = law.predict(observations.columns)
        if all(np.abs(values - other).max() >= SAME_VALUES * spread for other in seen):
            kept.append(law)
            seen.append(values)
    return kept
