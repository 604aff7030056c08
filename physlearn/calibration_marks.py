"""Estimators outside their band in the calibration ledger, until they are mended."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Mark", "uncalibrated"]


@dataclass(frozen=True)
class Mark:
    """A variable whose intervals held too few or too many truths.

    Attributes
    ----------
    row
        Row of the ledger (docs/calibration.md).
    function
        Dotted public name below physlearn.
    variable
        Variable, or element as ``couplings[1]``.
    likelihood
        ``attrs["likelihood"]`` of the fits that it speaks of.
    cov90
        Share of 90 % intervals that held the truth.
    replicates
        Of how many.
    """

    row: str
    function: str
    variable: str
    likelihood: str
    cov90: float
    replicates: int

    @property
    def said(self) -> str:
        """What a summary says."""
        share = f"{self.cov90:.2f}".removeprefix("0")
        return f"uncalibrated: cov90 {share} of {self.replicates} ({self.row})"


def uncalibrated(
    label: str, *, likelihood: str = "", function: str = "", marks: tuple[Mark, ...] | None = None
) -> str:
    """Return what the ledger holds against a variable of a fit, or nothing.

    Parameters
    ----------
    label
        Variable or element, as the summary names it.
    likelihood
        ``attrs["likelihood"]`` of a fit.
    function
        Dotted public name, for results that are no ``Fit``.
    marks
        Other marks than the package's.

    Examples
    --------
    >>> one = Mark("a/b", "inference.fit_a", "rate", "counts", 0.78, 200)
    >>> uncalibrated("rate", likelihood="counts", marks=(one,))
    'uncalibrated: cov90 .78 of 200 (a/b)'
    >>> uncalibrated("rate", likelihood="another", marks=(one,))
    ''
    """
    for mark in MARKS if marks is None else marks:
        same = mark.likelihood == likelihood if likelihood else mark.function == function
        # a mark of one element speaks of the whole variable: the world it was found in is one
        if same and mark.variable.split("[")[0] == label.split("[")[0]:
            return mark.said
    return ""


# made by python -m benchmarks.ledger
MARKS: tuple[Mark, ...] = ()
