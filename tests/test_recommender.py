"""Recommendations and reasons: the answers of a small ensemble, checked against its own predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_autoencoder.bundle import Bundle, load_bundle, save_bundle
from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.baselines import DampedBias
from movie_autoencoder.models.person import PersonEncoder
from movie_autoencoder.recommend import Recommender, RecommenderError


@pytest.fixture(scope="module")
def recommender(tastes: Bundle) -> Recommender:
    return Recommender(tastes)


def somebody(recommender: Recommender, count: int, seed: int = 0) -> dict[int, float]:
    rng = np.random.default_rng(seed)
    columns = rng.permutation(len(recommender.item_ids))[:count]
    return dict(zip(recommender.item_ids[columns].tolist(), (rng.integers(1, 11, count) / 2).tolist(), strict=True))


def one_user(ratings: Ratings, row: int) -> Ratings:
    cells = ratings.row(row)
    return ratings.take(np.arange(cells.start, cells.stop))


def test_recommendations_are_the_largest_predictions_of_the_model(recommender: Recommender) -> None:
    """All items predicted through `fold_in` and sorted, without the person's own, are the recommendations."""
    ratings = somebody(recommender, 12)
    found = recommender.recommend(ratings, k=7, rank_by="rating", diversity=0)
    read = Ratings.from_columns([0] * 12, list(ratings), list(ratings.values()), scale=recommender.scale)
    side, items = recommender.encode(read), np.arange(len(recommender.item_ids))
    stars = recommender.model.predict(np.zeros(len(items), np.int64), items, encoded_users=side)
    stars[recommender.locate_items(list(ratings))] = -1
    best = np.argsort(-stars, kind="stable")[:7]
    assert [item.item_id for item in found.items] == recommender.item_ids[best].tolist()
    assert [item.stars for item in found.items] == pytest.approx(stars[best].tolist(), abs=2e-5)
    assert [item.rank for item in found.items] == list(range(1, 8))
    for item in found.items:
        assert item.low is not None and item.high is not None and item.p_like is not None
        assert 0.5 <= item.low <= item.high <= 5 and 0 <= item.p_like <= 1
        assert item.label == f"{item.title} ({item.year})"


def test_titles_ids_users_and_ratings_give_the_same_answer(recommender: Recommender, tastes: Bundle) -> None:
    assert tastes.ratings is not None
    row = 7
    ratings = one_user(tastes.ratings, row)
    ids = ratings.item_ids[ratings.item_index].tolist()
    by_id = dict(zip(ids, ratings.values.astype(float).tolist(), strict=True))
    by_title = {recommender.items.label(item): stars for item, stars in by_id.items()}
    by_text = {str(item): stars for item, stars in by_id.items()}
    wanted = recommender.recommend(ratings, k=5).items
    assert len(wanted) == 5
    user = recommender.training_person(recommender.user_ids[row].item())
    for same in (by_id, by_title, by_text, user):
        answer = recommender.recommend(same, k=5)
        assert answer.items == wanted
    assert len(recommender.person(by_title).matched) == len(ids)


def test_rated_seen_liked_and_excluded_items_never_come_up(recommender: Recommender) -> None:
    ratings = somebody(recommender, 5)
    everything = recommender.item_ids.tolist()
    others = [item for item in everything if item not in ratings]
    liked, seen, excluded = others[:3], others[3:6], others[6:10]
    person = recommender.person(ratings, liked=liked, seen=seen)
    answer = recommender.recommend(person, k=1000, exclude=excluded)
    assert {item.item_id for item in answer.items} == set(others[10:])
    assert {item.item_id for item in recommender.recommend(person, k=9, only=others[:12]).items} == {*others[10:12]} | {
        *excluded
    }


def test_filters_by_genre_and_year(recommender: Recommender) -> None:
    ratings = somebody(recommender, 5)
    films = recommender.items
    for genres, years in ((["horror"], (None, None)), (["Comedy", "Horror"], (1970, 1979)), ([], (None, 1955))):
        answer = recommender.recommend(ratings, k=1000, genres=genres, years=years)
        wanted = {
            item
            for item in recommender.item_ids.tolist()
            if item not in ratings
            and (not genres or {kind.lower() for kind in films.genres_of(item)} & {kind.lower() for kind in genres})
            and (years[0] or 0) <= (films.year(item) or 0) <= (years[1] or 9999)
        }
        assert wanted and {item.item_id for item in answer.items} == wanted
    with pytest.raises(ValueError, match="No item has the genre 'Western'. Known genres: Comedy, Drama, Horror"):
        recommender.recommend(ratings, genres=["Western"])


