"""The `medad` command: each command calls one public function.

Exit status 0: done; 1: the input or an option is wrong, one sentence on stderr;
130: cancelled. `--debug` anywhere shows the traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_medad.cli.benchmark import benchmark
from napari_medad.cli.console import complain, note, say
from napari_medad.cli.datasets import datasets
from napari_medad.cli.detection import detect, detectors
from napari_medad.cli.evaluating import evaluate
from napari_medad.cli.exporting import export
from napari_medad.cli.followup import followup
from napari_medad.cli.learning import train
from napari_medad.cli.retrieving import retrieve
from napari_medad.cli.teaching import teach
from napari_medad.cli.viewing import demo, open_input
from napari_medad.cli.weights import weights
from napari_medad.errors import Cancelled, MedadError

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Of click, which newer typers carry inside and older ones import."""

app = typer.Typer(
    name="medad",
    help="Anomaly detection in 3D medical images. Not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(detectors)
app.command()(detect)
app.command()(train)
app.command()(teach)
app.command()(evaluate)
app.command()(export)
app.command()(followup)
app.command()(benchmark)
app.command()(datasets)
app.add_typer(retrieve, name="retrieve")
app.add_typer(weights, name="weights")
app.command()(demo)
app.command("open")(open_input)


def _version(wanted: bool) -> None:
    if wanted:
        from napari_medad import __version__

        say(f"napari-medad {__version__}")
        raise typer.Exit


@app.callback()
def _medad(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")
    ] = False,
) -> None:
    """Anomaly detection in 3D medical images. Not a medical device."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit status."""
    debug = "--debug" in arguments
    try:
        arguments = [a for a in arguments if a != "--debug"]
        return app(arguments, prog_name="medad", standalone_mode=False) or 0
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        note("Cancelled.")
        return 130
    except MedadError as error:
        if debug:
            raise
        complain(str(error))
    except UsageError as error:
        told = error.format_message()  # type: ignore[attr-defined]
        if told:  # empty where the help was shown because nothing was asked
            complain(f"{told.rstrip('.')}; see `medad --help`.")
    except Exception as error:
        if debug:
            raise
        told = " ".join(str(error).split()) or "no message"
        complain(
            f"Something unexpected went wrong ({type(error).__name__}: {told}); run again with "
            "--debug to see where, and report it."
        )
    return 1


def main() -> None:
    """Entry point of the `medad` script."""
    sys.exit(run(sys.argv[1:]))
