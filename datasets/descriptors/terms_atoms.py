"""Controlled names of the descriptors that atoms, sites and what was measured on them give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["ATOM_TERMS"]

PLACED = ("rotation", "shift", "intensity scale", "intensity offset", "mirror image")
FREE = (*PLACED, "length scale")

ATOM_TERMS = (
    DescriptorTerm(
        "composition", "1", 0,
        "share of the patch's sites that hold the +1 species, each site by its label", FREE,
    ),
    DescriptorTerm(
        "intensity_residual", "1", 0,
        "mean over the sites of log(intensity) - mean log(intensity) of the same species", FREE,
    ),
    DescriptorTerm(
        "missing_neighbours", "neighbours per site", 0,
        "mean over the sites of max(neighbours of the lattice - neighbours found, 0)", FREE,
    ),
    DescriptorTerm("density", "columns per patch", 0, "number of columns in the patch", PLACED),
    DescriptorTerm(
        "dilation", "1", 1,
        "e_xx + e_yy of the affine map from the mean lattice to the patch's positions", FREE,
    ),
    DescriptorTerm(
        "deviatoric_strain", "1", 1,
        "e_xx - e_yy of the same map: turns with the axes", FREE[1:],
    ),
    DescriptorTerm(
        "shear_strain", "1", 1, "2 e_xy of the same map: turns with the axes", FREE[1:],
    ),
    DescriptorTerm(
        "bond_order", "1", 1,
        "mean over the columns of |psi_k|, psi_k = mean over k neighbours of exp(i k angle)",
        FREE, "Nelson and Halperin 1979, doi:10.1103/PhysRevB.19.2457",
    ),
)  # fmt: skip
