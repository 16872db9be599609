"""Where a network's numbers come from."""
