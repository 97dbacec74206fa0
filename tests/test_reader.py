"""One person read: as folding in reads them, and made of shares that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from test_neighbours import blend

from movie_autoencoder.data.ratings import Ratings
from movie_autoencoder.models.base import Merge, TrainedModel, in_user_vocabulary
from movie_autoencoder.models.baselines import damped_bias
from movie_autoencoder.models.person import EncodedPerson

KINDS = ["dual", "fast", "sampled", "average", "blend"]


@pytest.fixture(scope="module")
def models(planted: Ratings) -> dict[str, TrainedModel]:
    both = blend(planted, epochs=30)
    return {
        "dual": both.dual,
        "sampled": both.sampled,
        "average": blend(planted, epochs=5, lean=0.0),
        "blend": both,
        "fast": both.dual.with_priors(planted),
        "biases": damped_bias(planted, 5.0),
    }


def somebody(ratings: Ratings, count: int, num_seen: int = 0, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Columns, stars and seen columns of a new person."""
    rng = np.random.default_rng(seed)
    columns = rng.permutation(ratings.num_items)[: count + num_seen]
    return columns[:count], rng.integers(1, 6, count).astype(np.float32), columns[count:]


def folded(
    model: TrainedModel, ratings: Ratings, items: np.ndarray, stars: np.ndarray, seen: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """The same person's stars by `fold_in`."""
    order = np.argsort(items)
    one = Ratings(
        np.zeros(len(items), np.int32),
        items[order].astype(np.int32),
        stars[order],
        np.zeros(1, np.int64),
        ratings.item_ids,
        ratings.scale,
    )
    mask = sparse.csr_array(
        (np.ones(len(seen), np.float32), (np.zeros(len(seen), np.int64), np.sort(seen))), shape=(1, ratings.num_items)
    )
    side = model.fold_in(one, seen=mask if len(seen) else None)
    return model.reconstruct(np.zeros(len(asked), np.int64), asked, encoded_users=side)


def reading(model: TrainedModel, items: np.ndarray, stars: np.ndarray, seen: np.ndarray) -> EncodedPerson:
    return model.person_encoder().read(items, stars, seen)


@pytest.mark.parametrize("kind", [*KINDS, "biases"])
@pytest.mark.parametrize(("count", "num_seen"), [(0, 0), (1, 0), (12, 0), (12, 5), (0, 4), (60, 0)])
def test_a_reading_is_what_folding_in_gives(
    models: dict[str, TrainedModel], planted: Ratings, kind: str, count: int, num_seen: int
) -> None:
    items, stars, seen = somebody(planted, count, num_seen)
    asked = np.arange(planted.num_items)
    expected = folded(models[kind], planted, items, stars, seen, asked)
    found = reading(models[kind], items, stars, seen).reconstruct(asked)
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "num_seen"), [(1, 0), (12, 0), (12, 5), (0, 4), (60, 0)])
def test_shares_and_base_add_up_to_the_raw_reconstruction(
    models: dict[str, TrainedModel], planted: Ratings, kind: str, count: int, num_seen: int
) -> None:
    items, stars, seen = somebody(planted, count, num_seen)
    asked = np.array([3, 50, 119])
    read = reading(models[kind], items, stars, seen)
    shares = read.shares(asked)
    assert shares is not None
    assert shares.stars.shape == (count, 3) and shares.marks.shape == (count + num_seen, 3)
    np.testing.assert_allclose(shares.total(), read.reconstruct(asked), atol=1e-5)
    np.testing.assert_allclose(
        shares.total(), folded(models[kind], planted, items, stars, seen, asked), atol=2e-5
    )  # and so to what the model itself says


@pytest.mark.parametrize("kind", ["dual", "fast", "blend"])
def test_added_items_are_read_and_made_of_shares_too(planted: Ratings, kind: str) -> None:
    late = planted.item_index % 9 == 4
    both = blend(planted.take(~late), epochs=5)
    new = in_user_vocabulary(planted.take(late & (planted.user_index % 2 == 0)), planted.user_ids)
    _, merge = Merge.of(planted.take(~late).item_ids, new.item_ids)
    assert len(merge) == planted.num_items
    before = {"dual": both.dual, "fast": both.dual.with_priors(planted.take(~late)), "blend": both}[kind]
    model = before.with_items(new, merge)
    items, stars, seen = somebody(planted, 20, 7)
    asked = np.arange(planted.num_items)
    expected = folded(model, planted, items, stars, seen, asked)
    read = reading(model, items, stars, seen)
    np.testing.assert_allclose(read.reconstruct(asked), expected, atol=2e-5)
    shares = read.shares(asked)
    assert shares is not None
    np.testing.assert_allclose(shares.total(), expected, atol=2e-5)
    if kind == "blend":
        straight = replace(model, lean=0.0)
        plain = folded(straight, planted, items, stars, seen, asked)
        np.testing.assert_allclose(reading(straight, items, stars, seen).reconstruct(), plain, atol=2e-5)


def test_the_share_of_stars_is_linear_in_them(models: dict[str, TrainedModel], planted: Ratings) -> None:
    """One more star adds the same to the dual model's reconstruction from 1 to 2 as from 4 to 5."""
    model = models["dual"]
    items, stars, seen = somebody(planted, 9)
    asked = np.array([100])
    at = []
    for value in (1.0, 2.0, 4.0, 5.0):
        stars[4] = value
        shares = reading(model, items, stars, seen).shares(asked)
        assert shares is not None
        at.append(shares.total()[0])
    assert at[1] - at[0] == pytest.approx(at[3] - at[2], abs=1e-6)


def test_only_a_model_that_is_linear_has_shares(models: dict[str, TrainedModel], planted: Ratings) -> None:
    items, stars, seen = somebody(planted, 5)
    assert reading(models["biases"], items, stars, seen).shares(np.array([0])) is None


def test_of_all_items_a_leaning_model_gives_what_it_has_before_it_leans(
    models: dict[str, TrainedModel], planted: Ratings
) -> None:
    items, stars, seen = somebody(planted, 12)
    asked = np.arange(planted.num_items)
    for kind, leans in (("blend", True), ("average", False), ("dual", False)):
        read = reading(models[kind], items, stars, seen)
        assert read.leans() is leans
        assert bool(np.abs(read.reconstruct() - read.reconstruct(asked)).max() > 1e-3) is leans
    nobody = reading(models["blend"], items[:0], stars[:0], seen)
    assert not nobody.leans()  # towards nothing


def test_the_order_of_ratings_says_nothing(models: dict[str, TrainedModel], planted: Ratings) -> None:
    items, stars, seen = somebody(planted, 12, 3)
    asked = np.arange(20)
    for kind in KINDS:
        one = reading(models[kind], items, stars, seen).reconstruct(asked)
        other = reading(models[kind], items[::-1], stars[::-1], seen[::-1]).reconstruct(asked)
        np.testing.assert_allclose(one, other, atol=1e-6)
