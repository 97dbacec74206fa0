"""How a command ends: exit codes, one-line error messages, and interrupts.

0: done. 1: the command failed. 2: wrong usage of the command line. 130: interrupted with Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer


class CommandInterrupted(Exception):
    """Ctrl-C with a message. It is no `KeyboardInterrupt`, which typer would turn into an exit without a message."""


@contextmanager
def explained_interrupts() -> Iterator[None]:
    """Turns Ctrl-C during training into a message that says how to continue.

    Raises:
        CommandInterrupted: Ctrl-C.
    """
    from ..training import Interrupted

    try:
        yield
    except Interrupted:
        raise CommandInterrupted(
            "Interrupted. The progress is saved; continue with the same command and --resume."
        ) from None
    except KeyboardInterrupt:
        raise CommandInterrupted(
            "Interrupted. Run the same command again, with --resume if training had started."
        ) from None


def run_command(app: typer.Typer, words: list[str]) -> int:
    """Runs a command, and prints one line where it fails; the traceback too with ``--debug``.

    Args:
        app: all commands.
        words: the words of the command line.

    Returns:
        The exit code.
    """
    try:
        outcome: Any = app(words, standalone_mode=False, prog_name="movie-autoencoder")
        return outcome if isinstance(outcome, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (CommandInterrupted, KeyboardInterrupt, typer.Abort) as stop:
        sys.stderr.write(f"\n{str(stop) or 'Interrupted.'}\n")
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # the reader of the pipe is gone: nobody reads a message
        return 1
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        elif hasattr(error, "format_message"):  # wrong usage of the command line
            sys.stderr.write(f"Error: {error.format_message()} See --help.\n")
        else:
            sys.stderr.write(f"Error: {_message(error)}\n")
        return int(getattr(error, "exit_code", 1))


def _message(error: Exception) -> str:
    if isinstance(error, (ValueError, ImportError)) and str(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}. Check the path, the permissions and the free space; nothing was changed there."
        )
    if isinstance(error, MemoryError):
        return "Not enough memory. Use fewer ratings, a smaller model, or a machine with more memory."
    return f"{type(error).__name__}: {error}. This is a bug; run again with --debug and report what it prints."
