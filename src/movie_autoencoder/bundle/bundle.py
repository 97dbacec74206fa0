"""The bundle: a folder with everything that using a trained model needs, written whole or not at all.

Plain arrays (npz), a table (Parquet) and JSON; nothing is unpickled. ``bundle.json`` names the format version and the
SHA-256 of every other file; loading checks all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..choice import ChoiceModel, SelectionModel
from ..data.catalogue import Catalogue
from ..data.ratings import Ids, IntArray, Ratings, Scale, locate
from ..data.scale import UNRATED
from ..models.base import TrainedModel
from ..models.baselines import BASELINES
from ..models.registry import trained_model
from ..storage import checksum, load_arrays, replacing, save_arrays, write_json
from ..uncertainty import StarModel
from .version_1 import upgraded_arrays, upgraded_manifest

FORMAT_VERSION = 2
_MANIFEST = "bundle.json"


class BundleError(ValueError):
    """A bundle that is missing, damaged or of another format; the message names the file."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with its vocabulary, its baselines and, unless left out, its training ratings.

    Args:
        model: the trained autoencoder.
        baselines: by name, fitted on the same ratings.
        user_ids: training users, in the order of the model's rows.
        item_ids: training items, in the order of its columns.
        user_counts: training ratings of each user.
        item_counts: training ratings of each item.
        ratings: the training ratings, or None.
        catalogue: titles and the like of the items.
        metadata: plain values for people and programs: settings, seed, versions, checksums, validation figures.
        star_model: what makes distributions of predictions; None where there was no validation part to learn it on.
        choice: how likely people are to choose items; None in bundles of earlier versions.
        selection: how far ratings of chosen items lie above those of random ones; None without a validation part and
            in bundles of earlier versions.
    """

    model: TrainedModel
    baselines: Mapping[str, TrainedModel]
    user_ids: Ids
    item_ids: Ids
    user_counts: IntArray
    item_counts: IntArray
    ratings: Ratings | None
    catalogue: Catalogue
    metadata: Mapping[str, Any]
    star_model: StarModel | None = None
    choice: ChoiceModel | None = None
    selection: SelectionModel | None = None

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Row of each user id in the model, -1 where training did not see it; shape of ``user_ids``."""
        return locate(self.user_ids, user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Column of each item id in the model, -1 where training did not see it; shape of ``item_ids``."""
        return locate(self.item_ids, item_ids)


def save_bundle(bundle: Bundle, folder: Path, *, card: str) -> None:
    """Writes a bundle as a folder.

    Args:
        bundle: what to save.
        folder: where; replaced when the new one is complete.
        card: text of its README.md, the model card.

    Raises:
        OSError: the disk is full or the folder cannot be written; an older bundle there is untouched.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        save_arrays(temporary / "model.npz", bundle.model.to_arrays(), compress=False)
        save_arrays(
            temporary / "vocabulary.npz",
            {
                "user_ids": bundle.user_ids,
                "item_ids": bundle.item_ids,
                "user_counts": bundle.user_counts.astype(np.int32),
                "item_counts": bundle.item_counts.astype(np.int32),
            },
        )
        save_arrays(temporary / "baselines.npz", _baseline_arrays(bundle.baselines))
        save_arrays(temporary / "catalogue.npz", bundle.catalogue.to_arrays())
        if bundle.star_model is not None:
            save_arrays(temporary / "stars.npz", bundle.star_model.to_arrays())
        if bundle.choice is not None:
            save_arrays(temporary / "choice.npz", bundle.choice.to_arrays(), compress=False)
        if bundle.selection is not None:
            save_arrays(temporary / "selection.npz", bundle.selection.to_arrays())
        if bundle.ratings is not None:
            _save_ratings(bundle.ratings, temporary / "ratings.parquet")
        (temporary / "README.md").write_text(card, encoding="utf-8")
        scale = bundle.model.scale
        manifest = {
            "format_version": FORMAT_VERSION,
            "written_by": f"movie-rating-autoencoder {__version__}",
            "model": bundle.model.name,
            "scale": [scale.minimum, scale.maximum, scale.step] if scale.rated else None,
            "metadata": dict(bundle.metadata),
            "files": {path.name: checksum(path) for path in sorted(temporary.iterdir())},
        }
        write_json(temporary / _MANIFEST, manifest)


def load_bundle(folder: Path) -> Bundle:
    """Reads a bundle after checking its format version and every file's checksum.

    Raises:
        BundleError: no bundle there, another format version, or a file that is missing or not as it was written.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: missing from the bundle. Copy the whole folder, or train again.")
        if checksum(path) != expected:
            raise BundleError(
                f"{path}: damaged: its SHA-256 is not the one in {_MANIFEST}. Train again, or copy it anew."
            )
    scale = UNRATED if manifest["scale"] is None else Scale(*manifest["scale"])
    arrays = load_arrays(folder / "model.npz")
    if manifest["format_version"] == 1:
        arrays = upgraded_arrays(manifest["model"], arrays)
    vocabulary = load_arrays(folder / "vocabulary.npz")
    ratings = None
    if "ratings.parquet" in manifest["files"]:
        ratings = _load_ratings(folder / "ratings.parquet", vocabulary["user_ids"], vocabulary["item_ids"], scale)
    return Bundle(
        trained_model(manifest["model"]).from_arrays(arrays, scale),
        _baselines(load_arrays(folder / "baselines.npz"), scale),
        vocabulary["user_ids"],
        vocabulary["item_ids"],
        vocabulary["user_counts"],
        vocabulary["item_counts"],
        ratings,
        Catalogue.from_arrays(load_arrays(folder / "catalogue.npz")),
        manifest["metadata"],
        StarModel.from_arrays(load_arrays(folder / "stars.npz"), scale, ratings)
        if "stars.npz" in manifest["files"]
        else None,
        ChoiceModel.from_arrays(load_arrays(folder / "choice.npz")) if "choice.npz" in manifest["files"] else None,
        SelectionModel.from_arrays(load_arrays(folder / "selection.npz"))
        if "selection.npz" in manifest["files"]
        else None,
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``bundle.json`` says, with the names of the newest format version.

    Raises:
        BundleError: no bundle there, not JSON, or another format version.
    """
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
        if version == 1:
            return upgraded_manifest(manifest)
    except FileNotFoundError:
        raise BundleError(
            f"{folder}: no trained model here ({_MANIFEST} is missing). Train one with: "
            f"python train.py --out {folder.parent}"
        ) from None
    except NotADirectoryError:
        raise BundleError(
            f"{folder.parent}: not a run's folder but a file. Give the folder that training wrote."
        ) from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{path}: damaged: not the JSON of a bundle. Train again, or copy the bundle anew.") from None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: bundle format {version}, and this version reads formats 1 to {FORMAT_VERSION}. Train again, or "
            f"use the version that wrote it ({manifest.get('written_by')})."
        )
    return manifest


def _save_ratings(ratings: Ratings, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"user_index": ratings.user_index, "item_index": ratings.item_index, "rating": ratings.values})
    pq.write_table(table, path, compression="zstd")


def _load_ratings(path: Path, user_ids: Ids, item_ids: Ids, scale: Scale) -> Ratings:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    users, items, stars = (table.column(name).to_numpy() for name in ("user_index", "item_index", "rating"))
    return Ratings(users, items, stars, user_ids, item_ids, scale)


def _baseline_arrays(baselines: Mapping[str, TrainedModel]) -> dict[str, npt.NDArray[Any]]:
    return {
        f"{name}_{key}": array for name, baseline in baselines.items() for key, array in baseline.to_arrays().items()
    }


def _baselines(arrays: Mapping[str, npt.NDArray[Any]], scale: Scale) -> dict[str, TrainedModel]:
    return {
        name: kind.from_arrays({key: arrays[f"{name}_{key}"] for key in ("numbers", "users", "items")}, scale)
        for name, kind in BASELINES.items()
        if f"{name}_numbers" in arrays
    }
