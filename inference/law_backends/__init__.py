"""Other engines behind the same regressor: operon, PySR, and PySINDy as a peer."""
