"""A benchmark as its file has it: data, methods, setups, and the paper's figures."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.consistency import contradictions
from napari_medad.benchmarks.paper import Flag, PaperRow


class Setup(BaseModel):
    """What weights a method begins with, and whether it is trained.

    Attributes
    ----------
    about : str
    weights : str
        "released", the authors', or "random".
    trained : bool
    both : mapping
        Settings of the detector that are options of its training too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    about: str
    weights: str = "random"
    trained: bool = True
    both: dict[str, Any] = {}


class Method(BaseModel):
    """A detector as the paper ran it.

    Attributes
    ----------
    title : str
        What the paper calls it.
    released : str
        The authors' weights.
    settings, options : mapping
        Of the detector, and of its training.
    both : mapping
        Of the detector and of its training.
    setups : tuple of str
        Empty for all.
    training_patients : int or None
        That it learns from, where not all.
    half : float
        Value of the map where the mean probability is 0.5.
    half_by_variant : mapping
        The same where the setting `variant` changes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    released: str = "auto"
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    both: dict[str, Any] = {}
    setups: tuple[str, ...] = ()
    training_patients: int | None = None
    half: float = 0.5
    half_by_variant: dict[str, float] = {}


class Protocol(BaseModel):
    """A benchmark.

    Attributes
    ----------
    name, title, citation, about : str
    layout, volume : str
        Of the dataset, and which volume is looked at.
    test : tuple of int
        Numbers of the test patients.
    training_patients : int
        That the paper had.
    validation_share : float
        Of the training patients, on whom a threshold is chosen.
    seed : int
        Of what is drawn: validation patients, and those of a method that learns from fewer.
    setups, methods : mapping
        By name, in the order of the table.
    figures : mapping of str to str
        The table's columns, and what they are called.
    choices : tuple of str
        Where the paper is silent.
    remarks : tuple of str
        What else is odd in the paper.
    paper : tuple of PaperRow
    flags : tuple of Flag
        Of the file; see `all_flags`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    citation: str
    about: str
    layout: str
    volume: str
    test: tuple[int, ...]
    training_patients: int
    validation_share: float
    seed: int
    setups: dict[str, Setup]
    methods: dict[str, Method]
    figures: dict[str, str]
    choices: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    paper: tuple[PaperRow, ...]
    flags: tuple[Flag, ...]

    @classmethod
    def read(cls, name: str) -> Protocol:
        """The benchmark of this name."""
        return cls.model_validate({"name": name, **read_yaml(name)})

    @cached_property
    def all_flags(self) -> tuple[Flag, ...]:
        """Found by arithmetic, and those that the file tells; in the order of the table."""
        rows = [(row.method, row.setup) for row in self.paper]
        found = (*contradictions(self.paper), *self.flags)
        return tuple(sorted(found, key=lambda flag: rows.index((flag.method, flag.setup))))

    def setups_of(self, method: str) -> tuple[str, ...]:
        """The setups that a method has, in the table's order."""
        own = self.methods[method].setups
        return tuple(name for name in self.setups if not own or name in own)


def read_yaml(name: str) -> dict[str, Any]:
    """What `NAME.yaml` beside this module holds."""
    text = files("napari_medad.benchmarks").joinpath(f"{name}.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))
