"""What runs inside a job: on the standard library alone, until the user's function needs more."""
