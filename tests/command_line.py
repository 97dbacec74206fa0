"""Commands run in this process: no interpreter and no TensorFlow has to start for each."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from movie_autoencoder.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def call(*words: object) -> Outcome:
    """Runs ``movie-autoencoder`` with these words."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code
    assert isinstance(code, int), code
    return Outcome(code, out.getvalue(), err.getvalue())


def run(*words: object, code: int = 0) -> str:
    """Standard output of a command that succeeds; standard error of one that fails with this exit code."""
    outcome = call(*words)
    assert outcome.code == code, outcome.err
    return outcome.err if code else outcome.out
