"""`medad weights`: what is installed, adding, checking and fetching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medad.cli.console import note, progress_bar, say, show_table, size_text
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.backbones.clip.catalogue import Backbone
    from napari_medad.detectors.card import Card
    from napari_medad.weights.catalogue import Release

weights = typer.Typer(help="List, add, check and fetch weights.", no_args_is_help=True)

Detector = Annotated[
    str, typer.Argument(metavar="DETECTOR|CLIP", help="A detector, or a CLIP such as vit-l-14-336.")
]
MaybeDetector = Annotated[str | None, typer.Argument(metavar="[DETECTOR|CLIP]")]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Accept the licence without being asked.")
]
TrustPickle = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Open an old checkpoint although it can run any code."),
]


@weights.command("list")
def list_weights(detector: MaybeDetector = None) -> None:
    """List the weights that are installed, and those that can be fetched."""
    columns = ("Detector", "Name", "State", "Size", "Licence", "SHA-256")
    show_table(columns, _rows(detector))


@weights.command()
def add(
    detector: Detector,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Checkpoint or model folder.")],
    name: Annotated[str | None, typer.Option(help="What to call them.")] = None,
    trust_pickle: TrustPickle = False,
    accept_licence: AcceptLicence = False,
) -> None:
    """Check weights by loading them into the detector, and keep them; or a file of a CLIP."""
    from napari_medad.backbones.clip.catalogue import released

    if detector in released():
        from napari_medad.backbones.clip.fetch import add_backbone_file

        say(f"Added as {add_backbone_file(detector, path)}.")
        return
    from napari_medad.detectors.add_weights import add_weights
    from napari_medad.detectors.registry import card as card_of

    card = card_of(detector)
    if card.consent and not (path / "model.json").is_file():
        _consent("added", f"{card.title}'s weights: {card.paper}", card.licence, accept_licence)
    added = add_weights(detector, path, name=name, trust_pickle=trust_pickle)
    say(f"Added; use them with --detector {detector} --weights {added.name}.")


@weights.command()
def verify(detector: MaybeDetector = None) -> None:
    """Compare every installed file with the checksum written when it came."""
    from napari_medad.backbones.clip.fetch import verify_backbone
    from napari_medad.weights.installed import installed_weights
    from napari_medad.weights.model_folder import ModelFolder

    for card in _cards(detector):
        for found in installed_weights(card.name).values():
            assert found.path is not None
            ModelFolder.read(found.path, card.name).verify()
            say(f"{card.name} {found.name}: intact")
    for clip in _clips(detector):
        if clip.installed:
            for name in verify_backbone(clip):
                say(f"{clip.name} {name}: intact")


@weights.command()
def fetch(
    detector: Detector,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="From `medad weights list`; default: the first."),
    ] = None,
    accept_licence: AcceptLicence = False,
    trust_pickle: TrustPickle = False,
) -> None:
    """Download weights that a method's authors released, or those of a CLIP."""
    from napari_medad.backbones.clip.catalogue import released

    if detector in released():
        _fetch_clip(released()[detector], accept_licence)
        return
    from napari_medad.detectors.add_weights import fetch_weights
    from napari_medad.detectors.registry import card
    from napari_medad.weights.catalogue import release, releases

    package = card(detector).package
    wanted = release(package, detector, name or next(iter(releases(package)), "released"))
    _agree(f"{wanted.title or wanted.name}, {wanted.size}", wanted, accept_licence)
    with _counting(wanted.file) as count:
        added = fetch_weights(detector, wanted.name, trust_pickle=trust_pickle, report=count)
    say(f"Added; use them with --detector {detector} --weights {added.name}.")


def _fetch_clip(clip: Backbone, accepted: bool) -> None:
    """Fetch a CLIP's files, one bar for each."""
    from napari_medad.backbones.clip.fetch import fetch_backbone

    if clip.installed:
        say(f"The CLIP weights '{clip.name}' are here already.")
        return
    _agree(f"{clip.title}, {clip.terms.split(',')[0]}", clip, accepted)
    with _counting(clip.name) as count:
        came = fetch_backbone(clip.name, lambda file, done, total: count(done, total))
    for file, known in came.items():
        if not known:
            note(
                f"The sha256 of {file} was not known beforehand; it is kept, and a change will be "
                "found out."
            )
    say(f"The CLIP weights '{clip.name}' are in {clip.files[0].path.parent}.")


def _agree(what: str, terms: Release | Backbone, accepted: bool) -> None:
    """Show citation and licence, and go on only where the licence is accepted."""
    _consent("fetched", f"{what}: {terms.citation}", terms.licence, accepted)


def _consent(deed: str, what: str, licence: str, accepted: bool) -> None:
    note(what)
    note(f"Licence: {licence}")
    if not accepted and not typer.confirm("Do you accept this licence?", err=True):
        raise MedadError(f"Nothing was {deed}, because the licence was not accepted.")


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that counts bytes."""
    from napari_medad.inference.progress import Reporter

    with progress_bar(what) as report:
        counter = Reporter(report, 0, "kB")

        def count(done: int, total: int) -> None:
            counter(done // 1000, total // 1000)

        yield count


def _cards(detector: str | None) -> list[Card]:
    from napari_medad.backbones.clip.catalogue import released
    from napari_medad.detectors.registry import card, cards

    if detector in released():
        return []
    return list(cards().values()) if detector is None else [card(detector)]


def _clips(name: str | None) -> list[Backbone]:
    from napari_medad.backbones.clip.catalogue import released

    return [clip for clip in released().values() if name in (None, clip.name)]


def _rows(detector: str | None) -> Iterator[tuple[str, ...]]:
    from napari_medad.weights.catalogue import releases
    from napari_medad.weights.installed import installed_weights

    for card in _cards(detector):
        if not card.weights:
            yield card.name, "", "needs none", "", "", ""
        waiting = releases(card.package)
        for name, found in installed_weights(card.name).items():
            assert found.path is not None
            released = found.release()
            terms = card.licence if found.state == "starter" else "yours"
            if released is not None:
                waiting.pop(released.name, None)
                terms = released.licence
            size = size_text((found.path / "weights.safetensors").stat().st_size)
            checksum = found.record().sha256 or ""
            yield card.name, name, found.state, size, terms, checksum[:12]
        for name, other in waiting.items():
            checksum = other.sha256 or ""
            yield card.name, name, "to fetch", other.size, other.licence, checksum[:12]
    for clip in _clips(detector):
        size, licence = clip.terms.split(", licence ")
        state = "installed" if clip.installed else "to fetch"
        yield clip.name, "CLIP", state, size, licence, (clip.files[0].sha256 or "")[:12]
