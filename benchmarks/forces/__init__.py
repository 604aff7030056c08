"""Pair forces, hops and beam-driven changes: what is reached, beside other ways."""
