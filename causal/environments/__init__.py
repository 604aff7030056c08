"""What stays the same when the environment, the imaging or one place changes."""
