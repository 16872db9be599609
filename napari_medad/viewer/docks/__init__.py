"""One widget a dock."""
