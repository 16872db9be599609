"""Fixtures of the whole suite: real data where it is, no network, few threads."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

os.environ.setdefault("QT_API", "pyqt6")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

REAL_DATA = Path(os.environ.get("MEDAD_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real scans; absent on most machines, never in continuous integration."""
    if not (REAL_DATA / "SOURCES.md").is_file():
        message = f"real scans are not at {REAL_DATA} (set MEDAD_TEST_DATA to their folder)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return REAL_DATA


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> object:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"tests reach no network, but something called {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(autouse=True)
def _own_weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own added weights out of the tests."""
    monkeypatch.setenv("MEDAD_WEIGHTS", str(tmp_path / "weights-home"))


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of the command's tables are not folded, whenever its console was made."""
    from rich.console import Console

    from napari_medad.cli import console

    monkeypatch.setattr(console, "stdout", Console(width=600))


@pytest.fixture
def tiny_brat(_own_weights_folder: None) -> Path:
    """Installed weights "tiny" of brat: random numbers in a network of one layer."""
    import torch

    from napari_medad.detectors.brat.network import Brat
    from napari_medad.detectors.brat.settings import BratShape
    from napari_medad.detectors.brat.text import learned_vocabulary, usual_sentences
    from napari_medad.weights.installed import weights_home
    from napari_medad.weights.model_folder import ModelFolder

    vocabulary = learned_vocabulary([usual_sentences()])
    shape = BratShape(
        backbone="small", depth=32, side=64, queries=4, width=16, layers=2, heads=2,
        feed_forward=16, embedding=8, vocabulary=len(vocabulary), positions=300,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = weights_home() / "brat" / "tiny"
    folder.mkdir(parents=True)
    facts = {"vocabulary": vocabulary}
    ModelFolder(folder, "brat", shape.model_dump(mode="json"), facts).write(
        Brat(shape).state_dict()
    )
    return folder
