"""Controlled names of the descriptors that domain walls give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["WALL_TERMS"]

WALL_TERMS: tuple[DescriptorTerm, ...] = ()
