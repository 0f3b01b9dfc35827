"""A module that is imported by a name made at run time only: no bundle holds it."""
