"""A form for any Settings model: one row a field, made from its title, range, unit and choices."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.settings import Settings
from napari_medad.viewer.parts.fold import Fold

LARGEST = 1_000_000_000


class SettingsForm(QWidget):
    """Shows and edits the values of one Settings model.

    Parameters
    ----------
    model : type of Settings
    skip : tuple of str
        Fields that are shown elsewhere.

    Signals
    -------
    changed
        After any edit by the user.
    """

    changed = Signal()

    def __init__(
        self, model: type[Settings], skip: tuple[str, ...] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.model = model
        self.editors: dict[str, QWidget] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        plain, advanced = QWidget(self), QWidget(self)
        forms = {False: _form(plain), True: _form(advanced)}
        for name, field in model.model_fields.items():
            if name in skip:
                continue
            editor = self._editor(field)
            editor.setToolTip(field.description or field.title or name)
            editor.setObjectName(name)
            self.editors[name] = editor
            forms[bool(_extra(field).get("advanced"))].addRow(field.title or name, editor)
        layout.addWidget(plain)
        plain.setVisible(forms[False].rowCount() > 0)
        self.fold = Fold("Advanced", self)
        self.fold.addWidget(advanced)
        self.fold.setVisible(forms[True].rowCount() > 0)
        layout.addWidget(self.fold)

    def values(self) -> dict[str, Any]:
        """Values by field that differ from the model's defaults."""
        out = {}
        for name, editor in self.editors.items():
            value = _read(editor)
            if value != _comparable(self.model.model_fields[name].default):
                out[name] = value
        return out

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show these values; fields not named go back to their defaults."""
        for name, editor in self.editors.items():
            value = values.get(name, self.model.model_fields[name].default)
            editor.blockSignals(True)
            _write(editor, value)
            editor.blockSignals(False)

    def _editor(self, field: FieldInfo) -> QWidget:
        kind = _plain_kind(field.annotation)
        editor: QWidget
        if get_origin(kind) is Literal:
            editor = QComboBox(self)
            for choice in get_args(kind):
                editor.addItem(str(choice), choice)
            editor.currentIndexChanged.connect(self.changed)
        elif kind is bool:
            editor = QCheckBox(self)
            editor.toggled.connect(self.changed)
        elif kind in (int, float):
            editor = self._number(kind, field)
        else:
            editor = QLineEdit(self)
            editor.setProperty("tuple", get_origin(kind) is tuple)
            editor.editingFinished.connect(self.changed)
        if isinstance(editor, QComboBox | QSpinBox | QDoubleSpinBox):
            editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            editor.wheelEvent = lambda event: event.ignore()
        _write(editor, field.default)
        return editor

    def _number(self, kind: type, field: FieldInfo) -> QWidget:
        low, high, strict = _range(field)
        unit = _extra(field).get("unit")
        suffix = f" {unit}" if unit else ""
        if kind is int:
            whole = QSpinBox(self)
            whole.setRange(int(low if low is not None else -LARGEST), int(high or LARGEST))
            whole.setSuffix(suffix)
            whole.valueChanged.connect(self.changed)
            return whole
        number = _ShortSpinBox(self)
        number.setDecimals(6)
        smallest = 1e-6 if strict else 0.0
        number.setRange(-LARGEST if low is None else low + smallest, high or LARGEST)
        number.setSuffix(suffix)
        number.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        number.valueChanged.connect(self.changed)
        return number


class _ShortSpinBox(QDoubleSpinBox):
    """Shows 4, not 4.000000."""

    def textFromValue(self, value: float) -> str:
        return f"{value:.6g}"


def _form(parent: QWidget) -> QFormLayout:
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}


def _plain_kind(kind: Any) -> Any:
    """The type without None."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def _range(field: FieldInfo) -> tuple[float | None, float | None, bool]:
    """Lowest, highest, and whether the lowest itself is excluded."""
    low = high = None
    strict = False
    for rule in field.metadata:
        if getattr(rule, "ge", None) is not None:
            low = rule.ge
        if getattr(rule, "gt", None) is not None:
            low, strict = rule.gt, True
        high = next((v for v in (getattr(rule, k, None) for k in ("le", "lt")) if v), high)
    return low, high, strict


def _comparable(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _read(editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentData()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QSpinBox | QDoubleSpinBox):
        return editor.value()
    assert isinstance(editor, QLineEdit)
    return editor.text()


def _write(editor: QWidget, value: Any) -> None:
    if isinstance(editor, QComboBox):
        editor.setCurrentIndex(max(0, editor.findData(value)))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif isinstance(editor, QSpinBox | QDoubleSpinBox):
        editor.setValue(value if value is not None else editor.minimum())
    elif isinstance(editor, QLineEdit):
        editor.setText("" if value is None else str(_comparable(value)))
