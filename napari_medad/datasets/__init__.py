"""Public datasets, read as their authors lay them out."""

from napari_medad.datasets.dataset import Box, Dataset, DatasetCase
from napari_medad.datasets.facts import DatasetFacts, facts
from napari_medad.datasets.manifest import WrittenManifest, write_manifest
from napari_medad.datasets.reading import layouts, read_dataset, read_datasets

__all__ = [
    "Box",
    "Dataset",
    "DatasetCase",
    "DatasetFacts",
    "WrittenManifest",
    "facts",
    "layouts",
    "read_dataset",
    "read_datasets",
    "write_manifest",
]
