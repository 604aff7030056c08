"""What stands below the frames of a movie of walls: frame, time, scale bar and legend."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.records import WallTrack

__all__ = ["EVENT_COLOURS", "captioned"]

Colours = NDArray[np.uint8]

EVENT_COLOURS = {
    "birth": (0, 190, 140), "enter": (0, 190, 140), "vanish": (235, 110, 40),
    "leave": (235, 110, 40), "merge": (255, 240, 80), "split": (215, 120, 190),
}  # fmt: skip
RINGS = (("birth", "born or entered"), ("vanish", "vanished or left"), ("merge", "merged"),
         ("split", "split"))  # fmt: skip
UNITS = {"pixel": "px", "um": "µm", "angstrom": "Å"}
LINE = 16
MARGIN = 5
BAR_SHARE = 0.25
BAR_PIXEL = 4


def captioned(picture: Colours, track: WallTrack, frame: int, pixel: float) -> Colours:
    """Return a frame with a scale bar in it and its caption below.

    Parameters
    ----------
    picture
        uint8, shape (rows, columns, 3).
    track
        What the frame shows.
    frame
        Its number.
    pixel
        Length of one pixel of the picture, in the track's unit.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_scene
    >>> track = make_wall_scene("domains", (48, 48), 3, rng=1).track
    >>> captioned(np.zeros((400, 500, 3), np.uint8), track, 0, 0.1).shape
    (442, 500, 3)
    """
    from PIL import Image, ImageDraw

    rows, columns = picture.shape[:2]
    length = bar_length(BAR_SHARE * columns * pixel)
    words = [(f"frame {frame} of 0 to {track.n_frames - 1}", (255, 255, 255), False)]
    if track.time_unit != "frame":
        words.append((f"{track.frame_times[frame]:.4g} {track.time_unit}", (255, 255, 255), False))
    words.append((f"bar {length:g} {UNITS.get(track.unit, track.unit)}", (255, 255, 255), False))
    words += [(text, EVENT_COLOURS[kind], True) for kind, text in RINGS]
    canvas = Image.new("RGB", (columns, rows))
    canvas.paste(Image.fromarray(picture), (0, 0))
    pen = ImageDraw.Draw(canvas)
    bottom, left = rows - 2 * MARGIN, 2 * MARGIN
    right = left + round(length / pixel)
    pen.rectangle((left - 1, bottom - BAR_PIXEL - 1, right + 1, bottom + 1), fill=(0, 0, 0))
    pen.rectangle((left, bottom - BAR_PIXEL, right, bottom), fill=(255, 255, 255))
    places, height = _places(words, columns, pen)
    tall = Image.new("RGB", (columns, rows + height))
    tall.paste(canvas, (0, 0))
    pen = ImageDraw.Draw(tall)
    for (text, colour, ring), (x, y) in zip(words, places, strict=True):
        if ring:
            pen.ellipse((x, rows + y + 2, x + 9, rows + y + 11), outline=colour, width=2)
        pen.text((x + 13 * ring, rows + y), text, fill=colour)
    return np.asarray(tall)


def bar_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above ``longest``.

    Examples
    --------
    >>> bar_length(0.37), bar_length(730.0)
    (0.2, 500.0)
    """
    power = 10.0 ** math.floor(math.log10(longest))
    return float(f"{max(step * power for step in (1, 2, 5) if step * power <= longest):.6g}")


def _places(
    words: list[tuple[str, tuple[int, int, int], bool]], columns: int, pen: object
) -> tuple[list[tuple[int, int]], int]:
    """Return where the words stand, in as many lines as they need, and the height of all."""
    places = []
    x, y = MARGIN, MARGIN
    for text, _, ring in words:
        width = int(pen.textlength(text)) + 13 * ring  # type: ignore[attr-defined]
        if x > MARGIN and x + width > columns - MARGIN:
            x, y = MARGIN, y + LINE
        places.append((x, y))
        x += width + 3 * MARGIN
    return places, y + LINE + MARGIN
