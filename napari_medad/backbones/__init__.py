"""Encoders that several methods stand on."""
