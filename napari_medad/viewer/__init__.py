"""napari and Qt, and nowhere else."""
