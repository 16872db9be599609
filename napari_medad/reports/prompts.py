"""The texts that a language model is asked with, read from data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml


@cache
def prompts() -> dict[str, str]:
    """Every prompt by name."""
    return yaml.safe_load(files(__package__).joinpath("prompts.yaml").read_text("utf-8"))


def asked(name: str, **values: str) -> str:
    """A prompt with its places filled; braces in the values stay as they are."""
    text = prompts()[name]
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text
