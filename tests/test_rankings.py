"""Ranking metrics: lists scored by hand, what must not change them, and agreement with another library."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from movie_autoencoder.metrics.errors import MetricError
from movie_autoencoder.metrics.rankings import (
    coverage,
    gini,
    hits,
    intra_list_similarity,
    mean,
    ndcg,
    novelty,
    popularity,
    rating_of_hits,
    recall,
    reciprocal_rank,
    top_items,
)

#                     list          targets (rating)
# ann                 3 1 4 0 5     1 (4), 5 (2), 2 (5)    hits at ranks 2 and 5
# bob                 0 1 2 3 4     0 (3)                  a hit at rank 1
# eve                 5 4 3 2 -     1 (1)                  no hit, and a short list
# dan                 1 0 2 3 4     -                      nothing to find
TOP = np.array([[3, 1, 4, 0, 5], [0, 1, 2, 3, 4], [5, 4, 3, 2, -1], [1, 0, 2, 3, 4]])
TARGETS = sparse.csr_array(([4.0, 2.0, 5.0, 3.0, 1.0], ([0, 0, 0, 1, 2], [1, 5, 2, 0, 1])), shape=(4, 6))


def test_which_listed_items_are_targets():
    assert np.argwhere(hits(TOP, TARGETS)).tolist() == [[0, 1], [0, 4], [1, 0]]


def test_recall_divides_by_the_smaller_of_k_and_the_number_of_targets():
    np.testing.assert_allclose(recall(TOP, TARGETS, 1), [0, 1, 0, np.nan])
    np.testing.assert_allclose(recall(TOP, TARGETS, 2), [1 / 2, 1, 0, np.nan])  # ann has 3 targets
    np.testing.assert_allclose(recall(TOP, TARGETS, 5), [2 / 3, 1, 0, np.nan])


def test_ndcg_compares_with_the_best_list_of_this_length():
    at_2 = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    at_5 = (1 / np.log2(3) + 1 / np.log2(6)) / (1 + 1 / np.log2(3) + 1 / np.log2(4))
    np.testing.assert_allclose(ndcg(TOP, TARGETS, 2), [at_2, 1, 0, np.nan])
    np.testing.assert_allclose(ndcg(TOP, TARGETS, 5), [at_5, 1, 0, np.nan])


def test_the_reciprocal_rank_is_that_of_the_first_hit():
    np.testing.assert_allclose(reciprocal_rank(TOP, TARGETS), [1 / 2, 1, 0, np.nan])


def test_the_rating_of_hits_is_relative_to_the_users_mean():
    above = rating_of_hits(TOP, TARGETS, np.array([3.5, 3.0, 2.0, 4.0]))
    np.testing.assert_allclose(above, [(4 + 2) / 2 - 3.5, 0, np.nan, np.nan])


def test_users_without_a_value_are_left_out_of_the_mean_and_not_counted():
    assert mean(recall(TOP, TARGETS, 5)) == (pytest.approx((2 / 3 + 1 + 0) / 3), 3)
    assert np.isnan(mean(np.array([np.nan]))[0])


def test_a_rating_of_zero_is_a_target():
    zero = sparse.csr_array(([0.0], ([0], [1])), shape=(1, 2))
    assert recall(np.array([[1]]), zero, 1).tolist() == [1.0]
    assert rating_of_hits(np.array([[1]]), zero, np.array([2.0])).tolist() == [-2.0]


def test_coverage_and_gini_of_exposure():
    assert coverage(np.array([[0, 1], [0, 2]]), 8) == 3 / 8
    # exposures 0 0 1 3: sum of (2 i - n - 1) x is (2*3-5) * 1 + (2*4-5) * 3 = 10, divided by 4 * 4
    assert gini(np.array([[0], [0], [0], [2]]), 4) == 10 / 16
    assert gini(np.array([[0, 1, 2, 3]]), 4) == 0
    assert gini(np.zeros((7, 1), dtype=int), 100) == pytest.approx(0.99)
    assert np.isnan(gini(np.array([[-1]]), 4))


def test_popularity_and_novelty_of_what_is_listed():
    counts = np.array([16, 4, 0])
    top = np.array([[0, 1], [1, -1], [2, -1], [-1, -1]])
    np.testing.assert_allclose(popularity(top, counts), [10, 4, 0, np.nan])
    np.testing.assert_allclose(novelty(top, counts, 16), [(0 + 2) / 2, 2, 4, np.nan])  # unrated: as if rated once


def test_similarity_is_the_mean_cosine_of_all_pairs():
    chosen = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
    cosines = {(0, 1): 2 / 3, (0, 2): 1 / np.sqrt(6), (1, 2): 1 / np.sqrt(6)}
    top = np.array([[0, 1, 2], [1, 0, -1], [2, -1, -1], [0, 3, -1]])
    found = intra_list_similarity(top, sparse.csr_array(chosen))
    np.testing.assert_allclose(found, [sum(cosines.values()) / 3, 2 / 3, np.nan, 0], atol=1e-12)
    np.testing.assert_allclose(found, intra_list_similarity(top, sparse.csr_array(5 * chosen)), atol=1e-12)


def test_of_equal_scores_the_lower_column_comes_first():
    assert top_items(np.array([[1, 3, 3, 2, 3, 2]]), 4).tolist() == [[1, 2, 4, 3]]
    assert top_items(np.zeros((1, 9)), 4).tolist() == [[0, 1, 2, 3]]


def test_excluded_items_are_not_listed_even_where_the_list_stays_short():
    excluded = sparse.csr_array(([0.0, 1.0], ([0, 0], [1, 2])), shape=(2, 3))  # a stored 0 excludes too
    scores = np.array([[1.0, 9.0, 8.0], [1.0, 9.0, -np.inf]])
    assert top_items(scores, 5, excluded=excluded).tolist() == [[0, -1, -1, -1, -1], [1, 0, -1, -1, -1]]
    assert scores[0].tolist() == [1.0, 9.0, 8.0]  # the caller's array does not change


def test_lists_that_cannot_be_scored_are_refused():
    with pytest.raises(MetricError, match="k=0"):
        top_items(np.zeros((1, 2)), 0)
    with pytest.raises(MetricError, match="nan for user 1, item 0"):
        top_items(np.array([[0.0, 1.0], [np.nan, 1.0]]), 1)
    with pytest.raises(MetricError, match=r"\(4, 6\)"):
        top_items(np.zeros((1, 2)), 1, excluded=TARGETS)
    with pytest.raises(MetricError, match="from 1 to the length of the lists, 5. Received: k=6"):
        recall(TOP, TARGETS, 6)
    with pytest.raises(MetricError, match="largest column 6"):
        hits(TOP + 1, TARGETS)
    with pytest.raises(MetricError, match="Received: 3 lists"):
        hits(TOP[:3], TARGETS)
    with pytest.raises(MetricError, match="item 2 twice in list 0"):
        hits(np.array([[2, 1, 2]]), TARGETS[:1])


class _Case:
    """Random scores with many ties, and random targets."""

    def __init__(self, seed: int, num_users: int, num_items: int) -> None:
        rng = np.random.default_rng(seed)
        self.scores = rng.integers(6, size=(num_users, num_items)).astype(float)
        self.is_target = rng.random((num_users, num_items)) < rng.random()
        values = np.where(self.is_target, rng.integers(1, 6, size=self.is_target.shape), 0)
        self.targets = sparse.csr_array(values.astype(float))
        self.rng = rng


cases = st.builds(_Case, st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 30))


@settings(max_examples=60, deadline=None)
@given(cases, st.integers(1, 12))
def test_the_top_items_are_those_of_a_whole_stable_sort(case: _Case, k: int) -> None:
    order = np.argsort(-case.scores, axis=1, kind="stable")[:, :k]
    top = top_items(case.scores, k)
    assert (top[:, : order.shape[1]] == order).all()
    assert (top[:, order.shape[1] :] == -1).all()


@settings(max_examples=60, deadline=None)
@given(cases, st.integers(1, 12))
def test_metrics_agree_with_their_definitions_user_by_user(case: _Case, k: int) -> None:
    top = top_items(case.scores, k)
    found = recall(top, case.targets, k), ndcg(top, case.targets, k), reciprocal_rank(top, case.targets)
    for user, columns in enumerate(top.tolist()):
        wanted = set(np.flatnonzero(case.is_target[user]).tolist())
        ranks = [rank for rank, column in enumerate(columns, start=1) if column in wanted]
        if not wanted:
            assert all(np.isnan(one[user]) for one in found)
            continue
        best = range(1, min(k, len(wanted)) + 1)
        assert found[0][user] == pytest.approx(len(ranks) / len(best))
        gain, most = (sum(1 / np.log2(rank + 1) for rank in some) for some in (ranks, best))
        assert found[1][user] == pytest.approx(gain / most)
        assert found[2][user] == pytest.approx(1 / ranks[0] if ranks else 0)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(1, 12))
def test_names_of_items_and_order_of_users_do_not_matter(case: _Case, k: int) -> None:
    top = top_items(case.scores, k)
    num_users, num_items = case.scores.shape
    users, names = case.rng.permutation(num_users), case.rng.permutation(num_items)
    renamed = np.where(top >= 0, names[top], -1)[users]
    moved = np.zeros(case.scores.shape)
    moved[:, names] = case.targets.toarray()
    chosen = sparse.csr_array(case.rng.integers(2, size=(7, num_items)))
    targets, counts = sparse.csr_array(moved[users]), case.rng.integers(9, size=num_items)
    inverse = np.argsort(names)
    for one, other in (
        (recall(top, case.targets, k), recall(renamed, targets, k)),
        (ndcg(top, case.targets, k), ndcg(renamed, targets, k)),
        (reciprocal_rank(top, case.targets), reciprocal_rank(renamed, targets)),
        (popularity(top, counts), popularity(renamed, counts[inverse])),
        (novelty(top, counts, 9), novelty(renamed, counts[inverse], 9)),
        (intra_list_similarity(top, chosen), intra_list_similarity(renamed, chosen[:, inverse])),
    ):
        np.testing.assert_allclose(one[users], other, atol=1e-12)
    assert gini(top, num_items) == pytest.approx(gini(renamed, num_items))
    assert coverage(top, num_items) == coverage(renamed, num_items)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(1, 12))
def test_targets_in_front_give_one_and_lists_without_any_give_zero(case: _Case, k: int) -> None:
    wanted = case.targets.sum(axis=1) > 0
    assume(wanted.any())
    perfect, worst = (top_items(sign * case.is_target.astype(float), k) for sign in (1, -1))
    for metric in (recall, ndcg):
        np.testing.assert_allclose(metric(perfect, case.targets, k)[wanted], 1)
        missed = wanted & ((~case.is_target).sum(axis=1) >= k)
        np.testing.assert_allclose(metric(worst, case.targets, k)[missed], 0)


def test_similarity_by_blocks_is_that_of_all_lists_at_once() -> None:
    rng = np.random.default_rng(0)
    chosen = rng.random((50, 30)) < 0.3
    top = np.array([rng.permutation(30)[:8] for _ in range(40)])
    unit = chosen / np.sqrt(chosen.sum(axis=0))
    cosines = unit.T @ unit
    naive = [np.mean([cosines[i, j] for i in row for j in row if i != j]) for row in top]
    np.testing.assert_allclose(intra_list_similarity(top, sparse.csr_array(chosen.astype(float))), naive)
    few = intra_list_similarity(top, sparse.csr_array(chosen.astype(float)), max_numbers=120)
    np.testing.assert_allclose(few, naive)


def test_the_ranking_benchmark_scores_lists_alike() -> None:
    """Its peers' environments lack this package, so that it has scores of its own."""
    from peers.ranking_splits import HeldOut, figures

    rng = np.random.default_rng(0)
    cells = rng.random((30, 200))
    held_out = sparse.csr_array(np.where(cells < 0.2, rng.integers(1, 6, size=cells.shape), 0).astype(float))
    fold_in = sparse.csr_array(np.where(cells > 0.7, rng.integers(1, 6, size=cells.shape), 0).astype(float))
    top = top_items(rng.random(cells.shape), 100, excluded=fold_in)
    means = (fold_in.sum(axis=1) + held_out.sum(axis=1)) / (np.diff(fold_in.indptr) + np.diff(held_out.indptr))
    theirs = figures(top, HeldOut(np.arange(30), fold_in, held_out), "all")
    for k in (20, 50):
        np.testing.assert_allclose(recall(top, held_out, k), theirs[f"Recall@{k}"])
    for k in (10, 100):
        np.testing.assert_allclose(ndcg(top, held_out, k), theirs[f"NDCG@{k}"])
    for k in (20, 100):
        np.testing.assert_allclose(rating_of_hits(top[:, :k], held_out, means), theirs[f"stars@{k}"])


