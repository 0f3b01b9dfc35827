"""Values that steps return, and what the next step gets: tables of them, through two processes."""
