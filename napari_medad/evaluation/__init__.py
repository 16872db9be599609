"""Metrics against a reference."""
