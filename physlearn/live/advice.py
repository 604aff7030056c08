"""What to do next at the microscope, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from physlearn.live.records import Estimate, LiveState
from physlearn.phrases import SILENCING, said_number, unit_text

__all__ = ["next_steps"]


def next_steps(state: LiveState) -> list[str]:
    """Return what a person could do next, the most useful first.

    Examples
    --------
    >>> from physlearn.live.records import WatchOptions
    >>> next_steps(LiveState(WatchOptions(), 1))
    ['Take the first frame into the folder.']
    """
    if not state.frames:
        return ["Take the first frame into the folder."]
    return list(_film(state) if state.kind == "film" else _pictures(state))


def _pictures(state: LiveState) -> Iterator[str]:
    last = state.last
    if last is None:
        return
    couplings = [one for one in state.estimates if one.name.startswith("couplings[")]
    if not couplings:
        yield (
            "No couplings yet: a picture with a few hundred columns of two species on one lattice "
            "gives them; see below what stopped the last frame."
        )
        return
    if state.plan:
        first = state.plan[0]
        yield (
            f"{first['do'].capitalize()} at {first['where']} of the last picture: step 1 of the "
            "plan below, which still has explanations to tell apart."
        )
        yield from _fields_needed(state)
        return
    unsure = [one for one in couplings if not _settled(one)]
    move = (
        f"Move the stage by more than one field of view ({said_number(last.width, 2)} "
        f"{unit_text(last.unit)}) to a fresh place and take the next picture there"
    )
    if unsure:
        names = " and ".join(one.label for one in unsure)
        yield f"{move}: the sign of {names} is still open."
    else:
        yield (
            "The sign of every coupling is settled at 90 %. Stop here, or, for narrower intervals: "
            f"{move[0].lower()}{move[1:]}."
        )
    yield from _fields_needed(state)


def _fields_needed(state: LiveState) -> Iterator[str]:
    n = state.n_fields
    yield (
        f"An interval half as wide takes about {4 * n} fields instead of {n}, if fields differ no "
        "more than so far. Another scan of the same place adds dose and nothing to the couplings."
    )


def _film(state: LiveState) -> Iterator[str]:
    n = len(state.frames)
    parameters = [one for one in state.estimates if one.name != "wall_velocity"]
    if not parameters:
        yield "Go on filming the same field: the law of the walls takes three frames or more."
        return
    unsure = [one for one in parameters if not _settled(one)]
    if any(_silenced(one) for one in parameters):
        yield (
            "The law that was tried does not fit these walls, so its numbers decide nothing yet: "
            + (
                "look at the warnings; a drive that was not given, pinning or a drift of the stage "
                "are the likeliest reasons."
                if state.options.drive is None
                else "look at the warnings; pinning or a drift of the stage are the likeliest "
                "reasons."
            )
        )
    elif unsure:
        yield (
            "Go on filming the same field: "
            f"{' and '.join(one.label for one in unsure)} may still be zero."
        )
    else:
        yield (
            "Every number of the wall law is clear of zero. Stop here, or go on for narrower "
            f"intervals: half as wide takes about {4 * n} frames instead of {n}."
        )
    if state.options.drive is None:
        yield (
            "Record the drive, change its sign while filming and give it (--drive): the velocity "
            "that the walls share then becomes a mobility."
        )


def _silenced(one: Estimate) -> bool:
    return any(text in one.verdict for text in SILENCING)


def _settled(one: Estimate) -> bool:
    return (one.low > 0 or one.high < 0) and not _silenced(one)
