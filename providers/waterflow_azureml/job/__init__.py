"""What travels into every job and runs there, on the standard library alone."""
