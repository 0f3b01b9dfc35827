"""The SageMaker provider: pipelines as managed jobs of Amazon SageMaker."""
