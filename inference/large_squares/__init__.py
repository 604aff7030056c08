"""Square pictures of any size, counted in strips of rows and simulated one bit a site."""
