"""Plans on real instruments: bluesky, any instrument of two functions, replayed recordings."""
