"""The base of every detector's and recipe's settings: forms, options and records come from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_medad.errors import MedadError


class Settings(BaseModel):
    """Typed settings.

    Subclasses declare fields with `pydantic.Field(default, title=..., description=...,
    ge=..., le=..., json_schema_extra={"unit": "mm", "advanced": True})`; `title`,
    `description`, range and unit are what the form and `--help` show. Choices are
    `typing.Literal`. Supported types: bool, int, float, str, Literal, and tuples of these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], owner: str) -> Self:
        """Validate values (text from the command line included).

        Raises
        ------
        MedadError
            Names the first wrong setting, what is allowed, and, for an unknown name, the
            settings there are.
        """
        read = {
            name: _from_text(value, cls.model_fields[name].annotation)
            if isinstance(value, str) and name in cls.model_fields
            else value
            for name, value in values.items()
        }
        try:
            return cls.model_validate(read)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields) or "none"
                raise MedadError(
                    f"{owner} has no setting '{name}'; its settings are: {known}."
                ) from None
            raise MedadError(
                f"The setting '{name}' of {owner} cannot be {first['input']!r}: "
                f"{first['msg'][0].lower()}{first['msg'][1:]}."
            ) from None


def _from_text(text: str, kind: Any) -> Any:
    """What pydantic does not read from text: a number among choices, and "1,2,3"."""
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == text), text)
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(","))
    return text
