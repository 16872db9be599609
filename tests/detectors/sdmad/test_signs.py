"""Lists of signs: shipped ones, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medad.detectors.sdmad.signs import Category, Sign, SignList, shipped
from napari_medad.errors import MedadError

TWO = """
organ: liver
normal: a normal liver
sources: {book: "A book, 2020"}
categories:
  - name: Cyst
    signs: [{text: thin-walled fluid, source: book}, no enhancement]
  - name: Fat
    signs: [low attenuation]
"""


@pytest.mark.parametrize(
    ("name", "count"), [("brain-fastmri", 6), ("chest-xray", 14), ("retina-oct", 3)]
)
def test_the_papers_categories_are_shipped(name: str, count: int) -> None:
    assert len(SignList.read(name).categories) == count


def test_every_shipped_sign_has_a_source_that_the_list_cites() -> None:
    assert {"brain-glioma", "brain-metastasis", "brain-stroke", "brain-ms"} <= set(shipped())
    for name in shipped():
        held = SignList.read(name)
        assert min(len(c.signs) for c in held.categories) >= 2, name
        assert all(s.source in held.sources for c in held.categories for s in c.signs), name


def test_a_file_holds_what_was_saved(tmp_path: Path) -> None:
    signs = SignList(
        "brain",
        "a normal brain",
        (Category("Ödem", (Sign("bright: rim", "book"),)), Category("Cyst", (Sign("fluid"),))),
        "For a test.",
        {"book": "A book, 2020"},
    )
    signs.save(tmp_path / "signs.yaml")
    assert SignList.read(tmp_path / "signs.yaml") == signs


def test_a_sign_may_be_its_text_alone() -> None:
    held = SignList.from_yaml(TWO, "liver.yaml")
    assert held.names == ("Cyst", "Fat")
    assert held.texts("Cyst") == ("thin-walled fluid", "no enhancement")
    assert held.categories[0].signs[0].source == "book"


def test_the_anchor_is_made_from_the_organ_where_none_is_given() -> None:
    held = SignList.from_yaml(TWO.replace("normal: a normal liver\n", ""), "liver.yaml")
    assert held.normal == "a photo of a normal liver"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("organ: liver", "organ: ''", "no organ"),
        ("signs: [low attenuation]", "signs: []", "'Fat' of the signs liver.yaml has no signs"),
        ("[low attenuation]", "[low density, Low density]", "'low density' twice"),
        ("[low attenuation]", "[low density, '']", "'Fat' .* empty sign"),
        ("name: Fat", "name: cyst", "category 'cyst' twice"),
        ("name: Fat", "name: ''", "category without a name"),
        ("name: Fat", "name: Normal", "category called normal"),
        ("organ: liver", "organe: liver", "'organe', which is unknown"),
        ("categories:", "category:", "must have the fields organ, normal"),
        ("organ: liver", "organ: [", "not readable YAML"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(MedadError, match=said):
        SignList.from_yaml(TWO.replace(old, new), "liver.yaml")


def test_a_list_without_categories_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(MedadError, match="no category"):
        SignList("brain", "a normal brain", ()).save(tmp_path / "signs.yaml")
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(MedadError, match="no signs 'brains'; .* brain-fastmri"):
        SignList.read("brains")
