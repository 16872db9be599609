"""The tables of the papers, for whoever has the data."""
