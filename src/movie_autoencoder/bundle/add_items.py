"""New items for a trained bundle, from a few ratings each and without retraining.

The items are encoded as folded-in ones are (`TrainedModel.with_items`) and then stand among the bundle's own: it
predicts them, recommends them, and reads stars given to them. What it says of other items does not change. The old
bundle is left as it is; the new one goes to a folder of its own.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.catalogue import Catalogue
from ..data.ratings import Ids, IntArray, Ratings, locate
from ..data.sources import read_catalogue, read_ratings
from ..models.base import Merge
from .bundle import Bundle, load_bundle, save_bundle
from .card import model_card


class ExtensionError(ValueError):
    """Items that cannot be added as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Added:
    """What a file of ratings added to a bundle.

    Args:
        run: the new run's folder.
        num_items: items that were added.
        num_ratings: ratings that they were encoded from.
        num_known_items: items of the file that the bundle had already; they are left as they are.
        num_known_ratings: ratings of those, which were left out.
        num_unknown_users: users of new items whom the bundle does not know.
        num_unknown_user_ratings: ratings of new items by those, which were left out.
        num_unrated_items: new items that only such users rated; they were not added.
    """

    run: str
    num_items: int
    num_ratings: int
    num_known_items: int
    num_known_ratings: int
    num_unknown_users: int
    num_unknown_user_ratings: int
    num_unrated_items: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What happened, for people."""
        lines = [f"Added      {_count(self.num_items, 'new movie')} from {_count(self.num_ratings, 'rating')}"]
        if self.num_known_items:
            lines.append(
                f"Left out   {_count(self.num_known_ratings, 'rating')} of {_count(self.num_known_items, 'movie')} "
                "that the model has: they stay as they are"
            )
        if self.num_unknown_users:
            lines.append(
                f"Left out   {_count(self.num_unknown_user_ratings, 'rating')} by "
                f"{_count(self.num_unknown_users, 'person', 'people')} whom the model does not know"
            )
        if self.num_unrated_items:
            lines.append(f"Left out   {_count(self.num_unrated_items, 'new movie')} that only such people rated")
        return [*lines, f"Saved      {self.run}"]


def add_items(run: str | os.PathLike[str], path: str | Path, out: str | os.PathLike[str]) -> Added:
    """Adds new items to a run's bundle and writes the result as another run.

    Args:
        run: the folder of the trained run; nothing in it changes.
        path: ratings of the new items by users of the bundle, in any form that `read_ratings` knows; titles, years and
            genres in it (or beside it, as for `read_catalogue`) are taken along.
        out: folder of the new run; another than ``run``. A run that training wrote there is not replaced.

    Returns:
        What was added and what was left out.

    Raises:
        ExtensionError: nothing new in the file, no rating of it by a known user, ids of another kind, or a folder
            that must not be written to.
        SourceError: the file cannot be read, or a rating lies outside the bundle's scale.
        BundleError: no bundle in ``run``, or a damaged one.
        ValueError: a classic autoencoder with user rows, which has no place for new items.

    Example:
        ``add_items("runs/latest", "new-films.csv", "runs/extended").num_items`` is how many films were new.
    """
    source, target = Path(run), Path(out)
    _check_target(source, target)
    bundle = load_bundle(source / "bundle")
    ratings = read_ratings(path, scale=bundle.model.scale)
    catalogue = read_catalogue(path)
    extended, added = extend(bundle, ratings, catalogue, str(target))
    save_bundle(extended, target / "bundle", card=model_card(extended))
    return added


def extend(bundle: Bundle, ratings: Ratings, catalogue: Catalogue | None = None, run: str = "") -> tuple[Bundle, Added]:
    """A bundle with new items among its own.

    Args:
        bundle: the trained bundle.
        ratings: of the new items, on the bundle's scale.
        catalogue: titles and the like of the new items.
        run: named in what is returned.

    Returns:
        The new bundle, and what was added and left out.

    Raises:
        ExtensionError: nothing new, no rating of it by a known user, or ids of another kind.
        ValueError: a model that has no place for new items.
    """
    file = ratings.source.path or "these ratings"
    items = _like(ratings.item_ids, bundle.item_ids, file)
    users = locate(bundle.user_ids, ratings.user_ids)
    known_item = locate(bundle.item_ids, items) >= 0
    of_known = known_item[ratings.item_index]
    by_stranger = ~of_known & (users[ratings.user_index] < 0)
    keep = ~of_known & ~by_stranger
    counts = np.bincount(ratings.item_index[keep], minlength=ratings.num_items)
    if known_item.all():
        raise ExtensionError(
            f"{file}: the model knows all of its {_count(len(items), 'movie')}, so there is nothing to add. Give "
            "ratings of movies that it has not, or train again to change what it says of those that it has."
        )
    if not keep.any():
        raise ExtensionError(
            f"{file}: none of its {_count(int((~of_known).sum()), 'rating')} of new movies is by a person whom the "
            "model was trained on, and new movies are placed by what those say. Use the user ids of the training "
            "ratings, or train again with these ratings included."
        )
    new = _in_order(users[ratings.user_index[keep]], ratings.item_index[keep], ratings.values[keep], items, bundle)
    strangers, unrated = np.unique(ratings.user_index[by_stranger]), (counts == 0) & ~known_item
    added = Added(
        run,
        new.num_items,
        len(new),
        int(known_item.sum()),
        int(of_known.sum()),
        len(strangers),
        int(by_stranger.sum()),
        int(unrated.sum()),
    )
    item_ids, merge = Merge.of(bundle.item_ids, new.item_ids)
    everything = None if bundle.ratings is None else _joined(bundle.ratings, new, item_ids, merge)
    metadata = dict(bundle.metadata)
    metadata["extensions"] = [
        *metadata.get("extensions", []),
        {"path": ratings.source.path, "sha256": new.digest, "num_items": new.num_items, "num_ratings": len(new)},
    ]
    extended = Bundle(
        bundle.model.with_items(new, merge),
        {name: baseline.with_items(new, merge) for name, baseline in bundle.baselines.items()},
        bundle.user_ids,
        item_ids,
        bundle.user_counts + new.user_counts,
        merge.rows(bundle.item_counts, new.item_counts),
        everything,
        _catalogue(bundle.catalogue, catalogue, new.item_ids),
        metadata,
        None if bundle.star_model is None else bundle.star_model.with_items(new, merge, everything),
    )
    return extended, added


def _check_target(source: Path, target: Path) -> None:
    if target.resolve() == source.resolve():
        raise ExtensionError(
            f"{target}: the run that is added to stays as it is, so the new one needs a folder of its own. Give "
            "another --out."
        )
    if any((target / name).exists() for name in ("split.npz", "checkpoint")):
        raise ExtensionError(f"{target}: a run that training wrote lies there. Give another --out, or remove it first.")


def _like(item_ids: Ids, known: Ids, file: str) -> Ids:
    """Item ids in the bundle's kind."""
    if known.dtype.kind == "U":
        return item_ids.astype(str)
    if item_ids.dtype.kind == "U":
        raise ExtensionError(
            f"{file}: its item ids are text, such as {str(item_ids[0])!r}, and the model's are integers, such as "
            f"{known[0]}. Give the new movies ids that are integers."
        )
    return item_ids


