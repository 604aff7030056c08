"""Time and peak memory of single big problems, against their size."""
