"""Generates ratings of any number with a known structure, for measuring accuracy, speed and memory.

    python benchmarks/generate.py OUT.csv --ratings 1000000 --users 6000 --items 3700 [--seed 0]
                                  [--unrated FILE.csv --num-unrated 20000]

A user's *opinion* of an item, in rating points before rounding, is

    opinion = 3.3 + b_u + b_i + s_u <tastes_u, traits_i> + noise

* **Biases.** `b_u` is high for a generous user, and `b_i` for a good item. Popular items are better on average.
* **Tastes.** There are twelve, each weaker than the one before by the same factor, so a few matter much and the rest a
  little. `s_u` is how strongly a user feels about them.
* **Heavy tails.** Activity of users and popularity of items are log-normal. The noise is logistic, which has heavier
  tails than the normal distribution, and it is larger for some users and items than for others.
* **Selection by affinity: missing not at random.** A candidate pair, drawn by activity and popularity, becomes a rating
  with a probability that grows with the affinity `<tastes_u, traits_i>`. So *which* items a user rated is informative
  (implicit feedback), and rated cells have higher ratings than unrated ones.
* **Use of the scale.** Each user has a preference for each of the ten ratings (0.5 to 5). The higher the preference
  for a rating, the wider the interval of opinions that is rounded to it. Some users give whole stars only: their
  preference for half stars is 0.

Everything is drawn in O(ratings). The script prints the RMSE of an **oracle**, which knows all of these quantities but
the noise and predicts the mean rating over the noise. No predictor has a smaller expected RMSE. Ratings of random
*unrated* cells, of users and items that have ratings, go to a second file, because recommendations are made for these.

Test RMSE (one random 90/10 split, seed 0) shows that the data are neither trivial nor noise:

| | `damped_bias` | `dual` | oracle | unrated cells: `damped_bias` | `dual` | oracle |
|---|---|---|---|---|---|---|
| generated-30k | 0.796 | 0.777 | 0.658 | 0.916 | 0.891 | 0.683 |
| generated-100k-sparse | 0.820 | 0.812 | 0.672 | 0.930 | 0.912 | 0.690 |
| generated-300k | 0.799 | 0.738 | 0.680 | 0.897 | 0.853 | 0.696 |
| generated-1m | 0.803 | 0.727 | 0.684 | 0.869 | 0.815 | 0.693 |
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from movie_autoencoder.data.ratings import Ratings, Scale  # noqa: E402

Numbers = npt.NDArray[np.float32]
Index = npt.NDArray[np.integer[Any]]

# Ratings, users and items of the standard data sets. Ratings a user: 30, 12.5, 120, 167.
PRESETS = {
    "generated-30k": (30_000, 1_000, 2_000),
    "generated-100k-sparse": (100_000, 8_000, 5_000),
    "generated-300k": (300_000, 2_500, 5_000),
    "generated-1m": (1_000_000, 6_000, 3_700),
}
NUM_UNRATED = 20_000

_SCALE = Scale(0.5, 5.0, 0.5)
_MEAN = 3.3  # rating points, before selection by affinity adds to it
_TASTES, _SPECTRUM = 12, 0.8
_TASTE = 0.28  # standard deviation of a trait
_NOISE = 0.36  # scale of the logistic noise, rating points; its standard deviation is 1.81 times that
_WHOLE_ONLY = 0.3  # fraction of users who give whole stars only
_SELECTION = 1.5  # growth of the log odds of rating with affinity
_MAX_FRACTION = 0.75  # of all cells that can be rated
_BLOCK = 1 << 20


class Generated(NamedTuple):
    """Generated ratings.

    Args:
        ratings: the rated cells; ids are integers from 1.
        oracle: RMSE of the best possible prediction of these, rating points.
        unrated: random unrated cells, with the ratings that they would get; None when there are none.
        unrated_oracle: RMSE of the best possible prediction of these, rating points; NaN when there are none.
    """

    ratings: Ratings
    oracle: float
    unrated: Ratings | None
    unrated_oracle: float


@dataclass(frozen=True, eq=False)
class Population:
    """Users and items, with everything that decides who rates what and how.

    Args:
        activity: fraction of the candidate pairs of each user, shape ``(num_users,)``.
        popularity: fraction of the candidate pairs of each item, shape ``(num_items,)``.
        tastes: tastes of each user, shape ``(num_users, 12)``.
        traits: traits of each item, shape ``(num_items, 12)``.
        user_bias: bias of each user, rating points, shape ``(num_users,)``.
        item_bias: bias of each item, rating points, shape ``(num_items,)``.
        strength: how strongly each user feels about tastes, shape ``(num_users,)``.
        user_noise: scale of the noise of each user, rating points, shape ``(num_users,)``.
        item_noise: factor on the noise of each item, shape ``(num_items,)``.
        bounds: opinions between neighbouring ratings, ascending, shape ``(num_users, 9)``; minus infinity when the
            lowest rating is never given.
    """

    activity: npt.NDArray[np.float64]
    popularity: npt.NDArray[np.float64]
    tastes: Numbers
    traits: Numbers
    user_bias: Numbers
    item_bias: Numbers
    strength: Numbers
    user_noise: Numbers
    item_noise: Numbers
    bounds: Numbers

    @classmethod
    def draw(cls, num_users: int, num_items: int, *, seed: int = 0) -> Population:
        """Draws users and items."""
        rng = np.random.default_rng([seed, 0])
        popularity = rng.lognormal(0, 1.6, num_items)
        activity = rng.lognormal(0, 1.1, num_users)
        item_bias = 0.10 * np.log(popularity) + rng.normal(0, 0.35, num_items)
        drawn: tuple[npt.NDArray[np.float64], ...] = (
            rng.normal(size=(num_users, _TASTES)) * _SPECTRUM ** np.arange(_TASTES),
            rng.normal(size=(num_items, _TASTES)) * _TASTE,
            rng.normal(0, 0.40, num_users),
            item_bias,
            rng.lognormal(0, 0.2, num_users),
            _NOISE * rng.lognormal(0, 0.25, num_users),
            rng.lognormal(0, 0.15, num_items),
            _bounds(num_users, rng),
        )
        single = (array.astype(np.float32) for array in drawn)
        return cls(activity / activity.sum(), popularity / popularity.sum(), *single)

    @property
    def num_items(self) -> int:
        return len(self.traits)

    @property
    def num_cells(self) -> int:
        return len(self.tastes) * len(self.traits)

    def affinity(self, users: Index, items: Index) -> Numbers:
        """How well each item suits the tastes of its user, shape ``(n,)``."""
        affinity: Numbers = np.einsum("nk,nk->n", self.tastes[users], self.traits[items])
        return affinity

    def choose(self, num_ratings: int, rng: np.random.Generator) -> Index:
        """Draws the cells to rate, as ``user * num_items + item``, ascending, shape ``(num_ratings,)``."""
        if num_ratings > _MAX_FRACTION * self.num_cells:
            raise ValueError(
                f"{num_ratings} ratings are more than {_MAX_FRACTION:.0%} of the {self.num_cells} cells. Give "
                "fewer ratings, or more users or items."
            )
        by_activity, by_popularity = np.cumsum(self.activity), np.cumsum(self.popularity)
        kept = np.empty(0, dtype=np.int64)
        while len(kept) < num_ratings:
            size = min(4 * _BLOCK, 3 * num_ratings)
            users = np.searchsorted(by_activity, rng.random(size)).clip(max=len(self.tastes) - 1)
            items = np.searchsorted(by_popularity, rng.random(size)).clip(max=self.num_items - 1)
            chosen = rng.random(size) < 1 / (1 + np.exp(-_SELECTION * self.affinity(users, items)))
            kept = np.unique(np.concatenate([kept, users[chosen] * self.num_items + items[chosen]]))
        return kept[np.sort(rng.permutation(len(kept))[:num_ratings])]

    def rate(self, users: Index, items: Index, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """The rating of each cell, and its mean over the noise, rating points, shape ``(n,)`` each."""
        from scipy.special import expit

        stars, means = np.empty(len(users), dtype=np.float32), np.empty(len(users), dtype=np.float32)
        for start in range(0, len(users), _BLOCK):
            part = slice(start, start + _BLOCK)
            u, i = users[part], items[part]
            opinion = _MEAN + self.user_bias[u] + self.item_bias[i] + self.strength[u] * self.affinity(u, i)
            noise = self.user_noise[u] * self.item_noise[i]
            heard = opinion + noise * rng.logistic(size=len(u)).astype(np.float32)
            bounds = self.bounds[u]
            above = expit((opinion[:, None] - bounds) / noise[:, None])  # chance that each bound is passed
            stars[part] = _SCALE.minimum + _SCALE.step * (heard[:, None] >= bounds).sum(axis=1)
            means[part] = _SCALE.minimum + _SCALE.step * above.sum(axis=1)
        return stars, means


def _bounds(num_users: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The opinions between neighbouring ratings, from random preferences of each user for each rating."""
    levels = _SCALE.levels
    half = levels % 1 > 0
    preference = rng.lognormal(0, 0.5, (num_users, len(levels)))
    preference[:, half] *= np.where(rng.random(num_users) < _WHOLE_ONLY, 0.0, rng.uniform(0.2, 1.0, num_users))[:, None]
    fraction = preference[:, :-1] / (preference[:, :-1] + preference[:, 1:])
    bounds = levels[:-1] + _SCALE.step * fraction
    bounds[preference[:, 0] == 0, 0] = -np.inf
    return bounds


