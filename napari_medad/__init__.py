"""Anomaly detection in 3D medical images: napari plugin, library and command line.

The public names load on first use, so that `import napari_medad` needs neither torch nor Qt.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medad.cohorts.run import detect_cohort
    from napari_medad.detectors.registry import cards as detectors
    from napari_medad.detectors.registry import load_detector
    from napari_medad.errors import Cancelled, MedadError
    from napari_medad.evaluation.case import evaluate
    from napari_medad.evaluation.folder import evaluate_folder
    from napari_medad.evaluation.folder_files import write_evaluation
    from napari_medad.export.run import export
    from napari_medad.inference.run import detect, detect_all
    from napari_medad.results.followup import follow_up
    from napari_medad.results.loading import load_detection
    from napari_medad.training.loop import train
    from napari_medad.volumes.reader import read_study
else:
    from napari_medad import detectors, export

try:
    __version__ = version("napari-medad")
except PackageNotFoundError:
    __version__ = "0+unknown"

_HOMES = {
    "Cancelled": ("napari_medad.errors", "Cancelled"),
    "MedadError": ("napari_medad.errors", "MedadError"),
    "detect": ("napari_medad.inference.run", "detect"),
    "detect_all": ("napari_medad.inference.run", "detect_all"),
    "detect_cohort": ("napari_medad.cohorts.run", "detect_cohort"),
    "evaluate": ("napari_medad.evaluation.case", "evaluate"),
    "evaluate_folder": ("napari_medad.evaluation.folder", "evaluate_folder"),
    "follow_up": ("napari_medad.results.followup", "follow_up"),
    "load_detection": ("napari_medad.results.loading", "load_detection"),
    "load_detector": ("napari_medad.detectors.registry", "load_detector"),
    "read_study": ("napari_medad.volumes.reader", "read_study"),
    "train": ("napari_medad.training.loop", "train"),
    "write_evaluation": ("napari_medad.evaluation.folder_files", "write_evaluation"),
}
__all__ = [
    "Cancelled",
    "MedadError",
    "detect",
    "detect_all",
    "detect_cohort",
    "detectors",
    "evaluate",
    "evaluate_folder",
    "export",
    "follow_up",
    "load_detection",
    "load_detector",
    "read_study",
    "train",
    "write_evaluation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
