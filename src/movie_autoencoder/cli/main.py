"""The commands: what stands on a command line becomes a configuration, and what comes back becomes text.

No logic here: `training.train`, `evaluation.evaluate` and `inspection` do the work. Exit codes and output are a
contract (docs/design.md).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .. import __version__
from .commands import app as _using

if TYPE_CHECKING:
    from ..config import Config

app = typer.Typer(
    name="movie-autoencoder",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An autoencoder for movie ratings: train it, evaluate it, and have films recommended.",
)

_DEBUG = typer.Option("--debug", help="Show the traceback of an error.")


@app.command()
def train(
    data: Annotated[
        str | None, typer.Option(help="Ratings: a file, folder, zip or known name. Without it: data/.")
    ] = None,
    with_people: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FILE", help="Somebody's own export as one more user; repeatable."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="dual or autorec.")] = None,
    speed: Annotated[
        str | None, typer.Option(help="dual: best (averaged, the default) or fast (one point estimate).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML); options here override it.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="SECTION.KEY=VALUE; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/latest"),
    seed: Annotated[str | None, typer.Option(metavar="N", help="Seed of split, weights and hiding.")] = None,
    epochs: Annotated[str | None, typer.Option(metavar="N", help="Length of the schedule; dual: in steps.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, adamw, nadam, rmsprop, adagrad or sgd.")] = None,
    test_fraction: Annotated[
        str | None, typer.Option(metavar="F", help="Share held out for evaluation; 0: train on all.")
    ] = None,
    validation_fraction: Annotated[
        str | None, typer.Option(metavar="F", help="Share of the rest that chooses settings.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Hold out by rating, user or time.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    threads: Annotated[str | None, typer.Option(metavar="N", help="Processor threads; 0: all.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Train an autoencoder on ratings and save it."""
    from ..training.progress import LineReporter, LiveReporter, Reporter
    from ..training.train import train as run_training

    given = {  # as text: the configuration checks them, and names value and what is allowed
        "model.name": model,
        "model.speed": speed,
        "data.path": data,
        "training.seed": seed,
        "training.epochs": epochs,
        "training.optimizer": optimizer,
        "split.test_fraction": test_fraction,
        "split.validation_fraction": validation_fraction,
        "split.by": split,
        "training.threads": threads,
    }
    numbers = {
        "training.seed",
        "training.epochs",
        "training.threads",
        "split.test_fraction",
        "split.validation_fraction",
    }
    texts = [
        f"{key}={value if key in numbers else json.dumps(value)}" for key, value in given.items() if value is not None
    ]
    texts += [f"data.people={json.dumps(with_people, ensure_ascii=False)}"] if with_people else []
    # --model first, since another model starts from its own defaults; then --set, then the options with names
    chosen = _configured(config, [*texts[: model is not None], *(settings or []), *texts[model is not None :]])
    reporter = Reporter() if quiet else LiveReporter() if sys.stdout.isatty() else LineReporter()
    with _answering_interrupts():
        result = run_training(chosen, out=out, resume=resume, reporter=reporter)
    if not quiet and not result.resumed:
        _print_lines(result.lines())
        _print_lines([f"Saved      {out}. Next: python evaluate.py{'' if out == Path('runs/latest') else f' {out}'}"])


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="The run's folder.")] = Path("runs/latest"),
    ratings: Annotated[
        str | None, typer.Option(help="Score this file of held-out ratings instead of the test part.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report and no pictures.")] = False,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Score a trained model on ratings that it has never seen, and draw the results."""
    from ..bundle import load_bundle
    from ..data.loading import read_like
    from ..evaluation import evaluate as run_evaluation

    bundle = load_bundle(run / "bundle")
    held_out = read_like(ratings, bundle.metadata) if ratings is not None else None
    evaluation = run_evaluation(bundle, folder=run, ratings=held_out)
    if as_json:
        typer.echo(json.dumps(evaluation.to_dict(), allow_nan=False))
    else:
        _print_lines([*evaluation.lines(), "", *evaluation.example_lines()])
    if no_report:
        return
    try:
        from ..report import write_report

        written = write_report(evaluation, run)
    except ModuleNotFoundError as missing:
        raise ImportError(
            f'The report needs {missing.name}, which is not installed. Install it with: pip install -e ".[train]", or '
            "leave the report out with --no-report."
        ) from None
    if not as_json:
        _print_lines(["", f"Report     {written}"])


@app.command()
def inspect(
    data: Annotated[str | None, typer.Argument(help="Ratings: a file, folder, zip or known name.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="SECTION.KEY=VALUE; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Show statistics of a data set, and what training on it takes."""
    from ..data.loading import read_data
    from ..data.statistics import inspect_ratings
    from ..training.estimates import estimate

    config = _configured(None, [*(settings or []), *([f"data.path={json.dumps(data)}"] if data is not None else [])])
    _, ratings, _ = read_data(config, notify=lambda text: typer.echo(text, err=True))
    inspection, needed = inspect_ratings(ratings), estimate(ratings, config)
    if as_json:
        typer.echo(json.dumps(inspection.to_dict() | {"estimate": vars(needed)}, allow_nan=False))
        return
    _print_lines([*inspection.lines(), *needed.lines()])


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    debug: Annotated[bool, _DEBUG] = False,
) -> None:
    """Show versions, devices, threads, free memory, and what is missing."""
    from ..inspection import doctor as examine

    health = examine()
    _print_lines([json.dumps(health.to_dict(), allow_nan=False)] if as_json else health.lines())


app.add_typer(_using)


def _configured(file: Path | None, settings: Sequence[str]) -> Config:
    from ..config import Config, ConfigError

    base = Config.from_toml(file) if file is not None else Config()
    try:
        return base.with_settings(settings)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"movie-autoencoder {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An autoencoder for movie ratings."""


class _Interrupted(Exception):
    """Ctrl-C, past typer, which would answer it without a word."""


@contextmanager
def _answering_interrupts() -> Iterator[None]:
    from ..training import Interrupted

    try:
        yield
    except Interrupted:
        raise _Interrupted("Interrupted. What was done is saved; go on with the same command and --resume.") from None
    except KeyboardInterrupt:
        raise _Interrupted("Interrupted. Give the same command again; with --resume, if it was training.") from None


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits with the contract's code: 0, 1, 2 or 130.

    Args:
        arguments: the command's words; those of the process when left out.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_exit_code(words))


def _exit_code(words: list[str]) -> int:
    try:
        outcome: Any = app(words, standalone_mode=False, prog_name="movie-autoencoder")
        return outcome if isinstance(outcome, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (_Interrupted, KeyboardInterrupt, typer.Abort) as stop:
        sys.stderr.write(f"\n{str(stop) or 'Interrupted.'}\n")
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # the reader has gone; there is nobody to tell
        return 1
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        elif hasattr(error, "format_message"):  # a usage error of the command line
            _complain(f"{error.format_message()} See --help.")
        else:
            _complain(_message(error))
        return int(getattr(error, "exit_code", 1))


def _message(error: Exception) -> str:
    if isinstance(error, (ValueError, ImportError)) and str(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}. Check the path, the permissions and the free space; nothing there was changed."
        )
    if isinstance(error, MemoryError):
        return "Not enough memory. Use fewer ratings, a smaller model, or a machine with more."
    return f"{type(error).__name__}: {error}. This should not happen; run again with --debug and report what it prints."


def _complain(text: str) -> None:
    sys.stderr.write(f"Error: {text}\n")
