"""Take weights from a file or a release into the user's folder, after they have loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from napari_medad.atomic import replacing, replacing_files
from napari_medad.detectors.card import Card
from napari_medad.detectors.device import Device
from napari_medad.detectors.registry import card as card_of
from napari_medad.errors import MedadError
from napari_medad.results.run_record import sha256_of
from napari_medad.weights.catalogue import Release, release, releases
from napari_medad.weights.checkpoint import read_tensors
from napari_medad.weights.download import download
from napari_medad.weights.installed import RELEASED, RESERVED, weights_home
from napari_medad.weights.model_folder import ModelFolder


def add_weights(
    detector: str, path: str | Path, *, name: str | None = None, trust_pickle: bool = False
) -> Path:
    """Check weights by loading them into the detector, and keep them as a model folder.

    Parameters
    ----------
    detector : str
    path : path
        A model folder that `medad train` wrote, .safetensors, a torch checkpoint, or the
        authors' folder where they saved several files. A file that the detector's catalogue
        lists is known by its checksum.
    name : str, optional
        What to call them. Default: the release's name, else the file's without endings.
    trust_pickle : bool
        Run the pickle of an old checkpoint.

    Returns
    -------
    Path
        The model folder made.

    Raises
    ------
    MedadError
        If the file does not fit: names the first key that is missing or misshapen.
    """
    card, path = card_of(detector), Path(path).expanduser()
    if not card.weights:
        raise MedadError(f"'{detector}' needs no weights, so none can be added to it.")
    if not path.exists():
        raise MedadError(f"There are no weights at {path}; check the path.")
    known = _release_of(card, path, name)
    name = name or (known.name if known else path.name.split(".")[0])
    final = weights_home() / detector / name
    if name in RESERVED or Path(name).name != name or name.startswith("."):
        raise MedadError(f"Weights cannot be called '{name}'; choose another --name.")
    if final.exists():
        raise MedadError(f"'{detector}' has weights called '{name}'; choose another --name.")
    model, tensors = _read(card, path, trust_pickle)
    with replacing_files(final) as staging:
        staged = ModelFolder(staging, detector, model.settings, model.facts)
        staged.write(tensors)
        _try(card, staged, path)
        if known:
            with replacing(staging / RELEASED) as part:
                part.write_text(known.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return final


def fetch_weights(
    detector: str,
    name: str,
    *,
    trust_pickle: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a release of the detector's catalogue and add it.

    Raises
    ------
    MedadError
        Unknown release, no network (the sentence says how to bring the file by hand), or a
        file that does not fit.
    """
    wanted = release(card_of(detector).package, detector, name)
    named = "" if wanted.sha256 else f" --name {wanted.name}"
    by_hand = f"medad weights add {detector} {wanted.file}{named}"
    file = download(wanted, by_hand, weights_home() / ".downloads", report)
    added = add_weights(detector, file, name=wanted.name, trust_pickle=trust_pickle)
    file.unlink()
    return added


def _release_of(card: Card, path: Path, name: str | None) -> Release | None:
    """The catalogue's entry for this file, by checksum, or by the user's word where it has none."""
    known = releases(card.package)
    if not known or not path.is_file():
        return None
    checksum = sha256_of(path)
    unchecked = known.get(name or "")
    if unchecked is not None and unchecked.sha256 is None:
        return unchecked
    return next((r for r in known.values() if r.sha256 == checksum), None)


def _read(card: Card, path: Path, trust_pickle: bool) -> tuple[ModelFolder, dict[str, Tensor]]:
    """What will be the model folder: ours as it is, anything else by the method's converter."""
    if (path / "model.json").is_file():
        model = ModelFolder.read(path, card.name)
        return model, model.tensors()
    if path.is_dir():
        settings, facts, tensors = card.convert_folder(path)
        return ModelFolder(path, card.name, settings, facts), tensors
    settings, tensors = card.convert(read_tensors(path, trust_pickle=trust_pickle))
    return ModelFolder(path, card.name, settings), tensors


def _try(card: Card, staged: ModelFolder, origin: Path) -> None:
    """Load the staged folder; what does not fit is told of the user's file, not of ours."""
    try:
        settings = card.settings_type().parse({}, card.name)
        card.detector_type()(settings, Device(), str(staged.path))
    except MedadError as error:
        raise MedadError(str(error).replace(str(staged.path), str(origin))) from None
