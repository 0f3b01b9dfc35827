"""What makes resources for real, at an address that stands for the cloud: one module a package."""
