"""Splits and figures of the ranking benchmark; NumPy and SciPy only, so that every environment can import it.

**Strong generalisation** (Liang et al. 2018): the people that a ranking is scored on are not in training. Of each, most
ratings are the *fold-in*, which the ranker gets, and the rest are the *targets*, which only the scores below get. Items
are those of training; ratings of other items are dropped before a person's ratings are divided.

    split = strong_split(users, items, ratings, seed=0)
    scores = rank(split.train, split.test.fold_in)                       # (people, items)
    lists = top(scores, split.test.fold_in, 100)
    figures(lists, split.test, "liked")["NDCG@100"].mean()
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]
Kind = Literal["all", "liked"]

KINDS: tuple[Kind, ...] = ("all", "liked")
LIKED = 4.0  # a target counts as liked from this rating on
LISTED = 100  # length of the lists that are scored
HELD_OUT = 0.15  # fraction of the people in validation, and as many in the test
TARGETS = 0.2  # fraction of a held-out person's ratings that are targets


class HeldOut(NamedTuple):
    """People to rank for.

    Args:
        people: their ids, shape ``(num_people,)``.
        fold_in: the ratings that the ranker gets, CSR, shape ``(num_people, num_items)``. Every stored entry is a
            rating, also a stored 0.
        targets: the ratings to be found, likewise.
    """

    people: Array
    fold_in: Any
    targets: Any


@dataclass(frozen=True, eq=False)
class StrongSplit:
    """Training people, validation people and test people, all with the items of training.

    Args:
        people: ids of the training people, shape ``(num_people,)``.
        items: ids of the items, ascending, shape ``(num_items,)``; each has a training rating.
        train: training ratings, CSR, shape ``(num_people, num_items)``.
        validation: people for choosing settings.
        test: people for scoring.
    """

    people: Array
    items: Array
    train: Any
    validation: HeldOut
    test: HeldOut


def strong_split(
    users: Array, items: Array, ratings: Array, *, seed: int, held_out: float = HELD_OUT, targets: float = TARGETS
) -> StrongSplit:
    """Divides people, and the ratings of held-out people, at random.

    Args:
        users: user id of each rating, shape ``(n,)``; a pair of user and item occurs once.
        items: item id, same shape.
        ratings: rating points, same shape.
        seed: seed of the division.
        held_out: fraction of the people in validation, and as many in the test.
        targets: fraction of the ratings of a held-out person that are targets, at least one rating. A person with
            fewer than two ratings of training items has none and is not scored.

    Returns:
        The split; it depends on the ids, not on the order of the ratings.

    Raises:
        ValueError: there are too few people.
    """
    rng = np.random.default_rng([seed, 11])
    order = np.lexsort((items, users))
    users, items, ratings = np.asarray(users)[order], np.asarray(items)[order], np.asarray(ratings)[order]
    ids, rows = np.unique(users, return_inverse=True)
    size = round(held_out * len(ids))
    if not 0 < size < len(ids) / 2:
        raise ValueError(
            f"{size} of {len(ids)} people cannot be held out twice. Give more people, or a held_out above 0 and below "
            "0.5."
        )
    group = np.zeros(len(ids), dtype=np.int8)  # 0 training, 1 validation, 2 test
    shuffled = rng.permutation(len(ids))
    group[shuffled[:size]], group[shuffled[size : 2 * size]] = 1, 2
    training = group[rows] == 0
    vocabulary = np.unique(items[training])
    columns = np.searchsorted(vocabulary, items).clip(max=len(vocabulary) - 1)
    known = vocabulary[columns] == items
    found = {
        number: (
            ids[group == number],
            matrix(rows[chosen], columns[chosen], ratings[chosen], group == number, vocabulary),
        )
        for number, chosen in ((number, (group[rows] == number) & known) for number in range(3))
    }
    people, train = found[0]
    parts = [HeldOut(found[number][0], *divide(found[number][1], targets, rng)) for number in (1, 2)]
    return StrongSplit(people, vocabulary, train, *parts)


def matrix(rows: Array, columns: Array, values: Array, kept: Array, vocabulary: Array) -> Any:
    """CSR of the rows that are kept, shape ``(kept.sum(), len(vocabulary))``."""
    number = np.cumsum(kept) - 1
    shape = (int(kept.sum()), len(vocabulary))
    return sparse.csr_array((values.astype(np.float32), (number[rows], columns)), shape=shape)


def divide(ratings: Any, fraction: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Divides the entries of each row at random.

    Args:
        ratings: CSR.
        fraction: fraction of a row's entries in the second part: rounded, at least one, and one entry stays in the
            first part; a row with one entry stays whole.
        rng: source of random numbers.

    Returns:
        Two CSR arrays of the same shape.
    """
    counts = np.diff(ratings.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    shuffled = np.lexsort((rng.random(ratings.nnz), rows))
    position = np.arange(ratings.nnz) - np.repeat(ratings.indptr[:-1], counts)
    size = np.minimum(np.maximum(np.rint(fraction * counts), 1), counts - 1)
    second = np.zeros(ratings.nnz, dtype=bool)
    second[shuffled[position < np.repeat(size, counts)]] = True

    def part(chosen: Array) -> Any:
        return sparse.csr_array((ratings.data[chosen], (rows[chosen], ratings.indices[chosen])), shape=ratings.shape)

    return part(~second), part(second)


def top(scores: Array, seen: Any, k: int = LISTED) -> npt.NDArray[np.int32]:
    """The k items of the highest scores in each row, without those that the person has rated.

    Args:
        scores: shape ``(num_people, num_items)``; of equal scores the lower index comes first. Not a number ranks last.
        seen: CSR of the fold-in, same shape.
        k: length of a list.

    Returns:
        Indices of items, best first, shape ``(num_people, k)``; -1 fills a list that has too few items.
    """
    scores = np.nan_to_num(np.array(scores, dtype=np.float64), nan=-np.inf, neginf=-np.inf)
    barred = np.zeros(scores.shape, dtype=bool)
    barred[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = True
    scores[barred] = -np.inf
    depth = min(k, scores.shape[1])
    threshold = -np.partition(-scores, depth - 1, axis=1)[:, depth - 1]
    lists = np.full((len(scores), k), -1, dtype=np.int32)
    for row, one in enumerate(scores):
        candidates = np.flatnonzero((one >= threshold[row]) & ~barred[row])
        best = candidates[np.argsort(-one[candidates], kind="stable")][:depth]
        lists[row, : len(best)] = best
    return lists


def figures(lists: Array, people: HeldOut, kind: Kind, liked: float = LIKED) -> dict[str, Array]:
    """The figures of each person.

    * ``Recall@k``: number of targets among the first k, divided by ``min(k, number of targets)`` (Liang et al. 2018).
    * ``NDCG@k``: sum of ``1 / log2(1 + rank)`` of the targets among the first k, divided by the largest possible one.
    * ``stars@k``: mean rating of *all* targets among the first k, liked or not, minus the mean of all the person's
      ratings, fold-in and targets; NaN for a person without any.

    Args:
        lists: indices of items, best first, shape ``(num_people, k)``, k at least 100; -1 is no item.
        people: the people of the rows.
        kind: ``"all"`` targets, or those of at least `liked` rating points.
        liked: rating points.

    Returns:
        By name, shape ``(num_people,)``; NaN for a person without such a target.
    """
    counts = np.diff(people.targets.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    wanted = people.targets.data >= liked if kind == "liked" else np.ones(len(rows), dtype=bool)
    num_targets = np.bincount(rows[wanted], minlength=len(counts))
    rank = ranks_of(lists, people.targets)
    found: dict[str, Array] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in (20, 50):
            hits = np.bincount(rows[wanted & (rank < k)], minlength=len(counts))
            found[f"Recall@{k}"] = hits / np.minimum(k, num_targets)
        gains = 1 / np.log2(np.arange(lists.shape[1]) + 2.0)
        ideal = np.concatenate([[0.0], np.cumsum(gains)])
        for k in (10, 100):
            hit = wanted & (rank < k)
            found[f"NDCG@{k}"] = (
                np.bincount(rows[hit], gains[rank[hit]], len(counts)) / ideal[np.minimum(k, num_targets)]
            )
        totals = people.fold_in.sum(axis=1) + people.targets.sum(axis=1)
        mean = np.asarray(totals) / (np.diff(people.fold_in.indptr) + counts)
        for k in (20, 100):
            hit = rank < k
            stars = np.bincount(rows[hit], people.targets.data[hit], len(counts)) / np.bincount(
                rows[hit], minlength=len(counts)
            )
            found[f"stars@{k}"] = np.where(num_targets > 0, stars - mean, np.nan)
    return found


def ranks_of(lists: Array, targets: Any) -> Array:
    """Position of each target in its person's list, from 0; the length of the lists if it is not in it."""
    rank = np.full(targets.nnz, lists.shape[1], dtype=np.int64)
    for row in range(targets.shape[0]):
        part = slice(targets.indptr[row], targets.indptr[row + 1])
        listed = lists[row][lists[row] >= 0]
        order = np.argsort(listed)
        place = np.searchsorted(listed[order], targets.indices[part])
        inside = place < len(listed)
        inside[inside] = listed[order][place[inside]] == targets.indices[part][inside]
        rank[part][inside] = order[place[inside]]
    return rank


def averages(found: dict[str, Array]) -> dict[str, float]:
    """Means over the people who have the figure; NaN when nobody has it."""
    return {name: float(np.nanmean(one)) if np.isfinite(one).any() else float("nan") for name, one in found.items()}