def test_a_new_rating_changes_the_answer_at_once(recommender: Recommender) -> None:
    ratings = somebody(recommender, 8)
    before = recommender.recommend(ratings, k=10)
    first = before.items[0]
    after = recommender.recommend(ratings | {first.item_id: 1.0}, k=10)
    assert first.item_id not in {item.item_id for item in after.items}
    old = {item.item_id: item.stars for item in before.items}
    assert any(abs(item.stars - old[item.item_id]) > 1e-3 for item in after.items if item.item_id in old)


def test_without_ratings_popular_items_come_up_with_a_note(recommender: Recommender) -> None:
    answer = recommender.recommend({}, k=5)
    assert len(answer.items) == 5 and any("No rating to go by" in note for note in answer.notes)
    assert {item.why for item in answer.items} == {"most people like it"}
    means = {
        item: recommender.ratings.values[recommender.ratings.item_index == column].mean()
        for column, item in enumerate(recommender.item_ids.tolist())
    }
    assert np.mean([means[item.item_id] for item in answer.items]) > np.quantile(list(means.values()), 0.8)


def test_unknown_titles_are_reported(recommender: Recommender) -> None:
    ratings = {recommender.items.label(recommender.item_ids[0]): 4.0, "Nothing Of The Kind (1999)": 3.0}
    answer = recommender.recommend(ratings, k=3).to_dict()
    assert [one["title"] for one in answer["unmatched"]] == ["Nothing Of The Kind"]
    assert [one["item_id"] for one in answer["matched"]] == [recommender.item_ids[0].item()]
    assert any("We know 1 of your 2 films" in note for note in answer["notes"])
    json.dumps(answer, allow_nan=False)
    assert list(answer)[:4] == ["recommendations", "matched", "ambiguous", "unmatched"]
    assert list(answer["recommendations"][0]) == [
        "rank",
        "item_id",
        "title",
        "year",
        "stars",
        "low",
        "high",
        "p_like",
        "p_choose",
        "num_ratings",
        "why",
    ]


@pytest.mark.parametrize("value", [0.4, 6, float("nan"), float("inf"), -1])
def test_stars_outside_the_scale_are_refused(recommender: Recommender, value: float) -> None:
    with pytest.raises(ValueError, match="Stars must lie on the scale 0.5 to 5"):
        recommender.recommend({recommender.item_ids[0].item(): value})


def test_wrong_arguments_are_refused(recommender: Recommender, planted: Ratings) -> None:
    with pytest.raises(ValueError, match="k must be at least 1. Received: 0"):
        recommender.recommend({}, k=0)
    with pytest.raises(ValueError, match="popularity must lie between -1 and 1. Received: 2"):
        recommender.recommend({}, popularity=2)
    with pytest.raises(ValueError, match="of one user are wanted here. Received: 250 users"):
        recommender.recommend(planted)
    with pytest.raises(ValueError, match="does not know 'Nowhere'"):
        recommender.explain({}, "Nowhere")
    for wrong in (
        lambda: recommender.similar(1, 0),
        lambda: recommender.map(n=0),
        lambda: recommender.groups(0),
        lambda: recommender.compare({}, {}, -1),
        lambda: recommender.next_to_rate({}, 0),
        lambda: recommender.recommend_many(planted, 0),
        lambda: recommender.explain({}, 1, top=0),
    ):
        with pytest.raises(ValueError, match="must be at least 1. Received: "):
            wrong()
    with pytest.raises(ValueError, match="Stars must be numbers. Received: '4' for"):
        recommender.recommend({recommender.item_ids[0].item(): "4"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="must not be later than the last. Received: 1999 to 1990"):
        recommender.recommend({}, years=(1999, 1990))
    with pytest.raises(ValueError, match="genres are a list of names"):
        recommender.recommend({}, genres="Drama")
    other = Ratings.from_columns([0] * 3, recommender.item_ids[:3], [10, 8, 9])
    with pytest.raises(ValueError, match="Stars must lie on the scale 0.5 to 5"):
        recommender.recommend(other)
    with pytest.raises(ValueError, match="No user 'nobody' among the"):
        recommender.training_person("nobody")


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), column=st.integers(0, 119), seed=st.integers(0, 50))
def test_shares_and_base_add_up(recommender: Recommender, count: int, column: int, seed: int) -> None:
    ratings = somebody(recommender, count, seed)
    item = recommender.item_ids[column % len(recommender.item_ids)].item()
    answer = recommender.explain(ratings, item, top=5)
    assert answer.shares is not None and answer.base is not None
    assert answer.base + sum(one.share for one in answer.shares) + answer.other_shares == pytest.approx(
        answer.raw, abs=1e-5
    )
    assert answer.raw + answer.clip == pytest.approx(answer.stars, abs=1e-9) and 0.5 <= answer.stars <= 5
    assert answer.rated == (item in ratings)
    assert len(answer.shares) == min(5, count - (item in ratings))
    sizes = [abs(one.share) for one in answer.shares]
    assert sizes == sorted(sizes, reverse=True)
    json.dumps(answer.to_dict(), allow_nan=False)


