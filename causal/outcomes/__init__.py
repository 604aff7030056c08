"""What came of acts, and what attempts teach about those to come."""
