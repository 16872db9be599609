"""A small random CLIP, loaded once."""

import pytest

from napari_medad.backbones.clip.load import Clip, load_clip


@pytest.fixture(scope="session")
def tiny() -> Clip:
    return load_clip("tiny")


@pytest.fixture(scope="session")
def tiny_pmc() -> Clip:
    return load_clip("tiny-pmc")


@pytest.fixture(scope="session")
def tiny_biomed() -> Clip:
    return load_clip("tiny-biomed")
