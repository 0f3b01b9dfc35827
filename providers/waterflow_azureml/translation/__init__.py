"""What turns a spec into a pipeline job, part by part; pure."""
