"""How fast a wall moves at a drive, and how often a domain is born."""
