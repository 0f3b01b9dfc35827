"""Runs on SageMaker: deployed, started, found, read and tracked."""
