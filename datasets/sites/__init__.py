"""What the columns are: species, lattice sites, vacancies."""
