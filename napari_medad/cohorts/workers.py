"""What a cluster's workers are: which device each takes, and whether their versions fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from napari_medad.errors import MedadError
from napari_medad.results.run_record import RECORDED_PACKAGES

SPOKEN = ("dask", "distributed")
"""Packages of which the scheduler, too, must have the client's version."""
COMPUTED = ("python", *SPOKEN, "cloudpickle", *RECORDED_PACKAGES)
"""Packages of which the workers must."""


def device_of(asked: str, name: object, place: int, gpus: int) -> str:
    """The device that a worker computes on, so that workers of one machine share its GPUs.

    Parameters
    ----------
    asked : str
        A device that was asked for by number, or "cpu", holds for every worker.
    name : object
        Of the worker. A number at its end, as `--nworkers` and local clusters give it, chooses.
    place : int
        Of the worker among those of its machine, for names without a number.
    gpus : int
        That the worker sees; one where CUDA_VISIBLE_DEVICES was set for it.
    """
    if asked not in ("auto", "cuda") or gpus == 0:
        return asked
    text = str(name)
    number = None if ":" in text else re.search(r"\d+$", text)
    return f"cuda:{(int(number[0]) if number else place) % gpus}"


def places(workers: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Place of each worker, by address, among those of its machine.

    Parameters
    ----------
    workers : mapping of str to mapping
        By address, with a `host`.
    """
    beside: dict[str, list[str]] = {}
    for address in sorted(workers):
        beside.setdefault(str(workers[address]["host"]), []).append(address)
    return {address: place for own in beside.values() for place, address in enumerate(own)}


def refuse_other_versions(versions: Mapping[str, Any], cluster: str) -> None:
    """Raise where scheduler or workers have other versions than this process.

    Parameters
    ----------
    versions : mapping
        As `Client.get_versions` gives them for the packages `COMPUTED`.
    cluster : str
        Its address.

    Raises
    ------
    MedadError
        Names the package and both versions.
    """
    own = versions["client"]["packages"]
    others: list[tuple[str, Any, tuple[str, ...]]] = [("scheduler", versions["scheduler"], SPOKEN)]
    others += [(f"worker {address}", its, COMPUTED) for address, its in versions["workers"].items()]
    for who, its, packages in others:
        for package in packages:
            here, there = (_plain(held.get(package)) for held in (own, its["packages"]))
            if here != there:
                raise MedadError(
                    f"The cluster at {cluster} is of other versions: {package} is {here} here and "
                    f"{there} on the {who}; install the same on all machines."
                )


def _plain(version: str | None) -> str:
    """Without the build ("2.5.1+cpu"), and of Python without the last parts ("3.11")."""
    if version is None:
        return "not installed"
    text = str(version).split("+")[0]
    return ".".join(text.split(".")[:2]) if text.count(".") >= 4 else text
