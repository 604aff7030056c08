"""What stays the same between environments: invariant causal prediction over patch tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.environments.column_moves import column_moves
from physlearn.causal.environments.environment_tables import (
    common_columns,
    environment_moments,
    sorted_tables,
)
from physlearn.causal.environments.field_moments import FieldMoments
from physlearn.causal.environments.invariant_answers import (
    ASSUMED,
    CLEARLY,
    interval_of,
    is_shown,
    reason_against,
    reason_against_both,
    sentence_of,
)
from physlearn.causal.environments.invariant_sets import all_sets, judge_set, size_of_move
from physlearn.checks import InputError, check_count
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.records import PatchTable

__all__ = ["EnvironmentComparison", "EnvironmentOptions", "InvariantCauses", "compare_environments"]


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """How environments are compared.

    Attributes
    ----------
    max_predictors
        Of all columns that may cause the outcome, those most associated with it are kept.
    largest_set
        Sets of more columns are not tried; None tries all.
    same_offset
        Whether the outcome's offset must agree as well; False where the zero of its scale may
        differ between scans.
    stands_below
        A column "stands" when shifts above this many standard deviations are excluded.

    Examples
    --------
    >>> EnvironmentOptions(same_offset=False).max_predictors
    8
    """

    max_predictors: int = 8
    largest_set: int | None = None
    same_offset: bool = True
    stands_below: float = 0.25

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class InvariantCauses:
    """What causes one outcome, as far as its law is the same in all environments.

    Attributes
    ----------
    outcome, predictors
        The question.
    sets
        pandas, one row a set: ``columns``, ``p_value`` (NaN: untestable), ``p_coefficients``,
        ``p_variance``, ``p_offset``, ``accepted``, ``shown`` (the law is not only not rejected
        but shown to be the same, to 15 % of the outcome's own move).
    causes
        Columns in every accepted set, and in those rejected only just (above a tenth of alpha).
    intervals
        Cause -> interval of its direct effect (outcome's unit per unit of the cause), over all
        these sets.
    level
        Probability that ``causes`` holds no false one, under the assumptions of
        `compare_environments`; the intervals hold all truths together
        with it at 1 - 2 (1 - level).
    identified
        Whether any cause was found.
    reason
        Why not.
    sentence
        In words.

    Examples
    --------
    >>> import pandas as pd
    >>> sets = pd.DataFrame({"columns": [("a",)], "p_value": [0.4]})
    >>> InvariantCauses("b", ("a",), sets, ("a",), {"a": (1, 2)}, 0.95, True, "", "").causes
    ('a',)
    """

    outcome: str
    predictors: tuple[str, ...]
    sets: pd.DataFrame
    causes: tuple[str, ...]
    intervals: Mapping[str, tuple[float, float]]
    level: float
    identified: bool
    reason: str
    sentence: str

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class EnvironmentComparison:
    """Which columns move between environments, and which laws do not.

    Attributes
    ----------
    environments
        Their names.
    moves
        pandas, one row a column: ``column``, ``shift`` (between the farthest environments, in
        ``unit``), ``shift_sds``, ``largest_shift_sds`` (not excluded), ``spread_ratio``,
        ``p_value``, ``p_adjusted`` (false discoveries controlled), ``verdict``, ``words``.
    outcomes
        Outcome -> `InvariantCauses`.
    warnings
        What the reader must know.

    Examples
    --------
    >>> import pandas as pd
    >>> EnvironmentComparison(("cold", "hot"), pd.DataFrame(), {}, ()).environments
    ('cold', 'hot')
    """

    environments: tuple[str, ...]
    moves: pd.DataFrame
    outcomes: Mapping[str, InvariantCauses]
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __str__(self) -> str:
        """Return what was found, a sentence a line."""
        lines = [] if self.moves.empty else list(self.moves["words"])
        return "\n".join([*lines, *(found.sentence for found in self.outcomes.values())])


def compare_environments(
    tables: PatchTable | Sequence[PatchTable],
    *,
    outcome: str | None = None,
    environment: str | None = None,
    alpha: float = 0.05,
    options: EnvironmentOptions | None = None,
) -> EnvironmentComparison:
    """Find the causes of a column whose law is the same in all environments.

    The law of an outcome given its causes does not change when something else in the sample is
    changed; given anything less or other, it does. Every set of columns whose coefficients,
    residual variance or offset differ between environments is rejected; columns in all sets left
    are causes. Errors count neighbours by the columns' correlation in space, and known
    measurement noise is taken out of the moments.

    Parameters
    ----------
    tables
        Tables of the same columns, each an environment; or one table.
    outcome
        Column; None takes each column of the latest tier.
    environment
        Name of a covariate that splits one table, or of a metadata entry that sorts several.
    alpha
        Level of the test of a set, and of the columns' moves after false-discovery control.
    options
        `EnvironmentOptions`.

    Returns
    -------
    EnvironmentComparison
        The outcome's causes, or why none can be told.

    Raises
    ------
    InputError
        For an unknown column or environment, no outcome where no tier is known, or a column
        whose unit differs between tables.
    NotIdentified
        For a single environment, too few patches, or no column in common.

    Notes
    -----
    Peters, Buehlmann and Meinshausen, JRSS B 78, 947 (2016), doi:10.1111/rssb.12167. It assumes
    that the environment does not act on the outcome itself, that no hidden cause moves with it,
    and a linear law. A cause is told only where the law left is shown to be the same to 15 % of the
    outcome's own move, every other set is clearly rejected, and the way round is not told too: a
    hidden cause that explains both columns nearly wholly still passes. Effective sample sizes:
    Dutilleul 1993, doi:10.2307/2532625.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> y, x = np.mgrid[:24, :24].reshape(2, -1)
    >>> rng = np.random.default_rng(1)
    >>> tables = []
    >>> for spread in (1.0, 3.0):
    ...     a = rng.normal(0, spread, 576)
    ...     b = a + rng.normal(size=576)
    ...     frame = pd.DataFrame({"a": a, "b": b, "c": b + rng.normal(0, spread, 576)})
    ...     tables.append(PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm"))
    >>> compare_environments(tables, outcome="b").outcomes["b"].causes
    ('a',)
    """
    options = EnvironmentOptions() if options is None else options
    if not isinstance(options, EnvironmentOptions):
        raise InputError(f"options must be an EnvironmentOptions; got {type(options).__name__}.")
    check_count("max_predictors", options.max_predictors, 1)
    if not isinstance(alpha, int | float | np.floating) or not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    groups = sorted_tables(tables, environment)
    notes: list[str] = []
    names = common_columns(groups, notes)
    first = next(iter(groups.values()))[0]
    outcomes = _outcomes(first, names, outcome)
    moments, scale = environment_moments(groups, names)
    if environment is not None and isinstance(tables, type(first)):
        notes.append(
            "the environments are parts of one field: patches on either side of a border count as "
            "unrelated."
        )
    moves = column_moves(moments, names, scale, first.units, alpha, options.stands_below)

    def causes_of(name: str) -> InvariantCauses:
        return _invariant_causes(moments, names, scale, name, first, moves, alpha, options)

    found = {name: causes_of(name) for name in outcomes}
    either_way = {
        name: [cause for cause in answer.causes if name in causes_of(cause).causes]
        for name, answer in found.items()
    }
    for name, both in either_way.items():
        if both:
            found[name] = _refused(found[name], reason_against_both(name, both[0]))
    if any(answer.identified for answer in found.values()):
        notes.append(ASSUMED)
    return EnvironmentComparison(tuple(groups), moves, found, tuple(notes))


def _refused(answer: InvariantCauses, reason: str) -> InvariantCauses:
    return replace(
        answer, causes=(), intervals={}, identified=False, reason=reason,
        sentence=sentence_of(answer.outcome, (), {}, reason, {}, 1.0 - answer.level),
    )  # fmt: skip


def _outcomes(table: PatchTable, names: Sequence[str], outcome: str | None) -> list[str]:
    if outcome is not None:
        if outcome not in names:
            raise InputError(
                f"outcome must be a column that all tables share and that varies; got {outcome!r}, "
                f"there are {', '.join(names)}."
            )
        return [outcome]
    known = [table.tiers[name] for name in names if name in table.tiers]
    if not known:
        raise InputError(
            "outcome must be named where no tiers are known: one shift of the environment would "
            f"be read both ways; got None, there are {', '.join(names)}."
        )
    return [name for name in names if table.tiers.get(name) == max(known)]


def _invariant_causes(
    moments: Sequence[Sequence[FieldMoments]],
    names: Sequence[str],
    scale: np.ndarray,
    outcome: str,
    table: PatchTable,
    moves: pd.DataFrame,
    alpha: float,
    options: EnvironmentOptions,
) -> InvariantCauses:
    import pandas as pd

    target = names.index(outcome)
    candidates = _screened(moments, names, target, table.tiers, options.max_predictors)
    largest = len(candidates) if options.largest_set is None else options.largest_set
    tests = [
        judge_set(moments, target, chosen, same_offset=options.same_offset, alpha=alpha)
        for chosen in all_sets(candidates, largest)
    ]
    move = size_of_move(moments, target, alpha, same_offset=options.same_offset)
    sets = pd.DataFrame(
        {
            "columns": [tuple(names[k] for k in test.chosen) for test in tests],
            "p_value": [test.p_value for test in tests],
            "p_coefficients": [test.p_coefficients for test in tests],
            "p_variance": [test.p_variance for test in tests],
            "p_offset": [test.p_offset for test in tests],
            # what cannot be tested is not rejected: it may be the truth
            "accepted": [not test.p_value <= alpha for test in tests],
            "shown": [is_shown(test, move) for test in tests],
        }
    )
    accepted = [test for test in tests if not test.p_value <= alpha]
    # a set that is rejected only just may be the truth as well
    left = [test for test in tests if not test.p_value <= CLEARLY * alpha]
    common = set(candidates).intersection(*(test.chosen for test in left)) if accepted else set()
    causes = tuple(names[k] for k in candidates if k in common)
    intervals = {
        names[k]: interval_of(left, k, alpha, float(scale[target] / scale[k]))
        for k in candidates
        if k in common
    }
    moved = moves.set_index("column")["verdict"]
    reason = reason_against(
        len(left) > len(accepted),
        accepted,
        causes,
        [names[k] for k in candidates],
        dict(moved),
        outcome,
        move,
    )
    if reason:
        causes, intervals = (), {}
    sentence = sentence_of(outcome, causes, intervals, reason, table.units, alpha)
    return InvariantCauses(
        outcome, tuple(names[k] for k in candidates), sets, causes, intervals, 1.0 - alpha,
        bool(causes), reason, sentence,
    )  # fmt: skip


def _screened(
    moments: Sequence[Sequence[FieldMoments]],
    names: Sequence[str],
    target: int,
    tiers: Mapping[str, int],
    most: int,
) -> list[int]:
    """Return the columns that may cause the outcome, those that tell most beside the others."""
    tier = tiers.get(names[target])
    later = [tier is not None and tiers.get(name, -1) > tier for name in names]
    candidates = [k for k in range(len(names)) if k != target and not later[k]]
    if len(candidates) <= most:
        return candidates
    fields = [field for group in moments for field in group]
    observed = sum((f.n * f.covariance for f in fields), np.zeros_like(fields[0].covariance))
    observed = observed / sum(field.n for field in fields)
    part = observed[np.ix_(candidates, candidates)]
    part = part + 1e-3 * np.diag(np.diag(part))
    inverse = np.linalg.inv(part)
    slopes = inverse @ observed[candidates, target]
    order = np.argsort(-np.abs(slopes) / np.sqrt(np.diag(inverse)))[:most]
    return sorted(candidates[int(k)] for k in order)
