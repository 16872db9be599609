"""The public names, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_medad


@pytest.mark.parametrize("name", napari_medad.__all__)
def test_every_public_name_is_there(name):
    assert callable(getattr(napari_medad, name))
    assert name in dir(napari_medad)


@pytest.mark.parametrize(
    "before", ["import napari_medad", "from napari_medad.detectors.registry import card"]
)
def test_detectors_lists_the_cards_and_is_the_package_too(before):
    script = (
        f"{before}\n"
        "import sys, napari_medad as medad\n"
        "assert 'hyperintensity' in medad.detectors() and 'moe' in medad.detectors()\n"
        "from napari_medad import detectors\n"
        "assert detectors() == medad.detectors() == detectors.registry.cards()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'diagnose'"):
        _ = napari_medad.diagnose
