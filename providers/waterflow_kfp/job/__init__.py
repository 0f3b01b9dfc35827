"""Programs that run inside jobs; standard library only."""
