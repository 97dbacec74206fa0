"""The folder of a run: what lies in it, written whole or not at all, and whether a run there is finished.

bundle/                    the trained model (`bundle`); an older one is replaced when the new one is complete
split.npz                  held-out ratings with their ids
config.toml, history.csv   the configuration; every epoch
checkpoint/                while training, or after an interruption
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bundle import Bundle, load_bundle, read_manifest, save_bundle
from ..bundle.card import model_card
from ..config import Config
from ..data.splits import Split
from ..models.base import TrainedModel
from ..storage import write_text
from .checkpoint import Checkpoint, differing
from .errors import TrainingError
from .trainer import Epoch

_OLDER = ".bundle.older"


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What `train` did.

    Args:
        run: the run's folder.
        model: the saved model.
        validation: RMSE and MAE on the validation part, by name: ``model`` before its refit, its members, and the
            baselines; for pairs without ratings NDCG@100 and Recall@20 of ``choice`` and ``popularity``. Empty without
            a validation part.
        fits: every fit in order: stage, settings, best epoch, validation RMSE, seconds.
        resumed: True when there was nothing left to do.
    """

    run: Path
    model: TrainedModel
    validation: dict[str, dict[str, float]]
    fits: list[dict[str, Any]] = field(default_factory=list)
    resumed: bool = False

    def lines(self) -> list[str]:
        """The validation figures beside the baselines, as text, with a warning where the biases alone are as good."""
        if not self.validation:
            return ["Validation none: there was no validation part, so settings follow the rules and are unchecked."]
        if not self.model.scale.rated:
            return ranking_lines(self.validation)
        name = self.model.name
        named = {(name if key == "model" else key): figures for key, figures in self.validation.items()}
        width = max(12, *map(len, named))
        rows = [
            f"{'Validation' if key == name else '':<10} {key:<{width}} "
            f"RMSE {figures['rmse']:.4f}  MAE {figures['mae']:.4f}"
            for key, figures in named.items()
        ]
        rows += [f"           {name}: {line}" for line in self.model.describe()]
        gain = self.validation["damped_bias"]["rmse"] - self.validation["model"]["rmse"]
        if gain <= 0:
            rows.append(
                f"WARNING: {name} is not better than damped_bias on validation ({-gain:.4f} worse). More ratings would "
                "help; until then the baseline is the better choice."
            )
        return rows


def ranking_lines(validation: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Validation figures of the choice model and of popularity, as text."""
    lines = [
        f"{'Validation' if not number else '':<10} {name:<12} NDCG@100 {one['ndcg_100']:.4f}  "
        f"Recall@20 {one['recall_20']:.4f}"
        for number, (name, one) in enumerate(validation.items())
    ]
    if validation["choice"]["ndcg_100"] <= validation["popularity"]["ndcg_100"]:
        lines.append("WARNING: the choice model is not better than popularity on validation. More pairs would help.")
    return [*lines, "           no stars: these are pairs without ratings"]


def prepare(run: Path) -> None:
    """Makes the folder, and puts an older bundle back where a run was killed while it replaced that.

    Raises:
        TrainingError: the folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        probe = run / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written: {error.strerror}. Choose another folder with --out.") from None
    if (run / _OLDER).exists() and not (run / "bundle").exists():
        (run / _OLDER).replace(run / "bundle")


def fingerprint(config: Config, split: Split) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued."""
    return {"config": config.to_dict(), "data": split.ratings.digest, "split": split.digest}


def finished(run: Path, config: Config, split: Split) -> TrainResult | None:
    """The result of a run that is complete, when there is nothing to resume.

    Raises:
        TrainingError: the run there has other settings or data.
    """
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
    model = load_bundle(run / "bundle").model
    return TrainResult(run, model, metadata["validation"], metadata["fits"], resumed=True)


def write(run: Path, config: Config, split: Split, bundle: Bundle, checkpoint: Checkpoint) -> None:
    """Writes the run's files, the bundle last: until then an older run stays what it was."""
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


def _history_csv(history: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Epoch.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
