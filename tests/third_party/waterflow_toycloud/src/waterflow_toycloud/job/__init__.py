"""What travels into the toy cloud's jobs."""
