"""Training, in one screen: data, split, baselines, search, refit, bundle.

`train` reads from top to bottom; each step lives in the module that its name says.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..choice import ChoiceModel, SelectionModel, fit_choice, fit_selection
from ..config import Config
from ..data.catalogue import Catalogue
from ..data.loading import read_data
from ..data.ratings import Ratings
from ..data.splits import Split, split_ratings
from ..metrics.errors import mae, rmse
from ..models.base import ModelError, TrainedModel
from ..models.baselines import choose_damping, fit_baselines
from ..models.registry import family_of
from ..models.startup import start_tensorflow
from ..models.tensorboard import ScalarLog
from ..models.validation import Validation
from ..uncertainty import fit_star_model
from . import run_folder
from .checkpoint import Checkpoint
from .errors import TrainingError
from .estimates import check_fits, estimate
from .metadata import data_metadata
from .progress import Reporter
from .run_folder import TrainResult
from .train_choice import fit_pairs
from .trainer import Fit, Trainer, interruptible

_MINIMUM = {"ratings": 20, "users": 2, "items": 2}


def train(
    config: Config | None = None,
    *,
    ratings: Ratings | None = None,
    out: str | Path = "runs/latest",
    resume: bool = False,
    reporter: Reporter | None = None,
    tensorboard: str | Path | None = None,
) -> TrainResult:
    """Trains on the configured ratings and writes a run's folder; the test part is never scored.

    Args:
        config: every setting; defaults when left out.
        ratings: what to train on instead of reading what ``config.data`` says; items then have no titles.
        out: the run's folder. An older bundle there is replaced when the new one is complete.
        resume: continue an interrupted run in ``out``.
        reporter: told of progress; silent when left out.
        tensorboard: folder for TensorBoard's event files, with losses and validation errors; none when left out.

    Returns:
        The saved model and its validation figures.

    Raises:
        SourceError: the ratings cannot be found or read.
        SplitError: a part would be empty.
        LoadingError: people's files that do not say when a rating was given, where the settings need it.
        ModelError: the model cannot be trained with these settings on this data.
        TrainingError: too little data, or a loss that is not finite; `TooLargeError`: too little memory;
            `CheckpointError`: a checkpoint that cannot be continued, such as one with other settings.
        Interrupted: Ctrl-C between epochs; the checkpoint is saved. In the fits after the last epoch it is a
            `KeyboardInterrupt`, and the checkpoint has everything before them.
        MissingTensorBoard: ``tensorboard`` is given and TensorBoard is not installed.

    Example:
        ``train(Config().with_settings(["data.path=ratings.csv"])).validation["model"]["rmse"]``
    """
    config, run, report = config or Config(), Path(out), reporter or Reporter()
    run_folder.prepare(run)
    log = None if tensorboard is None else ScalarLog(tensorboard)
    ratings, catalogue = _read(config, report) if ratings is None else (ratings, None)
    config = _for_data(config, ratings)
    family = family_of(config)
    ratings = ratings if family.rated else ratings.pairs()
    _check(ratings)
    family.check(config, ratings, catalogue)
    split = _split(ratings, config, report)
    if resume and (finished := run_folder.finished(run, config, split)):
        report.say(f"{run} is finished: its bundle was trained with these settings. Nothing to resume.")
        return finished
    if family.rated:
        start_tensorflow(config.training.threads)
    report.lines(estimate(split.refit_ratings, config).lines())
    report.settings(config)
    check_fits(split.refit_ratings, config)
    checkpoint = Checkpoint.open(run / "checkpoint", run_folder.fingerprint(config, split), resume=resume)
    if checkpoint.resumed:
        report.say(f"Resuming from the checkpoint in {run / 'checkpoint'} ({checkpoint.describe()}).")

    with closing(report), nullcontext() if log is None else closing(log):
        if not family.rated:
            bundle, figures = fit_pairs(config, split, _titles(catalogue, split), report)
            run_folder.write(run, config, split, bundle, checkpoint)
            checkpoint.discard()
            return TrainResult(run, bundle.model, figures)

        training, held_out = split.training_ratings, split.held_out("validation")
        validation = Validation(training, held_out) if len(held_out) else None
        damping = choose_damping(training, validation)
        baselines = fit_baselines(training, damping)
        with interruptible() as interrupted:
            trainer = Trainer(config, checkpoint, report, interrupted, catalogue, log)
            best = trainer.search(family, training, damping, validation)
            model = family.assemble([trainer.model_of(fit) for fit in best], config, training, validation=validation)
            figures = _figures(model, baselines, validation)
            final, final_ratings, last = model, training, best
            if config.training.refit and validation is not None:
                final_ratings = split.refit_ratings
                last = trainer.refit(family, final_ratings, best)
                final = family.assemble([trainer.model_of(fit) for fit in last], config, final_ratings, like=model)
        # From here on Ctrl-C stops at once: these fits take no steps, and the checkpoint has all that was trained.
        star_model = fit_star_model(model, validation, final_ratings, keep_ratings=config.bundle.ratings)
        report.say("Fitting the choice model: what people choose, beside how they like it.")
        choice = fit_choice(final_ratings, validation=validation, model=model, seed=config.training.seed)
        selection = fit_selection(model, baselines["damped_bias"], validation, seed=config.training.seed)
        metadata = _metadata(config, split, final_ratings, final, figures, trainer.fits, last[0], choice, selection)
        bundle = Bundle(
            final,
            fit_baselines(final_ratings, damping),
            final_ratings.user_ids,
            final_ratings.item_ids,
            final_ratings.user_counts,
            final_ratings.item_counts,
            final_ratings if config.bundle.ratings else None,
            _titles(catalogue, split),
            metadata,
            star_model,
            choice,
            selection,
        )
        run_folder.write(run, config, split, bundle, checkpoint)
        checkpoint.discard()
    return TrainResult(run, final, figures, metadata["fits"])


def _read(config: Config, report: Reporter) -> tuple[Ratings, Catalogue | None]:
    started = time.perf_counter()
    path, ratings, catalogue = read_data(config, notify=report.say)
    report.data(path, ratings, catalogue, time.perf_counter() - started)
    return ratings, catalogue


def _for_data(config: Config, ratings: Ratings) -> Config:
    """The configuration that these ratings are trained with: of the choice model for pairs without ratings.

    Raises:
        ModelError: settings of a model of ratings, where there are none.
    """
    if ratings.rated or not family_of(config).rated:
        return config
    if config.model != Config().model:
        raise ModelError(
            f"{ratings.source.path or 'These ratings'}: these are pairs of user and item without ratings, which the "
            f"model {config.model.family!r} needs. Leave --model, --speed and settings of the section model out: the "
            "choice model is trained alone then. If there is a column of ratings, name it with --set "
            "data.rating_column=NAME."
        )
    return config.with_settings(["model.name=choice"])


def _titles(catalogue: Catalogue | None, split: Split) -> Catalogue:
    """Titles of all items, also of held-out ones that training did not see."""
    everything = split.ratings.item_ids
    return Catalogue.empty(everything) if catalogue is None else catalogue.align(everything)


def _check(ratings: Ratings) -> None:
    """Refuses data that is too small to mean anything."""
    counts = {"ratings": len(ratings), "users": ratings.num_users, "items": ratings.num_items}
    if any(counts[name] < minimum for name, minimum in _MINIMUM.items()):
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        needed = ", ".join(f"{count} {name}" for name, count in _MINIMUM.items())
        raise TrainingError(
            f"{ratings.source.path or 'These ratings'}: too small to mean anything: {found}. The minimum is {needed}. "
            "Give a larger data set."
        )


def _split(ratings: Ratings, config: Config, report: Reporter) -> Split:
    options = config.split
    split = split_ratings(
        ratings,
        by=options.by,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        fold_in=options.fold_in,
        seed=config.training.seed,
    )
    report.split(split)
    return split


def _figures(
    model: TrainedModel, baselines: Mapping[str, TrainedModel], validation: Validation | None
) -> dict[str, dict[str, float]]:
    """Validation figures of the model, its members and the baselines, by name."""
    if validation is None:
        return {}
    models = {"model": model, **model.members(), **baselines}
    predictions = {name: validation.predict(one) for name, one in models.items()}
    return {
        name: {"rmse": rmse(validation.targets, found), "mae": mae(validation.targets, found)}
        for name, found in predictions.items()
    }


def _metadata(
    config: Config,
    split: Split,
    ratings: Ratings,
    model: TrainedModel,
    figures: dict[str, dict[str, float]],
    fits: list[Fit],
    last: Fit,
    choice: ChoiceModel,
    selection: SelectionModel | None,
) -> dict[str, Any]:
    """What the bundle says of its making, as plain values."""
    return {
        **model.metadata(),
        "settings": last.trial.to_dict()["settings"],
        "epochs": last.epoch,
        "schedule_epochs": last.trial.epochs,
        **data_metadata(config, split, ratings),
        "validation": figures,
        "choice": choice.metadata,
        **({} if selection is None else {"selection": selection.metadata(ratings.item_counts)}),
        "fits": [fit.to_dict() for fit in fits],
    }
