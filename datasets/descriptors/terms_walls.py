"""Controlled names of the descriptors that domain walls give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["WALL_TERMS"]

STILL = ("rotation", "shift", "mirror image", "intensity scale", "intensity offset")
TURNING = ("shift", "intensity scale", "intensity offset")

WALL_TERMS: tuple[DescriptorTerm, ...] = (
    DescriptorTerm(
        "wall_distance", "{length}", 1,
        "distance from the patch's centre to the circle fitted to the nearest wall, two smoothing "
        "lengths (at most half a patch, 0.35 radians) of wall on either side",
        STILL,
    ),
    DescriptorTerm(
        "wall_curvature", "1/{length}", 1,
        "curvature of the circle through half a patch (at most 0.6 radians) of the nearest wall on "
        "either side, positive where the positive domain is convex",
        STILL,
    ),
    DescriptorTerm(
        "wall_length", "{length}", 1, "length of all walls in the patch, along the smoothed wall",
        ("shift", "intensity scale", "intensity offset", "mirror image"),
    ),
    DescriptorTerm(
        "wall_normal_x", "1", 1,
        "x of the first circle's unit normal at its point nearest to the patch's centre, from the "
        "positive to the negative domain",
        (*TURNING, "length scale"),
    ),
    DescriptorTerm(
        "wall_normal_y", "1", 1,
        "y of the first circle's unit normal at its point nearest to the patch's centre, from the "
        "positive to the negative domain",
        (*TURNING, "length scale"),
    ),
)  # fmt: skip
