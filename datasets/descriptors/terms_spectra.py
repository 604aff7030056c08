"""Controlled names of the descriptors that spectra of pixels give."""

from __future__ import annotations

from physlearn.datasets.descriptors.descriptor_term import DescriptorTerm

__all__ = ["SPECTRUM_TERMS"]

SPECTRUM_TERMS: tuple[DescriptorTerm, ...] = ()
