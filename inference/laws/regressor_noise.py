"""Laws under a noise model for any backend: a search on weights, then the whole likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
INTERRUPTED = (
    "the search was stopped while laws were fitted by the whole likelihood: run it to its end "
    "before you trust the weights."
)


def laws_under_noise(
    observations: Observations,
    noise: NoiseModel,
    search: Callable[[SearchData], SearchOutcome],
) -> tuple[SearchOutcome, float | None, SearchData | None]:
    """Search on weights, again with the weights at the best law, and refine what was kept.

    Parameters
    ----------
    observations, noise
        Measurements and how they scatter.
    search
        The backend, with its options, and units where there are some.

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
        second = search(again)
        warnings = list(dict.fromkeys([*warnings, *second.warnings]))
        more = _refined(second.laws, again, observations, noise, warnings)
        laws = _distinct(laws + more, observations)
        count += second.n_candidates
    constant = Equation((Term(float(np.mean(observations.y)), (1,)),), 0.0, 0.0, 1)
    flat = refine_law(constant, observations, noise)
    length = None if flat is None else flat.description_length
    return SearchOutcome(tuple(laws), tuple(warnings), count), length, None


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
