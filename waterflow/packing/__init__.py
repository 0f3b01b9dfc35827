"""What travels with a step: its code, and the libraries that it needs."""
