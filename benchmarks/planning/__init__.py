"""How well the planner tells hypotheses apart, keeps quiet, and stays within its limits."""
