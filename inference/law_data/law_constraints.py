"""What a law must do besides fitting: rise, curve, mirror, stay positive, have given limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.laws.equation import Equation
from physlearn.records.storage import html_table, short_repr

__all__ = ["LawConstraints", "allowed"]

Floats = NDArray[np.float64]

LINES = 24  # along each variable, at points spread over the others
POINTS_OF_LINE = 65
LARGEST_DECADE = 60  # how far a limit is followed
ROUNDING = 1e-9  # of the law's spread
WORDS = {
    "monotone": ("increasing", "decreasing"), "curvature": ("convex", "concave"),
    "symmetry": ("even", "odd"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class LawConstraints:
    """Conditions on a law, checked on lines through a box; called with a law by the search.

    Attributes
    ----------
    ranges
        Name -> (lowest, highest) of every variable: the box in which the conditions hold. It may
        be wider than the data.
    monotone
        Name -> ``"increasing"`` or ``"decreasing"`` (neither forbids a flat stretch).
    curvature
        Name -> ``"convex"`` or ``"concave"``.
    symmetry
        Name -> ``"even"`` or ``"odd"`` under a change of the variable's sign.
    values
        Name -> (place, value): what the law is there, whatever the other variables are.
    limits
        Name -> value as the variable grows without end (followed over 60 decades).
    positive
        Whether the law must be above 0 in the box.
    tolerance
        Of ``values`` and ``limits``, as a share of the law's largest size in the box.

    Raises
    ------
    InputError
        For names without a range, ranges that do not rise, or words that are not known.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> rules = LawConstraints({"x": (0.0, 2.0)}, monotone={"x": "increasing"})
    >>> rules(Equation((Term(1.0, ("x", "square")),), 0.0, 0.0, 1)) is None
    True
    >>> rules(Equation((Term(1.0, ("x", "neg", "exp")),), 0.0, 0.0, 1))
    'falls in x, from 1 at x = 0 to 0.969 at x = 0.0312'
    """

    ranges: Mapping[str, tuple[float, float]]
    monotone: Mapping[str, str] = field(default_factory=dict)
    curvature: Mapping[str, str] = field(default_factory=dict)
    symmetry: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    positive: bool = False
    tolerance: float = 1e-3

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not self.ranges:
            raise InputError("ranges must name every variable with its lowest and highest value.")
        for name, (low, high) in self.ranges.items():
            if not -math.inf < low < high < math.inf:
                raise InputError(f"ranges[{name!r}] must rise, got {(low, high)}.")
        for title, words in WORDS.items():
            for name, word in getattr(self, title).items():
                if word not in words:
                    raise InputError(
                        f"{title}[{name!r}] must be {' or '.join(words)}; got {word!r}."
                    )
        for title in (*WORDS, "values", "limits"):
            for name in getattr(self, title):
                if name not in self.ranges:
                    raise InputError(f"{title} names {name!r}, which has no range.")
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance must lie between 0 and 1, got {self.tolerance!r}.")

    def __call__(self, law: Equation) -> str | None:
        """Return why the law is not allowed, or None."""
        missing = law.variables - set(self.ranges)
        if missing:
            raise InputError(f"ranges must name every variable; {sorted(missing)[0]!r} is missing.")
        lines = {name: self._line(law, name) for name in self.ranges}
        for name, (places, values) in lines.items():
            bad = ~np.isfinite(values)
            if bad.any():
                return f"is undefined at {name} = {places[np.argwhere(bad)[0][1]]:.3g}"
        size = max(float(np.abs(values).max()) for _, values in lines.values()) or 1.0
        for name, (places, values) in lines.items():
            if self.positive and not (values > 0).all():
                row, column = np.argwhere(values <= 0)[0]
                return f"is {values[row, column]:.3g} at {name} = {places[column]:.3g}"
            reason = (
                self._bends(name, places, values, ROUNDING * size)
                or self._mirrors(law, name, values, ROUNDING * size)
                or self._ends(law, name, size)
            )
            if reason:
                return reason
        return None

    def _others(self) -> dict[str, Floats]:
        """Points (LINES, 1) spread over the box: a lattice of golden-ratio steps."""
        result: dict[str, Floats] = {}
        for place, (name, (low, high)) in enumerate(self.ranges.items()):
            share = (0.5 + np.arange(LINES, dtype=np.float64) * math.sqrt(2.0 + 3.0 * place)) % 1.0
            result[name] = (low + (high - low) * share)[:, None]
        return result

    def _values(self, law: Equation, name: str, places: Floats) -> Floats:
        """Values (LINES, m) at places (m,) of one variable."""
        columns = {**self._others(), name: places[None]}
        flat = {
            key: np.broadcast_to(column, (LINES, places.size)).ravel()
            for key, column in columns.items()
        }
        with np.errstate(all="ignore"):
            return law.predict(flat).reshape(LINES, places.size)

    def _line(self, law: Equation, name: str) -> tuple[Floats, Floats]:
        places = np.linspace(*self.ranges[name], POINTS_OF_LINE)
        return places, self._values(law, name, places)

    def _bends(self, name: str, places: Floats, values: Floats, slack: float) -> str | None:
        word = self.monotone.get(name)
        steps = np.diff(values, axis=1)
        if word is not None:
            wrong = np.argwhere((steps if word == "increasing" else -steps) < -slack)
            if wrong.size:
                row, column = wrong[0]
                verb = "falls" if word == "increasing" else "rises"
                return (
                    f"{verb} in {name}, from {values[row, column]:.3g} at {name} = "
                    f"{places[column]:.3g} to {values[row, column + 1]:.3g} at {name} = "
                    f"{places[column + 1]:.3g}"
                )
        word = self.curvature.get(name)
        if word is not None:
            second = np.diff(steps, axis=1)
            wrong = np.argwhere((second if word == "convex" else -second) < -slack)
            if wrong.size:
                return f"is not {word} in {name} at {name} = {places[wrong[0][1] + 1]:.3g}"
        return None

    def _mirrors(self, law: Equation, name: str, values: Floats, slack: float) -> str | None:
        word = self.symmetry.get(name)
        if word is None:
            return None
        places = np.linspace(*self.ranges[name], POINTS_OF_LINE)
        turned = self._values(law, name, -places)
        gap = np.abs(turned - (values if word == "even" else -values))
        if not (gap <= slack).all():
            return f"is not {word} in {name}"
        return None

    def _ends(self, law: Equation, name: str, size: float) -> str | None:
        if name in self.values:
            place, wanted = self.values[name]
            found = self._values(law, name, np.array([place]))[:, 0]
            worst = found[np.argmax(np.nan_to_num(np.abs(found - wanted), nan=np.inf))]
            if not abs(worst - wanted) <= self.tolerance * size:
                return f"is {worst:.3g} at {name} = {place:.3g}, not {wanted:.3g}"
        if name in self.limits:
            wanted = self.limits[name]
            far = self._values(law, name, np.logspace(1.0, LARGEST_DECADE, LARGEST_DECADE))
            for row in far:
                sound = row[np.isfinite(row)]
                last = float(sound[-1]) if sound.size else math.nan
                if not abs(last - wanted) <= self.tolerance * size:
                    return f"goes to {last:.3g} as {name} grows, not to {wanted:.3g}"
        return None


def allowed(
    laws: Sequence[Equation], constraints: Callable[[Equation], str | None] | None
) -> tuple[list[Equation], list[str]]:
    """Laws without a reason against them, and a sentence on how many had one.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> allowed([Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1)], lambda law: "is odd")
    ([], ['1 of 1 laws broke a constraint; the best of them is odd'])
    """
    if constraints is None:
        return list(laws), []
    reasons = [constraints(law) for law in laws]
    kept = [law for law, reason in zip(laws, reasons, strict=True) if reason is None]
    removed = [reason for reason in reasons if reason is not None]
    if not removed:
        return kept, []
    said = f"{len(removed)} of {len(laws)} laws broke a constraint; the best of them {removed[0]}"
    return kept, [said]