def _in_order(users: IntArray, items: IntArray, stars: Any, item_ids: Ids, bundle: Bundle) -> Ratings:
    """The new items' ratings, rows in the bundle's vocabulary; columns are the items that have one, ids ascending."""
    used, column = np.unique(item_ids[items], return_inverse=True)
    order = np.lexsort((column, users))
    return Ratings(
        users[order].astype(np.int32),
        column[order].astype(np.int32),
        stars[order],
        bundle.user_ids,
        used,
        bundle.model.scale,
    )


def _joined(old: Ratings, new: Ratings, item_ids: Ids, merge: Merge) -> Ratings:
    """Training ratings with the new ones."""
    users = np.concatenate([old.user_index, new.user_index])
    items = np.concatenate([merge.old[old.item_index], merge.new[new.item_index]]).astype(np.int32)
    order = np.lexsort((items, users))
    return Ratings(
        users[order], items[order], np.concatenate([old.values, new.values])[order], old.user_ids, item_ids, old.scale
    )


def _catalogue(old: Catalogue, read: Catalogue | None, new_ids: Ids) -> Catalogue:
    """What is known of the bundle's items and of the new ones; a title that was read goes before one known before."""
    unknown = new_ids[[item_id not in old for item_id in new_ids.tolist()]]
    known = old.align(np.union1d(old.item_ids, unknown))
    if read is None:
        return known
    found = read.align(known.item_ids)
    newer = np.isin(known.item_ids, new_ids) & (found.titles != "")
    columns = {name: np.where(newer, getattr(found, name), column) for name, column in known.to_arrays().items()}
    return Catalogue(**columns | {"item_ids": known.item_ids.copy()})


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
