"""Translation of steps into jobs of Vertex AI: the machines they run on."""
