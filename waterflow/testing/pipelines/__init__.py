"""The kit's pipelines: copied into a project of their own, where they are a user's code."""
