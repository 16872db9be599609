"""A CLIP's files from an address on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_medad.backbones.clip import fetch
from napari_medad.backbones.clip.catalogue import Backbone, ModelFile, backbone
from napari_medad.backbones.clip.fetch import add_backbone_file, fetch_backbone
from napari_medad.cli import run
from napari_medad.errors import Cancelled, MedadError
from napari_medad.weights.installed import weights_home

DATA = {"image.pth": b"image" * 1000, "vocab.txt": b"brain\n"}
SUM = hashlib.sha256(DATA["image.pth"]).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of a folder that holds DATA."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name, data in DATA.items():
        (folder / name).write_bytes(data)
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def model(monkeypatch, served) -> Backbone:
    """A CLIP of two files; its authors state the first digits of one's checksum."""
    return listed(monkeypatch, served, SUM[:8])


def listed(monkeypatch, address: str, checksum: str) -> Backbone:
    files = (
        ModelFile(name="toy/image.pth", url=f"{address}/image.pth", sha256=checksum),
        ModelFile(name="toy/vocab.txt", url=f"{address}/vocab.txt"),
    )
    terms = {"licence": "CC-BY-4.0", "citation": "A. Author, Toy, 2024", "megabytes": 5}
    tiny = backbone("tiny").model
    toy = Backbone(name="toy", title="A toy", model=tiny, files=files, **terms)
    monkeypatch.setattr(fetch, "released", lambda: {"toy": toy})
    monkeypatch.setattr("napari_medad.backbones.clip.catalogue.released", lambda: {"toy": toy})
    return toy


def test_all_files_come_and_their_checksums_are_kept(model):
    told = []
    came = fetch_backbone("toy", lambda *step: told.append(step))
    assert came == {"image.pth": True, "vocab.txt": False}
    assert [file.path.read_bytes() for file in model.files] == list(DATA.values())
    assert ("image.pth", 5000, 5000) in told
    assert fetch_backbone("toy") == {}
    assert not list((weights_home() / ".downloads" / "toy").iterdir())


def test_a_download_that_was_cut_off_is_finished_later(model, monkeypatch):
    monkeypatch.setattr("napari_medad.weights.download.CHUNK", 1000)

    def cut(name: str, done: int, total: int) -> None:
        if done >= 2000:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        fetch_backbone("toy", cut)
    (part,) = (weights_home() / ".downloads" / "toy").iterdir()
    assert part.read_bytes() == DATA["image.pth"][:2000]
    assert not model.files[0].path.exists()
    fetch_backbone("toy")
    assert [file.path.read_bytes() for file in model.files] == list(DATA.values())


def test_a_file_that_changed_later_is_found_out(model):
    fetch_backbone("toy")
    assert fetch.verify_backbone(model) == ["toy/image.pth", "toy/vocab.txt"]
    model.files[1].path.write_bytes(b"other")
    with pytest.raises(MedadError, match="vocab.txt is not the file that was once put there"):
        fetch.verify_backbone(model)


def test_another_file_than_the_authors_is_thrown_away(monkeypatch, served):
    toy = listed(monkeypatch, served, "00000000")
    with pytest.raises(MedadError, match="image.pth is not the file .*thrown away.*fetch it again"):
        fetch_backbone("toy")
    assert not toy.files[0].path.exists()


def test_a_file_brought_by_hand_is_known_by_its_name(model, tmp_path):
    assert add_backbone_file("toy", tmp_path / "served" / "image.pth") == model.files[0].path
    with pytest.raises(MedadError, match="other.pth is no file of 'toy', which has: image.pth, v"):
        (tmp_path / "other.pth").write_bytes(b"")
        add_backbone_file("toy", tmp_path / "other.pth")
    with pytest.raises(MedadError, match="There are no weights at"):
        add_backbone_file("toy", tmp_path / "nothing")


def test_without_network_the_sentence_says_what_to_do(monkeypatch):
    listed(monkeypatch, "http://127.0.0.1:9", SUM)
    with pytest.raises(MedadError) as told:
        fetch_backbone("toy")
    assert "127.0.0.1:9 cannot be reached from here; download http://127.0.0.1:9/image.pth" in str(
        told.value
    )
    assert "then run `medad weights add toy 'image.pth'`" in str(told.value)


def test_a_folder_that_cannot_be_written_is_one_sentence(model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MEDAD_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(MedadError, match="was not written: .*; free space or set MEDAD_WEIGHTS"):
        fetch_backbone("toy")


def test_the_command_shows_the_licence_and_asks(model, capsys, monkeypatch, wide_terminal):
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert run(["weights", "fetch", "toy"]) == 1
    told = capsys.readouterr().err
    assert "Licence: CC-BY-4.0" in told
    assert "the licence was not accepted" in told
    assert run(["weights", "fetch", "toy", "--accept-licence"]) == 0
    out, err = capsys.readouterr()
    assert "The sha256 of vocab.txt was not known beforehand; it is kept" in err
    assert "The CLIP weights 'toy' are in" in out
    assert run(["weights", "fetch", "toy"]) == 0
    assert "are here already" in capsys.readouterr().out
    assert run(["weights", "verify", "toy"]) == 0
    assert "toy toy/image.pth: intact" in capsys.readouterr().out
    assert run(["weights", "list", "toy"]) == 0
    assert "installed" in capsys.readouterr().out


def test_the_command_takes_a_file(model, capsys, tmp_path):
    assert run(["weights", "add", "toy", str(tmp_path / "served" / "vocab.txt")]) == 0
    assert model.files[1].path.is_file()
