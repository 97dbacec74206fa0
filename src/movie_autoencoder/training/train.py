"""Training, in one screen: ratings, split, baselines, trials, refit, bundle.

`train` reads from top to bottom. Every step's outcome is kept in the run's ``checkpoint/`` until the bundle is
written, so that a run that was interrupted or killed goes on where it was and ends at the same weights.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..bundle.bundle import Bundle, load_bundle, read_manifest, save_bundle
from ..bundle.card import model_card
from ..config import AutorecConfig, Config, DataConfig, DualConfig
from ..data.catalogue import Catalogue
from ..data.matching.person import join_people
from ..data.ratings import Ratings
from ..data.sources import find_data, read_catalogue, read_ratings
from ..data.splits import HeldOut, Split, split_ratings
from ..metrics.errors import mae, rmse
from ..models.base import Learner, TrainedModel, in_vocabulary
from ..models.baselines import fit_baselines
from ..models.bayesian.trained import TrainedBayesian
from ..models.dual.trained import TrainedDual
from ..models.ensemble import TrainedEnsemble
from ..models.schedule import scheduled
from ..models.settings import BayesianSettings, DualSettings
from ..models.startup import start_tensorflow
from ..storage import write_text
from ..uncertainty.stars import StarModel
from .checkpoint import Checkpoint, CheckpointError, differing
from .estimates import check_fits, estimate
from .progress import Reporter
from .search import Trial, bayesian_trial, choose_damping, next_trial

_SMALLEST = {"ratings": 20, "users": 2, "items": 2}
_OLDER = ".bundle.older"
_EVEN_SHARE, _SHARE_CELLS = 0.5, 1000  # of two models in their average before validation speaks, and how firmly
_LEAST_SHARE = 0.01  # an average with nothing of one of its members is none
_DIVERGED = 100.0  # a root mean squared error of so many scales is no longer training


class TrainingError(ValueError):
    """Training cannot start or go on; the message says why and what to do."""


class Interrupted(KeyboardInterrupt):
    """Training was interrupted and what it had done is saved; ``--resume`` goes on."""


@dataclass(frozen=True)
class Epoch:
    """One line of the history."""

    stage: str
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    validation_rmse: float | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """A finished fit: its trial, its best epoch on validation, and the model there (None where it was not kept)."""

    stage: str
    trial: Trial
    epoch: int
    rmse: float
    model: TrainedModel | None
    seconds: float


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What `train` did.

    Args:
        run: the run's folder.
        model: the saved model.
        validation: RMSE and MAE on the validation part, by name: the model before its refit, and the baselines; empty
            without a validation part.
        fits: trials in order, then the refit: settings, best epoch, validation RMSE, seconds.
        resumed: True when there was nothing left to do.
    """

    run: Path
    model: TrainedModel
    validation: dict[str, dict[str, float]]
    fits: list[dict[str, Any]] = field(default_factory=list)
    resumed: bool = False

    def lines(self) -> list[str]:
        """The validation figures beside the baselines, as text; loud when the model is no better than the biases."""
        if not self.validation:
            return ["Validation none: there was no validation part, so settings follow the rules and are unchecked."]
        rows = [
            f"{'Validation' if name == 'model' else '':<10} {self.model.name if name == 'model' else name:<12} "
            f"RMSE {figures['rmse']:.4f}  MAE {figures['mae']:.4f}"
            for name, figures in self.validation.items()
        ]
        if isinstance(self.model, TrainedEnsemble):
            rows.append(
                f"           {self.model.name} is {self.model.share:.0%} dual, and leans {self.model.lean:.0%} towards "
                "neighbours".replace("%", " %")
            )
        gain = self.validation["damped_bias"]["rmse"] - self.validation["model"]["rmse"]
        if gain <= 0:
            rows.append(
                f"WARNING: {self.model.name} is not better than damped_bias on validation ({-gain:.4f} worse). More "
                "ratings would help; until then the baseline is the better choice."
            )
        return rows


