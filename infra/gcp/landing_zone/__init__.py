"""Waterflow's landing zone on Google Cloud."""
