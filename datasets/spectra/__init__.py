"""A spectrum in every pixel: loops, resonances, stacks of spectra, robust to spoilt pixels."""