def generate_all(num_ratings: int, num_users: int, num_items: int, *, num_unrated: int = 0, seed: int = 0) -> Generated:
    """Generates ratings, ratings of unrated cells, and the oracle's RMSE on both.

    Args:
        num_ratings: exact number of ratings.
        num_users: number of users; a user who happens to rate nothing is not in the ratings.
        num_items: number of items; likewise.
        num_unrated: number of random unrated cells. It does not change the ratings.
        seed: seed of all random numbers.

    Raises:
        ValueError: there are not so many cells.
    """
    population = Population.draw(num_users, num_items, seed=seed)
    cells = population.choose(num_ratings, np.random.default_rng([seed, 1]))
    ratings, oracle = _rated(population, cells, np.random.default_rng([seed, 2]))
    if not num_unrated:
        return Generated(ratings, oracle, None, float("nan"))
    known_users, known_items = ratings.user_ids - 1, ratings.item_ids - 1
    available = len(known_users) * len(known_items) - num_ratings
    if num_unrated > available:
        raise ValueError(f"There are {available} unrated cells. Received: num_unrated={num_unrated}.")
    rng = np.random.default_rng([seed, 3])
    free = np.empty(0, dtype=np.int64)
    while len(free) < num_unrated:
        users, items = rng.choice(known_users, 2 * num_unrated), rng.choice(known_items, 2 * num_unrated)
        free = np.setdiff1d(np.concatenate([free, users * num_items + items]), cells)
    free = free[np.sort(rng.permutation(len(free))[:num_unrated])]
    return Generated(ratings, oracle, *_rated(population, free, rng))


