"""Runs: planned, submitted, held by their users, and the keys of their results."""
