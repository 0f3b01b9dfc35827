"""A provider that stands on Waterflow's public core alone: it runs one job after another."""
