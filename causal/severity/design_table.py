"""What every hypothesis expects of every action, as a table of members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import NONE_OF_THESE, Hypothesis
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, as_generator
from physlearn.records.storage import html_table, short_repr

__all__ = ["DesignTable", "action_coordinates", "design_table"]

DECADES_FOR_LOG = 1.5
"""A positive argument that spans more decades than this is measured by its logarithm."""
FAR = 3.0
"""Distance, in ranges, between actions of different kinds: no deviation reaches from one on."""
INDICES = frozenset({"patch", "site"})
"""Numbers that only say which one: neighbours in number are no neighbours."""
LABEL = "label"
"""The text that names an act for its reader, and says nothing of what it does."""


@dataclass(frozen=True, slots=True, eq=False)
class DesignTable:
    """Expected readouts of the members of every hypothesis, for every action.

    Attributes
    ----------
    hypotheses
        Names, n_hypotheses of them.
    members
        One array (n_members, n_actions) a hypothesis: rows are draws of its parameters, columns
        the expected readout of an action, noise excluded.
    noise_sd
        Standard deviation of one readout, (n_hypotheses, n_actions), or (n_actions,) for all.
    coordinates
        (n_actions, n_coordinates): where the actions lie, in ranges: deviations of the declared
        lengths are drawn over them.
    weights
        Prior weights; equal when None.

    Raises
    ------
    InputError
        For tables of another shape, values that are not finite, noise that is not above 0, or
        weights that don't sum to 1.

    Examples
    --------
    >>> x = np.linspace(0, 1, 5)
    >>> slopes = np.random.default_rng(0).normal(size=(100, 1))
    >>> table = DesignTable(("linear", "none"), (slopes * x, np.zeros((1, 5))), np.ones(5), x)
    >>> table.n_actions
    5
    """

    hypotheses: tuple[str, ...]
    members: tuple[Floats, ...]
    noise_sd: Floats
    coordinates: Floats
    weights: Floats | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        names = tuple(self.hypotheses)
        if not names or len(set(names)) < len(names) or not all(isinstance(n, str) for n in names):
            raise InputError(f"hypotheses must be different names; got {self.hypotheses!r}.")
        if len(self.members) != len(names):
            raise InputError(
                f"members must hold one array per hypothesis ({len(names)}); "
                f"got {len(self.members)}."
            )
        tables = tuple(_table(n, m) for n, m in zip(names, self.members, strict=True))
        n_actions = tables[0].shape[1]
        for name, table in zip(names, tables, strict=True):
            if table.shape[1] != n_actions:
                raise InputError(
                    f"members of {name!r} must have {n_actions} columns, as those of "
                    f"{names[0]!r}; got {table.shape[1]}."
                )
        object.__setattr__(self, "hypotheses", names)
        object.__setattr__(self, "members", tables)
        object.__setattr__(self, "noise_sd", _noise(self.noise_sd, len(names), n_actions))
        object.__setattr__(self, "coordinates", _coordinates(self.coordinates, n_actions))
        object.__setattr__(self, "weights", _weights(self.weights, len(names)))

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return int(self.members[0].shape[1])

    @property
    def prior(self) -> Floats:
        """Prior weights, (n_hypotheses,)."""
        return _weights(self.weights, len(self.hypotheses))


def design_table(
    hypotheses: Sequence[Hypothesis],
    actions: Sequence[Action],
    *,
    n_members: int = 4000,
    coordinates: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
) -> DesignTable:
    """Return the table of what hypotheses of one question expect of the actions.

    Parameters
    ----------
    hypotheses
        Of one question. "None of these" is left out: the severity test brings its own.
    actions
        Candidates, n_actions of them; every hypothesis must speak about each.
    n_members
        Draws of the parameters of each hypothesis.
    coordinates
        (n_actions, n_coordinates) where the actions lie, in ranges; `action_coordinates` of the
        actions when None.
    rng
        Seed of the draws.

    Raises
    ------
    InputError
        For hypotheses of several questions, draws of another shape, or an action that a
        hypothesis says nothing about.

    Examples
    --------
    >>> def joint(actions, rng, n):
    ...     return rng.normal(2, 0.1, (n, 1)) * [a.number("bias_V") for a in actions]
    >>> law = Hypothesis("linear", 1, lambda a, rng, n: (2 * a.number("bias_V"), 0.3),
    ...                  joint=joint, noise_sd=0.2)
    >>> acts = [Action("change_bias", {"bias_V": float(b)}, 0, 1, 1) for b in range(4)]
    >>> design_table([law], acts, n_members=50, rng=0).members[0].shape
    (50, 4)
    """
    named = [h for h in hypotheses if h.name != NONE_OF_THESE]
    acts = tuple(actions)
    if not named or not acts:
        raise InputError("hypotheses and actions must each hold at least one; got none.")
    if len({h.question for h in named}) > 1:
        raise InputError(
            "hypotheses must share one question; got "
            f"{sorted({h.question for h in named})}. Make a table for each."
        )
    if isinstance(n_members, bool) or not isinstance(n_members, int) or n_members < 1:
        raise InputError(f"n_members must be a whole number of at least 1; got {n_members!r}.")
    generator, _ = as_generator(rng)
    members, noise = [], []
    for hypothesis in named:
        drawn, sds = _expected(hypothesis, acts, generator, n_members)
        members.append(drawn)
        noise.append(sds)
    total = math.fsum(h.weight for h in named)
    if total <= 0:
        raise InputError("weights of the hypotheses must add to more than 0.")
    return DesignTable(
        tuple(h.name for h in named),
        tuple(members),
        np.array(noise),
        np.asarray(action_coordinates(acts) if coordinates is None else coordinates, np.float64),
        np.array([h.weight / total for h in named]),
    )


def action_coordinates(actions: Sequence[Action]) -> Floats:
    """Return where the actions lie, in ranges: (n_actions, n_coordinates).

    Numeric arguments, and the dose where it varies, each divided by its range; by the range of
    its logarithm where it is positive and spans more than 1.5 decades. Arguments that don't vary
    are left out; actions of different verbs, or with different texts (as which column is set),
    lie three ranges apart. A `label`, and the number of a `patch` or `site`, are no coordinates:
    they name an act or a place; x and y are.

    Examples
    --------
    >>> acts = [Action("change_bias", {"bias_V": b}, 0, 1, 1) for b in (-1.0, 0.0, 3.0)]
    >>> action_coordinates(acts).ravel().tolist()
    [0.0, 0.25, 1.0]
    >>> ways = [Action("analyse", {"quantity": q}, 0, 1, 1) for q in ("strain", "polarisation")]
    >>> action_coordinates(ways).ravel().tolist()
    [0.0, 3.0]
    """
    columns = [_kinds([a.verb for a in actions])]
    names = dict.fromkeys(name for a in actions for name in a.args if name != LABEL)
    for name in names:
        values = [a.args.get(name) for a in actions]
        texts = [v for v in values if isinstance(v, str)]
        numbers = [None if isinstance(v, str) else v for v in values]
        if texts:
            columns.append(_kinds([v if isinstance(v, str) else None for v in values]))
        if name not in INDICES and any(v is not None for v in numbers):
            columns.append(_scaled(numbers))
    columns.append(_scaled([a.dose for a in actions]))
    varying = [c for c in columns if np.ptp(c) > 0]
    if not varying:
        return np.zeros((len(actions), 1))
    return np.array(varying, dtype=np.float64).T


def _kinds(values: Sequence[str | None]) -> list[float]:
    """Return a place for each kind, three ranges apart in the order in which they come."""
    places = {value: FAR * k for k, value in enumerate(dict.fromkeys(values))}
    return [places[value] for value in values]


def _scaled(values: Sequence[float | None]) -> list[float]:
    given = np.array([v for v in values if v is not None], dtype=np.float64)
    low, high = float(given.min()), float(given.max())
    logarithmic = low > 0 and math.log10(high / low) > DECADES_FOR_LOG
    if high == low:
        return [0.0] * len(values)
    result = []
    for value in values:
        if value is None:
            result.append(0.0)
        elif logarithmic:
            result.append(math.log(float(value) / low) / math.log(high / low))
        else:
            result.append((float(value) - low) / (high - low))
    return result


def _expected(
    hypothesis: Hypothesis, actions: tuple[Action, ...], rng: np.random.Generator, n: int
) -> tuple[Floats, list[float]]:
    """Return members (n, n_actions) and the noise of one readout per action."""
    name = hypothesis.name
    stated: list[tuple[float, float] | None] = [None] * len(actions)
    if hypothesis.joint is None or hypothesis.noise_sd is None:
        stated = [hypothesis.mean_sd(action, rng) for action in actions]
    sds = []
    for action, pair in zip(actions, stated, strict=True):
        noise = hypothesis.noise_sd
        sd = noise(action) if callable(noise) else noise
        if sd is None and pair is not None:
            sd = pair[1]
        if sd is not None:
            sd = strict_number(f"noise_sd of {name!r}", sd, above=0)
        sds.append(math.nan if sd is None else sd)
    if hypothesis.joint is None:
        members = np.array([[math.nan if pair is None else pair[0] for pair in stated]])
    else:
        members = np.asarray(hypothesis.joint(actions, rng, n), dtype=np.float64)
        if members.shape != (n, len(actions)):
            raise InputError(
                f"joint of {name!r} must return shape {(n, len(actions))}; got {members.shape}."
            )
    silent = np.flatnonzero(~np.isfinite(members).all(axis=0))
    if silent.size:
        verb = actions[int(silent[0])].verb
        raise InputError(
            f"every hypothesis must predict every action of the table; {name!r} gives no finite "
            f"readout for action {int(silent[0])} ({verb}). Leave such actions out."
        )
    return members, sds


def _table(name: str, members: ArrayLike) -> Floats:
    table = np.array(members, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise InputError(f"members of {name!r} must be (n, n_actions); got shape {table.shape}.")
    if not np.isfinite(table).all():
        row, column = (int(v) for v in np.argwhere(~np.isfinite(table))[0])
        raise InputError(
            f"members of {name!r} must be finite; got {table[row, column]} at row {row}, "
            f"action {column}."
        )
    table.setflags(write=False)
    return table


def _noise(noise_sd: ArrayLike, n_hypotheses: int, n_actions: int) -> Floats:
    noise = np.asarray(noise_sd, dtype=np.float64)
    if noise.shape not in ((), (n_actions,), (n_hypotheses, n_actions)):
        raise InputError(
            f"noise_sd must be one number, ({n_actions},) or ({n_hypotheses}, {n_actions}); "
            f"got shape {noise.shape}."
        )
    noise = np.array(np.broadcast_to(noise, (n_hypotheses, n_actions)))
    if not (np.isfinite(noise) & (noise > 0)).all():
        bad = np.argwhere(~(np.isfinite(noise) & (noise > 0)))[0]
        raise InputError(
            f"noise_sd must be finite and above 0; got {noise[tuple(bad)]} for hypothesis "
            f"{int(bad[0])}, action {int(bad[1])}."
        )
    noise.setflags(write=False)
    return noise


def _coordinates(coordinates: ArrayLike, n_actions: int) -> Floats:
    places = np.array(coordinates, dtype=np.float64)
    if places.ndim == 1:
        places = places[:, None]
    if places.ndim != 2 or len(places) != n_actions or not np.isfinite(places).all():
        raise InputError(
            f"coordinates must be finite, ({n_actions}, n_coordinates); got shape {places.shape}."
        )
    places.setflags(write=False)
    return places


def _weights(weights: ArrayLike | None, n: int) -> Floats:
    given = np.full(n, 1.0 / n) if weights is None else np.array(weights, dtype=np.float64)
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any():
        raise InputError(f"weights must be {n} finite numbers from 0; got {given.tolist()}.")
    if abs(given.sum() - 1) > 1e-9:
        raise InputError(f"weights must sum to 1; got {given.sum():.12g}.")
    given.setflags(write=False)
    return given
