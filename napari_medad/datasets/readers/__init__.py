"""One module for each layout or family of layouts; each is found by its `LAYOUTS`."""
