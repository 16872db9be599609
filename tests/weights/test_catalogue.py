from __future__ import annotations

import pytest

from napari_medad.errors import MedadError
from napari_medad.weights.catalogue import release, releases


def test_a_package_without_a_catalogue_has_no_releases(method):
    assert releases("tiny_method") == {}
    with pytest.raises(MedadError, match="nothing was released for it"):
        release("tiny_method", "tiny", "authors")


def test_a_release_says_where_it_is_and_on_what_terms(method):
    method.list_release("https://example.org/authors.pth")
    found = release("tiny_method", "tiny", "authors")
    assert found.address == "https://example.org/authors.pth"
    assert found.licence == "MIT"
    assert found.bytes == method.checkpoint.stat().st_size


def test_a_hub_repository_gives_the_address(method):
    method.list_release("''", hub="author/tiny", revision="v1")
    found = release("tiny_method", "tiny", "authors")
    assert found.address == "https://huggingface.co/author/tiny/resolve/v1/authors.pth"


def test_an_unknown_release_is_answered_with_those_there_are(method):
    method.list_release("https://example.org/authors.pth")
    with pytest.raises(MedadError, match="'other' to fetch for 'tiny'; there are: authors"):
        release("tiny_method", "tiny", "other")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "12"},
        {"bytes": 0},
        {"file": "../authors.pth"},
        {"hub": "author/tiny"},
        {"colour": "red"},
    ],
)
def test_a_wrong_catalogue_is_refused(method, wrong):
    method.list_release("https://example.org/authors.pth", **wrong)
    with pytest.raises(MedadError, match="weights.yaml is not a catalogue"):
        releases("tiny_method")


def test_size_and_checksum_may_be_unknown(method):
    method.list_release("https://example.org/authors.pth", sha256="null", bytes="null")
    found = release("tiny_method", "tiny", "authors")
    assert found.sha256 is None
    assert found.size == "size not stated"
