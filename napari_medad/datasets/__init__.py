"""Public datasets, read as their authors lay them out."""
