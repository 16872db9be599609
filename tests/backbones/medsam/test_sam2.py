"""MedSAM2's parts at 512 pixels, where the sam2 package is installed."""

import numpy as np
import pytest

from napari_medad.backbones.medsam.prompts import Box, Points
from napari_medad.backbones.medsam.sam2 import Sam2, load_sam2
from napari_medad.errors import MedadError

pytest.importorskip("sam2")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:cannot import name"),
]


@pytest.fixture(scope="module")
def sam() -> Sam2:
    return Sam2(load_sam2(None, untrained=True))


def test_size_is_the_published_one(sam) -> None:
    assert sum(p.numel() for p in sam.network.parameters()) == 38_962_498
    assert len(sam.network.state_dict()) == 471


def test_answers_and_films_lie_on_the_slices(sam) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (3, 60, 80)).astype(np.uint8)
    sam.look(grey[0])
    assert sam.ask(box=Box(10, 20, 50, 40)).shape == (60, 80)
    assert sam.ask(points=Points(np.array([[20.0, 30.0]]), np.array([True]))).shape == (60, 80)
    film = sam.follow(grey, 1, box=Box(10, 20, 50, 40))
    assert film.shape == (3, 60, 80)
    assert film[1].max() > 0


def test_without_weights_it_says_which_file() -> None:
    with pytest.raises(MedadError, match="MedSAM2_latest"):
        load_sam2(None)
