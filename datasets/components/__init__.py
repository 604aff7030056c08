"""Few numbers that stand for many: components, classes, spectra from patches, fused channels."""