def train(
    config: Config | None = None,
    *,
    ratings: Ratings | None = None,
    out: str | Path = "runs/latest",
    resume: bool = False,
    reporter: Reporter | None = None,
) -> TrainResult:
    """Trains on the configured ratings and writes a run's folder; the test part is never scored.

    Args:
        config: every setting; defaults when left out.
        ratings: what to train on instead of reading what ``config.data`` says; items then have no titles.
        out: the run's folder. An older bundle there is replaced when the new one is complete.
        resume: go on with what an interrupted run left in ``out``.
        reporter: told of progress; silent when left out.

    Returns:
        The saved model and its validation figures.

    Raises:
        SourceError: the ratings cannot be found or read.
        SplitError: a part would be empty.
        TrainingError: too little data, not enough memory, a loss that is not finite, or a resume with other settings.
        Interrupted: Ctrl-C; the checkpoint is saved.
    """
    config, run, report = config or Config(), Path(out), reporter or Reporter()
    _check_writable(run)
    _restore_older(run)
    ratings, catalogue = _read(config, report) if ratings is None else (ratings, None)
    _check_size(ratings)
    split = _split(ratings, config, report)
    if resume and (finished := _finished(run, config, split)):
        report.say(f"{run} is finished: its bundle was trained with these settings. Nothing to resume.")
        return finished
    _check_times(config, ratings)
    start_tensorflow(config.training.threads)
    training, held_out = split.training_ratings, split.held_out("validation")
    score = _scorer(training, held_out) if len(held_out) else None
    report.lines(estimate(split.refit_ratings, config).lines())
    report.settings(config)
    check_fits(split.refit_ratings, config)
    checkpoint = Checkpoint.open(run / "checkpoint", _fingerprint(config, split), resume=resume)
    if checkpoint.resumed:
        report.say(f"Going on from the checkpoint in {run / 'checkpoint'} ({checkpoint.describe()}).")

    with _interruptible() as interrupted, closing(report):
        trainer = _Trainer(config, checkpoint, report, interrupted, _informative(config, catalogue))
        damping = choose_damping(training, score)
        fits: list[Fit] = []
        while (trial := next_trial(config, training, damping, fits)) is not None:
            lowest = min((fit.rmse for fit in fits), default=math.inf)
            fits.append(trainer.fit(f"trial {len(fits) + 1}", training, trial, score, beating=lowest))
        best = [min(fits, key=lambda fit: fit.rmse)]
        if _averages(config):
            best.append(trainer.fit("sampled", training, bayesian_trial(config, training), score))
        models = [_kept(fit, checkpoint) for fit in best]
        share = _share(models, training, held_out)
        chosen = _averaged(models, config, training, share)
        if isinstance(chosen, TrainedEnsemble):
            chosen = replace(chosen, lean=_weight(chosen, "lean", training, held_out))
            chosen = replace(chosen, sitting=_weight(chosen, "sitting", training, held_out))
        weights = [share, *((chosen.lean, chosen.sitting) if isinstance(chosen, TrainedEnsemble) else ())]
        validation = _validation_figures(chosen, models, training, held_out, damping)
        final_ratings, final = training, best
        if config.training.refit and len(held_out):
            final_ratings = split.refit_ratings
            final = [
                trainer.fit(stage, final_ratings, fit.trial, None, stop=fit.epoch)
                for stage, fit in zip(("refit", "refit sampled"), best, strict=False)
            ]
        model = (
            chosen
            if final is best
            else _averaged([_kept(fit, checkpoint) for fit in final], config, final_ratings, *weights)
        )
        stars = _star_model(chosen, training, held_out, final_ratings, keep_ratings=config.bundle.ratings)
        fits += best[1:] if final is best else [*best[1:], *final]
        bundle = _bundle(config, split, final_ratings, model, catalogue, damping, validation, fits, weights, stars)
        _write_run(run, config, split, bundle, checkpoint)
        checkpoint.discard()
    return TrainResult(run, bundle.model, validation, bundle.metadata["fits"])