def test_when_all_shares_are_named_the_other_shares_are_zero(recommender: Recommender) -> None:
    answer = recommender.explain(somebody(recommender, 6), recommender.item_ids[100].item(), top=50)
    assert answer.other_shares == pytest.approx(0, abs=1e-6)


def test_without_is_the_prediction_from_the_other_ratings(recommender: Recommender) -> None:
    ratings = somebody(recommender, 9)
    item = next(one for one in recommender.item_ids.tolist() if one not in ratings)
    answer = recommender.explain(ratings, item, top=9)
    assert len(answer.without) == 9
    for one in answer.without:
        rest = {key: stars for key, stars in ratings.items() if key != one.item_id}
        again = recommender.explain(rest, item)
        assert again.raw == pytest.approx(one.without, abs=1e-9)
        assert one.change == pytest.approx(answer.raw - again.raw, abs=1e-9)
    shares = [one.share for one in answer.shares or ()]
    assert shares != pytest.approx([one.change for one in answer.without], abs=1e-4)  # two figures, not one


def test_without_imputes_the_hearts_again(recommender: Recommender) -> None:
    """The rating imputed for a heart depends on all other ratings and hearts."""
    ratings = somebody(recommender, 6)
    others = [item for item in recommender.item_ids.tolist() if item not in ratings]
    liked, item = others[:6], others[20]
    answer = recommender.explain(recommender.person(ratings, liked=liked), item, top=12)
    assert len(answer.without) == 12 and answer.base is not None
    assert answer.base + sum(one.share for one in answer.shares or ()) == pytest.approx(answer.raw, abs=1e-5)
    for one in answer.without:
        rest = {key: stars for key, stars in ratings.items() if key != one.item_id}
        hearts = [key for key in liked if key != one.item_id]
        again = recommender.explain(recommender.person(rest, liked=hearts), item)
        assert again.raw == pytest.approx(one.without, abs=1e-9)
    own = recommender.reconstruction(recommender.person(ratings, liked=liked))
    rest = {key: stars for key, stars in ratings.items() if key != own[0].item_id}
    alone = recommender.explain(recommender.person(rest, liked=liked), own[0].item_id)
    assert own[0].predicted == pytest.approx(alone.stars) and len(own) == 6
    assert not recommender.explain(recommender.person(ratings, liked=liked), liked[0]).rated


def test_a_rated_item_is_explained_without_its_own_rating(recommender: Recommender) -> None:
    ratings = somebody(recommender, 9)
    item = next(iter(ratings))
    rest = {key: stars for key, stars in ratings.items() if key != item}
    one, other = recommender.explain(ratings, item), recommender.explain(rest, item)
    assert one.rated and not other.rated and one.raw == other.raw and one.shares == other.shares
    own = recommender.reconstruction(ratings)
    assert [rating.item_id for rating in own] == list(ratings)
    assert own[0].predicted == pytest.approx(one.stars) and own[0].stars == ratings[item]
    assert recommender.reconstruction(ratings, 2) == own[:2]


