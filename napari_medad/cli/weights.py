"""`medad weights`: what is installed, adding, checking and fetching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medad.cli.console import note, progress_bar, say, show_table, size_text
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.detectors.card import Card

weights = typer.Typer(help="List, add, check and fetch weights.", no_args_is_help=True)

Detector = Annotated[str, typer.Argument(metavar="DETECTOR")]
MaybeDetector = Annotated[str | None, typer.Argument(metavar="[DETECTOR]")]
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
) -> None:
    """Check weights by loading them into the detector, and keep them."""
    from napari_medad.detectors.add_weights import add_weights

    added = add_weights(detector, path, name=name, trust_pickle=trust_pickle)
    say(f"Added; use them with --detector {detector} --weights {added.name}.")


@weights.command()
def verify(detector: MaybeDetector = None) -> None:
    """Compare every installed file with the checksum written when it came."""
    from napari_medad.weights.installed import installed_weights
    from napari_medad.weights.model_folder import ModelFolder

    for card in _cards(detector):
        for found in installed_weights(card.name).values():
            assert found.path is not None
            ModelFolder.read(found.path, card.name).verify()
            say(f"{card.name} {found.name}: intact")


@weights.command()
def fetch(
    detector: Detector,
    name: Annotated[str, typer.Argument(metavar="NAME", help="From `medad weights list`.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence without being asked.")
    ] = False,
    trust_pickle: TrustPickle = False,
) -> None:
    """Download weights that a method's authors released."""
    from napari_medad.detectors.add_weights import fetch_weights
    from napari_medad.detectors.registry import card
    from napari_medad.inference.progress import Reporter
    from napari_medad.weights.catalogue import release

    wanted = release(card(detector).package, detector, name)
    note(f"{wanted.title or name}, {wanted.size}: {wanted.citation}")
    note(f"Licence: {wanted.licence}")
    if not accept_licence and not typer.confirm("Do you accept this licence?", err=True):
        raise MedadError("Nothing was fetched, because the licence was not accepted.")
    with progress_bar(wanted.file) as report:
        counter = Reporter(report, (wanted.bytes or 0) // 1000, "kB")

        def count(done: int, total: int) -> None:
            counter(done // 1000, total // 1000)

        added = fetch_weights(detector, name, trust_pickle=trust_pickle, report=count)
    say(f"Added; use them with --detector {detector} --weights {added.name}.")


def _cards(detector: str | None) -> list[Card]:
    from napari_medad.detectors.registry import card, cards

    return list(cards().values()) if detector is None else [card(detector)]


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
