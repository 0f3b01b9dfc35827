"""Tracking: what turns the events of a run into MLflow runs and model versions, losing none."""
