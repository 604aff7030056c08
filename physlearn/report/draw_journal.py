"""Figures of a journal's size: widths in millimetres, small type, letters as letters."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, check_positive
from physlearn.report.drawing import COLORS, STYLE
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLUMN_MM", "FULL_WIDTH_MM", "journal_style", "save_figure"]

COLUMN_MM, FULL_WIDTH_MM = 89.0, 183.0
"""Width of one and of two columns in the journals of our field."""

MM_PER_INCH = 25.4
MOST_MM = 500.0
DOTS_PER_INCH = 600
KINDS = (".pdf", ".svg", ".eps", ".png", ".tif", ".tiff")


@contextlib.contextmanager
def journal_style(width_mm: float = COLUMN_MM, *, height_mm: float | None = None) -> Iterator[None]:
    """Within this context new figures have a journal's width, 7 and 8 point type and thin lines.

    Parameters
    ----------
    width_mm
        89 for one column, 183 for two.
    height_mm
        Three quarters of the width by default.

    Raises
    ------
    InputError
        For sizes that are not above 0 and at most 500 mm.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> with journal_style(89):
    ...     figure, ax = pyplot.subplots()
    >>> [round(25.4 * float(inch)) for inch in figure.get_size_inches()]
    [89, 67]
    """
    import matplotlib
    from cycler import cycler

    width = _millimetres("width_mm", width_mm)
    height = 0.75 * width if height_mm is None else _millimetres("height_mm", height_mm)
    style: Any = {
        **STYLE,
        "figure.figsize": (width / MM_PER_INCH, height / MM_PER_INCH),
        "figure.constrained_layout.use": True,
        "font.size": 7.0, "axes.labelsize": 8.0, "axes.titlesize": 8.0, "xtick.labelsize": 7.0,
        "ytick.labelsize": 7.0, "legend.fontsize": 7.0, "lines.linewidth": 1.0,
        "lines.markersize": 3.5, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
        "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
        "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
        "mathtext.fontset": "stixsans",
        # letters stay letters: editors can change them, and readers can search them
        "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
        "savefig.dpi": DOTS_PER_INCH, "axes.prop_cycle": cycler(color=COLORS[:6]),
    }  # fmt: skip
    with matplotlib.rc_context(style):
        yield


def save_figure(
    axes: Axes,
    path: str | os.PathLike[str],
    *,
    width_mm: float = COLUMN_MM,
    height_mm: float | None = None,
) -> Path:
    """Write the figure of some axes at a journal's size; the file's suffix names its kind.

    Every text is drawn with 7 points, titles and axis labels with 8; lines of plots keep their
    widths. The figure itself is left as it was.

    Parameters
    ----------
    axes
        As every plot returns.
    path
        Ends in .pdf, .svg, .eps (vectors) or .png, .tif (600 dots an inch).
    width_mm
        89 for one column, 183 for two.
    height_mm
        Keeps the figure's shape by default.

    Raises
    ------
    InputError
        For another suffix, or sizes that are not above 0 and at most 500 mm.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib import pyplot
    >>> _, ax = pyplot.subplots()
    >>> save_figure(ax, Path(tempfile.mkdtemp()) / "fig.pdf", width_mm=89).read_bytes()[:5]
    b'%PDF-'
    """
    import matplotlib
    from matplotlib.text import Text

    target = Path(path)
    if target.suffix.lower() not in KINDS:
        raise InputError(f"path must end in {', '.join(KINDS)}; got {target.name!r}.")
    width = _millimetres("width_mm", width_mm)
    figure: Any = axes.get_figure(root=True)
    before = tuple(figure.get_size_inches())
    height = width * before[1] / before[0]
    if height_mm is not None:
        height = _millimetres("height_mm", height_mm)
    texts: list[Any] = figure.findobj(Text)
    sizes = [text.get_fontsize() for text in texts]
    heads = {id(text) for ax in figure.axes for text in
             (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label)}  # fmt: skip
    letters: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
    try:
        for text in texts:
            text.set_fontsize(8.0 if id(text) in heads else 7.0)
        figure.set_size_inches(width / MM_PER_INCH, height / MM_PER_INCH)
        with matplotlib.rc_context(letters), atomic_write(target) as temporary:
            figure.savefig(temporary, dpi=DOTS_PER_INCH)
    finally:
        figure.set_size_inches(*before)
        for text, size in zip(texts, sizes, strict=True):
            text.set_fontsize(size)
    return target


def _millimetres(name: str, value: float) -> float:
    if check_positive(name, value) > MOST_MM:
        raise InputError(f"{name} must be at most {MOST_MM:g} mm; got {value!r}.")
    return float(value)
