"""Azure ML: pipelines as pipeline jobs of command components."""
