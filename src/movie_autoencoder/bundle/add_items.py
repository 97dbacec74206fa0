"""Adds new items to a trained bundle, from a few ratings each and without training.

`TrainedModel.with_items` encodes the new items. The new bundle then predicts and recommends them, and its encoders read
ratings of them. Predictions of all other items stay the same. The old bundle does not change: the new one is saved in
another folder.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..choice import with_new_choices
from ..data.catalogue import Catalogue
from ..data.ratings import Ids, IntArray, Ratings, locate
from ..data.sources import read_catalogue, read_ratings
from ..models.base import Merge
from .bundle import Bundle, load_bundle, save_bundle
from .card import model_card


class AddItemsError(ValueError):
    """The items cannot be added. The message says why and what to do."""


@dataclass(frozen=True)
class AddedItems:
    """What a file of ratings added to a bundle.

    Args:
        run: folder of the new run.
        num_items: number of items added.
        num_ratings: number of ratings that these were encoded from.
        num_known_items: number of items in the file that the bundle already had; these do not change.
        num_known_ratings: number of ratings of those, which were left out.
        num_unknown_users: number of users who rated new items and are not in the bundle.
        num_unknown_user_ratings: number of their ratings of new items, which were left out.
        num_unrated_items: number of new items that only such users rated, which were not added.
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
        """The fields as plain values, for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The same as lines of text for people."""
        lines = [f"Added      {_count(self.num_items, 'new movie')} from {_count(self.num_ratings, 'rating')}"]
        if self.num_known_items:
            lines.append(
                f"Left out   {_count(self.num_known_ratings, 'rating')} of {_count(self.num_known_items, 'movie')} "
                "that the model already has"
            )
        if self.num_unknown_users:
            lines.append(
                f"Left out   {_count(self.num_unknown_user_ratings, 'rating')} by "
                f"{_count(self.num_unknown_users, 'person', 'people')} whom the model does not know"
            )
        if self.num_unrated_items:
            lines.append(f"Left out   {_count(self.num_unrated_items, 'new movie')} that only such people rated")
        return [*lines, f"Saved      {self.run}"]


def add_items(run: str | os.PathLike[str], path: str | Path, out: str | os.PathLike[str]) -> AddedItems:
    """Adds new items to the bundle of a run and saves the result as another run.

    Args:
        run: folder of the trained run; nothing in it changes.
        path: ratings of the new items by users of the bundle, in any format that `read_ratings` reads. Titles, years
            and genres are read too, as by `read_catalogue`.
        out: folder of the new run, not ``run`` itself and not a folder that holds a trained run.

    Returns:
        Counts of what was added and what was left out.

    Raises:
        AddItemsError: the file has no new item, no known user rated one, the ids are of another kind, or ``out`` must
            not be written to.
        SourceError: the file cannot be read, or a rating is outside the bundle's scale.
        BundleError: there is no bundle in ``run``, or it is damaged.
        ValueError: the model cannot encode new items (a classic autoencoder with user rows).

    Example:
        ``add_items("runs/latest", "new-films.csv", "runs/extended").num_items`` is the number of new films.
    """
    source, target = Path(run), Path(out)
    _check_target(source, target)
    bundle = load_bundle(source / "bundle")
    scale = bundle.model.scale
    ratings = read_ratings(path, scale=scale if scale.rated else None)
    catalogue = read_catalogue(path)
    extended, added = with_new_items(bundle, ratings, catalogue, str(target))
    save_bundle(extended, target / "bundle", card=model_card(extended))
    return added


