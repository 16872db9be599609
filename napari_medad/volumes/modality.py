"""What a file's name says about its modality."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import yaml


@cache
def _rules() -> tuple[re.Pattern[str], tuple[tuple[str, re.Pattern[str]], ...]]:
    text = files(__package__).joinpath("modality.yaml").read_text(encoding="utf-8")
    held = yaml.safe_load(text)
    rules = tuple((name, re.compile(pattern)) for name, pattern in held["rules"])
    return re.compile(held["not_a_scan"]), rules


def modality_of(name: str) -> str | None:
    """Modality ("t1n", "t1c", "t2w", "t2f", "ct", ...) that a file name tells, or None."""
    low = name.lower()
    return next((modality for modality, pattern in _rules()[1] if pattern.search(low)), None)


def is_scan(name: str) -> bool:
    """Whether a file name looks like a scan and not like a mask or one of our own maps."""
    return _rules()[0].search(name.lower()) is None
