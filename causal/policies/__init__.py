"""Rules that say which act is worth most next."""
