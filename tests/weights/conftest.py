"""A small method of its own, as another package would bring it, with a catalogue."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from napari_medad.detectors import registry

SOURCES = {
    "__init__.py": """
        from napari_medad.detectors.card import Card

        CARD = Card(
            name="tiny", title="Tiny", about="Two numbers.", package="tiny_method",
            settings_class="settings:TinySettings", detector_class="detector:TinyDetector",
            weights=("authors",), licence="MIT",
        )
    """,
    "settings.py": """
        from napari_medad.detectors.settings import Settings


        class TinySettings(Settings):
            pass
    """,
    "detector.py": """
        from torch import nn

        from napari_medad.detectors.detector import Prediction, SliceDetector
        from napari_medad.weights.checkpoint import load_into
        from napari_medad.weights.installed import find_weights
        from napari_medad.weights.model_folder import ModelFolder
        from tiny_method import CARD


        class TinyDetector(SliceDetector):
            card = CARD

            def load(self, weights):
                found = find_weights("tiny", weights, CARD.weights)
                self.weights = found.record()
                self.network = nn.Linear(2, 1)
                if found.path is not None:
                    model = ModelFolder.read(found.path, "tiny")
                    load_into(self.network, model.tensors(), str(found.path))

            def predict(self, batch, state):
                return Prediction({"anomaly": batch.pixels() * self.network.bias.item()})
    """,
    "checkpoint.py": """
        def convert(tensors):
            ours = {key.removeprefix("module."): value for key, value in tensors.items()}
            return {"width": 2}, ours
    """,
}


@dataclass(frozen=True)
class Method:
    """The method's package folder, and the checkpoint its authors released."""

    folder: Path
    checkpoint: Path

    def list_release(self, url: str, **changes: object) -> None:
        """Write weights.yaml with one release of the checkpoint."""
        data = self.checkpoint.read_bytes()
        entry = {
            "name": "authors",
            "url": url,
            "file": "authors.pth",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "licence": "MIT",
            "citation": "A. Author, Tiny, 2024",
            **changes,
        }
        lines = [f"    {key}: {value}" for key, value in entry.items()]
        text = "released:\n  -\n" + "\n".join(lines) + "\n"
        (self.folder / "weights.yaml").write_text(text)


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Method]:
    """The method `tiny`, registered; its checkpoint has the authors' own keys."""
    folder = tmp_path / "site" / "tiny_method"
    folder.mkdir(parents=True)
    for name, text in SOURCES.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(folder.parent)
    import tiny_method

    cards = {**registry.cards(), "tiny": tiny_method.CARD}
    monkeypatch.setattr(registry, "cards", lambda: cards)
    checkpoint = tmp_path / "authors.pth"
    torch.save(
        {"state_dict": {"module.weight": torch.ones(1, 2), "module.bias": torch.tensor([3.0])}},
        checkpoint,
    )
    yield Method(folder, checkpoint)
    for name in [name for name in sys.modules if name.split(".")[0] == "tiny_method"]:
        del sys.modules[name]
