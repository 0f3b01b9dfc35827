"""What travels into Vertex AI's jobs; it stands on the standard library."""
