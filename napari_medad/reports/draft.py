"""A report drafted by a language model from ranked sentences, or from the views of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback
from napari_medad.reports.language_model import LanguageModel
from napari_medad.reports.prompts import asked

ENDING = "_draft.txt"
MARK = "DRAFT, NOT A REPORT"
MARK_END = "End of the draft, not a report."
UNTRAINED = "UNTRAINED: random weights looked at the scan, so this draft means nothing."


@dataclass(frozen=True)
class Draft:
    """What a language model wrote; its text never stands without its mark.

    Attributes
    ----------
    case : str
    body : str
        The model's words alone.
    model : str
    sentences : tuple of (str, float)
        What it was given: sentences and their similarity to the scan, best first. None where
        it looked at the views itself.
    untrained : bool
        Whether random weights looked at the scan.
    """

    case: str
    body: str
    model: str
    sentences: tuple[tuple[str, float], ...]
    untrained: bool = False

    @property
    def text(self) -> str:
        """The draft with its mark above and below, as it is shown, copied and written."""
        count = len(self.sentences)
        given = f"{count} retrieved sentences" if count else "brat's views of the scan"
        about = (
            f"{MARK} — written by the language model '{self.model}' for {self.case} from "
            f"{given}. A radiologist must check every word."
        )
        parts = [about, UNTRAINED] if self.untrained else [about]
        return "\n".join([*parts, "", self.body, "", MARK_END, ""])

    def save(self, folder: str | Path) -> Path:
        """Write `CASE_draft.txt` into a folder and return its path.

        Raises
        ------
        MedadError
            If it cannot be written.
        """
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.case).lstrip(".")
        path = Path(folder).expanduser() / f"{name or 'case'}{ENDING}"
        with replacing(path) as part:
            part.write_text(self.text, encoding="utf-8")
        return path


def body_of(text: str) -> str:
    """A report's own words: those of a draft without its mark, any other text as it is."""
    if not text.startswith(MARK):
        return text
    kept = [line for line in text.splitlines()[1:] if line != UNTRAINED]
    return "\n".join(line for line in kept if not line.endswith(MARK_END)).strip()


def draft_report(
    case: str,
    sentences: Sequence[tuple[str, float]],
    model: LanguageModel,
    *,
    untrained: bool = False,
    longest: int = 400,
    progress: Callback | None = None,
) -> Draft:
    """Draft the findings of a scan.

    Parameters
    ----------
    case : str
    sentences : sequence of (str, float)
        Ranked for the scan, with their similarity.
    model : LanguageModel
    untrained : bool
        Whether random weights ranked them.
    longest : int
        Most tokens to write.
    progress : callable, optional
        Takes a `Progress` after every token; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If there is no sentence, or the model writes nothing.
    """
    if not sentences:
        raise MedadError(
            "There is no sentence to draft from; search a library with reports for this scan first."
        )
    listed = "\n".join(f"- {text} ({score:.2f})" for text, score in sentences)
    body = model.write(asked("draft", sentences=listed), longest=longest, progress=progress)
    if not body:
        raise MedadError(f"The language model '{model.name}' wrote nothing; try another one.")
    return Draft(case, body, model.name, tuple(sentences), untrained)