def with_new_items(
    bundle: Bundle, ratings: Ratings, catalogue: Catalogue | None = None, run: str = ""
) -> tuple[Bundle, AddedItems]:
    """The same bundle with new items.

    Args:
        bundle: the trained bundle.
        ratings: ratings of the new items, on the bundle's scale.
        catalogue: titles, years and genres of the new items.
        run: folder of the new run, for `AddedItems.run`.

    Returns:
        The new bundle, and counts of what was added and what was left out.

    Raises:
        AddItemsError: pairs without ratings for a model of ratings, there is no new item, no known user rated one, or
            the ids are of another kind.
        ValueError: the model cannot encode new items.
    """
    file = ratings.source.path or "these ratings"
    if bundle.model.scale.rated and not ratings.rated:
        raise AddItemsError(
            f"{file}: these are pairs of user and item without ratings, and the model predicts ratings, which it needs "
            "of new movies too. Give a file with a column of ratings."
        )
    ratings = ratings if bundle.model.scale.rated else ratings.pairs()
    items = _ids_of_same_kind(ratings.item_ids, bundle.item_ids, file)
    users = locate(bundle.user_ids, ratings.user_ids)
    known_item = locate(bundle.item_ids, items) >= 0
    of_known = known_item[ratings.item_index]
    by_unknown = ~of_known & (users[ratings.user_index] < 0)
    keep = ~of_known & ~by_unknown
    counts = np.bincount(ratings.item_index[keep], minlength=ratings.num_items)
    if known_item.all():
        raise AddItemsError(
            f"{file}: the model knows all of its {_count(len(items), 'movie')}, so there is nothing to add. Give "
            "ratings of other movies, or train again to change the predictions of these."
        )
    if not keep.any():
        raise AddItemsError(
            f"{file}: none of its {_count(int((~of_known).sum()), 'rating')} of new movies is by a person whom the "
            "model was trained on, and new movies are encoded from the ratings of those people. Use the user ids of "
            "the training ratings, or train again with these ratings included."
        )
    new = _sorted_ratings(
        users[ratings.user_index[keep]], ratings.item_index[keep], ratings.values[keep], items, bundle
    )
    unknown_users, unrated = np.unique(ratings.user_index[by_unknown]), (counts == 0) & ~known_item
    added = AddedItems(
        run,
        new.num_items,
        len(new),
        int(known_item.sum()),
        int(of_known.sum()),
        len(unknown_users),
        int(by_unknown.sum()),
        int(unrated.sum()),
    )
    item_ids, merge = Merge.of(bundle.item_ids, new.item_ids)
    everything = None if bundle.ratings is None else _joined_ratings(bundle.ratings, new, item_ids, merge)
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
        _joined_catalogue(bundle.catalogue, catalogue, new.item_ids),
        metadata,
        None if bundle.star_model is None else bundle.star_model.with_items(new, merge, everything),
        choice=None if bundle.choice is None else with_new_choices(bundle.choice, new, merge, bundle.ratings),
        selection=bundle.selection,
    )
    return extended, added


def _check_target(source: Path, target: Path) -> None:
    if target.resolve() == source.resolve():
        raise AddItemsError(
            f"{target}: the run to which items are added does not change, so the new run needs a folder of its own. "
            "Give another --out."
        )
    if any((target / name).exists() for name in ("split.npz", "checkpoint")):
        raise AddItemsError(f"{target}: this folder holds a trained run. Give another --out, or remove it first.")


def _ids_of_same_kind(item_ids: Ids, known: Ids, file: str) -> Ids:
    """Item ids as text where the bundle's are text; as integers where the bundle's are integers."""
    if known.dtype.kind == "U":
        return item_ids.astype(str)
    if item_ids.dtype.kind == "U":
        raise AddItemsError(
            f"{file}: its item ids are text, such as {str(item_ids[0])!r}, and the model's are integers, such as "
            f"{known[0]}. Give the new movies ids that are integers."
        )
    return item_ids


def _sorted_ratings(users: IntArray, items: IntArray, values: Any, item_ids: Ids, bundle: Bundle) -> Ratings:
    """Ratings of the new items: rows in the bundle's vocabulary, a column for each rated item, ids ascending."""
    used, column = np.unique(item_ids[items], return_inverse=True)
    order = np.lexsort((column, users))
    return Ratings(
        users[order].astype(np.int32),
        column[order].astype(np.int32),
        values[order],
        bundle.user_ids,
        used,
        bundle.model.scale,
    )


def _joined_ratings(old: Ratings, new: Ratings, item_ids: Ids, merge: Merge) -> Ratings:
    """The training ratings together with the new ones."""
    users = np.concatenate([old.user_index, new.user_index])
    items = np.concatenate([merge.old[old.item_index], merge.new[new.item_index]]).astype(np.int32)
    order = np.lexsort((items, users))
    return Ratings(
        users[order], items[order], np.concatenate([old.values, new.values])[order], old.user_ids, item_ids, old.scale
    )


def _joined_catalogue(old: Catalogue, read: Catalogue | None, new_ids: Ids) -> Catalogue:
    """The catalogue of all items; a new item's title comes from the file where that has one."""
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
