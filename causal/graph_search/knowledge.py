"""What is known before the search: tiers, required links and forbidden ones, kept strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.graph_search.marks import (
    ARROW,
    CIRCLE,
    NONE,
    TAIL,
    Ends,
    Mask,
    directed,
    find_cycle,
    orient,
    pair,
    reachable,
)
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Links that must be in a graph, and links that may not be.

    Attributes
    ----------
    required
        Pairs (cause, effect): the first changes the second directly.
    forbidden
        Pairs (cause, effect): the first does not change the second directly.

    Raises
    ------
    InputError
        For entries that are no pair of two names, one pair in both, or required links in a cycle.

    Examples
    --------
    >>> Knowledge(required=[("composition", "strain")]).required
    (('composition', 'strain'),)
    """

    required: Sequence[tuple[str, str]] = ()
    forbidden: Sequence[tuple[str, str]] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for label in ("required", "forbidden"):
            object.__setattr__(self, label, _checked_pairs(label, getattr(self, label)))
        both = [edge for edge in self.required if edge in self.forbidden]
        if both:
            raise InputError(
                f"knowledge requires and forbids {both[0][0]} -> {both[0][1]}; drop one of the two."
            )
        names = list(dict.fromkeys(name for edge in self.required for name in edge))
        cycle = find_cycle(_matrix(self.required, names))
        if cycle:
            path = " -> ".join(names[k] for k in [*cycle, cycle[0]])
            raise InputError(
                f"knowledge.required must hold no cycle; found {path}. Drop one of these links."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Tiers and knowledge as matrices over the columns of a graph.

    Attributes
    ----------
    names
        The columns.
    required, forbidden
        [i, j]: the link from i to j must be there, or may not be there.
    never_ancestor
        [i, j]: i cannot change j, not even by way of others.
    """

    names: tuple[str, ...]
    required: Mask
    forbidden: Mask
    never_ancestor: Mask

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self.required.any() or self.forbidden.any())

    @property
    def impossible(self) -> Mask:
        """Return [i, j]: no link between i and j is allowed, in neither direction."""
        return np.asarray(self.forbidden & self.forbidden.T, dtype=np.bool_)

    def in_order(self, order: NDArray[np.intp]) -> Constraints:
        """Return the same with the columns in another order."""
        both = np.ix_(order, order)
        names = tuple(self.names[k] for k in order)
        return Constraints(
            names, self.required[both], self.forbidden[both], self.never_ancestor[both]
        )

    def usable(self, x: int, y: int) -> Mask:
        """Return which columns may help to separate x and y: not those later than both."""
        later = self.never_ancestor[:, x] & self.never_ancestor[:, y]
        later[[x, y]] = True
        return np.asarray(~later, dtype=np.bool_)


def constraints_of(
    names: Sequence[str], tiers: Mapping[str, int], knowledge: Knowledge | None
) -> Constraints:
    """Return tiers and knowledge as matrices, or say where they contradict one another.

    Raises
    ------
    InputError
        For names that are no columns, and for required links or paths against the tiers.
    """
    knowledge = knowledge or Knowledge()
    if not isinstance(knowledge, Knowledge):
        raise InputError(
            f"knowledge must be a Knowledge(required=..., forbidden=...), got "
            f"{type(knowledge).__name__}."
        )
    for label, edges in (("required", knowledge.required), ("forbidden", knowledge.forbidden)):
        for name in (name for edge in edges for name in edge):
            if name not in names:
                raise InputError(
                    f"knowledge.{label} must name columns of the graph; {name!r} is none of "
                    f"{', '.join(names)}."
                )
    required = _matrix(knowledge.required, names)
    forbidden = _matrix(knowledge.forbidden, names)
    level = np.array([tiers.get(name, -1) for name in names])
    known = level >= 0
    later = (level[:, None] > level[None, :]) & known[:, None] & known[None, :]
    path = reachable(required)
    for i, j in np.argwhere(path & later):
        how = "" if required[i, j] else " by way of others"
        raise InputError(
            f"knowledge requires {names[i]} -> {names[j]}{how}, but the tiers put {names[i]} "
            f"({level[i]}) after {names[j]} ({level[j]}); change one of the two."
        )
    for i, j in np.argwhere(required & forbidden):
        raise InputError(f"knowledge requires and forbids {names[i]} -> {names[j]}.")
    never = later | path.T
    return Constraints(tuple(names), required, forbidden | never, np.asarray(never, dtype=np.bool_))


def keep_strictly(
    ends: Ends, constraints: Constraints, *, hidden_causes: bool
) -> tuple[Ends, list[str]]:
    """Return the marks with nothing left that tiers or knowledge rule out.

    Parameters
    ----------
    ends
        Marks of any search.
    constraints
        What is known.
    hidden_causes
        Whether the marks are those of a graph with hidden common causes: what is known to be
        later then gets an arrowhead, but the other end no tail, as a hidden cause of both fits
        as well. Without hidden causes the earlier of two linked columns is the cause.
    """
    ends = ends.copy()
    notes: list[str] = []
    names = constraints.names
    for i, j in np.argwhere(constraints.required):
        if ends[i, j] == NONE:
            notes.append(f"{names[i]} -> {names[j]} is required; the search did not find it.")
        orient(ends, int(i), int(j))
    for i, j in zip(*np.nonzero(np.triu(ends != NONE, 1)), strict=True):
        first, second = int(i), int(j)
        out, back = constraints.forbidden[first, second], constraints.forbidden[second, first]
        if out and back:
            if hidden_causes:
                ends[first, second] = ends[second, first] = ARROW
                continue
            ends[first, second] = ends[second, first] = NONE
            notes.append(
                f"{names[first]} and {names[second]} may not be linked by what is known, but the "
                "search linked them: a hidden cause may drive both."
            )
        elif out or back:
            cause, effect = (second, first) if out else (first, second)
            ends[cause, effect] = ARROW
            if not hidden_causes or constraints.required[cause, effect]:
                ends[effect, cause] = TAIL
    return ends, notes


def without_cycles(
    ends: Ends, constraints: Constraints, *, hidden_causes: bool
) -> tuple[Ends, list[tuple[int, int]]]:
    """Return the marks with directed cycles opened, and the links that were opened.

    Where what is known forces every link of a cycle, a hidden cause must drive some of them:
    those that are not required get arrowheads at both ends.
    """
    ends = ends.copy()
    opened: list[tuple[int, int]] = []
    while True:
        arrows = directed(ends)
        if hidden_causes:
            arrows &= ends.T == TAIL
        cycle = find_cycle(arrows)
        if not cycle:
            return ends, opened
        links = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        free = [(i, j) for i, j in links if not constraints.forbidden[j, i]]
        for i, j in free:
            ends[i, j] = ends[j, i] = CIRCLE
            opened.append(pair(i, j))
        forced = [] if free else [(i, j) for i, j in links if not constraints.required[i, j]]
        for i, j in forced:
            ends[i, j] = ends[j, i] = ARROW
            opened.append(pair(i, j))


def cycle_notes(opened: Sequence[tuple[int, int]], names: Sequence[str]) -> list[str]:
    """Return what to say of links that were opened because they closed a cycle of causes."""
    if not opened:
        return []
    said = ", ".join(f"{names[i]} and {names[j]}" for i, j in sorted(set(opened)))
    return [
        f"with what is known the links of {said} would close a cycle of causes: a hidden cause "
        "may drive them."
    ]


def violations(ends: Ends, constraints: Constraints) -> list[str]:
    """Return what breaks tiers or knowledge, or closes a cycle of causes, one sentence each."""
    names = constraints.names
    claims = (ends == ARROW) & (ends.T != ARROW) & (ends.T != NONE)
    said = [
        f"{names[i]} -> {names[j]} is forbidden"
        for i, j in np.argwhere(claims & constraints.forbidden)
    ]
    right = (ends == ARROW) & (ends.T == TAIL)
    said += [
        f"{names[i]} -> {names[j]} is required"
        for i, j in np.argwhere(constraints.required & ~right)
    ]
    open_later = (ends != NONE) & constraints.forbidden.T & (ends != ARROW)
    said += [
        f"the link of {names[i]} and {names[j]} lacks its arrowhead at {names[j]}"
        for i, j in np.argwhere(open_later & ~constraints.impossible)
    ]
    cycle = find_cycle(right)
    if cycle:
        said.append(f"{' -> '.join(names[k] for k in [*cycle, cycle[0]])} is a cycle of causes")
    return said


def _checked_pairs(label: str, edges: object) -> tuple[tuple[str, str], ...]:
    if isinstance(edges, str) or not isinstance(edges, Sequence):
        raise InputError(f"knowledge.{label} must be pairs (cause, effect); got {edges!r}.")
    checked = []
    for edge in edges:
        if isinstance(edge, str) or not isinstance(edge, Sequence) or len(edge) != 2:
            raise InputError(f"knowledge.{label} must hold pairs (cause, effect); got {edge!r}.")
        if edge[0] == edge[1]:
            raise InputError(
                f"knowledge.{label} must join two columns; {edge[0]!r} stands at both ends."
            )
        checked.append((str(edge[0]), str(edge[1])))
    return tuple(dict.fromkeys(checked))


def _matrix(edges: Sequence[tuple[str, str]], names: Sequence[str]) -> Mask:
    result = np.zeros((len(names), len(names)), dtype=np.bool_)
    for cause, effect in edges:
        result[list(names).index(cause), list(names).index(effect)] = True
    return result
