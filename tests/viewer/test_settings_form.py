"""One form draws any Settings model."""

from typing import Literal

from pydantic import Field
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_medad.detectors.registry import cards
from napari_medad.detectors.settings import Settings
from napari_medad.viewer.parts.settings_form import SettingsForm


class Everything(Settings):
    size: int = Field(3, ge=1, le=9, title="Size", json_schema_extra={"unit": "voxels"})
    rate: float = Field(0.5, gt=0, title="Rate")
    kind: Literal["a", "b"] = Field("a", title="Kind")
    pixels: Literal[64, 128] = Field(128, title="Pixels", json_schema_extra={"advanced": True})
    on: bool = Field(True, title="On")
    words: tuple[str, ...] = Field(("x", "y"), title="Words")
    text: str = Field("", title="Text", description="Any text")


def test_a_row_for_each_kind_of_field(qtbot) -> None:
    form = SettingsForm(Everything)
    qtbot.addWidget(form)
    kinds = {
        "size": QSpinBox,
        "rate": QDoubleSpinBox,
        "kind": QComboBox,
        "pixels": QComboBox,
        "on": QCheckBox,
        "words": QLineEdit,
        "text": QLineEdit,
    }
    assert form.editors.keys() == kinds.keys()
    assert all(isinstance(form.editors[name], kind) for name, kind in kinds.items())
    assert form.editors["size"].suffix() == " voxels"
    assert (form.editors["size"].minimum(), form.editors["size"].maximum()) == (1, 9)
    assert form.editors["text"].toolTip() == "Any text"


def test_only_what_was_changed_comes_back_and_parses(qtbot) -> None:
    form = SettingsForm(Everything)
    qtbot.addWidget(form)
    assert form.values() == {}
    form.editors["size"].setValue(5)
    form.editors["kind"].setCurrentIndex(1)
    form.editors["words"].setText("p, q")
    assert form.values() == {"size": 5, "kind": "b", "words": "p, q"}
    parsed = Everything.parse(form.values(), "a test")
    assert (parsed.size, parsed.kind, parsed.words) == (5, "b", ("p", "q"))
    form.set_values({"pixels": 64})
    assert form.values() == {"pixels": 64}


def test_every_detectors_settings_make_a_form_that_parses(qtbot) -> None:
    for card in cards().values():
        model = card.settings_type()
        form = SettingsForm(model)
        qtbot.addWidget(form)
        assert model.parse(form.values(), card.name) == model()
