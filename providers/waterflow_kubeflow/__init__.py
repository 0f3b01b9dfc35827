"""The Kubeflow Pipelines provider."""
