"""What a request and a definition must be, by the service's own model and by rules it lacks."""
