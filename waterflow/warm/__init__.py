"""The warm helper: a process beside a project that keeps libraries imported between its runs."""
