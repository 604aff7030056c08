"""Which sites are neighbours: crystals, measured positions, any graph, triplets of bonds."""
