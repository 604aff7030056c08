"""What invariance between environments says of an outcome, and when it says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from physlearn.causal.environments.invariant_sets import SetTest

LARGEST_LEFT = 0.15
"""A law counts as the same where it leaves at most this share of the outcome's move."""
CLEARLY = 0.1
"""A set is clearly rejected below this share of alpha."""
ASSUMED = (
    "assumed, and not tested: the environment does not act on the outcome itself, no hidden cause "
    "moves with it, and laws are linear. A hidden cause that moves looks like a law."
)


def is_shown(test: SetTest, move: float) -> bool:
    """Whether the law left by a set is shown to be the same, beside the outcome's own move.

    Not to be rejected is not enough: too small a field rejects nothing. Both differences that are
    not excluded (two one-sided tests: Schuirmann 1987, doi:10.1007/BF01068419) must be small.
    """
    return bool(
        test.left_offset <= LARGEST_LEFT * np.sqrt(move)
        and test.left_variance <= LARGEST_LEFT * move
    )


def interval_of(
    accepted: Sequence[SetTest], column: int, alpha: float, unit: float
) -> tuple[float, float]:
    """Return the union of the intervals of a coefficient over the accepted sets."""
    low, high = np.inf, -np.inf
    for test in accepted:
        if test.coefficients is None or test.covariance is None or column not in test.chosen:
            return -np.inf, np.inf
        place = test.chosen.index(column)
        reach = float(stats.t.isf(alpha / 2, test.freedom) * np.sqrt(test.covariance[place, place]))
        low = min(low, float(test.coefficients[place]) - reach)
        high = max(high, float(test.coefficients[place]) + reach)
    return low * unit, high * unit


def reason_against(
    only_just: bool,
    accepted: Sequence[SetTest],
    causes: Sequence[str],
    candidates: Sequence[str],
    moved: Mapping[str, str],
    outcome: str,
    move: float,
) -> str:
    """Return why no cause is told; empty where one is."""
    if not accepted:
        return (
            "every set of columns is rejected: the environment acts on it directly, a column that "
            "was not measured moves with the environment, the law is not linear, or its "
            "measurement errors differ between environments"
        )
    if all(moved[name] != "moves" for name in [*candidates, outcome]):
        return (
            "the environments do not differ in any column, so every law looks the same in them: "
            "measure where one of them is changed on purpose"
        )
    if any(not test.chosen for test in accepted):
        return "it is the same in all environments by itself, so that no column is needed"
    if not causes and only_just:
        return (
            "undecided: the sets that are accepted or rejected only just share no column; a larger "
            "field, or environments that differ more, would decide"
        )
    if not causes:
        return (
            f"{len(accepted)} sets of columns that share none give laws that are the same "
            "everywhere: an environment that changes only one of them decides"
        )
    if not any(is_shown(test, move) for test in accepted):
        return (
            "undecided: sets are left, but none is shown to give the same law either (what it "
            f"may leave is above {LARGEST_LEFT:.0%} of the outcome's own move); a larger field, or "
            "environments that differ more, would decide"
        )
    return ""


def reason_against_both(outcome: str, cause: str) -> str:
    """Return why neither is told when each is found a cause of the other."""
    return (
        f"undecided: {cause} comes out as a cause of {outcome}, and {outcome} as one of {cause}; a "
        "hidden cause that moves with the environment does that, too"
    )


def sentence_of(
    outcome: str,
    causes: Sequence[str],
    intervals: Mapping[str, tuple[float, float]],
    reason: str,
    units: Mapping[str, str],
    alpha: float,
) -> str:
    """Return the answer in words, with what it assumes."""
    if reason:
        return f"No cause of {outcome} can be told: {reason}."
    parts = [
        f"{name} ({intervals[name][0]:.3g} to {intervals[name][1]:.3g} "
        f"{units.get(outcome, '1')} per {units.get(name, '1')})"
        for name in causes
    ]
    each = "it" if len(causes) == 1 else "each"
    return (
        f"{outcome} is caused by {' and '.join(parts)}, if the environment does not act on "
        f"{outcome} itself and no hidden cause moves with it: without {each} its law differs "
        f"between the environments (chance of a false cause then at most {alpha:.0%})."
    )
