"""Controlled names of the descriptors that the pixels of a picture or channel give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["PIXEL_TERMS"]

PLACED = ("rotation", "shift", "mirror image")
OFFSET = (*PLACED, "intensity offset")
FREE = (*OFFSET, "intensity scale")

LAGUERRE = "Teh and Chin (1988), doi:10.1109/34.3913 (rotation-invariant moments)"

PIXEL_TERMS = (
    DescriptorTerm(
        "mean_intensity", "{channel}", 0, "mean of the picture's pixels in the patch", PLACED,
    ),
    DescriptorTerm(
        "channel_mean", "{channel}", None,
        "mean of the channel's pixels in the patch, of an angle the direction of mean exp(i angle);"
        " the column has the channel's own name", PLACED, of_channel=True,
    ),
    DescriptorTerm(
        "local_variance", "{channel}^2", None,
        "sum (pixel - mean of the patch)^2 / (n - 1), less the noise's share", OFFSET,
        of_channel=True,
    ),
    DescriptorTerm(
        "skewness", "1", None,
        "mean (pixel - mean)^3 / (variance less noise, at least a quarter of it with noise)^(3/2)",
        FREE, of_channel=True,
    ),
    DescriptorTerm(
        "gradient", "{channel}/{length}", None,
        "|slope| of the least-squares plane through the patch, the noise's share taken from its "
        "square", OFFSET, of_channel=True,
    ),
    DescriptorTerm(
        "slope_rms", "{channel}/{length}", None,
        "root of the mean square central difference between pixels, less the noise's share", OFFSET,
        of_channel=True,
    ),
    DescriptorTerm(
        "anisotropy", "1", None,
        "sqrt((Jxx - Jyy)^2 + 4 Jxy^2) / (Jxx + Jyy), J the mean of grad I grad I^T less noise",
        FREE, of_channel=True,
    ),
    DescriptorTerm(
        "symmetry", "1", None,
        "|sum_q S(q) exp(i m phi_q)| / sum_q S(q) for m = 2, 4, 6 (the number at the end), S the "
        "power under a Hann window less noise, limited softly at 1 - 3 cycles a patch and .4 - .5 "
        "cycles a pixel",
        FREE, of_channel=True, numbered=True,
    ),
    DescriptorTerm(
        "threefold", "1", None,
        "sum_p |c_p3|^2 / sum_(p, m > 0) |c_pm|^2 less noise, with the coefficients of "
        "polar_fourier about the motif's centre", FREE, LAGUERRE, of_channel=True,
    ),
    DescriptorTerm(
        "crystallinity", "1", None,
        "share of the patch's power (no plane, Hann window, less noise) in its three strongest "
        "periods", FREE, of_channel=True,
    ),
    DescriptorTerm(
        "sharpness", "1", None,
        "sum_q S_q^2 / (sum_q S_q)^2, S the power at frequency q (no plane, Hann window, less "
        "noise): one over the number of waves", FREE, of_channel=True,
    ),
    DescriptorTerm(
        "lattice_amplitude", "{channel}", None,
        "sqrt(mean_j |a_j|^2), a_j = 2 sum w I exp(-2 pi i q_j r) / sum w at the periods q_j of "
        "the whole picture, less noise", ("shift", "intensity offset"), of_channel=True,
    ),
    DescriptorTerm(
        "lattice_order", "1", None,
        "sum_j |a_j|^2 / 2 over the variance under the same window, both less noise",
        ("shift", "intensity offset", "intensity scale"), of_channel=True,
    ),
    DescriptorTerm(
        "radial_power", "{channel}^2", None,
        "power (Hann window, less noise) at frequencies in ring k of 5 (the number at the end), "
        "even in the logarithm from .75 / edge to half a cycle a pixel", OFFSET,
        of_channel=True, numbered=True,
    ),
    DescriptorTerm(
        "polar_fourier", "{channel}", None,
        "c_p0 or |c_pm| (noise removed), c_pm = sum I R_pm(r) exp(-i m theta) with Laguerre-Gauss "
        "R about the motif's own centre; numbered through p for m = 0, then m = 1, 2, ... with "
        "2 p + m up to 8", OFFSET, LAGUERRE, of_channel=True, numbered=True,
    ),
)  # fmt: skip
