"""Running compiled pipelines for real: what the emulators of Vertex AI and Kubeflow share."""
