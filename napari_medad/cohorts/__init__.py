"""Many studies through one detector."""
