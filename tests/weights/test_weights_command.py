"""`medad weights`, by its command."""

from __future__ import annotations

import pytest

from napari_medad.cli import run
from napari_medad.weights.installed import weights_home


@pytest.fixture(autouse=True)
def _wide(wide_terminal):
    pass


def test_list_tells_what_is_installed_and_what_can_be_fetched(method, capsys):
    method.list_release(
        "https://example.org/authors.pth", name="v1", bytes=350_000_000, sha256="a" * 64
    )
    assert run(["weights", "add", "tiny", str(method.checkpoint), "--name", "mine"]) == 0
    capsys.readouterr()
    assert run(["weights", "list", "tiny"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "tiny" in line]
    assert [row[:3] for row in rows] == [["tiny", "mine", "trained"], ["tiny", "v1", "to"]]
    assert rows[1][4:7] == ["350", "MB", "MIT"]


def test_a_release_that_was_added_is_not_offered_again(method, capsys):
    method.list_release("https://example.org/authors.pth", name="v1")
    assert run(["weights", "add", "tiny", str(method.checkpoint), "--name", "mine"]) == 0
    capsys.readouterr()
    assert run(["weights", "list", "tiny"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "tiny" in line]
    assert [row[:3] for row in rows] == [["tiny", "mine", "released"]]
    assert "MIT" in rows[0]


def test_verify_says_which_file_changed(method, capsys):
    assert run(["weights", "add", "tiny", str(method.checkpoint), "--name", "mine"]) == 0
    assert run(["weights", "verify"]) == 0
    assert "tiny mine: intact" in capsys.readouterr().out
    with (weights_home() / "tiny/mine/weights.safetensors").open("ab") as stream:
        stream.write(b"x")
    assert run(["weights", "verify", "tiny"]) == 1
    assert "mine/weights.safetensors is not what was written there" in capsys.readouterr().err


def test_fetch_shows_the_licence_and_stops_where_it_is_not_accepted(method, capsys, monkeypatch):
    method.list_release("http://127.0.0.1:9/authors.pth", licence="CC-BY-NC-4.0")
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert run(["weights", "fetch", "tiny", "authors"]) == 1
    told = capsys.readouterr().err
    assert "Licence: CC-BY-NC-4.0" in told
    assert "the licence was not accepted" in told


def test_fetch_without_network_says_how_to_bring_the_file(method, capsys):
    method.list_release("http://127.0.0.1:9/authors.pth")
    assert run(["weights", "fetch", "tiny", "authors", "--accept-licence"]) == 1
    assert "run `medad weights add tiny authors.pth`" in capsys.readouterr().err


def test_an_unknown_release_is_one_sentence(method, capsys):
    method.list_release("http://127.0.0.1:9/authors.pth")
    assert run(["weights", "fetch", "tiny", "other", "--accept-licence"]) == 1
    assert "there are: authors" in capsys.readouterr().err
