"""Plans as data: what to do in which order, checked before anything moves."""