@pytest.mark.slow
def test_another_library_gives_the_same_figures() -> None:
    """ranx divides recall by the number of targets, so that of ours is its own times targets / min(k, targets).

    Its NDCG and MRR are ours. All three are defined for users with a target only.
    """
    pytest.importorskip("ranx", reason="ranx is not installed: pip install ranx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ranx import Qrels, Run, evaluate

        rng = np.random.default_rng(0)
        scores, is_target = rng.permuted(np.tile(np.arange(300.0), (40, 1)), axis=1), rng.random((40, 300)) < 0.12
        is_target[:20] &= rng.random((20, 300)) < 0.1  # users with fewer targets than k, and some with more
        is_target[:, 0] = True
        top, targets = top_items(scores, 100), sparse.csr_array(is_target.astype(float))
        wanted: Any = {f"u{u:02}": {f"i{i}": 1 for i in np.flatnonzero(is_target[u])} for u in range(40)}
        run: Any = {f"u{u:02}": {f"i{i}": float(scores[u, i]) for i in top[u]} for u in range(40)}
        names = ["recall@20", "recall@50", "ndcg@10", "ndcg@100", "mrr"]
        theirs: Any = evaluate(Qrels(wanted), Run(run), names, return_mean=False)
    counts = is_target.sum(axis=1)
    assert counts.min() < 20 < counts.max()
    for k in (20, 50):
        ours = recall(top, targets, k)
        np.testing.assert_allclose(ours, theirs[f"recall@{k}"] * counts / np.minimum(counts, k), atol=1e-6)
        assert (ours >= theirs[f"recall@{k}"] - 1e-9).all()
    for k in (10, 100):
        np.testing.assert_allclose(ndcg(top, targets, k), theirs[f"ndcg@{k}"], atol=1e-6)
    np.testing.assert_allclose(reciprocal_rank(top, targets), theirs["mrr"], atol=1e-6)
    assert 0 < mean(recall(top, targets, 20))[0] < 1
