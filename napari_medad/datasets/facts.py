"""What each dataset is, on what terms, where to get it: `datasets.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field


class DatasetFacts(BaseModel):
    """A dataset as its authors describe it.

    Attributes
    ----------
    title, about : str
    task : str
        What its images are, as a prompt of a model for several kinds of image.
    truth : str
        What tells the abnormal: masks, boxes, classes.
    licence, link, citation : str
    folder : str
        How it lies on the disk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    about: str
    task: str
    truth: str
    licence: str
    link: str = Field(pattern="^https?://")
    citation: str
    folder: str


@cache
def facts() -> dict[str, DatasetFacts]:
    """Facts by the name of the layout."""
    text = files(__package__).joinpath("datasets.yaml").read_text(encoding="utf-8")
    return {name: DatasetFacts.model_validate(held) for name, held in yaml.safe_load(text).items()}
