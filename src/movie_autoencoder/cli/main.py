"""The command `movie-autoencoder`: its subcommands, and the exit code of the process.

The commands contain no logic. They turn the command line into arguments of the package, and the results into text, CSV
or JSON. Output and exit codes are a contract (docs/design.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from .. import __version__
from . import bundle_commands, recommend_commands, train_commands
from .errors import run_command

app = typer.Typer(
    name="movie-autoencoder",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An autoencoder for movie ratings: train it, evaluate it, and get film recommendations.",
)
for commands in (train_commands, recommend_commands, bundle_commands):
    app.add_typer(commands.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"movie-autoencoder {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An autoencoder for movie ratings."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process with an exit code of the contract: 0, 1, 2 or 130.

    Args:
        arguments: the words of the command line; those of the process when left out.
    """
    sys.exit(run_command(app, list(sys.argv[1:] if arguments is None else arguments)))