def _rated(population: Population, cells: Index, rng: np.random.Generator) -> tuple[Ratings, float]:
    users, items = (cells // population.num_items).astype(np.int32), (cells % population.num_items).astype(np.int32)
    stars, means = population.rate(users, items, rng)
    oracle = float(np.sqrt(np.mean(np.square(stars - means, dtype=np.float64))))
    return Ratings.from_columns(users + 1, items + 1, stars, scale=_SCALE), oracle


def generate(num_ratings: int, num_users: int, num_items: int, *, seed: int = 0) -> tuple[Ratings, float]:
    """Generates ratings, and the RMSE of the oracle; see `generate_all`."""
    return generate_all(num_ratings, num_users, num_items, seed=seed)[:2]


def preset(name: str, *, seed: int = 0) -> Generated:
    """Generates a standard data set of `PRESETS`, with `NUM_UNRATED` unrated cells.

    Raises:
        ValueError: there is no such name.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no generated data set {name!r}. Names: {', '.join(PRESETS)}.")
    return generate_all(*PRESETS[name], num_unrated=NUM_UNRATED, seed=seed)


def write_csv(ratings: Ratings, path: Path) -> None:
    """Writes ratings in the format of MovieLens' ``ratings.csv``."""
    import pyarrow as pa
    import pyarrow.csv as csv

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "userId": ratings.user_ids[ratings.user_index],
        "movieId": ratings.item_ids[ratings.item_index],
        "rating": ratings.values,
        "timestamp": np.arange(len(ratings)),
    }
    csv.write_csv(pa.table(columns), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=6_000)
    parser.add_argument("--items", type=int, default=3_700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unrated", type=Path, help="file for ratings of random unrated cells")
    parser.add_argument("--num-unrated", type=int, default=NUM_UNRATED, help="how many of them")
    options = parser.parse_args()
    num_unrated = options.num_unrated if options.unrated else 0
    made = generate_all(options.ratings, options.users, options.items, num_unrated=num_unrated, seed=options.seed)
    write_csv(made.ratings, options.out)
    print(f"{options.out}: {made.ratings}; oracle RMSE {made.oracle:.4f}")
    if made.unrated is not None:
        write_csv(made.unrated, options.unrated)
        print(f"{options.unrated}: {made.unrated}; oracle RMSE {made.unrated_oracle:.4f}")


if __name__ == "__main__":
    main()
