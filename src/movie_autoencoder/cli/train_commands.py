"""The commands that train, evaluate and inspect: `train`, `evaluate`, `inspect` and `doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import explained_interrupts
from .formatting import print_json, print_lines
from .options import AsJson, Debug, Settings

if TYPE_CHECKING:
    from ..config import Config
    from ..evaluation import ChoiceEvaluation, Evaluation

app = typer.Typer()

_LATEST = Path("runs/latest")


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(
            help="Ratings: a file, folder, zip or known name; if omitted, the ratings in data/, or the sample."
        ),
    ] = None,
    with_people: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FILE", help="A person's own export, as one more user; repeat for more people."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="dual, autorec, choice (which items, not how many stars), or a model that a plugin registers."
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            help="dual: best (the default) averages it with Bayesian matrix factorization; fast trains it alone."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML); options override it.")] = None,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = _LATEST,
    seed: Annotated[str | None, typer.Option(metavar="N", help="Seed of the split and of training.")] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="N", help="Length of the learning rate schedule, epochs; dual: steps.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, adamw, nadam, rmsprop, adagrad or sgd.")] = None,
    test_fraction: Annotated[
        str | None, typer.Option(metavar="F", help="Fraction held out for evaluation; 0: train on all ratings.")
    ] = None,
    validation_fraction: Annotated[
        str | None, typer.Option(metavar="F", help="Fraction of the other ratings that chooses settings.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="What is held out: rating, user or time.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write losses and validation errors to DIR for TensorBoard.")
    ] = None,
    threads: Annotated[str | None, typer.Option(metavar="N", help="Processor threads; 0: all.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    debug: Debug = False,
) -> None:
    """Train a model on ratings and save it."""
    from ..training.progress import LineReporter, LiveReporter, Reporter
    from ..training.train import train as run_training

    texts = {  # the configuration checks them, and its messages name the value and what is allowed
        "data.path": data,
        "data.people": with_people,
        "training.optimizer": optimizer,
        "split.by": split,
        "model.speed": speed,
    }
    numbers = {
        "training.seed": seed,
        "training.epochs": epochs,
        "split.test_fraction": test_fraction,
        "split.validation_fraction": validation_fraction,
        "training.threads": threads,
    }
    chosen = _configured(
        config,
        [
            *([] if model is None else [_setting("model.name", model)]),  # first: another model has other settings
            *(settings or []),
            *(_setting(key, value) for key, value in texts.items() if value is not None),
            *(f"{key}={value}" for key, value in numbers.items() if value is not None),
        ],
    )
    reporter = Reporter() if quiet else LiveReporter() if sys.stdout.isatty() else LineReporter()
    with explained_interrupts():
        result = run_training(chosen, out=out, resume=resume, reporter=reporter, tensorboard=tensorboard)
    if not quiet and not result.resumed:
        print_lines(result.lines())
        print_lines([f"Saved      {out}. Next: python evaluate.py{'' if out == _LATEST else f' {out}'}"])


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of the trained run.")] = _LATEST,
    ratings: Annotated[
        str | None, typer.Option(help="File of held-out ratings to evaluate on, instead of the test part.")
    ] = None,
    as_json: AsJson = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report and no pictures.")] = False,
    debug: Debug = False,
) -> None:
    """Evaluate a trained model on ratings that it has never seen, and write a report."""
    from ..bundle import load_bundle
    from ..data.loading import read_like
    from ..evaluation import evaluate as evaluate_stars
    from ..evaluation import evaluate_choice

    bundle = load_bundle(run / "bundle")
    held_out = read_like(ratings, bundle.metadata) if ratings is not None else None
    if bundle.model.scale.rated and (held_out is None or held_out.rated):
        evaluation: Evaluation | ChoiceEvaluation = evaluate_stars(bundle, folder=run, ratings=held_out)
    else:
        evaluation = evaluate_choice(bundle, folder=run, ratings=held_out)
    if as_json:
        print_json(evaluation.to_dict())
    else:
        examples = evaluation.example_lines()
        print_lines([*evaluation.lines(), *(["", *examples] if examples else [])])
    if no_report:
        return
    try:
        from ..report import write_report

        written = write_report(evaluation, run)
    except ModuleNotFoundError as missing:
        raise ImportError(
            f'The report needs {missing.name}, which is not installed. Install it with: pip install -e ".[train]", or '
            "use --no-report."
        ) from None
    if not as_json:
        print_lines(["", f"Report     {written}"])


@app.command()
def inspect(
    data: Annotated[
        str | None,
        typer.Argument(
            help="Ratings: a file, folder, zip or known name; if omitted, the ratings in data/, or the sample."
        ),
    ] = None,
    settings: Settings = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show statistics of a data set, and an estimate of the memory and time that training needs."""
    from ..data.loading import read_data
    from ..data.statistics import inspect_ratings
    from ..training.estimates import estimate

    config = _configured(None, [*(settings or []), *([] if data is None else [_setting("data.path", data)])])
    _, ratings, _ = read_data(config, notify=lambda text: print_lines([text], to_stderr=True))
    statistics, needed = inspect_ratings(ratings), estimate(ratings, config)
    if as_json:
        print_json(statistics.to_dict() | {"estimate": vars(needed)})
    else:
        print_lines([*statistics.lines(), *needed.lines()])


@app.command()
def doctor(as_json: AsJson = False, debug: Debug = False) -> None:
    """Show versions, devices, threads and free memory, and which packages are missing."""
    from .doctor import doctor as examine

    health = examine()
    if as_json:
        print_json(health.to_dict())
    else:
        print_lines(health.lines())


def _setting(key: str, text: str | list[str]) -> str:
    """A setting with text in quotation marks, so that the folder ``1984`` is no number."""
    return f"{key}={json.dumps(text, ensure_ascii=False)}"


def _configured(file: Path | None, settings: Sequence[str]) -> Config:
    """The configuration of a file, or the defaults, with settings applied in order.

    Raises:
        ConfigError: the file is wrong.
        typer.BadParameter: a setting is wrong.
    """
    from ..config import Config, ConfigError

    base = Config.from_toml(file) if file is not None else Config()
    try:
        return base.with_settings(settings)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
