"""What no SDK states of each cloud's resources: one module per package, named as the package."""
