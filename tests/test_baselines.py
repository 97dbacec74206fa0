"""Baselines against hand-computed values, and biases that hidden stars cannot reach."""

from __future__ import annotations

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.models.base import Encoded, in_vocabulary, with_unknown
from movie_autoencoder.models.baselines import (
    BiasSolver,
    DampedBias,
    damped_bias,
    fold_in_bias,
    global_mean,
    imputed_hearts,
    item_mean,
)

#        item 0  item 1  item 2
# user 0    5       3
# user 1    4               1
TINY = Ratings.from_columns([0, 0, 1, 1], [0, 1, 0, 2], [5, 3, 4, 1])
UNKNOWN = -1


def test_global_mean_by_hand() -> None:
    assert global_mean(TINY).predict(np.array([0, UNKNOWN]), np.array([2, UNKNOWN])) == pytest.approx([3.25, 3.25])


def test_item_mean_by_hand() -> None:
    stars = item_mean(TINY).predict(np.array([0, 1, 0, UNKNOWN]), np.array([0, 1, UNKNOWN, 2]))
    assert stars == pytest.approx([4.5, 3.0, 3.25, 1.0])


def test_damped_bias_by_hand() -> None:
    """One pass by hand with damping 1, then the fixed point's equation for users."""
    model = damped_bias(TINY, 1.0)
    items = model.items.offset[:-1]
    rest = TINY.values - 3.25 - items[TINY.item_index]
    expected = np.array([rest[:2].sum(), rest[2:].sum()]) / (2 + 1)
    assert model.users.offset[:-1] == pytest.approx(expected, abs=1e-6)
    solver = BiasSolver(TINY, 0.0)
    full = solver.solve()
    assert full.mean == 3.25
    assert (full.user_counts == [2, 2]).all() and (full.item_counts == [2, 1, 1]).all()


def test_damping_shrinks_towards_the_mean() -> None:
    sizes = [np.abs(damped_bias(TINY, damping).users.offset).max() for damping in (0.1, 1.0, 10.0, 1000.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.01


def test_hidden_cells_give_the_biases_of_the_visible_ones_alone(planted: Ratings) -> None:
    hidden = np.sort(np.random.default_rng(0).permutation(len(planted))[:3000])
    visible = np.setdiff1d(np.arange(len(planted)), hidden)
    part = planted.take(visible)
    assert part.num_users == planted.num_users and part.num_items == planted.num_items
    ours, alone = BiasSolver(planted, 3.0).solve(hidden), BiasSolver(part, 3.0).solve()
    assert ours.mean == pytest.approx(alone.mean)
    assert ours.users == pytest.approx(alone.users, abs=1e-5)
    assert ours.items == pytest.approx(alone.items, abs=1e-5)
    assert (ours.user_counts == part.user_counts).all() and (ours.item_counts == part.item_counts).all()


def test_moving_hidden_stars_moves_no_bias(planted: Ratings) -> None:
    hidden = np.arange(0, len(planted), 5)
    values = planted.values.copy()
    values[hidden] = 5.5 - values[hidden]
    moved = Ratings.from_columns(planted.user_index, planted.item_index, values, scale=planted.scale)
    before, after = BiasSolver(planted, 3.0).solve(hidden), BiasSolver(moved, 3.0).solve(hidden)
    assert before.mean == pytest.approx(after.mean, abs=1e-9)
    assert before.users == pytest.approx(after.users, abs=1e-9)
    assert before.items == pytest.approx(after.items, abs=1e-9)


def test_folding_in_a_training_user_gives_that_users_bias(planted: Ratings) -> None:
    model = damped_bias(planted, 4.0)
    folded = model.fold_in(planted)
    assert folded.offset[:-1] == pytest.approx(model.users.offset[:-1], abs=1e-4)


def test_new_user_by_hand() -> None:
    new = Ratings.from_columns(["new", "new"], [0, 2], [5, 2])
    new = in_vocabulary(new, TINY.item_ids)
    bias = fold_in_bias(new, 3.25, np.array([1.0, 0.0, -1.0]), 2.0)
    assert bias == pytest.approx([((5 - 4.25) + (2 - 2.25)) / 4])


def test_predictions_stay_on_the_scale() -> None:
    stars = damped_bias(TINY, 0.0).predict(np.array([0, 1]), np.array([0, 2]))
    assert TINY.scale.contains(stars).all()


def test_ratings_of_unknown_items_are_left_out_and_not_counted() -> None:
    new = Ratings.from_columns([9, 9, 9], [0, 77, 2], [5, 1, 2])
    known = in_vocabulary(new, TINY.item_ids)
    assert known.user_counts.tolist() == [2] and known.item_index.tolist() == [0, 2]


def test_ids_of_another_kind_are_refused() -> None:
    new = Ratings.from_columns([9, 9], ["a", "b"], [5, 1])
    with pytest.raises(ValueError, match="differ in kind"):
        in_vocabulary(new, TINY.item_ids)


def test_stars_of_a_heart_by_hand() -> None:
    """Mean 3, items at 0, 1 and 5 (more than the scale has), damping 1."""

    def side(*offsets: float) -> Encoded:
        empty = np.empty((len(offsets) + 1, 0), dtype=np.float32)
        return Encoded(empty, with_unknown(np.array(offsets), 0.0), empty[:-1])

    model = DampedBias(3.0, Scale(1, 5, 0.5), side(0.0), side(0.0, 1.0, 5.0), 1.0)
    none = np.empty(0, dtype=int)
    # nobody's stars: weight 1 / (2 hearts); 3 and 4 are expected
    assert imputed_hearts(model, none, [], np.array([0])) == pytest.approx([3 + 2 / 3 * 2 / 2])
    assert imputed_hearts(model, none, [], np.array([0, 1])) == pytest.approx([3 + 2 / 3 * 2 / 4, 4 + 2 / 3 / 4])
    # 2 stars at an item of 3: bias -1/2, and weight (1 + 1) / 2, so full
    assert imputed_hearts(model, np.array([0]), [2], np.array([1])) == pytest.approx([3.5 + 2 / 3 * 1.5])
    assert imputed_hearts(model, none, [], np.array([2, UNKNOWN])) == pytest.approx([5, 3 + 2 / 3 * 2 / 4])
    assert len(imputed_hearts(model, np.array([0]), [2], none)) == 0
    assert imputed_hearts(model, np.array([UNKNOWN]), [5], np.array([0])) == pytest.approx([4 + 2 / 3 * 1])
