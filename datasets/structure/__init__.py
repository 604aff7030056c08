"""What the columns do: strain, polarization, order, rings."""
