"""Kubeflow Pipelines' document, which Vertex AI and open-source Kubeflow Pipelines share."""
