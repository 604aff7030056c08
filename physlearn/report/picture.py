"""A drawn figure: as a file of dots, as a file of lines, and as a page shows it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["Picture", "Place", "Spot", "render_picture"]

DOTS_PER_INCH = 170
MOST_INLINE = 260_000
"""Letters: a larger drawing travels as dots in the page, and as lines in its file only."""

MOST_MARKS = 3000
"""A drawing program chokes on more: such marks are dots inside the drawing."""

MOST_TILES = 100

MOST_STOPS = 12
"""More places than these are there for the pointer; the keyboard need not pass all of them."""

INKS = {
    "#22303c": "var(--ink)", "#8a949e": "var(--soft)", "#ffffff": "var(--card)",
    "#0072b2": "var(--blue)", "#d55e00": "var(--red)", "#dcebf5": "var(--pale-blue)",
    "#e6f3ec": "var(--pale-green)", "#fbe9dc": "var(--pale-red)", "#f9d3b8": "var(--pale-orange)",
    "#e8ebee": "var(--ground)",
}  # fmt: skip
"""Colours of a drawing that follow the page, so that it can be read on a dark one."""

Place = tuple[Axes, float, float, str]
"""Axes, position in their data, and what to say there."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place of a picture that has something to say.

    Attributes
    ----------
    left, top
        In per cent of the picture.
    text
        What it says.
    stop
        Whether the keyboard stops there.
    """

    left: float
    top: float
    text: str
    stop: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure.

    Attributes
    ----------
    png, svg
        The files.
    alt
        What it shows, for people who cannot see it.
    caption
        What to look at.
    width, height
        In pixels.
    inline
        The drawing as an element of a page, whose colours follow the page; empty where it lies
        over a photograph, or has so many lines that dots are lighter.
    spots
        Places that say something when the pointer or the keyboard is there.
    """

    png: bytes
    alt: str
    caption: str
    width: int
    height: int
    svg: bytes = b""
    inline: str = ""
    spots: tuple[Spot, ...] = ()

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def render_picture(
    name: str, figure: Figure, alt: str, caption: str, places: Sequence[Place] = ()
) -> Picture:
    """Draw a figure as dots and as lines.

    Parameters
    ----------
    name
        Of the figure; keeps its element's names apart from those of others in one page.
    figure
        From matplotlib.
    alt, caption
        In words.
    places
        Where the figure has something to say.

    Examples
    --------
    >>> figure = Figure((2, 1))
    >>> ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 1), ylim=(0, 1))
    >>> picture = render_picture("a", figure, "Nothing.", "None.", [(ax, 0.25, 1.0, "here")])
    >>> picture.spots, picture.inline[:4]
    ((Spot(left=25.0, top=0.0, text='here', stop=True),), '<svg')
    """
    dots, lines = io.BytesIO(), io.BytesIO()
    sets = [marks for ax in figure.axes for marks in ax.collections]
    many = sum(len(np.asarray(marks.get_offsets())) for marks in sets) > MOST_MARKS
    for marks in sets:
        # squares side by side show seams when they are drawn as lines
        tiled = len(marks.get_paths()) > MOST_TILES
        marks.set_rasterized(many or tiled or marks.get_rasterized())
    figure.savefig(dots, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(lines, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None})
    width, height = (round(DOTS_PER_INCH * float(inch)) for inch in figure.get_size_inches())
    photograph = any(ax.images for ax in figure.axes)
    return Picture(
        dots.getvalue(), alt, caption, width, height, lines.getvalue(),
        "" if photograph else _inline(name, lines.getvalue().decode("utf-8"), alt),
        _spots(figure, places),
    )  # fmt: skip


def _inline(name: str, svg: str, alt: str) -> str:
    """Return a drawing as an element of a page, or nothing where dots are lighter."""
    from markupsafe import escape

    if len(svg) > MOST_INLINE:
        return ""
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.S)
    box = re.search(r'viewBox="([^"]+)"', svg)
    named = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    for found in set(re.findall(r' id="([^"]+)"', body)):
        kept = f' id="{name}-{found}"' if found in named else ""
        body = body.replace(f' id="{found}"', kept)
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    for color, ink in INKS.items():
        body = body.replace(color, ink)
    body = re.sub(r"font: ((?:[\w.]+ )*?[\d.]+px) [^;\"]*", r"font: \1 var(--sans)", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    shape = box.group(1) if box else "0 0 100 100"
    return f'<svg viewBox="{shape}" role="img" aria-label="{escape(alt)}">{body.strip()}'


def _spots(figure: Figure, places: Sequence[Place]) -> tuple[Spot, ...]:
    """Return where places of the axes lie in the picture, once it has been laid out."""
    found = []
    for ax, x, y, text in places:
        across, up = figure.transFigure.inverted().transform(ax.transData.transform((x, y)))
        if 0 <= across <= 1 and 0 <= up <= 1:
            found.append(
                Spot(round(100 * float(across), 2), round(100 * (1 - float(up)), 2), text,
                     len(places) <= MOST_STOPS)
            )  # fmt: skip
    return tuple(found)
