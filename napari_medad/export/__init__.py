"""Results for others: images, DICOM objects, tables, pictures, reports and whole sessions.

The package can be called: `napari_medad.export(detection, "out/")`; see `run.export`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction
    from napari_medad.results.detection import Detection


class _Export(ModuleType):
    """The package itself, which shares its name with the public function."""

    def __call__(
        self,
        result: Detection | Correction,
        folder: str | Path,
        formats: Sequence[str] = ("nifti", "csv", "html"),
        **options: Any,
    ) -> list[Path]:
        """Write a result for other programs and people; see `run.export`."""
        from napari_medad.export.run import export

        return export(result, folder, formats, **options)


sys.modules[__name__].__class__ = _Export
