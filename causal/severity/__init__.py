"""Claims that were put to the test: evidence against declared deviations, and "none of these"."""
