"""The generator does what its docstring says: counts, missing not at random, use of the scale, and the best RMSE."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from generate import (
    PRESETS,
    Generated,
    Population,
    Selection,
    Shape,
    generate,
    generate_all,
    is_preset,
    preset,
    selection_of,
    write_csv,
)

from movie_autoencoder import read_ratings
from movie_autoencoder.data.splits import split_ratings
from movie_autoencoder.metrics.errors import rmse
from movie_autoencoder.models.baselines import damped_bias

USERS, ITEMS, SEED = 800, 600, 4


@pytest.fixture(scope="module")
def made() -> Generated:
    return generate_all(40_000, USERS, ITEMS, num_unrated=10_000, seed=SEED)


@pytest.fixture(scope="module")
def population() -> Population:
    return Population.draw(USERS, ITEMS, seed=SEED)


def cells(made: Generated, *, rated: bool) -> tuple[np.ndarray, np.ndarray]:
    """User and item number of each cell, from 0."""
    ratings = made.ratings if rated else made.unrated
    assert ratings is not None
    return ratings.user_ids[ratings.user_index] - 1, ratings.item_ids[ratings.item_index] - 1


def test_counts_are_exact_and_unrated_cells_are_not_rated(made: Generated) -> None:
    assert made.unrated is not None
    assert (len(made.ratings), len(made.unrated)) == (40_000, 10_000)
    rated, unrated = (users * ITEMS + items for users, items in (cells(made, rated=True), cells(made, rated=False)))
    assert len(np.intersect1d(rated, unrated)) == 0
    assert np.isin(made.unrated.user_ids, made.ratings.user_ids).all()
    assert np.isin(made.unrated.item_ids, made.ratings.item_ids).all()
    assert made.ratings.values.min() >= 0.5 and made.ratings.values.max() == 5.0
    assert np.array_equal(made.ratings.values * 2 % 1, np.zeros(40_000))


def test_the_seed_decides_everything_and_unrated_cells_change_no_rating(made: Generated) -> None:
    alone, oracle = generate(40_000, USERS, ITEMS, seed=SEED)
    assert alone.digest == made.ratings.digest and oracle == made.oracle
    again = generate_all(40_000, USERS, ITEMS, num_unrated=10_000, seed=SEED)
    assert again.unrated is not None and made.unrated is not None
    assert again.unrated.digest == made.unrated.digest
    assert generate(40_000, USERS, ITEMS, seed=SEED + 1)[0].digest != alone.digest


def test_every_cell_can_be_unrated() -> None:
    made = generate_all(60, 10, 10, num_unrated=0, seed=1)
    left = made.ratings.num_users * made.ratings.num_items - 60
    everything = generate_all(60, 10, 10, num_unrated=left, seed=1)
    assert everything.unrated is not None and len(everything.unrated) == left
    with pytest.raises(ValueError, match=f"There are {left} unrated cells. Received: num_unrated={left + 1}"):
        generate_all(60, 10, 10, num_unrated=left + 1, seed=1)
    with pytest.raises(ValueError, match="76 ratings are more than 75% of the 100 cells"):
        generate(76, 10, 10)


def test_selection_follows_affinity_and_raises_the_ratings(made: Generated, population: Population) -> None:
    rated, unrated = (population.affinity(*cells(made, rated=rated)) for rated in (True, False))
    error = np.hypot(rated.std() / np.sqrt(len(rated)), unrated.std() / np.sqrt(len(unrated)))
    assert rated.mean() - unrated.mean() > 10 * error
    assert made.unrated is not None
    assert made.ratings.values.mean() > made.unrated.values.mean() + 0.1


def test_which_items_were_rated_is_informative(made: Generated, population: Population) -> None:
    """The mean traits of the items that a user rated, whatever the ratings, correlate with the user's tastes."""
    users, items = cells(made, rated=True)
    counts = np.bincount(users, minlength=USERS)
    mean_traits = np.bincount(users, population.traits[items, 0], USERS) / np.maximum(counts, 1)
    active = counts >= 20
    assert np.corrcoef(mean_traits[active], population.tastes[active, 0])[0, 1] > 0.5


