"""Pipelines in YAML, for who does not code: the same spec as the same pipeline in Python."""

from waterflow.yaml_pipeline.document import schema
from waterflow.yaml_pipeline.pipeline import YamlPipeline, load

__all__ = ["YamlPipeline", "load", "schema"]
