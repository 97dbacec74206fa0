"""Rankings: how well lists find a person's held-out items, among all items and with no sampled negatives.

Each person is folded in from the ratings that are shown, training users too. Items shown are not ranked, and no target
is shown. Definitions and their sources are in ``metrics.rankings`` and docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from ..bundle.bundle import Bundle
from ..data.ratings import FloatArray, IntArray, Ratings
from ..data.scale import like_threshold
from ..metrics import rankings as metrics
from ..metrics.comparison import bootstrap_means, interval
from .ranked_users import NUM_RANKED, RankedUsers, ranked_users, select_users
from .rankers import Ranker, rankers_of
from .targets import Targets

DEPTH = 100  # length of the lists that find targets
LENGTH = 20  # length of the lists whose items are described: what a person looks at
_MAX_NUMBERS = 1 << 22  # scores held at a time: 32 MB
_SIMILAR_LISTS, _SIMILAR_USERS = 2_000, 20_000  # lists, and columns' users, that the similarity within lists reads


@dataclass(frozen=True)
class Mean:
    """A mean over users.

    Args:
        value: the mean.
        ci95: its 95 % interval, users resampled; None with a single user.
    """

    value: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class RankerScore:
    """How well the lists of one ranker find targets; larger is better.

    Args:
        recall_20: hits among the first 20, divided by min(20, number of targets).
        recall_50: the same for 50.
        ndcg_10: normalized discounted cumulative gain at 10; all targets have the same gain.
        ndcg_100: the same at 100.
        mrr: mean reciprocal rank of the first hit among the first 100; 0 without one.
    """

    recall_20: Mean
    recall_50: Mean
    ndcg_10: Mean
    ndcg_100: Mean
    mrr: Mean


@dataclass(frozen=True)
class TargetScores:
    """Scores of all rankers on one kind of targets.

    Args:
        num_users: users with at least one target; the others are left out.
        num_targets: their targets.
        rankers: by name.
    """

    num_users: int
    num_targets: int
    rankers: Mapping[str, RankerScore]


@dataclass(frozen=True)
class ListScore:
    """What the first 20 items of one ranker's lists are.

    Args:
        coverage: fraction of all items that are on at least one list.
        gini: Gini index of the number of lists that an item is on; 0 when all items have the same.
        popularity: mean number of training ratings.
        novelty: mean of -log2 of the fraction of training users who rated the item, bits.
        similarity: mean cosine of all pairs on a list, by which training users rated them; None where the bundle has no
            training ratings, and for lists of one item.
        rating_of_hits: mean rating of a user's hits minus their mean rating, rating points, over the users with a hit;
            None without any.
    """

    coverage: float
    gini: float
    popularity: float
    novelty: float
    similarity: float | None
    rating_of_hits: Mean | None


@dataclass(frozen=True)
class RankingEvaluation:
    """Ranking figures of a run and its baselines, all for the same users and targets.

    Args:
        setting: ``"strong"`` where the users were not trained on (a split by user), ``"weak"`` where they were.
        num_users: users with a list.
        num_drawn_from: users who could have one; larger than ``num_users`` where a sample was drawn.
        num_items: items that are ranked, without those that the user was shown.
        num_unknown_targets: held-out ratings of items that training did not see, or of users without a shown rating;
            they are no targets.
        like_threshold: least rating of a liked target; None for pairs without ratings.
        all: scores where every held-out rating is a target.
        liked: scores where only ratings from the threshold on are targets; None without any.
        lists: what the lists are made of, by ranker.
    """

    setting: Literal["strong", "weak"]
    num_users: int
    num_drawn_from: int
    num_items: int
    num_unknown_targets: int
    like_threshold: float | None
    all: TargetScores
    liked: TargetScores | None
    lists: Mapping[str, ListScore]


def best_items(ranker: Ranker, shown: Ratings, k: int = DEPTH, *, max_numbers: int = _MAX_NUMBERS) -> IntArray:
    """The list of each user, by blocks of users: the best items by one ranker, without those that were shown.

    Args:
        ranker: scores all items for a block of users.
        shown: the users' ratings, with the model's columns.
        k: length of the lists.
        max_numbers: scores held at a time; it bounds memory and changes no list.

    Returns:
        Columns, best first, shape ``(num_users, k)``; -1 where fewer items are left.
    """
    top = np.empty((shown.num_users, k), dtype=np.int64)
    step = max(1, max_numbers // max(shown.num_items, 1))
    for start in range(0, len(top), step):
        block = select_users(shown, np.arange(start, min(start + step, len(top))))
        top[start : start + step] = metrics.top_items(ranker(block), k, excluded=block.to_csr())
    return top


def evaluate_rankings(
    bundle: Bundle,
    targets: Targets,
    *,
    rankers: Mapping[str, Ranker] | None = None,
    num_ranked: int = NUM_RANKED,
    resamples: int = 1000,
    seed: int = 0,
) -> RankingEvaluation | None:
    """Ranking figures of a bundle and its baselines on held-out ratings.

    Args:
        bundle: what is evaluated.
        targets: the held-out ratings.
        rankers: by name; those of the bundle when left out.
        num_ranked: largest number of users whose lists are made; 0 makes none.
        resamples: number of bootstrap samples behind each interval.
        seed: seed of the sample of users and of the bootstrap.

    Returns:
        None where nobody can have a list: no user has both a shown rating and a target that training knows, or the
        bundle was saved without the training ratings that would be shown.
    """
    people = ranked_users(
        bundle.ratings if targets.fold_in is None else targets.fold_in, targets, num_ranked=num_ranked, seed=seed
    )
    if people is None:
        return None
    rankers = rankers_of(bundle) if rankers is None else rankers
    lists = {name: best_items(ranker, people.shown) for name, ranker in rankers.items()}
    everything = score_lists(lists, people.targets, resamples=resamples, seed=seed)
    if everything is None:
        return None
    rated, threshold, liked = bundle.model.scale.rated and targets.ratings.rated, None, None
    if rated:
        threshold = like_threshold(bundle.model.scale)
        targets_liked = people.targets.copy()
        targets_liked.data = (targets_liked.data >= threshold - 1e-6).astype(np.float64)
        targets_liked.eliminate_zeros()
        liked = score_lists(lists, targets_liked, resamples=resamples, seed=seed)
    return RankingEvaluation(
        setting="weak" if targets.fold_in is None else "strong",
        num_users=people.shown.num_users,
        num_drawn_from=people.num_drawn_from,
        num_items=people.shown.num_items,
        num_unknown_targets=people.num_unknown_targets,
        like_threshold=threshold,
        all=everything,
        liked=liked,
        lists={
            name: describe_lists(top[:, :LENGTH], bundle, people, rated=rated, resamples=resamples, seed=seed)
            for name, top in lists.items()
        },
    )


def score_lists(
    lists: Mapping[str, IntArray], targets: Any, *, resamples: int = 1000, seed: int = 0
) -> TargetScores | None:
    """Scores of several rankers' lists on the same targets, with intervals from shared bootstrap samples of users.

    Args:
        lists: lists of at least 100 items of each ranker, by name.
        targets: SciPy CSR matrix; see ``metrics.rankings``.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.

    Returns:
        None without a target.
    """
    present = np.flatnonzero(np.diff(targets.indptr))
    if not len(present):
        return None
    targets = targets[present]
    values: dict[str, FloatArray] = {}
    for name, top in lists.items():
        mine = top[present]
        values |= {
            f"{name}/recall_20": metrics.recall(mine, targets, 20),
            f"{name}/recall_50": metrics.recall(mine, targets, 50),
            f"{name}/ndcg_10": metrics.ndcg(mine, targets, 10),
            f"{name}/ndcg_100": metrics.ndcg(mine, targets, DEPTH),
            f"{name}/mrr": metrics.reciprocal_rank(mine[:, :DEPTH], targets),
        }
    means = _means(values, resamples, seed)
    rankers = {
        name: RankerScore(**{field.name: means[f"{name}/{field.name}"] for field in fields(RankerScore)})
        for name in lists
    }
    return TargetScores(len(present), int(targets.nnz), rankers)


def describe_lists(
    top: IntArray, bundle: Bundle, people: RankedUsers, *, rated: bool = True, resamples: int = 1000, seed: int = 0
) -> ListScore:
    """What the lists of one ranker are made of.

    The similarity of the items is computed on 2,000 lists and 20,000 training users at most, evenly spaced.
    """
    above = metrics.rating_of_hits(top, people.targets, people.means)
    above = above[~np.isnan(above)] if rated else above[:0]
    similarity = float("nan")
    if bundle.ratings is not None:
        users = select_users(bundle.ratings, _spaced(bundle.ratings.num_users, _SIMILAR_USERS))
        some = top[_spaced(len(top), _SIMILAR_LISTS)]
        similarity = metrics.mean(metrics.intra_list_similarity(some, users.to_csr()))[0]
    return ListScore(
        coverage=metrics.coverage(top, len(bundle.item_ids)),
        gini=metrics.gini(top, len(bundle.item_ids)),
        popularity=metrics.mean(metrics.popularity(top, bundle.item_counts))[0],
        novelty=metrics.mean(metrics.novelty(top, bundle.item_counts, len(bundle.user_ids)))[0],
        similarity=None if np.isnan(similarity) else similarity,
        rating_of_hits=_means({"above": above}, resamples, seed)["above"] if len(above) else None,
    )


def _means(values: Mapping[str, FloatArray], resamples: int, seed: int) -> dict[str, Mean]:
    """Means over users with intervals; every user has each value."""
    count = len(next(iter(values.values())))
    if count < 2:
        return {name: Mean(float(one.mean()), None) for name, one in values.items()}
    draws = bootstrap_means(values, np.ones(count, dtype=np.int64), resamples=resamples, seed=seed)
    return {name: Mean(float(one.mean()), interval(draws[name])) for name, one in values.items()}


def _spaced(count: int, most: int) -> IntArray:
    """At most this many of so many indices, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
