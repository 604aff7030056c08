"""What is known of every site's state: certain labels, likelihoods, flips, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.records import LatticeSnapshots

__all__ = ["LabelRows", "read_labels"]

Float = NDArray[np.float64]
SURE = 40.0
"""A log-likelihood ratio beyond which a label is certain (exp(-40) = 4e-18)."""
MOST_HIDDEN = 0.5
LEAST_ERRORS = 0.05
"""Expected wrong labels that are neglected, in sds of the number of sites in a state."""
CROSSTALK = "crosstalk"
"""Metadata of pictures whose rows are one part of the evidence: pairs of sites hold the other."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """Codes (n_sites,), rows (n_sites, q) or None, and labelled (n_sites,) of every picture.

    Lists run over records, then pictures; ``rows`` is None when all labels are certain.
    """

    codes: list[list[NDArray[np.uint8]]]
    rows: list[list[Float]] | None
    labelled: list[list[NDArray[np.bool_]]]
    notes: list[str]

    @property
    def uncertain(self) -> bool:
        """Whether states have to be summed over."""
        return self.rows is not None


def read_labels(
    records: tuple[LatticeSnapshots, ...],
    q: int,
    label_noise: float | str | None,
    *,
    any_share: bool = False,
) -> LabelRows:
    """Return the labels of all pictures, and whether they have to be summed over.

    ``any_share`` allows any share of sites without a label: a margin that nobody saw.
    """
    most = (q - 1) / q
    known_rate = isinstance(label_noise, int | float) and not isinstance(label_noise, bool)
    if known_rate and label_noise == 0:
        label_noise = None  # certain labels
    if label_noise is not None and label_noise != "unknown" and not (
        known_rate and 0 < float(label_noise) < most
    ):  # fmt: skip
        raise InputError(
            f"label_noise must be at least 0 and below {most:.3g}, or 'unknown'; got "
            f"{label_noise!r}."
        )
    tables = any(record.label_log_likelihood is not None for record in records)
    if tables and label_noise is not None:
        raise InputError(
            "label_noise must be None where label_log_likelihood is given: the table holds the "
            "chance of a wrong label already."
        )
    if not tables and label_noise is None and all(r.observed is None for r in records):
        return _all_certain(records)
    codes, rows, labelled = [], [], []
    for record in records:
        parts = [_rows_of(record, k, q, label_noise) for k in range(record.n_snapshots)]
        codes.append([part[0] for part in parts])
        rows.append([part[1] for part in parts])
        labelled.append([part[2] for part in parts])
    return _judge(
        codes,
        rows,
        labelled,
        unknown=label_noise == "unknown",
        any_share=any_share,
        in_part=any(CROSSTALK in record.metadata for record in records),
    )


def _all_certain(records: tuple[LatticeSnapshots, ...]) -> LabelRows:
    """Return the labels where every site was seen and nothing is uncertain."""
    codes = [[_codes(record, k) for k in range(record.n_snapshots)] for record in records]
    labelled = [[np.ones(len(one), bool) for one in part] for part in codes]
    return LabelRows(codes, None, labelled, [])


def _codes(record: LatticeSnapshots, picture: int) -> NDArray[np.uint8]:
    """Return the code of every site's state; placeholders outside the alphabet become 0."""
    states = record.states[picture]
    codes = np.zeros(len(states), np.uint8)
    for code, value in enumerate(record.state_values):
        codes[states == value] = code
    return codes


def _rows_of(
    record: LatticeSnapshots, picture: int, q: int, label_noise: float | str | None
) -> tuple[NDArray[np.uint8], Float, NDArray[np.bool_]]:
    """Return codes, log-likelihood rows with largest entry 0, and which sites have a label."""
    codes = _codes(record, picture)
    n = len(codes)
    seen = np.ones(n, bool) if record.observed is None else record.observed[picture].copy()
    if record.label_log_likelihood is not None:
        # a site that was not seen has a row, too: how likely each state is to be missed
        table = record.label_log_likelihood[picture]
        rows = table - table.max(axis=1, keepdims=True)
        if CROSSTALK not in record.metadata:
            rows = np.maximum(rows, -SURE)
        return codes, rows, seen
    rows = np.zeros((n, q))
    if label_noise != "unknown":
        wrong = -SURE
        if label_noise is not None:
            rate = float(label_noise)
            wrong = np.log(rate / (q - 1) / (1 - rate))
        rows[seen] = min(wrong, 0.0)
        rows[seen, codes[seen]] = 0.0
    return codes, rows, seen


def _judge(
    codes: list[list[NDArray[np.uint8]]],
    rows: list[list[Float]],
    labelled: list[list[NDArray[np.bool_]]],
    *,
    unknown: bool,
    any_share: bool,
    in_part: bool,
) -> LabelRows:
    """Decide whether labels must be summed over; few expected errors change nothing."""
    table = np.concatenate([one for part in rows for one in part])
    seen = np.concatenate([one for part in labelled for one in part])
    flat = np.concatenate([one for part in codes for one in part])
    blank = np.ptp(table, axis=1) == 0
    hidden = int((~seen).sum())
    notes = []
    if hidden:
        says = "as if missing had nothing to do with the state"
        if not blank[~seen].all():
            says = "with how likely each state is to be missed"
        notes.append(
            f"{hidden} of {len(seen)} sites have no label: they are hidden, and summed over {says}"
        )
    if hidden > MOST_HIDDEN * len(seen) and not any_share:
        raise NotIdentified("snapshots have no label on more than half of the sites.")
    if unknown:
        return LabelRows(codes, rows, labelled, notes)
    share = _shares(table[~blank]) if not blank.all() else np.full(table.shape[1], np.nan)
    # a label that only the composition makes sure is not sure: both ways of weighing must say so
    q = table.shape[1]
    named = np.where(blank, flat, table.argmax(axis=1))
    counts = np.bincount(named, minlength=q)
    few = True
    for weight in (np.exp(table), np.exp(table) * np.where(np.isnan(share), 1.0, share)):
        weight /= weight.sum(axis=1, keepdims=True)
        # errors into a rare state change it though they are few beside the frequent ones
        wrong = np.bincount(named, 1 - weight[np.arange(len(named)), named], minlength=q)
        few &= bool(np.all(wrong <= LEAST_ERRORS * np.sqrt(counts + 1)))
        few &= bool(wrong.sum() <= LEAST_ERRORS * np.sqrt(np.sort(counts)[-2] + 1))
    likeliest = np.where(blank, flat, weight.argmax(axis=1)).astype(np.uint8)
    cuts = np.cumsum([len(one) for part in codes for one in part])[:-1]
    pieces = iter(np.split(likeliest, cuts))
    best = [[next(pieces) for _ in part] for part in codes]
    certain = few and not blank.any() and not in_part
    if certain:
        # known from how it was missed is as good as seen
        labelled = [[np.ones(len(one), bool) for one in part] for part in codes]
    return LabelRows(best, None if certain else rows, labelled, notes)


def _shares(table: Float) -> Float:
    """Return the composition that the labels make likeliest, by a few rounds of EM."""
    q = table.shape[1]
    share = np.full(q, 1.0 / q)
    likelihood = np.exp(table)
    for _ in range(30):
        weight = likelihood * share
        new = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
        done = np.abs(new - share).max() < 1e-6
        share = np.clip(new, 1e-4, 1.0)
        if done:
            break
    return np.asarray(share / share.sum())
