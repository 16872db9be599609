"""Radiological signs: what each abnormality looks like, in a radiologist's phrases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

SHIPPED = files("napari_medad.detectors.sdmad") / "lists"
FIELDS = ("organ", "normal", "about", "sources", "categories")


@dataclass(frozen=True)
class Sign:
    """One phrase.

    Attributes
    ----------
    text : str
        What the picture shows: "brain with craniotomy defect".
    source : str
        Who says so: a name among the list's `sources`, or any citation.
    """

    text: str
    source: str = ""


@dataclass(frozen=True)
class Category:
    """One abnormality and its signs, t_(c,1) to t_(c,N_c)."""

    name: str
    signs: tuple[Sign, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The phrases."""
        return tuple(sign.text for sign in self.signs)


@dataclass(frozen=True)
class SignList:
    """The abnormalities of an organ.

    Attributes
    ----------
    organ : str
    normal : str
        The anchor a: a sentence about the organ without abnormality.
    categories : tuple of Category
        May share signs.
    about : str
        What the list is for.
    sources : mapping of str to str
        Citation of each source's name.
    """

    organ: str
    normal: str
    categories: tuple[Category, ...]
    about: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names."""
        return tuple(category.name for category in self.categories)

    def texts(self, name: str) -> tuple[str, ...]:
        """The phrases of a category."""
        return next(category.texts for category in self.categories if category.name == name)

    def only(self, names: Sequence[str]) -> SignList:
        """The list with these categories alone, in its own order; none named means all.

        Raises
        ------
        MedadError
            If it has no such category.
        """
        for name in names:
            if name not in self.names:
                raise MedadError(
                    f"The signs have no category '{name}'; they have {', '.join(self.names)}."
                )
        kept = tuple(c for c in self.categories if not names or c.name in names)
        return replace(self, categories=kept)

    @classmethod
    def read(cls, name: str | Path) -> SignList:
        """A shipped list by its name, or one from a YAML file.

        Raises
        ------
        MedadError
            If there is none, or it is not a complete list of signs.
        """
        if str(name) in shipped():
            text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
            return cls.from_yaml(text, str(name))
        path = Path(name).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise MedadError(
                f"There are no signs '{name}'; give a YAML file or one of {', '.join(shipped())}."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise MedadError(f"The signs {path} cannot be read ({error}).") from None
        return cls.from_yaml(text, str(path))

    @classmethod
    def from_yaml(cls, text: str, where: str) -> SignList:
        """A list from YAML; `where` names it in errors."""
        try:
            held = yaml.safe_load(text)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise MedadError(f"The signs {where} are not readable YAML: {reason}.") from None
        return cls.from_dict(held, where)

    @classmethod
    def from_dict(cls, held: Any, where: str) -> SignList:
        """A list from what `to_dict` gives."""
        if not isinstance(held, dict) or not isinstance(held.get("categories"), list):
            raise MedadError(
                f"The signs {where} must have the fields {', '.join(FIELDS)}, the last a list of "
                "categories, each with a name and signs."
            )
        unknown = next((key for key in held if key not in FIELDS), None)
        if unknown is not None:
            raise MedadError(
                f"The signs {where} have a field '{unknown}', which is unknown; use "
                f"{', '.join(FIELDS)}."
            )
        organ = str(held.get("organ") or "").strip()
        sources = held.get("sources") or {}
        found = cls(
            organ,
            str(held.get("normal") or f"a photo of a normal {organ}").strip(),
            tuple(_category(entry, where) for entry in held["categories"]),
            str(held.get("about") or "").strip(),
            {str(k): str(v) for k, v in sources.items()} if isinstance(sources, dict) else {},
        )
        found.check(where)
        return found

    def to_dict(self) -> dict[str, Any]:
        """What JSON and YAML hold."""
        categories = [
            {"name": c.name, "signs": [{"text": s.text, "source": s.source} for s in c.signs]}
            for c in self.categories
        ]
        held = {"organ": self.organ, "normal": self.normal, "about": self.about}
        return {**held, "sources": dict(self.sources), "categories": categories}

    def save(self, path: str | Path) -> None:
        """Write YAML, whole or not at all."""
        self.check(str(path))
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=100)
        with replacing(Path(path)) as part:
            part.write_text(text, encoding="utf-8")

    def check(self, where: str = "of the list") -> None:
        """Refuse a list that nothing can be learned from.

        Raises
        ------
        MedadError
            If it has no organ or category, a category has no name or signs, or one is there
            twice.
        """
        if not self.organ:
            raise MedadError(f"The signs {where} name no organ; fill in 'organ', as in 'brain'.")
        if not self.normal:
            raise MedadError(f"The signs {where} have no sentence about a normal {self.organ}.")
        if not self.categories:
            raise MedadError(f"The signs {where} have no category; add one with its signs.")
        if "" in self.names:
            raise MedadError(f"The signs {where} have a category without a name; give it one.")
        twice = _twice(name.lower() for name in self.names)
        if twice is not None:
            raise MedadError(f"The signs {where} have the category '{twice}' twice; rename one.")
        if "normal" in (name.lower() for name in self.names):
            raise MedadError(
                f"The signs {where} have a category called normal, which is what slices without "
                "any category are called; rename it."
            )
        for category in self.categories:
            _check_category(category, where)


def _check_category(category: Category, where: str) -> None:
    if not category.signs:
        raise MedadError(
            f"The category '{category.name}' of the signs {where} has no signs; add some or "
            "remove it."
        )
    if not all(category.texts):
        raise MedadError(f"The category '{category.name}' of the signs {where} has an empty sign.")
    twice = _twice(text.lower() for text in category.texts)
    if twice is not None:
        raise MedadError(
            f"The category '{category.name}' of the signs {where} has the sign '{twice}' twice; "
            "remove one."
        )


def shipped() -> tuple[str, ...]:
    """Names of the lists that come with the program."""
    return tuple(sorted(f.name.removesuffix(".yaml") for f in SHIPPED.iterdir()))


def _category(entry: Any, where: str) -> Category:
    if not isinstance(entry, dict) or not isinstance(entry.get("signs") or [], list):
        raise MedadError(
            f"The signs {where} have a category that is not a name with a list of signs: '{entry}'."
        )
    signs = tuple(_sign(sign) for sign in entry.get("signs") or [])
    return Category(str(entry.get("name") or "").strip(), signs)


def _sign(entry: Any) -> Sign:
    """A sign as {text, source}, or as its text alone."""
    if isinstance(entry, dict):
        return Sign(str(entry.get("text") or "").strip(), str(entry.get("source") or "").strip())
    return Sign(str(entry).strip())


def _twice(texts: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return None
