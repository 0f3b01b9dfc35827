"""What turns a spec into a pipeline definition, part by part; pure."""
