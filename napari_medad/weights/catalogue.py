"""Weights that others have released for a detector: where they are and on what terms.

A detector's folder lists them in `weights.yaml`::

    released:
      - name: mvtec
        title: Trained on MVTec AD by the paper's authors
        url: https://example.org/mvtec.pth
        file: mvtec.pth
        bytes: 12345678
        sha256: 64 hexadecimal digits
        licence: MIT
        citation: Author et al., Title, 2024.

`hub: owner/repository` may stand in the place of `url`; the file is then taken from that
Hugging Face repository at `revision`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medad.errors import MedadError

CATALOGUE = "weights.yaml"


class Release(BaseModel):
    """One released file.

    Attributes
    ----------
    name : str
        What users type: `medad weights fetch DETECTOR NAME`.
    url, hub, revision : str
        Where it is; one of `url` and `hub`.
    file : str
        File name there and here.
    bytes : int or None
    about_mb : float or None
        Size in MB where the authors state no exact one.
    sha256 : str or None
        Of the file as released; None where the authors state none.
    licence, citation : str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    title: str = ""
    url: str = ""
    hub: str = ""
    revision: str = "main"
    file: str = Field(pattern=r"^[^/\\]+$")
    bytes: int | None = Field(None, gt=0)
    about_mb: float | None = Field(None, gt=0)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    licence: str
    citation: str

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.url) == bool(self.hub):
            raise ValueError("give one of url and hub")
        return self

    @property
    def size(self) -> str:
        """How large it is, in words."""
        if self.bytes is None:
            return f"about {self.about_mb:.3g} MB" if self.about_mb else "size not stated"
        return f"{self.bytes / 1e6:.3g} MB" if self.bytes >= 1e6 else f"{self.bytes} bytes"

    @property
    def address(self) -> str:
        """Where the file is downloaded from."""
        if self.url:
            return self.url
        return f"https://huggingface.co/{self.hub}/resolve/{self.revision}/{self.file}"


def releases(package: str) -> dict[str, Release]:
    """What a detector's package lists in its weights.yaml, by name; empty without one.

    Raises
    ------
    MedadError
        If the file is not a catalogue.
    """
    listed = files(package) / CATALOGUE
    if not listed.is_file():
        return {}
    try:
        held = yaml.safe_load(listed.read_text(encoding="utf-8"))
        found = [Release.model_validate(entry) for entry in held["released"]]
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise MedadError(
            f"{listed} is not a catalogue of weights ({str(error).splitlines()[0]}); mend it."
        ) from None
    return {release.name: release for release in found}


def release(package: str, detector: str, name: str) -> Release:
    """One release by name.

    Raises
    ------
    MedadError
        If the detector has none of that name; the sentence lists those it has.
    """
    known = releases(package)
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "nothing was released for it"
        raise MedadError(f"There are no weights '{name}' to fetch for '{detector}'; {there}.")
    return known[name]
