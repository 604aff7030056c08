"""The controlled names of descriptors: what each column of a patch table is."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from physlearn.checks import InputError
from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm
from physlearn.datasets.descriptors.terms_atoms import ATOM_TERMS
from physlearn.datasets.descriptors.terms_pixels import PIXEL_TERMS
from physlearn.datasets.descriptors.terms_spectra import SPECTRUM_TERMS
from physlearn.datasets.descriptors.terms_walls import WALL_TERMS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DESCRIPTOR_TERMS", "DescriptorTerm", "descriptor_terms", "find_term"]

DESCRIPTOR_TERMS: dict[str, DescriptorTerm] = {
    term.name: term for term in (*ATOM_TERMS, *PIXEL_TERMS, *WALL_TERMS, *SPECTRUM_TERMS)
}
"""Name -> term. A name stands in one of the four files of terms."""


def descriptor_terms() -> pd.DataFrame:
    """Return the vocabulary of patch descriptors, one row a term.

    Returns
    -------
    pandas.DataFrame
        Columns name, unit, tier ("channel" where a term has the tier of its channel), formula,
        invariant_under (separated by commas), source, of_channel, numbered.

    Examples
    --------
    >>> terms = descriptor_terms().set_index("name")
    >>> terms.loc["dilation", "unit"], terms.loc["dilation", "tier"]
    ('1', 'structure')
    """
    import pandas as pd

    from physlearn.records.patches import TIERS

    rows = [
        {
            "name": term.name, "unit": term.unit,
            "tier": "channel" if term.tier is None else TIERS[term.tier],
            "formula": term.formula, "invariant_under": ", ".join(term.invariant_under),
            "source": term.source, "of_channel": term.of_channel, "numbered": term.numbered,
        }
        for term in DESCRIPTOR_TERMS.values()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def find_term(column: str, channels: Collection[str] = ()) -> DescriptorTerm:
    """Return the term of a table's column.

    A column is named ``term``, ``channel_term``, or either with ``_number`` behind it; the mean of
    a channel has the channel's name alone.

    Parameters
    ----------
    column
        Name in a ``PatchTable``.
    channels
        Names of the table's channels. When none are given, any text may stand before the name of
        a term that channels have.

    Raises
    ------
    InputError
        For a name that the vocabulary does not hold.

    Examples
    --------
    >>> find_term("height_gradient", ["height"]).name, find_term("height", ["height"]).name
    ('gradient', 'channel_mean')
    """
    if column in channels:
        return DESCRIPTOR_TERMS["channel_mean"]
    if column in DESCRIPTOR_TERMS:
        return DESCRIPTOR_TERMS[column]
    plain = re.sub(r"_\d+$", "", column)
    for name, only_numbered in ((column, False), (plain, True)):
        if only_numbered and plain == column:
            break
        fitting = [
            term
            for term in DESCRIPTOR_TERMS.values()
            if (term.numbered or not only_numbered) and _names(name, term, channels)
        ]
        if fitting:
            return max(fitting, key=lambda term: len(term.name))
    raise InputError(
        f"column must be a controlled name (descriptor_terms lists them) or a channel's; got "
        f"{column!r}."
    )


def _names(column: str, term: DescriptorTerm, channels: Collection[str]) -> bool:
    """Whether a column without its number is a term, alone or behind a channel's name."""
    if column == term.name:
        return True
    if not term.of_channel or not column.endswith(f"_{term.name}"):
        return False
    before = column[: -len(term.name) - 1]
    return bool(before) and (not channels or before in channels)
