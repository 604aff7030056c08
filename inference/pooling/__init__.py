"""Partial pooling of couplings over samples."""
