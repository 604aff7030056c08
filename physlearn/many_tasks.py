"""Answers of many tasks, and beside them the sentences that refused the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from physlearn.checks import InputError, NotIdentified
from physlearn.executors import ExecutorLike, open_workers

__all__ = ["answers_and_refusals"]

Answer = TypeVar("Answer")


def answers_and_refusals(
    function: Callable[..., Answer],
    tasks: Iterable[tuple[Any, ...]],
    n: int,
    *,
    executor: ExecutorLike | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[tuple[Answer | None, ...], dict[int, str]]:
    """Return ``function(*task)`` of every task, and place -> the sentence that refused it.

    A task is refused by ``InputError``, ``NotIdentified``, or a worker that died three times under
    it; its answer is None and the others go on.

    Parameters
    ----------
    function
        For processes it must be importable.
    tasks
        Tuples of arguments.
    n
        Number of tasks.
    executor
        As of `open_workers`.
    progress
        Called with (tasks done, tasks).

    Examples
    --------
    >>> answers_and_refusals(pow, [(2, 3), (3, 2)], 2)
    ((8, 9), {})
    """
    answers: list[Answer | None] = [None] * n
    refusals: dict[int, str] = {}
    with open_workers(executor) as workers:
        found = workers.run(partial(_one, function), tasks, in_order=False, if_lost=_Refused)
        for done, (place, answer) in enumerate(found, 1):
            if isinstance(answer, _Refused):
                refusals[place] = str(answer)
            else:
                answers[place] = answer
            if progress is not None:
                progress(done, n)
    return tuple(answers), dict(sorted(refusals.items()))


class _Refused(str):
    """The sentence that stands for an answer."""

    __slots__ = ()


def _one(function: Callable[..., Answer], *task: Any) -> Answer | _Refused:
    """Return an answer, or the sentence that refused the task."""
    try:
        return function(*task)
    except (InputError, NotIdentified) as error:
        return _Refused(error)