def test_seen_items_without_ratings_count(recommender: Recommender) -> None:
    """Implicit feedback alone changes the prediction, and its shares are listed."""
    ratings = somebody(recommender, 4)
    seen = [item for item in recommender.item_ids.tolist() if item not in ratings][:15]
    item = recommender.item_ids[-1].item()
    rated, more = recommender.person(ratings), recommender.person(ratings, seen=seen)
    one, other = recommender.explain(rated, item), recommender.explain(more, item, top=50)
    assert abs(one.raw - other.raw) > 1e-4
    shares = {share.item_id: share for share in other.shares or ()}
    assert all(shares[one].your_stars == 0 and shares[one].stars is None for one in seen)
    assert any(abs(shares[one].you_chose_it) > 1e-4 for one in seen)


def test_similar_items_point_the_same_way(recommender: Recommender) -> None:
    item = recommender.item_ids[0].item()
    found = recommender.similar(item, 10)
    assert len(found) == 10 and item not in {one.item_id for one in found}
    latent = recommender.model.items.latent.astype(float)
    column = recommender.locate_items([found[0].item_id])[0]
    cosine = latent[0] @ latent[column] / np.linalg.norm(latent[0]) / np.linalg.norm(latent[column])
    count = recommender.item_counts[column]
    assert found[0].similarity == pytest.approx(cosine * count / (count + 5), abs=1e-5)  # few ratings: less similar
    shown = [one.similarity for one in found]
    assert shown == sorted(shown, reverse=True)
    assert recommender.similar(recommender.items.label(item), 10) == found  # by title
    assert all(
        "Horror" in recommender.items.genres_of(one.item_id) for one in recommender.similar(item, 5, genres=["Horror"])
    )


def test_what_to_rate_next(recommender: Recommender) -> None:
    first = recommender.next_to_rate({}, 5)
    assert len(first) == 5 and first[0].teaches == 1 and all(0 < one.teaches <= 1 for one in first)
    rated = {first[0].item_id: 4.0}
    later = recommender.next_to_rate(rated, 5)
    assert first[0].item_id not in {one.item_id for one in later}
    assert later[0].item_id == first[1].item_id  # each item is chosen given those before it


def test_suggestions_depend_on_the_validation_error(tastes: Bundle, recommender: Recommender) -> None:
    """The noise of a rating is the validation error of the whole model, as training saves it."""
    exact = Recommender(replace(tastes, metadata={**tastes.metadata, "validation": {"model": {"rmse": 0.2}}}))
    same = Recommender(replace(tastes, metadata=dict(tastes.metadata)))
    assert same.next_to_rate({}, 5) == recommender.next_to_rate({}, 5) != exact.next_to_rate({}, 5)


@dataclass(frozen=True, eq=False)
class TrainingUsersOnly(DampedBias):
    """A model that cannot encode anyone else."""

    def person_encoder(self) -> PersonEncoder:
        raise ValueError("This model predicts for its training users alone.")


def test_a_model_of_training_users_alone_says_so(tastes: Bundle) -> None:
    biases = tastes.baselines["damped_bias"]
    assert isinstance(biases, DampedBias)
    closed = Recommender(
        replace(tastes, model=TrainingUsersOnly(biases.mean, biases.scale, biases.users, biases.items, biases.damping))
    )
    assert closed.predict(closed.user_ids[:2], closed.item_ids[:2]).shape == (2,)
    for answer in (closed.recommend, closed.reconstruction):
        with pytest.raises(RecommenderError, match="for its training users alone"):
            answer(somebody(closed, 3))


def test_a_model_without_latent_vectors_has_no_map(tastes: Bundle) -> None:
    biases = Recommender(replace(tastes, model=tastes.baselines["damped_bias"]))
    item = biases.item_ids[0].item()
    for answer in (biases.map, biases.groups, lambda: biases.map({item: 4.0}), lambda: biases.similar(item)):
        with pytest.raises(RecommenderError, match="need latent vectors, and the model 'damped_bias' has none"):
            answer()
    assert len(biases.recommend({item: 4.0}, 3).items) == len(biases.next_to_rate({}, 3)) == 3


