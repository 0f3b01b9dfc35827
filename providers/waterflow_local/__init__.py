"""The local provider: runs pipelines on this machine, under the same job contract as a cloud."""
