"""The Vertex AI provider."""