def test_predictions_of_some_items_are_those_of_the_recommendations(recommender: Recommender) -> None:
    ratings = somebody(recommender, 6)
    best = recommender.recommend(ratings, 4).items
    found = recommender.predict_items(ratings, [-5, *(one.item_id for one in best)])
    assert [one.item_id for one in found] == [one.item_id for one in best]
    for one, expected in zip(found, best, strict=True):
        assert (one.stars, one.low, one.high, one.p_like) == pytest.approx(
            (expected.stars, expected.low, expected.high, expected.p_like), abs=1e-5
        )
    assert recommender.predict_items(ratings, []) == ()


def test_items_are_found_and_shown_by_title(recommender: Recommender) -> None:
    found = recommender.search("cedar elm", 3)
    assert found[0].title.startswith("Cedar Elm") and found[0].genres == recommender.items.genres_of(found[0].item_id)
    assert recommender.item(found[0].label) == recommender.item(found[0].item_id)
    assert recommender.item(found[0].item_id).label == found[0].label and recommender.search(" ") == ()


def test_exclude_and_only_take_titles_as_well_as_ids(recommender: Recommender) -> None:
    best = recommender.recommend({}, 3, diversity=0).items
    label = best[0].label
    assert recommender.recommend({}, 2, exclude=[label], diversity=0).items[0].item_id == best[1].item_id
    only = recommender.recommend({}, 5, only=[label, "No Such Film (2001)"])
    assert [item.item_id for item in only.items] == [best[0].item_id]
    assert any("1 of the films to leave out or to choose from are not known here" in note for note in only.notes)


def test_an_unknown_item_gets_the_prediction_of_the_model(recommender: Recommender, tastes: Bundle) -> None:
    stars, _ = recommender.predict_person({}, [-5, recommender.item_ids[0]])
    assert stars[0] == pytest.approx(recommender.model.predict(np.array([-1]), np.array([-1]))[0], abs=0.3)
    row = one_user(tastes.ratings, 3)
    side = recommender.encode(row)
    wanted = recommender.model.predict(np.array([0]), np.array([-1]), encoded_users=side)[0]
    assert recommender.predict_person(row, [-5])[0][0] == pytest.approx(wanted, abs=1e-6)


def test_two_people(recommender: Recommender) -> None:
    one, other = somebody(recommender, 20, 1), somebody(recommender, 20, 2)
    same = recommender.compare(one, one, 5)
    assert same.agreement == pytest.approx(1) and same.common == 20 and same.difference == 0
    answer = recommender.compare(one, other, 5)
    assert answer.agreement is not None and -1 <= answer.agreement < 1
    common = set(one) & set(other)
    assert answer.common == len(common)
    lowest = [min(item.one, item.other) for item in answer.for_both]
    assert lowest == sorted(lowest, reverse=True) and not {item.item_id for item in answer.for_both} & {*one, *other}
    turned = recommender.compare(other, one, 5)
    assert [item.item_id for item in turned.for_both] == [item.item_id for item in answer.for_both]
    assert recommender.compare({}, one, 5).agreement is None


def test_groups_and_map(recommender: Recommender) -> None:
    groups = recommender.groups(5, 3)
    assert [group.number for group in groups] == list(range(5)) and all(1 <= len(group.items) <= 3 for group in groups)
    items = [item.item_id for group in groups for item in group.items]
    assert len(items) == len(set(items)) and groups == recommender.groups(5, 3)
    plain = recommender.map(n=50)
    assert len(plain.items) == 50 and plain.you is None
    assert all(-1 <= spot.x <= 1 and -1 <= spot.y <= 1 for spot in plain.items)
    placed = recommender.map(somebody(recommender, 5), n=50)
    assert placed.you is not None and placed.items == plain.items
    json.dumps([placed.to_dict(), [group.to_dict() for group in groups]], allow_nan=False)


def test_a_loaded_bundle_gives_the_same_answers(tastes: Bundle, recommender: Recommender, tmp_path: Path) -> None:
    save_bundle(tastes, tmp_path / "bundle", card="a card")
    again = Recommender(load_bundle(tmp_path / "bundle"))
    ratings = somebody(recommender, 8)
    assert again.recommend(ratings, 5).items == recommender.recommend(ratings, 5).items
    assert again.explain(ratings, again.item_ids[3].item()) == recommender.explain(ratings, again.item_ids[3].item())
