"""A study through a detector."""
