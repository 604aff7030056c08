"""The width of a wall behind the blur of the microscope."""
