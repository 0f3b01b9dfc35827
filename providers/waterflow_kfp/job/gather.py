"""Gathers what the jobs of a map have made, one for each item, into one artifact."""
