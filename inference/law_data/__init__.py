"""What a law is fitted to: points with their noise, units, groups, links and censoring."""
