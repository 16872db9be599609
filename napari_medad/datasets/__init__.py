"""Public datasets, read as their authors lay them out."""

from napari_medad.datasets.dataset import Box, Dataset, DatasetCase
from napari_medad.datasets.reading import layouts, read_dataset

__all__ = ["Box", "Dataset", "DatasetCase", "layouts", "read_dataset"]
