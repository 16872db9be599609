"""Structured answers from a report's text: the questions as data, the answers checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback
from napari_medad.reports.language_model import LanguageModel
from napari_medad.reports.prompts import asked

Standing = Literal["answered", "not understood", "missing"]


class Question(BaseModel):
    """One question that is put to a report.

    Attributes
    ----------
    name : str
        Column of a table.
    question : str
    answers : tuple of str
        All that is allowed.
    default : str
        Stands for a normal status, or where the report says nothing.
    several : bool
        Whether more than one answer may be true.
    positive : tuple of str
        Answers that are a finding, for finding-level figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    question: str
    answers: tuple[str, ...]
    default: str
    several: bool = False
    positive: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = {self.default, *self.positive} - set(self.answers)
        if unknown:
            raise ValueError(f"'{sorted(unknown)[0]}' of '{self.name}' is none of its answers")
        return self


@dataclass(frozen=True)
class Answer:
    """What a report says to a question.

    Attributes
    ----------
    question : Question
    values : tuple of str
        Of the question's answers; empty unless answered.
    standing : {"answered", "not understood", "missing"}
        Whether the model answered in the allowed words, in others, or not at all. Nothing is
        filled in for it: a default is an answer only where the model gave it.
    said : str
        The model's own words, where they were not understood.
    """

    question: Question
    values: tuple[str, ...]
    standing: Standing
    said: str = ""

    @property
    def finding(self) -> bool:
        """Whether it is a positive finding."""
        return any(value in self.question.positive for value in self.values)


def questions(path: str | Path | None = None) -> tuple[Question, ...]:
    """The questions of brat's paper, or those of a YAML file of the same form.

    Raises
    ------
    MedadError
        If the file cannot be read or a question is incomplete.
    """
    source = files(__package__).joinpath("questions.yaml") if path is None else Path(path)
    try:
        held = yaml.safe_load(source.read_text("utf-8"))
        asked_for = tuple(Question.model_validate(one) for one in held)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise MedadError(
            f"{source} is no list of questions ({told.splitlines()[0]}); each needs name, "
            "question, answers and default."
        ) from None
    if not asked_for:
        raise MedadError(f"{source} holds no question; write at least one.")
    return asked_for


def answers_of(
    report: str,
    model: LanguageModel,
    asked_for: Sequence[Question] | None = None,
    *,
    progress: Callback | None = None,
) -> tuple[Answer, ...]:
    """Ask a language model what a report says.

    Parameters
    ----------
    report : str
        Its text. It goes to the local model alone and is kept nowhere.
    model : LanguageModel
    asked_for : sequence of Question, optional
        Default: those of the paper.
    progress : callable, optional
        Takes a `Progress` after every token; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If the report is empty.
    """
    if not report.strip():
        raise MedadError("The report is empty; paste its text first.")
    wanted = tuple(asked_for or questions())
    listed = "\n".join(
        f"{number}. {q.question} ({' / '.join(q.answers)}; default {q.default})"
        for number, q in enumerate(wanted, 1)
    )
    told = model.write(
        asked("extract", questions=listed, report=report.strip()),
        longest=40 * len(wanted),
        progress=progress,
    )
    return parse_answers(told, wanted)


def parse_answers(told: str, wanted: Sequence[Question]) -> tuple[Answer, ...]:
    """Answers from a model's text: the JSON object in it, by number, name or question."""
    held = {_plain(str(key)): value for key, value in _object_in(told).items()}
    found = []
    for number, question in enumerate(wanted, 1):
        keys = (str(number), question.name, question.question)
        said = next((held[_plain(key)] for key in keys if _plain(key) in held), None)
        found.append(_answer(question, said))
    return tuple(found)


def answers_json(found: Sequence[Answer], model: str) -> str:
    """Answers as JSON text that says which model gave them, and that nobody has checked them."""
    answers = [
        {
            "name": a.question.name,
            "question": a.question.question,
            "answers": list(a.values),
            "standing": a.standing,
            "said": a.said,
        }
        for a in found
    ]
    told = {"answered_by": model, "checked_by_a_person": False, "answers": answers}
    return json.dumps(told, indent=2, ensure_ascii=False)


def _answer(question: Question, said: object) -> Answer:
    if said is None:
        return Answer(question, (), "missing")
    parts = said if isinstance(said, list) else str(said).split(";")
    known = {_plain(answer): answer for answer in question.answers}
    chosen = tuple(dict.fromkeys(known.get(_plain(str(p)), "") for p in parts if str(p).strip()))
    alone = question.several and not (question.default in chosen and len(chosen) > 1)
    if not chosen or "" in chosen or (len(chosen) > 1 and not alone):
        return Answer(question, (), "not understood", str(said))
    return Answer(question, chosen, "answered")


def _object_in(told: str) -> Mapping[str, object]:
    """The first JSON object in a text that also says other things; empty if there is none."""
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"\{", told)):
        try:
            held, _ = decoder.raw_decode(told, start)
        except ValueError:
            continue
        return held
    return {}


def _plain(text: str) -> str:
    """Lower-case words, for comparing."""
    return " ".join(re.findall(r"\w+", text.lower()))
