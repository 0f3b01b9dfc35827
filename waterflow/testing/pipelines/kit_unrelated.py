"""A module of the project that no step imports: editing it must cost no cached result."""

ANSWER = 42
