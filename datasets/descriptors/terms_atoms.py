"""Controlled names of the descriptors that atoms, sites and what was measured on them give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["ATOM_TERMS"]

LIGHT = ("shift", "intensity scale", "intensity offset")
SIZED = ("rotation", *LIGHT, "mirror image")
FREE = (*SIZED, "length scale")
TURNING = (*LIGHT, "length scale")
ORDER = "Nelson and Halperin 1979, doi:10.1103/PhysRevB.19.2457"

ATOM_TERMS = (
    DescriptorTerm(
        "composition", "1", 0,
        "mean over the patch's sites of the probability of the +1 species", FREE,
    ),
    DescriptorTerm(
        "intensity_residual", "1", 0,
        "mean over the sites of log(intensity) - mean log(intensity) of the same species", FREE,
    ),
    DescriptorTerm(
        "missing_neighbours", "neighbours per site", 0,
        "mean over the sites of max(neighbours of the lattice - neighbours found, 0)", FREE,
    ),
    DescriptorTerm("density", "1/{length}^2", 0, "number of columns / area of the patch", SIZED),
    DescriptorTerm(
        "vacant_sites", "1", 0, "mean over the sites of the probability that they are vacant", FREE
    ),
    DescriptorTerm(
        "half_sites", "1", 0,
        "mean over the sites of the probability that one of a column's two atoms is missing", FREE,
    ),
    DescriptorTerm(
        "other_sites", "1", 0,
        "mean over the sites of the probability of another species than the sublattice's", FREE,
    ),
    DescriptorTerm(
        "dilation", "1", 1,
        "e_xx + e_yy of the map from the mean lattice to the patch's positions, e = U - 1 with "
        "the stretch U of F = R U", FREE,
    ),
    DescriptorTerm(
        "deviatoric_strain", "1", 1, "e_xx - e_yy of the same map: turns with the axes", TURNING,
    ),
    DescriptorTerm(
        "shear_strain", "1", 1, "2 e_xy of the same map: turns with the axes", TURNING,
    ),
    DescriptorTerm(
        "shear_squared", "1", 1,
        "(e_xx - e_yy)^2 + (2 e_xy)^2 of the same map less its expectation from errors", FREE,
    ),
    DescriptorTerm(
        "lattice_rotation", "rad", 1,
        "rotation R of the same map against the mean lattice, positive from +x to +y",
        ("rotation", *TURNING),
    ),
    DescriptorTerm(
        "spacing", "{length}", 1,
        "mean length of the nearest-neighbour bonds with their middle in the patch, less "
        "var(across)/(2 length)", SIZED,
    ),
    DescriptorTerm(
        "coordination", "neighbours per column", 1,
        "mean number of bonds of the patch's columns, those at the edge left out", FREE,
    ),
    DescriptorTerm(
        "bond_order", "1", 1,
        "root mean square of |psi_k|, psi_k = mean over the bonds of exp(i k angle); each product "
        "of two bonds times exp(k^2 var(angle between them) / 2) against position errors",
        FREE, ORDER,
    ),
    DescriptorTerm(
        "bond_order_squared", "1", 1,
        "mean of |psi_k|^2 as in bond_order, for the k that stands behind", FREE, ORDER,
        numbered=True,
    ),
    DescriptorTerm(
        "width_residual", "1", 1,
        "mean log(width of a column) - the same of all columns", FREE,
    ),
    DescriptorTerm(
        "polar_displacement_x", "{length}", 1,
        "mean over the cells of x of a centre column less the mean of its cage", LIGHT,
    ),
    DescriptorTerm(
        "polar_displacement_y", "{length}", 1,
        "mean over the cells of y of a centre column less the mean of its cage", LIGHT,
    ),
    DescriptorTerm(
        "polar_displacement_squared", "{length}^2", 1,
        "mean over the cells of |d|^2 of the same displacement less its expectation from errors",
        SIZED,
    ),
    DescriptorTerm(
        "ring_share", "1", 1,
        "share of the rings centred in the patch that have the number of atoms that stands behind",
        FREE, numbered=True,
    ),
    DescriptorTerm(
        "asymmetry", "1", 1,
        "mean square distance of neighbours turned by 360 degrees / the number that stands behind "
        "from those they fall on, in nearest distances, less its expectation from errors",
        FREE, "Zabrodsky, Peleg and Avnir 1992, doi:10.1021/ja00046a033", numbered=True,
    ),
    DescriptorTerm(
        "ellipticity_plus", "1", 1,
        "mean of e cos(2 angle), e = (long - short) / mean width of a column",
        ("shift", "intensity scale", "length scale"),
    ),
    DescriptorTerm(
        "ellipticity_cross", "1", 1,
        "mean of e sin(2 angle) of the same", ("shift", "intensity scale", "length scale"),
    ),
)  # fmt: skip
