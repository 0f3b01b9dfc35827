"""Suites that the tests of each cloud derive: what holds of every landing zone."""
