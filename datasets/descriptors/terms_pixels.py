"""Controlled names of the descriptors that the pixels of a picture or channel give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["PIXEL_TERMS"]

PLACED = ("rotation", "shift", "mirror image")
OFFSET = (*PLACED, "intensity offset")
FREE = (*OFFSET, "intensity scale")

PIXEL_TERMS = (
    DescriptorTerm(
        "mean_intensity", "{channel}", 0, "mean of the picture's pixels in the patch", PLACED,
    ),
    DescriptorTerm(
        "channel_mean", "{channel}", None,
        "mean of the channel's pixels in the patch; the column has the channel's own name", PLACED,
        of_channel=True,
    ),
    DescriptorTerm(
        "local_variance", "{channel}^2", 1, "mean of (pixel - mean of the patch)^2", OFFSET,
        of_channel=True,
    ),
    DescriptorTerm(
        "gradient", "{channel}/{length}", 1, "|(mean dI/dx, mean dI/dy)| over the patch", OFFSET,
        of_channel=True,
    ),
    DescriptorTerm(
        "crystallinity", "1", 1,
        "share of the patch's power (no plane, Hann window) that lies in its strongest period",
        FREE, of_channel=True,
    ),
)  # fmt: skip
