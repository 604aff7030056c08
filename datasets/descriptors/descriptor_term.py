"""One entry of the vocabulary of descriptors."""

from __future__ import annotations

from dataclasses import dataclass, field

from physlearn.records.storage import html_table, short_repr

__all__ = ["DEFINITION", "INVARIANCES", "DescriptorTerm"]

INVARIANCES = (
    "rotation", "shift", "intensity scale", "intensity offset", "length scale", "mirror image",
)  # fmt: skip
DEFINITION = "definition"
"""Source of a descriptor that is nothing but its formula."""


@dataclass(frozen=True, slots=True)
class DescriptorTerm:
    """A controlled name of a patch descriptor and what it means.

    Attributes
    ----------
    name
        As it stands in the table, in small letters with underscores.
    unit
        "1" for a pure number; ``{channel}`` stands for the unit of the channel that it is computed
        from and ``{length}`` for the table's unit of length.
    tier
        0 composition, 1 structure, 2 response; None when it has the tier of its channel.
    formula
        How it is computed from the pixels, atoms, walls or spectra of one patch.
    invariant_under
        Which of `INVARIANCES` leave it unchanged up to noise. For descriptors of atoms and walls,
        "intensity scale" speaks of the picture that they were found in. A square of pixels sees a
        turned pattern through other corners: under rotation and shift, descriptors of a patch's
        power (symmetry, crystallinity, sharpness, radial_power) and anisotropy keep their value to
        6 - 15 %, polar_fourier to 2 % of the largest of its kind.
    source
        Paper with DOI, or "definition".
    of_channel
        Whether it may stand behind a channel's name: ``height_skewness``.
    numbered
        Whether several are told apart by a number at the end: ``polar_fourier_12``.

    Examples
    --------
    >>> DescriptorTerm("density", "columns per patch", 0, "number of columns in the patch").tier
    0
    """

    name: str
    unit: str
    tier: int | None
    formula: str
    invariant_under: tuple[str, ...] = ()
    source: str = DEFINITION
    of_channel: bool = field(default=False, kw_only=True)
    numbered: bool = field(default=False, kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        unknown = [one for one in self.invariant_under if one not in INVARIANCES]
        if unknown:
            raise ValueError(f"{self.name} is said to be invariant under {unknown[0]!r}")
        if self.tier not in (None, 0, 1, 2):
            raise ValueError(f"{self.name} has the tier {self.tier!r}")
