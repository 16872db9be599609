"""The base of every detector's and recipe's settings: forms, options and records come from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

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
        try:
            return cls.model_validate(dict(values))
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
