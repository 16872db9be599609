"""Pieces that docks share."""