def test_activity_and_popularity_have_heavy_tails(made: Generated) -> None:
    for counts in (made.ratings.user_counts, made.ratings.item_counts):
        busiest = np.sort(counts)[::-1][: len(counts) // 10]
        assert busiest.sum() > 0.25 * counts.sum() and np.median(counts) < 0.85 * counts.mean()


def test_users_use_the_scale_differently(made: Generated, population: Population) -> None:
    users, _ = cells(made, rated=True)
    halves = np.bincount(users, made.ratings.values % 1 > 0, USERS)
    whole_only = np.isneginf(population.bounds[:, 0])
    assert 0.25 < whole_only.mean() < 0.35
    assert (
        halves[whole_only].sum() == 0
        and (halves[~whole_only & (population.activity > np.median(population.activity))] > 0).all()
    )
    # the wider the interval of opinions for 4 stars, the more often a user gives them
    width = population.bounds[:, 7] - population.bounds[:, 6]
    fours, counts = np.bincount(users, made.ratings.values == 4.0, USERS), np.bincount(users, minlength=USERS)
    active = counts >= 30
    assert np.corrcoef(width[active], (fours / np.maximum(counts, 1))[active])[0, 1] > 0.5


def test_users_with_a_low_bias_give_lower_ratings(made: Generated, population: Population) -> None:
    users, _ = cells(made, rated=True)
    counts = np.bincount(users, minlength=USERS)
    means = np.bincount(users, made.ratings.values, USERS) / np.maximum(counts, 1)
    assert np.corrcoef(means[counts >= 20], population.user_bias[counts >= 20])[0, 1] > 0.7


def test_the_oracle_is_the_mean_over_the_noise(population: Population) -> None:
    """The mean of many draws at the same cells is the oracle's prediction, and no other prediction is better."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(USERS, size=50), rng.integers(ITEMS, size=50)
    stars, means = population.rate(np.repeat(users, 4000), np.repeat(items, 4000), rng)
    assert np.abs(stars.reshape(50, 4000).mean(axis=1) - means.reshape(50, 4000)[:, 0]).max() < 0.06
    best = rmse(stars, means)
    assert all(rmse(stars, means + shift) > best for shift in (-0.02, 0.02))


def test_the_oracle_is_better_than_biases_and_tastes_are_part_of_the_difference(
    made: Generated, population: Population
) -> None:
    split = split_ratings(made.ratings, validation_fraction=0.0, seed=0)
    training, test = split.training_ratings, split.held_out("test")
    users, items = training.locate_users(test.users), training.locate_items(test.items)
    biases = damped_bias(training, 5.0).predict(users, items)
    known = np.isin(test.items, training.item_ids)
    taste = population.feeling[test.users - 1] * population.affinity(test.users - 1, test.items - 1)
    slope = np.polyfit(taste[known], (test.values - biases)[known], 1)
    assert rmse(test.values, biases) > made.oracle + 0.05
    with_taste = rmse(test.values[known], biases[known] + np.polyval(slope, taste[known]))
    assert with_taste < rmse(test.values[known], biases[known]) - 0.03


def test_presets() -> None:
    made = preset("generated-30k")
    assert len(made.ratings) == PRESETS["generated-30k"][0] and made.unrated is not None
    sparse = PRESETS["generated-100k-sparse"]
    assert 10 <= sparse[0] / sparse[1] <= 15
    with pytest.raises(ValueError, match="no generated data set 'nothing'. Names: generated-30k"):
        preset("nothing")


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "generate.py"
    words = [tmp_path / "a.csv", "--ratings", 2000, "--users", 60, "--items", 70, "--seed", 3]
    words += ["--unrated", tmp_path / "b.csv", "--num-unrated", 500]
    done = subprocess.run([sys.executable, script, *map(str, words)], capture_output=True, text=True, check=True)
    made = generate_all(2000, 60, 70, num_unrated=500, seed=3)
    assert f"oracle RMSE {made.oracle:.4f}" in done.stdout and f"oracle RMSE {made.unrated_oracle:.4f}" in done.stdout
    assert made.unrated is not None
    assert read_ratings(tmp_path / "a.csv").digest == made.ratings.digest
    assert read_ratings(tmp_path / "b.csv").digest == made.unrated.digest


def test_written_ratings_are_read_back(made: Generated, tmp_path: Path) -> None:
    write_csv(made.ratings, tmp_path / "ratings.csv")
    assert read_ratings(tmp_path / "ratings.csv").digest == made.ratings.digest


def chosen_minus_unrated(shape: Shape, strength: float) -> tuple[float, Generated]:
    made = generate_all(20_000, 800, 1000, num_unrated=20_000, seed=1, selection=Selection(shape, strength))
    assert made.unrated is not None and len(made.ratings) == 20_000
    return float(made.ratings.values.mean() - made.unrated.values.mean()), made


@pytest.mark.parametrize("shape", ["affinity", "popularity", "expected"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_selection_is_as_strong_as_wanted(shape: Shape, strength: float) -> None:
    assert chosen_minus_unrated(shape, strength)[0] == pytest.approx(strength, abs=0.06)


def test_without_selection_ratings_are_missing_completely_at_random() -> None:
    difference, made = chosen_minus_unrated("none", 0.0)
    assert difference == pytest.approx(0, abs=0.04)
    for counts, size in ((made.ratings.user_counts, 800), (made.ratings.item_counts, 1000)):
        assert counts.var() == pytest.approx(20_000 / size, rel=0.25)  # as of a Poisson number


def test_users_choose_by_what_the_shape_says() -> None:
    """The item's bias alone, the affinity alone, or both are higher where users chose."""
    for shape, by_bias, by_taste in (("popularity", True, False), ("affinity", False, True), ("expected", True, True)):
        made = chosen_minus_unrated(shape, 1.0)[1]  # type: ignore[arg-type]
        people = made.population
        assert made.unrated is not None
        rated, unrated = (
            (one.user_ids[one.user_index] - 1, one.item_ids[one.item_index] - 1) for one in (made.ratings, made.unrated)
        )
        bias = people.item_bias[rated[1]].mean() - people.item_bias[unrated[1]].mean()
        taste = people.affinity(*rated).mean() - people.affinity(*unrated).mean()
        assert (bias > 0.2) == by_bias and (taste > 0.2) == by_taste


def test_cells_are_rated_as_often_as_the_choice_model_says() -> None:
    made = chosen_minus_unrated("expected", 1.0)[1]
    users, items = np.divmod(np.arange(800 * 1000), 1000)
    rate = made.population.choices(users, items)
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if -np.expm1(-middle * rate).sum() < 20_000 else (low, middle)
    chance = -np.expm1(-high * rate)
    cells = np.zeros(len(rate))
    rated = made.ratings
    cells[(rated.user_ids[rated.user_index] - 1) * 1000 + rated.item_ids[rated.item_index] - 1] = 1
    for part in np.array_split(np.argsort(chance), 20)[10:]:  # equal numbers of cells, by their chance
        deviation = np.sqrt((chance[part] * (1 - chance[part])).sum())
        assert abs(cells[part].sum() - chance[part].sum()) < 4 * deviation


def test_a_selection_depends_on_the_seed_alone_and_changes_no_standard_data(made: Generated) -> None:
    one, same = (chosen_minus_unrated("affinity", 0.5)[1] for _ in range(2))
    assert one.ratings.digest == same.ratings.digest
    assert one.unrated is not None and same.unrated is not None and one.unrated.digest == same.unrated.digest
    assert generate(40_000, USERS, ITEMS, seed=SEED)[0].digest == made.ratings.digest


def test_names_of_selections() -> None:
    assert selection_of("expected-0.5") == Selection("expected", 0.5)
    assert selection_of("affinity") == Selection("affinity", 1.0) and selection_of("none") == Selection("none", 0.0)
    assert is_preset("generated-30k+none") and is_preset("generated-30k") and not is_preset("sample")
    for wrong, message in (
        ("nothing", "There is no selection by 'nothing'. Shapes: none, affinity, popularity, expected"),
        ("affinity-much", "The strength of a selection is a number. Received: 'much'"),
        ("affinity-2", "0 to 1.5 stars.* Received: 2 with the shape 'affinity'"),
        ("none-1", "0 with the shape 'none'. Received: 1"),
    ):
        with pytest.raises(ValueError, match=message):
            selection_of(wrong)


def test_a_selection_that_cannot_be_so_strong_is_refused() -> None:
    with pytest.raises(ValueError, match="With 3000 ratings of 6000 cells, selection by affinity is at most 0"):
        generate_all(3000, 60, 100, selection=Selection("affinity", 1.4))
