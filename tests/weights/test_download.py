from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_medad.errors import Cancelled, MedadError
from napari_medad.weights import download as download_module
from napari_medad.weights.catalogue import Release
from napari_medad.weights.download import download

DATA = bytes(range(256)) * 40
COMMAND = "medad weights add tiny authors.pth"


class Server(ThreadingHTTPServer):
    """Serves DATA with byte ranges, and keeps what it was asked.

    With `breaks_at`, the connection ends after that many bytes, once.
    """

    breaks_at: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.body = DATA

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/authors.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/authors.pth":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and start >= len(self.server.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.server.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(self.server.body) - start))
        self.end_headers()
        end, self.server.breaks_at = self.server.breaks_at, None
        self.wfile.write(self.server.body[start:end])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(download_module, "CHUNK", 1024)
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def release_at(url: str) -> Release:
    return Release(
        name="authors",
        url=url,
        file="authors.pth",
        bytes=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
        licence="MIT",
        citation="A. Author, 2024",
    )


def test_the_file_arrives_whole_and_progress_ends_at_its_size(server, tmp_path):
    told = []
    path = download(release_at(server.url), COMMAND, tmp_path, lambda *step: told.append(step))
    assert path.read_bytes() == DATA
    assert told == [(1024 * i, len(DATA)) for i in range(1, 11)]


def test_a_stopped_download_goes_on_where_it_stopped(server, tmp_path):
    def stop_at_half(done: int, total: int) -> None:
        if done >= total // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(release_at(server.url), COMMAND, tmp_path, stop_at_half)
    assert [p.name for p in tmp_path.iterdir()] == ["authors.pth.part"]
    path = download(release_at(server.url), COMMAND, tmp_path)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={len(DATA) // 2}-"]


def test_another_file_at_the_address_is_thrown_away(server, tmp_path):
    server.body = DATA[::-1]
    with pytest.raises(MedadError, match="is not the file that was expected"):
        download(release_at(server.url), COMMAND, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_told_with_the_servers_answer(server, tmp_path):
    gone = server.url.replace("authors.pth", "moved.pth")
    with pytest.raises(MedadError, match="cannot be downloaded .*404"):
        download(release_at(gone), COMMAND, tmp_path)


def test_without_network_the_sentence_says_how_to_bring_the_file(tmp_path):
    with pytest.raises(MedadError) as caught:
        download(release_at("http://127.0.0.1:9/authors.pth"), COMMAND, tmp_path)
    assert "127.0.0.1:9 cannot be reached" in str(caught.value)
    assert "download http://127.0.0.1:9/authors.pth (10240 bytes, sha256 " in str(caught.value)
    assert "run `medad weights add tiny authors.pth`" in str(caught.value)


def test_a_file_of_unknown_size_and_checksum_is_downloaded(server, tmp_path):
    unknown = release_at(server.url).model_copy(update={"bytes": None, "sha256": None})
    counts = []
    path = download(unknown, COMMAND, tmp_path, lambda done, total: counts.append((done, total)))
    assert path.read_bytes() == DATA
    assert counts[-1] == (len(DATA), len(DATA))


def test_a_connection_that_breaks_is_told_and_the_next_goes_on(server, tmp_path):
    server.breaks_at = 3000
    with pytest.raises(MedadError, match="broke while downloading authors.pth; fetch it again"):
        download(release_at(server.url), COMMAND, tmp_path)
    held = (tmp_path / "authors.pth.part").stat().st_size
    assert 0 < held <= 3000
    assert download(release_at(server.url), COMMAND, tmp_path).read_bytes() == DATA
    assert server.ranges == [None, f"bytes={held}-"]


@pytest.mark.parametrize("held", [DATA, DATA + b"more"])
def test_a_part_that_is_whole_or_too_long_of_a_file_of_unknown_size(server, tmp_path, held):
    unknown = release_at(server.url).model_copy(update={"bytes": None})
    (tmp_path / "authors.pth.part").write_bytes(held)
    if held == DATA:
        assert download(unknown, COMMAND, tmp_path).read_bytes() == DATA
    else:
        with pytest.raises(MedadError, match="cannot be downloaded .*416"):
            download(unknown, COMMAND, tmp_path)
        assert download(unknown, COMMAND, tmp_path).read_bytes() == DATA


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MedadError, match=r"authors.pth was not written: .*; free space or set"):
        download(release_at(server.url), COMMAND, tmp_path / "file")


def test_a_full_disk(server, tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: Full())
    with pytest.raises(MedadError, match="was not written: No space left on device; free space"):
        download(release_at(server.url), COMMAND, tmp_path)
