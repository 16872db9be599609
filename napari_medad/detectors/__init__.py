"""The detector interface, and one folder a method."""
