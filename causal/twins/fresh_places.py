"""A sample that is large enough to do every act at a place where nothing was done before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    Response,
    Sample,
    SampleState,
    TrueAct,
)
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["FreshPlaces"]


@dataclass(frozen=True, slots=True)
class FreshPlaces:
    """A sample of which every act meets a fresh place of the same kind.

    Acts then do not depend on those before, as `hypothesis_from_samples` predicts them; what is
    random about a place (its medium, its dopants, its spins) is drawn anew for each act. Pictures
    show the place of the last act, conditions stay as they are.

    Attributes
    ----------
    sample
        What all places have in common.

    Raises
    ------
    InputError
        For what is no sample.

    Examples
    --------
    >>> from physlearn.causal import AtomSample, DigitalTwin
    >>> crystal = AtomSample(crystal="square", shape=(5, 5), cross_section=1.0)
    >>> act = Action("expose_site", {"x": 2.84, "y": 2.84}, 99.0, 1.0, 1.0, irreversible=True)
    >>> twin = DigitalTwin(FreshPlaces(crystal), rng=1)
    >>> twin.do(act).readout, twin.do(act).neighbours_hit > 0
    (0.0, True)
    """

    sample: Sample

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not all(hasattr(self.sample, name) for name in ("prepare", "field_of_view", "verbs")):
            raise InputError(
                f"sample must be one that a twin can hold; got {type(self.sample).__name__}."
            )

    @property
    def field_of_view(self) -> Area:
        """Of each place."""
        return self.sample.field_of_view

    @property
    def unit(self) -> str:
        """Unit of lengths."""
        return self.sample.unit

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done beside looking and waiting."""
        return self.sample.verbs

    def check(self, action: Action) -> None:
        """Refuse what the sample refuses."""
        check = getattr(self.sample, "check", None)
        if check is not None:
            check(action)

    def prepare(self, rng: np.random.Generator) -> _FreshState:
        """Draw the first place."""
        return _FreshState(self.sample, rng)


class _FreshState:
    """The place of the last act."""

    def __init__(self, sample: Sample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        self._place: SampleState = sample.prepare(rng)
        if hasattr(self._place, "table"):  # only some samples give a table with a picture
            self.table = self._table

    def _table(self, rng: np.random.Generator) -> Any:
        place: Any = self._place
        return place.table(rng)

    def act(self, act: TrueAct) -> Response:
        if act.verb in self._sample.verbs:
            self._place = self._sample.prepare(self._rng)
        return self._place.act(act)

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        self._place.rest(duration_s, conditions, area, dose)

    def brightness(self, x: Floats, y: Floats) -> Floats:
        return self._place.brightness(x, y)

    def truth(self) -> dict[str, Any]:
        return self._place.truth()