class _Trainer:
    """Runs fits one after another, each of which can be taken up from the checkpoint."""

    def __init__(
        self,
        config: Config,
        checkpoint: Checkpoint,
        report: Reporter,
        interrupted: Callable[[], bool],
        catalogue: Catalogue | None,
    ) -> None:
        self._catalogue = catalogue
        self._config = config
        self._checkpoint = checkpoint
        self._report = report
        self._interrupted = interrupted

    def fit(
        self,
        stage: str,
        ratings: Ratings,
        trial: Trial,
        score: Callable[[TrainedModel], float] | None,
        *,
        stop: int = 0,
        beating: float = math.inf,
    ) -> Fit:
        """Trains one model along its schedule, and keeps the best on validation.

        Args:
            stage: its name in history and checkpoint.
            ratings: what it learns from.
            trial: settings and length of the schedule.
            score: validation RMSE of a trained model; without it the last epoch is the best.
            stop: epoch to stop after, in a schedule of full length; 0 for its end.
            beating: validation RMSE that the model must be below to be kept in the checkpoint.
        """
        training, checkpoint = self._config.training, self._checkpoint
        if (done := checkpoint.finished(stage)) is not None:
            rmse = math.inf if done["rmse"] is None else done["rmse"]
            return Fit(stage, trial, done["epoch"], rmse, checkpoint.best_model(stage, ratings.scale), done["seconds"])
        learner, learning_rate = make_learner(ratings, trial, self._config, self._catalogue)
        last, every = stop or trial.epochs, max(1, trial.epochs // 20)
        if isinstance(trial.settings, BayesianSettings):
            every = last  # more draws are never worse, and their mean is not to be had before the first
        first, seconds, best_epoch, best_rmse = 0, 0.0, 0, math.inf
        best: TrainedModel | None = None
        if (state := checkpoint.state(stage)) is not None:
            learner.restore(state.arrays)
            first, seconds, best_epoch, best_rmse = state.epochs, state.seconds, state.best_epoch, state.best_rmse
            best = checkpoint.best_model(stage, ratings.scale) if best_epoch else None
        self._report.start(stage, last, first, len(ratings), trial)
        started, bound = time.perf_counter() - seconds, (_DIVERGED * ratings.scale.span) ** 2
        for epoch in range(first, last):
            rate = learning_rate * scheduled(training.schedule, epoch / trial.epochs)
            loss = learner.epoch(epoch, rate)
            if not loss < bound:  # NaN included
                raise TrainingError(_diverged(stage, epoch, loss, rate, self._config))
            rmse = None
            if score is not None and ((epoch + 1) % every == 0 or epoch + 1 == last):
                candidate = learner.trained()
                rmse = score(candidate)
                if rmse < best_rmse:
                    best, best_rmse, best_epoch = candidate, rmse, epoch + 1
            line = Epoch(stage, epoch + 1, loss, rate, time.perf_counter() - started, rmse)
            checkpoint.history.append(vars(line))
            self._report.epoch(line)
            if self._interrupted() or ((epoch + 1) % training.checkpoint_every == 0 and epoch + 1 < last):
                checkpoint.save(
                    stage,
                    learner.state(),
                    best,
                    epochs=epoch + 1,
                    seconds=line.seconds,
                    best_epoch=best_epoch,
                    best_rmse=best_rmse,
                )
                if self._interrupted():
                    raise Interrupted(stage)
        if best is None:
            best, best_epoch = learner.trained(), last
        seconds = time.perf_counter() - started
        keep = score is None or best_rmse < beating
        checkpoint.finish(stage, best, epoch=best_epoch, rmse=best_rmse, seconds=seconds, keep=keep)
        self._report.finish(stage, best_epoch, best_rmse if score is not None else None, seconds)
        return Fit(stage, trial, best_epoch, best_rmse, best, seconds)


def make_learner(
    ratings: Ratings, trial: Trial, config: Config, catalogue: Catalogue | None = None
) -> tuple[Learner, float]:
    """A learner with new weights, and the learning rate to start from.

    Args:
        ratings: what it will learn from.
        trial: its settings.
        config: optimizer, moving average, batch size and seed.
        catalogue: what the sampled sibling reads of the items beside their ratings.
    """
    training, settings = config.training, trial.settings
    common: dict[str, Any] = {"optimizer": training.optimizer, "average": training.average, "seed": training.seed}
    learner: Learner
    if isinstance(settings, DualSettings):
        from ..models.dual import learner as dual

        learner = dual.DualLearner(ratings, settings, **common)
        rate = dual.default_learning_rate(training.optimizer, ratings)
    elif isinstance(settings, BayesianSettings):
        from ..models.bayesian.sampler import BayesianLearner

        features = None if catalogue is None else catalogue.align(ratings.item_ids).features()
        return BayesianLearner(ratings, settings, seed=training.seed, item_features=features), 0.0  # it draws; no steps
    else:
        from ..models.autorec import learner as autorec

        learner = autorec.AutorecLearner(ratings, settings, batch_size=training.batch_size, **common)
        rate = autorec.default_learning_rate(training.optimizer, settings)
    return learner, training.learning_rate or rate


def read_data(config: Config, *, notify: Callable[[str], None] | None = None) -> tuple[Path, Ratings, Catalogue | None]:
    """Finds and reads the ratings that a configuration means, and what is known of their items.

    Args:
        config: its ``data`` section says which and how.
        notify: told of what takes time, such as a download.
    """
    data = config.data
    path = find_data(data.path, notify=notify)
    columns = _columns(data)
    ratings = read_ratings(path, format=data.format, scale=data.scale, columns=columns, on_bad_rows=data.on_bad_rows)
    catalogue = read_catalogue(path, format=data.format, columns=columns, on_bad_rows=data.on_bad_rows)
    if data.people:
        if config.split.by == "time" or (isinstance(config.model, DualConfig) and config.model.time_aware):
            raise TrainingError(
                "The files of data.people (--with) do not say when a rating was given, which split.by=time and "
                "model.time_aware need. Leave one of them out."
            )
        ratings = join_people(ratings, catalogue, data.people, notify=notify)
    return path, ratings, catalogue


def read_as_trained(path: str, metadata: Mapping[str, Any]) -> Ratings:
    """Reads other ratings the way that a bundle's training ratings were read: format, columns, bad rows.

    Args:
        path: file, folder or zip.
        metadata: the bundle's.
    """
    data = Config.from_dict({"data": metadata["config"]["data"]}).data
    return read_ratings(path, format=data.format, columns=_columns(data), on_bad_rows=data.on_bad_rows)


def _columns(data: DataConfig) -> dict[str, str | None]:
    return {
        "user": data.user_column,
        "item": data.item_column,
        "rating": data.rating_column,
        "timestamp": data.timestamp_column,
    }


def _read(config: Config, report: Reporter) -> tuple[Ratings, Catalogue | None]:
    started = time.perf_counter()
    path, ratings, catalogue = read_data(config, notify=report.say)
    report.data(path, ratings, catalogue, time.perf_counter() - started)
    return ratings, catalogue


def _check_size(ratings: Ratings) -> None:
    counts = {"ratings": len(ratings), "users": ratings.num_users, "items": ratings.num_items}
    if any(counts[name] < smallest for name, smallest in _SMALLEST.items()):
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        needed = ", ".join(f"{count} {name}" for name, count in _SMALLEST.items())
        raise TrainingError(
            f"{ratings.source.path or 'These ratings'}: too small to mean anything: {found}. The least is {needed}. "
            "Give a larger data set."
        )


def _split(ratings: Ratings, config: Config, report: Reporter) -> Split:
    options = config.split
    if options.by == "user" and isinstance(config.model, AutorecConfig) and config.model.rows == "item":
        raise TrainingError(
            "A split by user needs a model that takes in new users, and autorec with item rows has one input for each "
            "training user. Use --model dual, or --set model.rows=user."
        )
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


def _scorer(training: Ratings, held_out: HeldOut) -> Callable[[TrainedModel], float]:
    """RMSE on the validation part as a function of a trained model on the training part."""
    predict = _predictor(training, held_out)

    def score(model: TrainedModel) -> float:
        return rmse(held_out.values, predict(model))

    return score


def _predictor(training: Ratings, held_out: HeldOut) -> Callable[[TrainedModel], Any]:
    items = training.locate_items(held_out.items)
    if held_out.fold_in is None:
        users = training.locate_users(held_out.users)
        return lambda model: model.predict(users, items, times=held_out.times)
    fold_in = in_vocabulary(held_out.fold_in, training.item_ids)
    users = fold_in.locate_users(held_out.users)
    return lambda model: model.predict(users, items, encoded_users=model.fold_in(fold_in), times=held_out.times)


def _check_times(config: Config, ratings: Ratings) -> None:
    if not isinstance(config.model, DualConfig) or not config.model.time_aware:
        return
    if config.model.speed != "best" or not config.bundle.ratings:
        raise TrainingError(
            "model.time_aware leans on the person's other ratings: it needs model.speed=best and bundle.ratings=true."
        )
    if ratings.timestamps is None:
        raise TrainingError(
            "model.time_aware=true needs to know when each rating was given, and this data does not say. Name the "
            "column with --set data.timestamp_column=NAME, or leave the setting out."
        )


def _informative(config: Config, catalogue: Catalogue | None) -> Catalogue | None:
    """The catalogue, where it is to be read and says something."""
    if not isinstance(config.model, DualConfig) or not config.model.side_information:
        return None
    if config.model.speed != "best":
        raise TrainingError(
            "model.side_information is read by the sampled sibling, and model.speed=fast has none. Leave one of them "
            "out."
        )
    if catalogue is None or not catalogue.features().shape[1]:
        raise TrainingError(
            "model.side_information=true needs genres or years of the items, and this data has none. Put a table of "
            "items beside the ratings, as MovieLens' movies.csv, or leave the setting out."
        )
    return catalogue


def _averages(config: Config) -> bool:
    return isinstance(config.model, DualConfig) and config.model.speed == "best"


def _kept(fit: Fit, checkpoint: Checkpoint) -> TrainedModel:
    if fit.model is None:
        raise CheckpointError(f"{checkpoint.folder}: the model of {fit.stage} is missing. Train anew without --resume.")
    return fit.model


def _share(models: list[TrainedModel], training: Ratings, held_out: HeldOut) -> float:
    """Weight of the first of two models with which their average is best on the validation part, above 0 and below 1.

    Their errors correlate, so that the least-squares weight of a small part is uncertain; it is drawn towards a half
    as if `_SHARE_CELLS` more ratings had asked for that.
    """
    if len(models) == 1:
        return 1.0
    if not len(held_out):
        return _EVEN_SHARE
    one, other = (_predictor(training, held_out)(model) for model in models)
    apart = one - other
    spread = float(apart @ apart)
    prior = spread * _SHARE_CELLS / len(held_out)
    wanted = float(apart @ (held_out.values - other)) + _EVEN_SHARE * prior
    return min(max(wanted / max(spread + prior, 1e-12), _LEAST_SHARE), 1 - _LEAST_SHARE)


def _weight(model: TrainedEnsemble, name: str, training: Ratings, held_out: HeldOut) -> float:
    """A weight of the average's own (``lean``, ``sitting``), by least squares on the validation part, from 0 to 1.

    Drawn towards 0 as if `_SHARE_CELLS` more ratings had asked for that: where there are few, neighbours are rare.
    """
    if not len(held_out):
        return 0.0
    predict = _predictor(training, held_out)
    straight, leaning = (predict(replace(model, **{name: weight})) for weight in (0.0, 1.0))  # type: ignore[arg-type]
    towards = leaning - straight
    size = float(towards @ towards) * (1 + _SHARE_CELLS / len(held_out))
    return min(max(float(towards @ (held_out.values - straight)) / max(size, 1e-12), 0.0), 1.0)


def _averaged(
    models: list[TrainedModel], config: Config, ratings: Ratings, share: float, lean: float = 0.0, sitting: float = 0.0
) -> TrainedModel:
    """One model of one or two; neighbours need the training ratings, so they go where the bundle must hold none."""
    if not isinstance(config.model, DualConfig):
        return models[0]
    if len(models) == 1:
        (alone,) = models
        return alone.with_priors(ratings) if isinstance(alone, TrainedDual) else alone
    dual, sampled = models
    if not isinstance(dual, TrainedDual) or not isinstance(sampled, TrainedBayesian):
        raise TypeError("The average is of a dual model and its sampled sibling.")
    return TrainedEnsemble.of(
        dual,
        sampled,
        share,
        lean=lean,
        sitting=sitting,
        ratings=ratings if config.bundle.ratings else None,
        time_aware=config.model.time_aware,
    )


def _validation_figures(
    model: TrainedModel, members: list[TrainedModel], training: Ratings, held_out: HeldOut, damping: float
) -> dict[str, dict[str, float]]:
    if not len(held_out):
        return {}
    predict = _predictor(training, held_out)
    models: dict[str, TrainedModel] = {"model": model}
    if len(members) > 1:
        models |= {member.name: member for member in members}
    models |= fit_baselines(training, damping)
    predictions = {name: predict(one) for name, one in models.items()}
    return {
        name: {"rmse": rmse(held_out.values, stars), "mae": mae(held_out.values, stars)}
        for name, stars in predictions.items()
    }


def _star_model(
    model: TrainedModel, training: Ratings, held_out: HeldOut, final: Ratings, *, keep_ratings: bool = True
) -> StarModel | None:
    """Distributions over the stars, learnt on the validation part, with the habits in the final training ratings."""
    if not len(held_out):
        return None
    items = training.locate_items(held_out.items)
    fold_in = None if held_out.fold_in is None else in_vocabulary(held_out.fold_in, training.item_ids)
    users = (training if fold_in is None else fold_in).locate_users(held_out.users)
    predictions = _predictor(training, held_out)(model)
    stars = StarModel.fit(
        predictions, users, items, held_out.values, training, fold_in=fold_in, keep_ratings=keep_ratings
    )
    return stars if final is training else stars.with_ratings(final)


def _bundle(
    config: Config,
    split: Split,
    ratings: Ratings,
    model: TrainedModel,
    catalogue: Catalogue | None,
    damping: float,
    validation: dict[str, dict[str, float]],
    fits: list[Fit],
    weights: list[float],
    stars: StarModel | None,
) -> Bundle:
    first = next(fit for fit in reversed(fits) if not isinstance(fit.trial.settings, BayesianSettings))
    metadata = {
        "settings": first.trial.to_dict()["settings"],
        "epochs": first.epoch,
        "schedule_epochs": first.trial.epochs,
        "weights": dict(zip(("share", "lean", "sitting"), weights, strict=False)),
        "config": config.to_dict(),
        "data": {"format": ratings.source.format, "path": ratings.source.path, "sha256": split.ratings.digest},
        "split": {"by": split.by, "seed": split.seed, "sha256": split.digest},
        "num_ratings": len(ratings),
        "num_users": ratings.num_users,
        "num_items": ratings.num_items,
        "refit": ratings is not split.training_ratings,
        "validation": validation,
        "fits": [
            {
                "stage": fit.stage,
                **fit.trial.to_dict(),
                "epoch": fit.epoch,
                "rmse": fit.rmse if math.isfinite(fit.rmse) else None,
                "seconds": fit.seconds,
            }
            for fit in fits
        ],
        "versions": _versions(),
    }
    everything = split.ratings.item_ids  # titles also of held-out items that training did not see
    known = catalogue.align(everything) if catalogue is not None else Catalogue.empty(everything)
    return Bundle(
        model,
        fit_baselines(ratings, damping),
        ratings.user_ids,
        ratings.item_ids,
        ratings.user_counts,
        ratings.item_counts,
        ratings if config.bundle.ratings else None,
        known,
        metadata,
        stars,
    )


def _write_run(run: Path, config: Config, split: Split, bundle: Bundle, checkpoint: Checkpoint) -> None:
    """Writes the run's files, the bundle last but one moment: until then an older run stays what it was."""
    staged = checkpoint.folder / "finished"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    split.save(staged / "split.npz")
    write_text(staged / "config.toml", config.to_toml())
    write_text(staged / "history.csv", _history_csv(checkpoint.history))
    save_bundle(bundle, staged / "bundle", card=model_card(bundle))
    for stale in ("evaluation.json", "report.html"):
        (run / stale).unlink(missing_ok=True)
    shutil.rmtree(run / "figures", ignore_errors=True)
    for name in ("split.npz", "config.toml", "history.csv"):
        (staged / name).replace(run / name)
    if (run / "bundle").exists():
        (run / "bundle").replace(run / _OLDER)
    (staged / "bundle").replace(run / "bundle")
    shutil.rmtree(run / _OLDER, ignore_errors=True)


def _restore_older(run: Path) -> None:
    """Puts an older bundle back where a run was killed between taking it away and putting the new one in its place."""
    if (run / _OLDER).exists() and not (run / "bundle").exists():
        (run / _OLDER).replace(run / "bundle")


def _history_csv(history: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Epoch.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def _fingerprint(config: Config, split: Split) -> dict[str, Any]:
    """What must be equal for a checkpoint to be taken up."""
    return {"config": config.to_dict(), "data": split.ratings.digest, "split": split.digest}


def _finished(run: Path, config: Config, split: Split) -> TrainResult | None:
    """The result of a run that is complete, when there is nothing to resume."""
    if Checkpoint.exists(run / "checkpoint") or not (run / "bundle").exists():
        return None
    metadata = read_manifest(run / "bundle")["metadata"]
    differences = differing(metadata["config"], config.to_dict())
    if metadata["data"]["sha256"] != split.ratings.digest:
        differences.append("the ratings are not those that it was trained on")
    if differences:
        raise TrainingError(
            f"{run} holds a finished run with other settings or data: {'; '.join(differences)}. Give the same ones, "
            "another --out, or leave --resume out to train anew."
        )
    return TrainResult(run, load_bundle(run / "bundle").model, metadata["validation"], metadata["fits"], resumed=True)


def _check_writable(run: Path) -> None:
    try:
        run.mkdir(parents=True, exist_ok=True)
        probe = run / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written: {error.strerror}. Choose another folder with --out.") from None


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C into a question that training asks between epochs; a second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread hears signals
        return

    def remember(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _diverged(stage: str, epoch: int, loss: float, rate: float, config: Config) -> str:
    what = "is not a finite number" if not math.isfinite(loss) else f"has grown to {loss:.3g}"
    return (
        f"The loss {what} in epoch {epoch + 1} of {stage}. The likely cause is a learning rate that is too large: it "
        f"was {rate:.3g} with {config.training.optimizer}. Try --set training.learning_rate={rate / 10:.2g}."
    )


def _versions() -> dict[str, str | None]:
    """Versions of what computes; None for what another distribution provides, such as a nightly build."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in ("tensorflow", "keras", "numpy", "scipy", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
