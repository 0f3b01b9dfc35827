"""The Azure ML provider: pipelines as Azure ML pipeline jobs of command components."""
