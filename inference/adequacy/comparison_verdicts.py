"""What a comparison of lattice models says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.adequacy.lattice_adequacy import Adequacy
from physlearn.inference.adequacy.model_evidence import Evidence
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.posteriors.priors import Prior

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData

__all__ = ["comparison_verdicts", "motif_name"]

Float = NDArray[np.float64]
DECIDED = float(np.log(3.0))
"""Log odds below which these data can't tell."""
LARGEST_ODDS = 1e4
ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


def motif_name(motif: Sequence[int]) -> str:
    """Return a motif as its shells, counted from 1."""
    return "-".join(str(shell + 1) for shell in motif)


def comparison_verdicts(
    names: Sequence[str],
    members: Sequence[tuple[LatticeData, Prior]],
    found: Evidence,
    checks: Sequence[Adequacy | None],
) -> tuple[str, ...]:
    """Return a sentence for every step from a model to the next larger one that holds it."""
    out = []
    families = [data.family for data, _ in members]
    for small, large in _steps(families):
        out.append(_step_verdict(members[small], members[large], found, small, large))
    if not out:
        order = np.argsort(-found.log_evidence[0])
        first, second = int(order[0]), int(order[1])
        log_odds = found.log_evidence[:, first] - found.log_evidence[:, second]
        out.append(f"{names[first]} rather than {names[second]}: {_odds_text(log_odds, None)}")
    checked = [check for check in checks if check is not None]
    if checked and not any(check.adequate for check in checked):
        best = checks[int(found.log_evidence[0].argmax())]
        if best is not None:
            what = best.sentences[0].removeprefix("the model does not explain ")
            out.append(f"no model compared on this lattice explains {what}")
    return tuple(out)


def _steps(families: Sequence[LatticeFamily]) -> list[tuple[int, int]]:
    """Return pairs of models of which the second holds the first and nothing lies between."""
    n = len(families)

    def holds(one: LatticeFamily, two: LatticeFamily) -> bool:
        return (
            one.model == two.model and one.n_shells <= two.n_shells
            and set(one.motifs) <= set(two.motifs) and one.n_parameters < two.n_parameters
        )  # fmt: skip

    nested = [(a, b) for a in range(n) for b in range(n) if holds(families[a], families[b])]
    return [
        (a, b) for a, b in nested
        if not any((a, c) in nested and (c, b) in nested for c in range(n))
    ]  # fmt: skip


def _step_verdict(
    small: tuple[LatticeData, Prior],
    large: tuple[LatticeData, Prior],
    found: Evidence,
    at_small: int,
    at_large: int,
) -> str:
    """Return whether the larger model's further terms are needed, with odds."""
    one, two = small[0].family, large[0].family
    further = [name for name in large[0].names if name not in small[0].names]
    widths = [large[1].sd[large[0].names.index(name)] for name in further]
    what = _further_terms(one, two)
    log_odds = found.log_evidence[:, at_small] - found.log_evidence[:, at_large]
    error = float(np.hypot(found.errors[0, at_small], found.errors[0, at_large]))
    plural = "s" in what.split()[-1][-1:] or "triplets" in what
    if abs(log_odds[0]) < max(DECIDED, 2 * error):
        text = f"these data can't tell whether the {what} {'are' if plural else 'is'} needed"
    else:
        text = f"{what} {'not needed' if log_odds[0] > 0 else 'needed'}"
    sign = 1.0 if log_odds[0] > 0 else -1.0
    undecided = text.startswith("these data")
    which = "" if not undecided else " against it" if sign > 0 else " for it"
    said = _odds_text(sign * log_odds, _width_text(widths), which)
    turned = np.any(np.sign(log_odds[np.isfinite(log_odds)]) != np.sign(log_odds[0]))
    end = " (the answer turns with the prior)" if turned else ""
    return f"{text}: {said}{end}"


def _further_terms(one: LatticeFamily, two: LatticeFamily) -> str:
    parts = []
    if two.n_shells == one.n_shells + 1:
        parts.append(f"{ORDINALS.get(two.n_shells, f'{two.n_shells}th')} shell")
    elif two.n_shells > one.n_shells:
        parts.append(f"shells {one.n_shells + 1} to {two.n_shells}")
    added = [motif_name(motif) for motif in two.motifs if motif not in one.motifs]
    if added:
        parts.append("triplets " + ", ".join(added))
    return " and ".join(parts)


def _width_text(widths: Sequence[float]) -> str:
    low, high = min(widths), max(widths)
    return f"{low:.2g}" if np.isclose(low, high) else f"{low:.2g} to {high:.2g}"


def _odds_text(log_odds: Float, width: str | None, which: str = "") -> str:
    """Return odds at the prior as given, and at a third and three times its widths."""
    first = f"odds {_odds(log_odds[0])}{which}"
    if width is not None:
        first += f" at prior sd {width}"
    if not np.isfinite(log_odds[1:]).all():
        return f"{first}; the prior is not Gaussian: how far it matters was not measured"
    return f"{first}; {_odds(log_odds[1])} and {_odds(log_odds[2])} at a third and three times that"


def _odds(log_odds: float) -> str:
    """Return odds such as 12:1 or 1:3.

    Examples
    --------
    >>> [_odds(float(np.log(x))) for x in (12.2, 1.25, 0.05, 1e9)]
    ['12:1', '1.2:1', '1:20', 'more than 10,000:1']
    """
    size = abs(log_odds)
    if size > np.log(LARGEST_ODDS):
        text = f"more than {LARGEST_ODDS:,.0f}"
        return f"{text}:1" if log_odds > 0 else f"1 to {text}"
    number = f"{np.exp(size):,.0f}" if np.exp(size) >= 9.95 else f"{np.exp(size):.1f}"
    number = number.removesuffix(".0")
    return f"{number}:1" if log_odds >= 0 else f"1:{number}"
