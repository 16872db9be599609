"""Ensembles of prompts: states of an object, each in many sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

import yaml

from napari_medad.errors import MedadError

LISTS = ("normal", "abnormal", "templates")
MARKERS = ("{a}", "{domain}", "{medium}")
"""Of a template, where sentences speak of a domain: article, domain and kind of image."""


def _all_texts(entries: object) -> bool:
    texts = isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)
    return texts and bool(entries)


@dataclass(frozen=True)
class Ensemble:
    """What normal and abnormal objects are called, and the sentences they are named in.

    Attributes
    ----------
    normal, abnormal : tuple of str
        States, each with {} where the object's name stands: "flawless {}".
    templates : tuple of str
        Sentences, each with {} where the state stands: "a photo of a {}."
    domains : dict of str to list of (domain, medium)
        What {domain} and {medium} of a template stand for, by name; empty where templates have
        no such markers.
    """

    normal: tuple[str, ...]
    abnormal: tuple[str, ...]
    templates: tuple[str, ...]
    domains: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, package: str) -> Self:
        """The `prompts.yaml` of a detector's package; the usual ones where it has none."""
        own = files(package) / "prompts.yaml"
        listed = own if own.is_file() else files(__package__) / "prompts.yaml"
        held = yaml.safe_load(listed.read_text(encoding="utf-8"))
        normal, abnormal, templates = (tuple(held[name]) for name in LISTS)
        return cls(normal, abnormal, templates, held.get("domains", {}))

    def in_domain(self, name: str) -> Self:
        """With each template once for each pair of a domain; those without markers once."""
        filled = (
            _filled(t, word, kind) for word, kind in self.domains[name] for t in self.templates
        )
        return replace(self, templates=tuple(dict.fromkeys(filled)))

    def changed_by_file(self, path: str) -> Self:
        """With the lists of a user's YAML file; the same where `path` is empty.

        Raises
        ------
        MedadError
            If the file cannot be read, or holds anything but these lists.
        """
        if not path:
            return self
        try:
            held = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise MedadError(f"The prompt file {path} cannot be read: {reason}.") from None
        if isinstance(held, dict) and held.get("domains") == self.domains:
            del held["domains"]
        lists = held.items() if isinstance(held, dict) else ()
        if not lists or any(k not in LISTS or not _all_texts(v) for k, v in lists):
            raise MedadError(
                f"The prompt file {path} must hold lists of texts named {', '.join(LISTS)}, none "
                "of them empty, and nothing else."
            )
        return self.changed(**held)

    def changed(
        self,
        normal: Sequence[str] = (),
        abnormal: Sequence[str] = (),
        templates: Sequence[str] = (),
    ) -> Self:
        """With the user's lists in the place of ours, where these are not empty.

        Raises
        ------
        MedadError
            If an entry has no {}, or is nothing else in a list of abnormal states.
        """
        for name, entries in (("normal", normal), ("abnormal", abnormal), ("templates", templates)):
            marked = name == "templates" and bool(self.domains)
            wrong = next((e for e in entries if _bare(e, marked).count("{}") != 1), None)
            if wrong is None:
                wrong = next((e for e in entries if set("{}") & set(_named(e, marked))), None)
            if wrong is not None:
                raise MedadError(
                    f"The entry '{wrong}' of the setting '{name}' must have {{}} once, where the "
                    "object stands, as in 'damaged {}', and no other braces."
                )
        return replace(
            self,
            normal=tuple(normal) or self.normal,
            abnormal=tuple(abnormal) or self.abnormal,
            templates=tuple(templates) or self.templates,
        )

    def sentences(
        self, word: str, order: Literal["by state", "by template"] = "by state"
    ) -> tuple[list[str], list[str]]:
        """Every normal and every abnormal sentence about an object.

        Raises
        ------
        MedadError
            If the object has no name.
        """
        if not word.strip():
            raise MedadError("The setting 'object' is empty; name what the images show: 'brain'.")

        def all_of(states: Sequence[str]) -> list[str]:
            named = [state.format(word) for state in states]
            if order == "by state":
                return [t.format(state) for state in named for t in self.templates]
            return [t.format(state) for t in self.templates for state in named]

        return all_of(self.normal), all_of(self.abnormal)


def _filled(template: str, domain: str, medium: str) -> str:
    article = "an" if domain[0] in "aeiou" else "a"
    for marker, word in zip(MARKERS, (article, domain, medium)):
        template = template.replace(marker, word)
    return template


def _bare(entry: str, marked: bool) -> str:
    """The entry without markers of a domain, where it may have them."""
    return _filled(entry, "-", "-") if marked else entry


def _named(entry: str, marked: bool) -> str:
    return _bare(entry, marked).replace("{}", "", 1)
