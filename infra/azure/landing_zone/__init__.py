"""The landing zone on Azure: its parts, each a component, and what it is told and tells."""
