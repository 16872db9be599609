"""The sentences that a CLIP detector compares slices with: read, edited, kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medad.atomic import replacing
from napari_medad.backbones.clip.catalogue import backbone
from napari_medad.backbones.clip.prompts import LISTS, Ensemble
from napari_medad.backbones.clip.words import byte_pairs, token_numbers, words_of
from napari_medad.detectors.card import Card
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.worker import Work

HINTS = {
    "normal": "Normal states, one a line; {} is the object",
    "abnormal": "Abnormal states, one a line; {} is the object",
    "templates": "Sentences, one a line; {} is the state",
}
FILES = "Prompts (*.yaml *.yml)"


class PromptEditor(Fold):
    """States and sentences of a detector, one a line; hidden for detectors without them.

    Parameters
    ----------
    settings : callable
        Gives the detector's other settings that were changed, for the example.
    clip : callable
        Gives the name of the CLIP that will read the sentences.
    """

    fields = (*LISTS, "prompts")
    """Settings that are edited here instead of in the form."""

    def __init__(
        self,
        settings: Callable[[], Mapping[str, Any]],
        clip: Callable[[], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Prompts", parent)
        self.settings, self.clip = settings, clip
        self.words = Work(self)
        self._words_known = False
        self.shipped: Ensemble | None = None
        inside = QWidget(self)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 0, 0)
        self.tabs, self.lists = QTabWidget(self), {}
        for name in LISTS:
            editor = QPlainTextEdit(self)
            editor.setToolTip(HINTS[name])
            editor.setPlaceholderText(HINTS[name])
            editor.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
            editor.textChanged.connect(self.refresh)
            self.lists[name] = editor
            self.tabs.addTab(editor, name.capitalize())
        self.tabs.setFixedHeight(190)
        layout.addWidget(self.tabs)
        self.example = Notice(self)
        layout.addWidget(self.example)
        layout.addLayout(self._buttons())
        self.addWidget(inside)
        self.words.finished.connect(self._count_words)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.reset_button, self.open_button, self.save_button = (
            QPushButton(text, self) for text in ("Reset", "Open…", "Save…")
        )
        self.reset_button.setToolTip("Back to the lists of the paper")
        self.reset_button.clicked.connect(self.reset)
        self.open_button.clicked.connect(lambda: self._open())
        self.save_button.clicked.connect(lambda: self._save())
        for button in (self.reset_button, self.open_button, self.save_button):
            row.addWidget(button)
        return row

    def offer(self, card: Card) -> None:
        """Show a detector's own lists; hide where it has none."""
        has_lists = "templates" in card.settings_type().model_fields
        self.shipped = Ensemble.read(card.package) if has_lists else None
        self.setVisible(has_lists)
        self.collapse(animate=False)
        self.reset()
        if has_lists and not self._words_known and not self.words.running:
            self.words.start(lambda report: byte_pairs())  # in a thread: it takes seconds

    def reset(self) -> None:
        """Back to the paper's lists."""
        if self.shipped is not None:
            self._show(self.shipped)

    def values(self) -> dict[str, tuple[str, ...]]:
        """The lists that differ from the paper's, as settings.

        Raises
        ------
        MedadError
            If a list is empty, or an entry does not say where the object or the state stands.
        """
        if self.shipped is None:
            return {}
        told = {name: self._lines(name) for name in LISTS}
        empty = next((name for name, lines in told.items() if not lines), None)
        if empty is not None:
            raise MedadError(
                f"The list '{empty.capitalize()}' of the prompts is empty; write at least one "
                "line, or press Reset."
            )
        self.shipped.changed(**told)
        return {name: lines for name, lines in told.items() if lines != getattr(self.shipped, name)}

    def load(self, path: str | Path) -> None:
        """Take the lists of a YAML file, such as `--set prompts=FILE` reads.

        Raises
        ------
        MedadError
            If the file holds anything else.
        """
        if self.shipped is not None:
            self._show(self.shipped.changed_by_file(str(path)))

    def save(self, path: str | Path) -> None:
        """Write the lists as YAML, whole or not at all."""
        told = {name: list(self._lines(name)) for name in LISTS}
        with replacing(Path(path)) as part:
            part.write_text(yaml.safe_dump(told, sort_keys=False, width=100), encoding="utf-8")

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open prompts", "", FILES)
        self._try(self.load, path)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save prompts", "prompts.yaml", FILES)
        self._try(self.save, path)

    def _try(self, act: Callable[[str], None], path: str) -> None:
        try:
            if path:
                act(path)
        except (MedadError, OSError) as error:
            self.example.say(str(error), "error")

    def _show(self, ensemble: Ensemble) -> None:
        for name, editor in self.lists.items():
            editor.blockSignals(True)
            editor.setPlainText("\n".join(getattr(ensemble, name)))
            editor.blockSignals(False)
        self.refresh()

    def _lines(self, name: str) -> tuple[str, ...]:
        lines = self.lists[name].toPlainText().splitlines()
        return tuple(line.strip() for line in lines if line.strip())

    def refresh(self) -> None:
        """Count the sentences and show one, or say what is wrong."""
        if self.shipped is None:
            return
        try:
            ensemble, chosen = self.shipped.changed(**self.values()), self.settings()
            if ensemble.domains:
                ensemble = ensemble.in_domain(chosen.get("domain", next(iter(ensemble.domains))))
            normal, abnormal = ensemble.sentences(chosen.get("object", "brain"))
            self._check_lengths([*normal, *abnormal])
        except MedadError as error:
            self.example.say(str(error), "error")
        else:
            count = f"{len(normal)} normal and {len(abnormal)} abnormal sentences"
            self.example.say(f"{count}, such as “{abnormal[0]}”")

    def _count_words(self) -> None:
        self._words_known = True
        self.refresh()

    def _check_lengths(self, sentences: Sequence[str]) -> None:
        """Refuse a sentence that the chosen CLIP cannot read whole, as far as its words are known.

        No token is shorter than a byte, so that few sentences have to be split.
        """
        if not self._words_known:
            return
        try:
            model = backbone(self.clip())
            encode = words_of(model)
        except MedadError:
            return  # told where the CLIP is chosen, or loaded
        if encode is None:
            return
        context = model.shape.context
        for sentence in sentences:
            if len(sentence.encode()) + 2 > context:
                token_numbers(sentence, encode, context)
