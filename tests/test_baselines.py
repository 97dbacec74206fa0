"""Baselines against values by hand, and biases that hidden ratings do not reach."""

from __future__ import annotations

import numpy as np
import pytest

from movie_autoencoder.data.ratings import Ratings, Scale
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.models.base import Encoded, in_vocabulary, with_unknown
from movie_autoencoder.models.baselines import (
    BASELINES,
    DAMPINGS,
    Biases,
    BiasSolver,
    DampedBias,
    choose_damping,
    damped_bias,
    fit_baselines,
    fold_in_bias,
    global_mean,
    imputed_hearts,
    item_mean,
)
from movie_autoencoder.models.validation import Validation

#        item 0  item 1  item 2
# user 0    5       3
# user 1    4               1
TINY = Ratings.from_columns([0, 0, 1, 1], [0, 1, 0, 2], [5, 3, 4, 1])
UNKNOWN = -1


def test_global_mean_by_hand() -> None:
    assert global_mean(TINY).predict(np.array([0, UNKNOWN]), np.array([2, UNKNOWN])) == pytest.approx([3.25, 3.25])


def test_item_mean_by_hand() -> None:
    predictions = item_mean(TINY).predict(np.array([0, 1, 0, UNKNOWN]), np.array([0, 1, UNKNOWN, 2]))
    assert predictions == pytest.approx([4.5, 3.0, 3.25, 1.0])


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


def test_other_values_of_hidden_ratings_change_no_bias(planted: Ratings) -> None:
    hidden = np.arange(0, len(planted), 5)
    values = planted.values.copy()
    values[hidden] = 5.5 - values[hidden]
    moved = Ratings.from_columns(planted.user_index, planted.item_index, values, scale=planted.scale)
    before, after = BiasSolver(planted, 3.0).solve(hidden), BiasSolver(moved, 3.0).solve(hidden)
    assert before.mean == pytest.approx(after.mean, abs=1e-9)
    assert before.users == pytest.approx(after.users, abs=1e-9)
    assert before.items == pytest.approx(after.items, abs=1e-9)


def test_folding_in_a_training_user_gives_the_same_bias(planted: Ratings) -> None:
    model = damped_bias(planted, 4.0)
    folded = model.fold_in(planted)
    assert folded.offset[:-1] == pytest.approx(model.users.offset[:-1], abs=1e-4)


def test_new_user_by_hand() -> None:
    new = Ratings.from_columns(["new", "new"], [0, 2], [5, 2])
    new = in_vocabulary(new, TINY.item_ids)
    bias = fold_in_bias(new, 3.25, np.array([1.0, 0.0, -1.0]), 2.0)
    assert bias == pytest.approx([((5 - 4.25) + (2 - 2.25)) / 4])


def test_predictions_stay_on_the_scale() -> None:
    model = damped_bias(TINY, 0.0)
    users, items = np.array([0, 1]), np.array([0, 2])
    assert not TINY.scale.contains(model.reconstruct(users, items)).all()
    assert TINY.scale.contains(model.predict(users, items)).all()


def test_ratings_of_unknown_items_are_left_out_and_not_counted() -> None:
    new = Ratings.from_columns([9, 9, 9], [0, 77, 2], [5, 1, 2])
    known = in_vocabulary(new, TINY.item_ids)
    assert known.user_counts.tolist() == [2] and known.item_index.tolist() == [0, 2]


def test_ids_of_another_kind_are_refused() -> None:
    new = Ratings.from_columns([9, 9], ["a", "b"], [5, 1])
    with pytest.raises(ValueError, match="differ in kind"):
        in_vocabulary(new, TINY.item_ids)


def test_the_rating_that_a_heart_stands_for_by_hand() -> None:
    """Mean 3, items at 0, 1 and 5 (more than the scale has), damping 1."""

    def side(*offsets: float) -> Encoded:
        empty = np.empty((len(offsets) + 1, 0), dtype=np.float32)
        return Encoded(empty, with_unknown(np.array(offsets), 0.0), empty[:-1])

    model = DampedBias(3.0, Scale(1, 5, 0.5), side(0.0), side(0.0, 1.0, 5.0), 1.0)
    none = np.empty(0, dtype=int)
    # without ratings the weight is 1 / (2 hearts); the biases predict 3 and 4
    assert imputed_hearts(model, none, [], np.array([0])) == pytest.approx([3 + 2 / 3 * 2 / 2])
    assert imputed_hearts(model, none, [], np.array([0, 1])) == pytest.approx([3 + 2 / 3 * 2 / 4, 4 + 2 / 3 / 4])
    # a 2 where the biases predict 3: bias -1/2, and weight (1 + 1) / 2, so 1
    assert imputed_hearts(model, np.array([0]), [2], np.array([1])) == pytest.approx([3.5 + 2 / 3 * 1.5])
    assert imputed_hearts(model, none, [], np.array([2, UNKNOWN])) == pytest.approx([5, 3 + 2 / 3 * 2 / 4])
    assert len(imputed_hearts(model, np.array([0]), [2], none)) == 0
    assert imputed_hearts(model, np.array([UNKNOWN]), [5], np.array([0])) == pytest.approx([4 + 2 / 3 * 1])


def test_residuals_by_hand() -> None:
    biases = Biases(3.0, np.array([0.5, -0.5]), np.array([1.0, 0.0, -1.0]), np.array([2, 2]), np.array([2, 1, 1]))
    left = biases.residuals(TINY)
    assert left.dtype == np.float32 and left == pytest.approx([5 - 4.5, 3 - 3.5, 4 - 3.5, 1 - 1.5])
    assert biases.residuals(TINY, np.float64).dtype == np.float64


def test_the_damping_has_the_smallest_validation_error(planted: Ratings) -> None:
    split = split_ratings(planted, seed=1)
    validation = Validation(split.training_ratings, split.held_out("validation"))
    errors = {one: validation.rmse(damped_bias(split.training_ratings, one)) for one in DAMPINGS}
    assert len(set(errors.values())) == len(DAMPINGS)
    assert choose_damping(split.training_ratings, validation) == min(errors, key=errors.__getitem__)
    assert choose_damping(planted, None) == 5.0


def test_fitted_baselines_are_those_that_a_bundle_loads(planted: Ratings) -> None:
    users, items = np.arange(-1, 60), np.arange(-1, 60)
    fitted = fit_baselines(planted, 2.0)
    assert fitted.keys() == BASELINES.keys()
    for name, model in fitted.items():
        again = BASELINES[name].from_arrays(model.to_arrays(), planted.scale)
        assert np.array_equal(again.predict(users, items), model.predict(users, items)), name
