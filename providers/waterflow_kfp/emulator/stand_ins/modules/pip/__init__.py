"""A stand-in for pip in jobs: what the environment has already is not installed again."""
