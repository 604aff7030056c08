"""Domain walls and Ginzburg-Landau films: what is reached, beside other ways."""
