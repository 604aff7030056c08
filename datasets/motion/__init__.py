"""Columns and defects over time: identities, hops, transitions."""
