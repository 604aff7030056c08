"""How walls are followed."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.checks import check_positive
from physlearn.option_fields import check_fields

__all__ = ["TrackWallsOptions"]


@dataclass(frozen=True, slots=True)
class TrackWallsOptions:
    """How walls are followed; lengths in pixels.

    Attributes
    ----------
    wall_width_pixel
        w of the profile tanh(distance / w); None measures it.
    spacing_pixel
        Distance of the contour points: each is fitted to the pixels nearest to it.
    smoothing_pixel
        Scale along the wall over which normals and curvature are smoothed.
    shortest_wall_pixel
        Shorter contours are left out.
    largest_step_pixel
        A wall that moves farther between two frames is taken for another wall.
    normalize
        Bring the frames to one scale first (`normalize_frames`).
    line_time
        Time from one row of the scan to the next, in the video's time unit: row r of a frame was
        taken r line times after the frame's time. None takes the video's attribute ``line_time``
        (or ``line_time_s`` where times are in seconds); without either, a frame has one time.

    Raises
    ------
    InputError
        When a length is not positive.

    Examples
    --------
    >>> TrackWallsOptions(wall_width_pixel=2.0).smoothing_pixel
    3.0
    """

    wall_width_pixel: float | None = None
    spacing_pixel: float = 1.0
    smoothing_pixel: float = 3.0
    shortest_wall_pixel: float = 15.0
    largest_step_pixel: float = 6.0
    normalize: bool = True
    line_time: float | None = None

    def __post_init__(self) -> None:
        lengths = (
            "spacing_pixel", "smoothing_pixel", "shortest_wall_pixel", "largest_step_pixel",
        )  # fmt: skip
        for name in lengths:
            check_positive(name, getattr(self, name))
        if self.wall_width_pixel is not None:
            check_positive("wall_width_pixel", self.wall_width_pixel)
        check_fields(self)
