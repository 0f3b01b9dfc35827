"""The verbs: each module holds one, as `command`."""
