"""Lists of recommendations: their order, support, variety and reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from movie_autoencoder.bundle import Bundle
from movie_autoencoder.choice.model import log_probability
from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.scale import Scale
from movie_autoencoder.recommend import Recommender, RecommenderError
from movie_autoencoder.recommend.diversity import Variety, kinds
from movie_autoencoder.recommend.items import Items
from movie_autoencoder.recommend.profile import Profile
from movie_autoencoder.recommend.reasons import EVERYBODY, IN_GENERAL, contrasted, moods

NONE = np.empty(0, dtype=np.int64)
ORDERS = ("balanced", "choice", "rating")


@pytest.fixture(scope="module")
def recommender(tastes: Bundle) -> Recommender:
    return Recommender(tastes)


def of_user(bundle: Bundle, row: int, most: int = 25) -> tuple[np.ndarray, np.ndarray, dict[int, float]]:
    """Columns and ratings of a training user, and the same by item id."""
    assert bundle.ratings is not None
    cells = bundle.ratings.row(row)
    columns, values = bundle.ratings.item_index[cells][:most], bundle.ratings.values[cells][:most].astype(float)
    return columns, values, dict(zip(bundle.item_ids[columns].tolist(), values.tolist(), strict=True))


def ids(answer) -> list[int]:
    return [item.item_id for item in answer.items]


@pytest.mark.parametrize("row", [0, 7, 100])
@pytest.mark.parametrize("rank_by", ORDERS)
def test_a_list_is_in_the_order_of_its_value(recommender: Recommender, tastes: Bundle, rank_by, row: int) -> None:
    """Scores of the choice model and predictions of the whole model, put together and sorted, are the list."""
    columns, values, ratings = of_user(tastes, row)
    model, choice = tastes.model, tastes.choice
    assert choice is not None
    everything = np.arange(len(tastes.item_ids))
    predictions = model.person_encoder().encode(columns.astype(np.int64), values).reconstruct(everything)
    scores = choice.person_scores(columns)
    wanted = {
        "choice": scores,
        "rating": predictions,
        "balanced": choice.balanced(scores, predictions, tastes.model.scale),
    }[rank_by].copy()
    wanted[columns] = -np.inf
    best = np.argsort(-wanted, kind="stable")[:10]
    answer = recommender.recommend(ratings, 10, rank_by=rank_by, diversity=0)
    assert ids(answer) == tastes.item_ids[best].tolist() and answer.notes == recommender.recommend(ratings, 1).notes
    assert [item.p_choose for item in answer.items] == pytest.approx(choice.probabilities(scores[best]), rel=1e-4)
    assert [item.stars for item in answer.items] == pytest.approx(model.scale.clip(predictions[best]), abs=1e-5)
    assert [item.num_ratings for item in answer.items] == tastes.item_counts[best].tolist()


def test_balanced_lists_lie_between_choice_and_rating(recommender: Recommender, tastes: Bundle) -> None:
    stars, chances = ({rank_by: [] for rank_by in ORDERS} for _ in range(2))
    for row in range(0, 60, 3):
        for rank_by in ORDERS:
            items = recommender.recommend(of_user(tastes, row)[2], 10, rank_by=rank_by, diversity=0).items
            stars[rank_by].append(np.mean([item.stars for item in items]))
            chances[rank_by].append(np.mean([item.p_choose for item in items]))
    choice, balanced, rating = (np.mean(stars[rank_by]) for rank_by in ("choice", "balanced", "rating"))
    assert choice < balanced < rating
    assert np.mean(chances["choice"]) > np.mean(chances["balanced"]) > np.mean(chances["rating"])


def test_a_bundle_without_choices_ranks_by_rating_and_says_so(tastes: Bundle, recommender: Recommender) -> None:
    old, ratings = Recommender(replace(tastes, choice=None)), of_user(tastes, 3)[2]
    answer = old.recommend(ratings, 8, diversity=0)
    assert ids(answer) == ids(recommender.recommend(ratings, 8, rank_by="rating", diversity=0))
    assert {item.p_choose for item in answer.items} == {None}
    assert any("does not know what people choose" in note for note in answer.notes)
    assert not any("choose" in note for note in old.recommend(ratings, 8, rank_by="rating").notes)


@pytest.mark.parametrize("rank_by", ORDERS)
def test_many_people_get_the_same_items_as_each_alone(recommender: Recommender, tastes: Bundle, rank_by) -> None:
    assert tastes.ratings is not None
    found, values = recommender.recommend_many(tastes.ratings, 6, rank_by=rank_by)
    assert found.shape == values.shape == (len(tastes.user_ids), 6) and (np.diff(values) <= 0).all()
    for row in (0, 17, 200):
        alone = recommender.recommend(of_user(tastes, row, 1000)[2], 6, rank_by=rank_by, diversity=0)
        assert found[row].tolist() == ids(alone)
        if rank_by == "rating":
            assert values[row].tolist() == pytest.approx([item.stars for item in alone.items], abs=1e-4)
    short = recommender.recommend_many(tastes.ratings, len(tastes.item_ids), rank_by=rank_by)[1]
    assert (np.isnan(short).sum(axis=1) == tastes.ratings.user_counts).all()  # what they rated is not listed


@pytest.mark.parametrize("rank_by", ORDERS)
@pytest.mark.parametrize("row", [0, 33, 71])
def test_popularity_means_what_it_says(recommender: Recommender, tastes: Bundle, rank_by, row: int) -> None:
    """The mean (log) popularity of the list rises with the slider, and 0 changes nothing."""
    ratings = of_user(tastes, row)[2]
    counts = dict(zip(tastes.item_ids.tolist(), tastes.item_counts.tolist(), strict=True))

    def known(popularity: float, diversity: float) -> float:
        answer = recommender.recommend(ratings, 10, rank_by=rank_by, popularity=popularity, diversity=diversity)
        return float(np.mean([np.log(counts[item]) for item in ids(answer)]))

    steps = np.linspace(-1, 1, 9)
    exact = [known(step, 0) for step in steps]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(exact))
    assert known(1, 0.2) >= known(-1, 0.2)
    assert rank_by == "choice" or exact[-1] > exact[0]  # here choices are so certain that no slider moves them
    plain = recommender.recommend(ratings, 10, rank_by=rank_by, diversity=0)
    assert recommender.recommend(ratings, 10, rank_by=rank_by, popularity=0.0, diversity=0).items == plain.items


def test_without_ratings_the_chance_is_that_of_anybody(recommender: Recommender, tastes: Bundle) -> None:
    answer = recommender.recommend({}, 5, rank_by="choice", diversity=0)
    most = np.argsort(-tastes.item_counts, kind="stable")[:5]
    assert [item.num_ratings for item in answer.items] == tastes.item_counts[most].tolist()
    assert {item.why for item in answer.items} == {EVERYBODY}
    fractions = (tastes.item_counts[most] + 0.5) / (len(tastes.user_ids) + 1)
    assert [item.p_choose for item in answer.items] == pytest.approx(fractions.tolist(), rel=1e-6)


@pytest.mark.parametrize("wrong", [{"rank_by": "stars"}, {"diversity": 2}, {"diversity": -0.1}, {"popularity": 1.5}])
def test_wrong_orders_are_refused(recommender: Recommender, wrong) -> None:
    with pytest.raises(RecommenderError, match=f"{next(iter(wrong))} must .*Received: "):
        recommender.recommend({}, **wrong)


def test_items_of_one_or_two_ratings_get_no_confident_figure(tastes: Bundle) -> None:
    counts = tastes.item_counts.copy()
    counts[:4] = [1, 2, 3, 0]
    few = Recommender(replace(tastes, item_counts=counts))
    columns, _, ratings = of_user(tastes, 5)
    for item in few.recommend(ratings, 200, only=tastes.item_ids[:10].tolist()).items:
        known = item.num_ratings >= 3
        assert item.num_ratings == counts[few.locate_items([item.item_id])[0]]
        assert [figure is not None for figure in (item.low, item.high, item.p_like)] == [known] * 3
        assert 0.5 <= item.stars <= 5
    other = few.explain(ratings, tastes.item_ids[1].item())
    assert other.p_like is None and other.low is None
    assert few.predict_items(ratings, [tastes.item_ids[0].item()])[0].p_like is None


def test_the_value_of_extreme_log_odds_is_finite() -> None:
    odds = np.array([-5000.0, -1.0, 0.0, 2.0, 5000.0])
    np.testing.assert_allclose(log_probability(odds), [-5000, -np.log(1 + np.e), -np.log(2), -np.log1p(np.exp(-2)), 0])


def films(latent: np.ndarray, years: list[int], genres: list[str]) -> tuple[Items, Variety]:
    count = len(latent)
    catalogue = Catalogue.from_rows([str(one) for one in range(count)], [""] * count, years=years, genres=genres)
    items = Items(np.arange(count), catalogue, np.full(count, 50))
    return items, Variety(items, latent.astype(np.float32), None)


def test_near_copies_do_not_stand_side_by_side() -> None:
    """Items 0, 1 and 2 are copies; 3 and 4 are of other kinds and of hardly less value."""
    latent = np.array([[1, 0, 0], [1, 0.01, 0], [1, 0, 0.01], [0, 1, 0], [0, 0, 1.0]])
    _, variety = films(latent, [1990] * 5, ["Drama"] * 5)
    values, nobody = np.array([5.0, 4.9, 4.8, 4.7, 4.6]), Profile(NONE, np.empty(0), NONE, NONE)
    everything = np.arange(5)
    assert variety.rerank(everything, values, nobody, 5, 0).tolist() == [0, 1, 2, 3, 4]
    assert variety.rerank(everything, values, nobody, 3, 0.5).tolist() == [0, 3, 4]
    assert sorted(variety.rerank(everything, values, nobody, 5, 0.5).tolist()) == [0, 1, 2, 3, 4]
    assert variety.rerank(everything, values, nobody, 3, 1.0).tolist() == [0, 3, 4]


def test_genres_and_decades_follow_the_person_s_proportions() -> None:
    """Half of what the person rated are westerns of the 1950s: half of a list is, though dramas have larger values."""
    genres, years = ["Drama"] * 40 + ["Western"] * 40, [1990] * 40 + [1955] * 40
    items, variety = films(np.zeros((80, 3)), years, genres)
    np.testing.assert_allclose(kinds(items)[[0, 40]], [[0.5, 0, 0, 0.5], [0, 0.5, 0.5, 0]])
    rated = np.array([*range(30, 40), *range(70, 80)])
    person = Profile(rated, np.full(20, 4.0), NONE, NONE)
    np.testing.assert_allclose(variety.taste(person), np.full(4, 0.25), atol=1e-3)
    candidates = np.array([*range(20), *range(40, 60)])  # dramas first
    values = np.linspace(1, 0, 40)

    def westerns(diversity: float) -> int:
        listed = candidates[variety.rerank(candidates, values, person, 10, diversity)]
        return int((listed >= 40).sum())

    assert westerns(0) == 0 < westerns(0.8) <= westerns(1) and westerns(1) == 5
    drama_lover = Profile(np.arange(30, 40), np.full(10, 4.0), NONE, NONE)
    listed = candidates[variety.rerank(candidates, values, drama_lover, 10, 0.8)]
    assert (listed >= 40).sum() <= 2


@settings(max_examples=60, deadline=None)
@given(
    shares=st.tuples(st.integers(1, 9), st.integers(1, 24)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(-5, 5))
    )
)
def test_no_set_of_reasons_stands_under_more_than_three_of_twenty(shares: np.ndarray) -> None:
    found = contrasted(shares)
    most = max(1, int(np.ceil(0.15 * shares.shape[1] - 1e-9)))
    assert len(found) == shares.shape[1]
    assert all(count <= most for named, count in Counter(frozenset(one) for one in found if one).items())
    for column, named in enumerate(found):
        assert len(set(named)) == len(named) <= 2
        assert all(shares[row, column] > 0 for row in named)
        assert all(shares[row, column] >= shares[row].mean() for row in named)


def test_reasons_are_what_differs_from_the_list() -> None:
    """Row 0 speaks for every item alike and is no reason for any, though its shares are the largest."""
    shares = np.array([[9.0] * 4, [2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, -3]])
    assert contrasted(shares * 10) == contrasted(shares)
    shares = np.array([[4.0] * 4, [4, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, -4]])
    assert contrasted(shares) == [(1,), (2,), (3,), ()]


def test_moods_follow_the_scale_and_hearts() -> None:
    profile = Profile(np.arange(3), np.array([8.0, 6, 4]), np.array([3]), np.array([4]))
    assert moods(profile, Scale(0, 10, 1)) == ["liked", "chose", "disliked", "liked", "chose"]


def test_reasons_of_a_trained_model_name_the_person_s_items(recommender: Recommender, tastes: Bundle) -> None:
    for row in range(0, 240, 20):
        columns, values, ratings = of_user(tastes, row)
        for rank_by in ORDERS:
            lines = [item.why for item in recommender.recommend(ratings, 20, rank_by=rank_by).items]
            counts = Counter(line for line in lines if line != IN_GENERAL)
            assert max(counts.values(), default=0) <= 3 and len(counts) >= 3
            labels = [recommender.items.label(item) for item in ratings]
            assert all(any(label in line for label in labels) for line in counts)
            for label, stars in zip(labels, ratings.values(), strict=True):
                if stars < 2.75:
                    assert not any(f"liked {label}" in line and f"disliked {label}" not in line for line in lines)


def test_a_person_with_one_rating_is_told_that_it_fits_in_general(recommender: Recommender, tastes: Bundle) -> None:
    item = tastes.item_ids[0].item()
    lines = Counter(one.why for one in recommender.recommend({item: 5.0}, 20).items)
    assert lines[IN_GENERAL] >= 17 and set(lines) <= {IN_GENERAL, f"because you liked {recommender.items.label(item)}"}
