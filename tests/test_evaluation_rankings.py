"""Ranking figures of a run: recomputed user by user, with no item on a list that was shown."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_runs import by_hand, change_split, made_run, save_test_part, split_run
from scipy import sparse

from movie_autoencoder.choice import rank_values
from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.evaluation.linear_baseline import fit_linear_autoencoder
from movie_autoencoder.evaluation.ranked_users import ranked_users, select_users
from movie_autoencoder.evaluation.rankers import by_popularity, rankers_of
from movie_autoencoder.evaluation.rankings import best_items, evaluate_rankings
from movie_autoencoder.evaluation.targets import load_test_targets
from movie_autoencoder.models.base import in_vocabulary

ONE_TO_FIVE = Scale(1.0, 5.0, 1.0)


def dense_linear_autoencoder(ratings: Ratings, l2: float) -> np.ndarray[Any, Any]:
    """Item weights by the formula of the paper."""
    chosen = ratings.to_csr().toarray().astype(np.float64)
    inverse = np.linalg.inv(chosen.T @ chosen + l2 * np.eye(ratings.num_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def naive_figures(top: list[list[int]], wanted: list[dict[int, float]]) -> dict[str, float]:
    """Recall, NDCG and reciprocal rank, one user after the other."""
    found: dict[str, list[float]] = {name: [] for name in ("recall_20", "recall_50", "ndcg_10", "ndcg_100", "mrr")}
    for columns, targets in zip(top, wanted, strict=True):
        if not targets:
            continue
        ranks = [rank for rank, column in enumerate(columns[:100], start=1) if column in targets]
        for k in (20, 50):
            found[f"recall_{k}"].append(sum(rank <= k for rank in ranks) / min(k, len(targets)))
        for k in (10, 100):
            gain = sum(1 / np.log2(rank + 1) for rank in ranks if rank <= k)
            found[f"ndcg_{k}"].append(gain / sum(1 / np.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1)))
        found["mrr"].append(1 / ranks[0] if ranks else 0.0)
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("by", ["user", "rating"])
def test_the_figures_of_a_run_are_those_of_a_loop_over_its_users(by, planted, tmp_path):
    run, split = split_run(planted, tmp_path, by=by)
    bundle, held_out = run.bundle, split.held_out("test")
    found = run.evaluate().rankings
    shown = bundle.ratings if by == "rating" else in_vocabulary(held_out.fold_in, bundle.item_ids)
    weights = dense_linear_autoencoder(bundle.ratings, 200.0)
    top: dict[str, list[list[int]]] = {"popularity": [], "linear_autoencoder": [], "rating": []}
    all_targets: list[dict[int, float]] = []
    above: dict[str, list[float]] = {name: [] for name in top}
    for user in np.unique(held_out.users).tolist():
        row = shown.row(int(shown.locate_users([user])[0]))
        own, columns = held_out.users == user, shown.item_index[row]
        known = zip(bundle.locate_items(held_out.items[own]).tolist(), held_out.values[own].tolist(), strict=True)
        targets = {column: rating for column, rating in known if column >= 0}
        mean = np.mean([*shown.values[row].tolist(), *targets.values()])
        person = bundle.model.fold_in(select_users(shown, shown.locate_users([user])))
        vector = np.zeros(len(bundle.item_ids))
        vector[columns] = 1
        everything = np.arange(len(bundle.item_ids))
        scores = {
            "popularity": bundle.item_counts,
            "linear_autoencoder": vector @ weights,
            "rating": bundle.model.reconstruct(0 * everything, everything, encoded_users=person),
        }
        all_targets.append(targets)
        for name, one in scores.items():
            order = [column for column in np.argsort(-one, kind="stable").tolist() if column not in columns]
            top[name].append(order)
            hits = [targets[column] for column in order[:20] if column in targets]
            if hits:
                above[name].append(np.mean(hits) - mean)
    liked = [{column: rating for column, rating in one.items() if rating >= 4} for one in all_targets]
    assert (found.setting, found.num_users, found.num_items) == (
        "strong" if by == "user" else "weak",
        len(all_targets),
        len(bundle.item_ids),
    )
    for scores, wanted in ((found.all, all_targets), (found.liked, liked)):
        assert scores.num_targets == sum(map(len, wanted))
        assert scores.num_users == sum(map(bool, wanted))
        for name, lists in top.items():
            for metric, value in naive_figures(lists, wanted).items():
                mean = getattr(scores.rankers[name], metric)
                assert mean.value == pytest.approx(value), (name, metric)
                assert mean.ci95[0] <= mean.value <= mean.ci95[1]
    for name, lists in top.items():
        listed = {column for one in lists for column in one[:20]}
        assert found.lists[name].coverage == pytest.approx(len(listed) / found.num_items)
        counts = [np.mean(bundle.item_counts[one[:20]]) for one in lists]
        assert found.lists[name].popularity == pytest.approx(np.mean(counts))
        assert found.lists[name].rating_of_hits.value == pytest.approx(np.mean(above[name]))


@pytest.mark.parametrize("by", ["user", "rating", "time"])
def test_no_list_has_an_item_that_was_shown_and_every_target_could_be_on_it(by, planted, tmp_path):
    if by == "time":
        times = np.random.default_rng(0).integers(10**9, size=len(planted))
        planted = replace(planted, timestamps=times)
    run, _ = split_run(planted, tmp_path, by=by)
    targets = load_test_targets(run.bundle, tmp_path)
    people = ranked_users(run.bundle.ratings if targets.fold_in is None else targets.fold_in, targets)
    shown = people.shown.to_csr().toarray() > 0
    wanted = people.targets.toarray() > 0
    assert not (shown & wanted).any()
    for name, ranker in rankers_of(run.bundle).items():
        top = best_items(ranker, people.shown, k=run.bundle.model.items.latent.shape[0])
        for row, columns in enumerate(top):
            assert set(columns[columns >= 0].tolist()) == set(np.flatnonzero(~shown[row]).tolist()), name


@pytest.mark.parametrize("by", ["user", "rating"])
def test_rankers_read_no_held_out_rating(by, planted, tmp_path):
    """Other ratings of the same targets change which are liked, and nothing else."""
    run, _ = split_run(planted, tmp_path, by=by)
    before = run.evaluate().rankings
    values = run.evaluate().scale.clip(6 - load_test_targets(run.bundle, tmp_path).ratings.values)
    change_split(tmp_path, test_values=values.astype(np.float32))
    after = run.evaluate().rankings
    assert before.all == after.all
    assert before.liked != after.liked
    assert {name: one.coverage for name, one in before.lists.items()} == {
        name: one.coverage for name, one in after.lists.items()
    }


#            Heat  Up  Alien  Brazil
#      ann     4    2   (5)             shown, and (held out)
#      bob    (2)   3    4
#      eve     5         1
TRAIN = Ratings.from_columns(
    ["ann", "ann", "bob", "bob", "eve", "eve"], [1, 2, 2, 3, 1, 3], [4, 2, 3, 4, 5, 1], scale=ONE_TO_FIVE
)
MODEL = by_hand(3.0, [0.0, 1.0, 0.0], [0.5, 0.0, 1.0], scale=ONE_TO_FIVE)


def test_three_users_by_hand(tmp_path):
    """Both have one item that was not shown, their target."""
    save_test_part(tmp_path, ["ann", "bob", "bob", "dan"], [3, 1, 9, 1], [5.0, 2.0, 5.0, 5.0])
    found = made_run(MODEL, TRAIN, tmp_path).evaluate().rankings
    assert (found.setting, found.num_users, found.num_drawn_from, found.num_items) == ("weak", 2, 2, 3)
    assert found.num_unknown_targets == 2  # bob's of an unknown item, and dan has nothing to be shown
    assert (found.all.num_targets, found.liked.num_targets, found.liked.num_users) == (2, 1, 1)
    assert found.like_threshold == 4.0
    for scores in (found.all, found.liked):
        for one in scores.rankers.values():
            assert (one.recall_20.value, one.ndcg_100.value, one.mrr.value) == (1, 1, 1)
    assert found.liked.rankers["rating"].mrr.ci95 is None  # of one user
    lists = found.lists["popularity"]
    assert lists.coverage == pytest.approx(2 / 3)
    assert (lists.popularity, lists.novelty, lists.similarity) == (2.0, pytest.approx(-np.log2(2 / 3)), None)
    # ann's hit has 5 stars and her mean is (4 + 2 + 5) / 3; bob's has 2 and his mean is (3 + 4 + 2) / 3
    assert lists.rating_of_hits.value == pytest.approx(((5 - 11 / 3) + (2 - 3)) / 2)


def test_there_are_no_rankings_where_nobody_can_have_a_list(tmp_path):
    save_test_part(tmp_path, ["ann", "bob"], [3, 1], [5.0, 2.0])
    run = made_run(MODEL, TRAIN, tmp_path)
    assert run.evaluate(num_ranked=0).rankings is None
    assert run.evaluate(ratings=Ratings.from_columns(["dan"], [1], [5.0])).rankings is None
    assert made_run(MODEL, TRAIN, tmp_path, keep_ratings=False).evaluate().rankings is None
    lines = run.evaluate(num_ranked=0).lines()
    assert not any("Recall@20" in line for line in lines)


def test_a_bundle_without_its_training_ratings_ranks_new_users_without_the_linear_autoencoder(planted, tmp_path):
    run, _ = split_run(planted, tmp_path, by="user")
    found = replace(run, bundle=replace(run.bundle, ratings=None)).evaluate().rankings
    whole = run.evaluate().rankings
    assert set(found.all.rankers) == {"popularity", "rating"}
    assert found.all.rankers["rating"].ndcg_100.value == whole.all.rankers["rating"].ndcg_100.value
    assert found.lists["rating"].similarity is None
    assert 0 < whole.lists["rating"].similarity < 1


def test_only_a_seeded_sample_of_many_users_is_ranked(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    whole, some = run.evaluate().rankings, run.evaluate(num_ranked=40).rankings
    assert (some.num_users, some.num_drawn_from) == (40, whole.num_users)
    assert some == run.evaluate(num_ranked=40).rankings
    assert some.all != run.evaluate(num_ranked=40, seed=1).rankings.all
    assert some.all.num_targets < whole.all.num_targets


def test_other_rankers_can_be_scored(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    targets = load_test_targets(run.bundle, tmp_path)
    known = targets.items >= 0
    cells = targets.users[known], targets.items[known]
    wanted = sparse.csr_array((np.ones(known.sum()), cells), shape=run.bundle.ratings.to_csr().shape).toarray()

    def oracle(ratings: Ratings) -> Any:
        return wanted[run.bundle.locate_users(ratings.user_ids)]

    found = evaluate_rankings(run.bundle, targets, rankers={"oracle": oracle})
    score = found.all.rankers["oracle"]
    assert (score.recall_20.value, score.ndcg_10.value, score.mrr.value) == pytest.approx((1, 1, 1))
    assert score.ndcg_100.ci95 == pytest.approx((1, 1))


def test_blocks_of_users_give_the_lists_of_one_user_at_a_time(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    shown = select_users(run.bundle.ratings, np.arange(30))
    for ranker in rankers_of(run.bundle).values():
        whole = best_items(ranker, shown, 10)
        alone = [best_items(ranker, select_users(shown, np.array([row])), 10)[0] for row in range(30)]
        assert (whole == np.array(alone)).all()
        assert (whole == best_items(ranker, shown, 10, max_numbers=500)).all()


def test_the_shortlist_of_a_model_is_the_whole_order_where_it_reaches(planted, tmp_path):
    run, _ = split_run(planted, tmp_path)
    shown = select_users(run.bundle.ratings, np.arange(20))
    whole, short = (
        best_items(partial(rank_values, run.bundle.model, None, rank_by="rating", shortlist_size=size), shown, 10)
        for size in (10_000, 15)
    )
    assert (whole == short).all()


def test_popularity_is_one_order_for_everyone():
    scores = by_popularity(np.array([3, 9, 1]))(TRAIN)
    assert scores.tolist() == [[3, 9, 1]] * 3


@pytest.mark.parametrize(("num_users", "num_items"), [(60, 25), (25, 60), (700, 30)])
def test_the_linear_autoencoder_is_its_closed_form(num_users, num_items):
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((num_users, num_items)) < 0.2)
    ratings = Ratings.from_columns(cells[:, 0], cells[:, 1], rng.integers(1, 6, size=len(cells)).astype(float))
    new = select_users(ratings, np.arange(0, ratings.num_users, 3))
    expected = new.to_csr().toarray() @ dense_linear_autoencoder(ratings, 7.0)
    np.testing.assert_allclose(fit_linear_autoencoder(ratings, l2=7.0).scores(new), expected, atol=1e-9)


def test_a_large_linear_autoencoder_knows_the_most_rated_items():
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((60, 40)) < np.linspace(0.05, 0.5, 40))
    ratings = Ratings.from_columns(cells[:, 0], cells[:, 1], np.ones(len(cells)), scale=ONE_TO_FIVE)
    model = fit_linear_autoencoder(ratings, l2=7.0, max_items=15)
    known = np.sort(np.argsort(-ratings.item_counts, kind="stable")[:15])
    assert model.items.tolist() == known.tolist()
    head = np.isin(ratings.item_index, known)
    alone = Ratings.from_columns(
        ratings.user_index[head], ratings.item_index[head], ratings.values[head], scale=ONE_TO_FIVE
    )
    expected = ratings.to_csr().toarray()[:, known] @ dense_linear_autoencoder(alone, 7.0)
    scores = model.scores(ratings)
    np.testing.assert_allclose(scores[:, known], expected, atol=1e-9)
    assert not np.delete(scores, known, axis=1).any()


def test_the_table_and_the_json_have_the_figures(planted, tmp_path):
    evaluation = split_run(planted, tmp_path, by="user")[0].evaluate()
    lines, found = evaluation.lines(), evaluation.rankings
    start = next(number for number, line in enumerate(lines) if line.startswith("Lists of 100 for "))
    assert f"for {found.num_users} users not trained on, from all {found.num_items} movies" in lines[start]
    rows = [line.split()[:2] for line in lines[start + 1 : start + 13]]
    assert [row[0] for row in rows[1:4]] == [row[0] for row in rows[5:8]] == [*found.lists]
    assert rows[2][1] == f"{found.all.rankers['linear_autoencoder'].recall_20.value:.4f}"
    assert rows[6][1] == f"{found.liked.rankers['linear_autoencoder'].recall_20.value:.4f}"
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["rankings"]
    assert values["liked"]["rankers"]["popularity"]["mrr"] == {
        "value": found.liked.rankers["popularity"].mrr.value,
        "ci95": list(found.liked.rankers["popularity"].mrr.ci95),
    }
    assert set(values["lists"]["rating"]) == {
        "coverage",
        "gini",
        "popularity",
        "novelty",
        "similarity",
        "rating_of_hits",
    }


def test_the_documentation_names_every_figure(planted, tmp_path):
    values = split_run(planted, tmp_path)[0].evaluate().to_dict()["rankings"]
    text = (Path(__file__).resolve().parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    names = [*values, *values["all"], *values["all"]["rankers"], *values["lists"]["rating"]]
    names += [*values["all"]["rankers"]["rating"], *values["all"]["rankers"]["rating"]["mrr"]]
    assert [name for name in names if f"`{name}`" not in text] == []
