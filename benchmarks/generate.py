"""Generates ratings of any number with a known structure, for measuring accuracy, speed and memory.

    python benchmarks/generate.py OUT.csv --ratings 1000000 --users 6000 --items 3700 [--seed 0]
                                  [--selection expected --strength 1] [--unrated FILE.csv --num-unrated 20000]

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

**Self-selection of a known strength.** With `--selection SHAPE --strength STARS`, a user's number of choices of an item
is Poisson with the mean

    rate = T * activity_u * popularity_i * exp(slope * min(signal, s))

and a cell is rated when it is chosen at least once, so the propensity of a cell is `1 - exp(-rate)`. One cell of 200
has a signal above `s`. The signal is

* `affinity`: `<tastes_u, traits_i>`, what suits the user;
* `popularity`: `b_i`, what everybody finds good, which so becomes popular; `popularity_i` is constant then;
* `expected`: the user's opinion without the noise;
* `none`: nothing. Activity and popularity are constant too, so ratings are missing completely at random.

The strength is the mean of the ratings minus that of unrated cells of the same users and items, 0 to 1.5 stars; the
slope is fitted to it. Tastes and items' biases have a larger variance than otherwise, because a star of difference
takes that much to choose by, and items' biases do not depend on the `popularity_i` above. The strength changes neither
users nor items but for their mean, so that ratings stay in the middle of the scale. In names of data sets,
`generated-30k+expected-0.5` is `generated-30k` with selection by expected stars, half a star strong, and
`generated-30k+none` is without selection.

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
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from movie_autoencoder.data.ratings import Ratings, Scale  # noqa: E402

Numbers = npt.NDArray[np.float32]
Index = npt.NDArray[np.integer[Any]]
Shape = Literal["none", "affinity", "popularity", "expected"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

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
_MAX_STRENGTH = 1.5  # stars
_WIDER_TASTE, _WIDER_BIAS, _WIDEST_BIAS = 1.6, 1.7, 3.2  # factors on standard deviations with such a selection
_FLATTER = 0.6  # exponent of popularity with such a selection
_STEP, _MAX_SLOPE = 0.25, 5.0  # of the search for a slope
_CERTAIN = 0.995  # quantile of the signal from which a candidate is a certain choice
_SAMPLE = 1 << 18  # cells from which the slope is computed


@dataclass(frozen=True)
class Selection:
    """How users choose what they rate.

    Args:
        shape: what they choose by; see the module's documentation.
        strength: mean of the ratings minus that of unrated cells, stars.

    Raises:
        ValueError: there is no such shape, or the strength does not suit it.
    """

    shape: Shape
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"There is no selection by {self.shape!r}. Shapes: {', '.join(SHAPES)}.")
        if not 0 <= self.strength <= _MAX_STRENGTH or (self.shape == "none" and self.strength):
            raise ValueError(
                f"The strength of selection is 0 to {_MAX_STRENGTH} stars, and 0 with the shape 'none'. Received: "
                f"{self.strength:g} with the shape {self.shape!r}."
            )


class Generated(NamedTuple):
    """Generated ratings.

    Args:
        ratings: the rated cells; ids are integers from 1.
        oracle: RMSE of the best possible prediction of these, rating points.
        unrated: random unrated cells, with the ratings that they would get; None when there are none.
        unrated_oracle: RMSE of the best possible prediction of these, rating points; NaN when there are none.
        population: users and items, by id less 1.
    """

    ratings: Ratings
    oracle: float
    unrated: Ratings | None
    unrated_oracle: float
    population: Population


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
        feeling: how strongly each user feels about tastes, shape ``(num_users,)``.
        user_noise: scale of the noise of each user, rating points, shape ``(num_users,)``.
        item_noise: factor on the noise of each item, shape ``(num_items,)``.
        bounds: opinions between neighbouring ratings, ascending, shape ``(num_users, 9)``; minus infinity when the
            lowest rating is never given.
        mean: mean opinion of unselected cells, rating points.
        signal: what users choose by.
        slope: growth with the signal of the log odds of a choice; of its logarithm when capped.
        offset: minus the log odds, or logarithm, without a signal.
        capped: the probability of a choice grows exponentially up to 1, and not as a logistic function.
    """

    activity: npt.NDArray[np.float64]
    popularity: npt.NDArray[np.float64]
    tastes: Numbers
    traits: Numbers
    user_bias: Numbers
    item_bias: Numbers
    feeling: Numbers
    user_noise: Numbers
    item_noise: Numbers
    bounds: Numbers
    mean: float = _MEAN
    signal: Shape = "affinity"
    slope: float = _SELECTION
    offset: float = 0.0
    capped: bool = False

    @classmethod
    def draw(cls, num_users: int, num_items: int, *, seed: int = 0) -> Population:
        """Draws users and items, with the standard selection by affinity."""
        rng = np.random.default_rng([seed, 0])
        popularity = rng.lognormal(0, 1.6, num_items)
        activity = rng.lognormal(0, 1.1, num_users)
        quality = 0.10 * np.log(popularity) + rng.normal(0, 0.35, num_items)
        drawn: tuple[npt.NDArray[np.float64], ...] = (
            rng.normal(size=(num_users, _TASTES)) * _SPECTRUM ** np.arange(_TASTES),
            rng.normal(size=(num_items, _TASTES)) * _TASTE,
            rng.normal(0, 0.40, num_users),
            quality,
            rng.lognormal(0, 0.2, num_users),
            _NOISE * rng.lognormal(0, 0.25, num_users),
            rng.lognormal(0, 0.15, num_items),
            _bounds(num_users, rng),
        )
        tastes, traits, user_bias, item_bias, feeling, user_noise, item_noise, bounds = (
            array.astype(np.float32) for array in drawn
        )
        return cls(
            activity / activity.sum(),
            popularity / popularity.sum(),
            tastes,
            traits,
            user_bias,
            item_bias,
            feeling,
            user_noise,
            item_noise,
            bounds,
        )

    def selecting(self, selection: Selection, num_ratings: int, *, seed: int = 0) -> Population:
        """The same users and items with a selection of a known strength.

        Args:
            selection: its shape and strength.
            num_ratings: number of ratings that will be chosen; the more they are, the less there is to choose.
            seed: seed of the sample of cells on which the strength is computed.

        Raises:
            ValueError: so many ratings cannot be chosen so strictly.
        """
        own = self.item_bias - np.float32(0.10) * np.log(self.popularity / np.exp(np.log(self.popularity).mean()))
        by_quality = selection.shape == "popularity"
        flatter = self.popularity ** (0 if by_quality else _FLATTER)
        wider = replace(
            self,
            popularity=flatter / flatter.sum(),
            traits=self.traits * np.float32(1 if by_quality else _WIDER_TASTE),
            item_bias=((own - own.mean()) * (_WIDEST_BIAS if by_quality else _WIDER_BIAS)).astype(np.float32),
            mean=_MEAN + 0.1 - selection.strength / 2,
            signal=selection.shape,
            slope=0.0,
            capped=True,
        )
        if selection.shape == "none":
            activity, popularity = np.ones(len(self.tastes)), np.ones(self.num_items)
            return replace(wider, activity=activity / activity.sum(), popularity=popularity / popularity.sum())
        if not selection.strength:
            return wider
        strengths = wider.strengths(num_ratings, seed=seed)
        low, high, most = 0.0, _STEP, 0.0
        while (reached := strengths(high)) < selection.strength:
            most = max(most, reached)
            if high >= _MAX_SLOPE:
                raise ValueError(
                    f"With {num_ratings} ratings of {self.num_cells} cells, selection by {selection.shape} is at most "
                    f"{most:.2f} stars strong. Received: {selection.strength:g}. Give another number of ratings, users "
                    "or items."
                )
            low, high = high, high + _STEP
        for _ in range(8):
            middle = (low + high) / 2
            low, high = (middle, high) if strengths(middle) < selection.strength else (low, middle)
        return wider.with_slope((low + high) / 2, seed=seed)

    def with_slope(self, slope: float, *, seed: int = 0) -> Population:
        """The same with another slope; its offset makes candidates with the strongest signals certain choices."""
        users, items = self._sample(seed)
        return replace(self, slope=slope, offset=slope * float(np.quantile(self.signals(users, items), _CERTAIN)))

    def strengths(self, num_ratings: int, *, seed: int = 0) -> Callable[[float], float]:
        """Expected strength of selection by the slope, from a sample of cells.

        It is the mean of the ratings minus that of unrated cells of the same items, stars.
        """
        users, items = self._sample(seed)
        means = self.rate(users, items, np.random.default_rng(seed))[1]
        fraction = num_ratings / self.num_cells
        sampled = np.maximum(np.bincount(items, minlength=self.num_items), 1)

        def strength(slope: float) -> float:
            rate = self.with_slope(slope, seed=seed).choices(users, items)
            rate /= rate.mean()
            low, high = fraction, 2 * fraction
            while np.mean(-np.expm1(-high * rate)) < fraction:
                low, high = high, 2 * high
            for _ in range(12):
                middle = (low + high) / 2
                low, high = (middle, high) if np.mean(-np.expm1(-middle * rate)) < fraction else (low, middle)
            chosen = -np.expm1(-high * rate)
            of_item = np.bincount(items, high * rate, self.num_items) / sampled * len(self.tastes)
            left = (1 - chosen) * -np.expm1(-of_item[items])  # an item that nobody rates is not in the data
            return float(np.average(means, weights=chosen) - np.average(means, weights=left))

        return strength

    def _sample(self, seed: int) -> tuple[Index, Index]:
        """Users and items of random cells; every call gives the same."""
        rng = np.random.default_rng([seed, 4])
        return rng.integers(len(self.tastes), size=_SAMPLE), rng.integers(self.num_items, size=_SAMPLE)

    def opinion(self, users: Index, items: Index) -> Numbers:
        """The opinion of each cell without its noise, rating points, shape ``(n,)``."""
        taste = self.feeling[users] * self.affinity(users, items)
        return self.mean + self.user_bias[users] + self.item_bias[items] + taste

    def choices(self, users: Index, items: Index) -> npt.NDArray[np.float64]:
        """Expected number of choices of each cell, up to a factor that all cells have in common, shape ``(n,)``.

        The more, the likelier a cell is rated. So these are the scores of the best possible ranking.
        """
        return self.activity[users] * self.popularity[items] * self.acceptance(users, items)

    def acceptance(self, users: Index, items: Index) -> Numbers:
        """Probability that a candidate becomes a choice, shape ``(n,)``."""
        log_odds = self.slope * self.signals(users, items) - self.offset
        accepted: Numbers = np.exp(np.minimum(log_odds, 0)) if self.capped else 1 / (1 + np.exp(-log_odds))
        return accepted

    def signals(self, users: Index, items: Index) -> Numbers:
        """What users choose by, shape ``(n,)``."""
        if self.signal == "popularity":
            return self.item_bias[items]
        if self.signal == "expected":
            return self.opinion(users, items) - np.float32(self.mean)
        return self.affinity(users, items) if self.signal == "affinity" else np.zeros(len(users), dtype=np.float32)

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
            chosen = rng.random(size) < self.acceptance(users, items)
            cells = users[chosen] * self.num_items + items[chosen]
            if self.capped:  # the first choices only: more of them than ratings would make the selection weaker
                cells = cells[np.sort(np.unique(cells, return_index=True)[1])]
                cells = cells[~np.isin(cells, kept)][: num_ratings - len(kept)]
            kept = np.unique(np.concatenate([kept, cells]))
        return kept[np.sort(rng.permutation(len(kept))[:num_ratings])]

    def rate(self, users: Index, items: Index, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """The rating of each cell, and its mean over the noise, rating points, shape ``(n,)`` each."""
        from scipy.special import expit

        stars, means = np.empty(len(users), dtype=np.float32), np.empty(len(users), dtype=np.float32)
        for start in range(0, len(users), _BLOCK):
            part = slice(start, start + _BLOCK)
            u, i = users[part], items[part]
            opinion = self.opinion(u, i)
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


def generate_all(
    num_ratings: int,
    num_users: int,
    num_items: int,
    *,
    num_unrated: int = 0,
    seed: int = 0,
    selection: Selection | None = None,
) -> Generated:
    """Generates ratings, ratings of unrated cells, and the oracle's RMSE on both.

    Args:
        num_ratings: exact number of ratings.
        num_users: number of users; a user who happens to rate nothing is not in the ratings.
        num_items: number of items; likewise.
        num_unrated: number of random unrated cells. It does not change the ratings.
        seed: seed of all random numbers.
        selection: how users choose what they rate; the standard selection by affinity when left out.

    Raises:
        ValueError: there are not so many cells, or a selection cannot be so strong.
    """
    population = Population.draw(num_users, num_items, seed=seed)
    if selection is not None:
        population = population.selecting(selection, num_ratings, seed=seed)
    cells = population.choose(num_ratings, np.random.default_rng([seed, 1]))
    ratings, oracle = _rated(population, cells, np.random.default_rng([seed, 2]))
    if not num_unrated:
        return Generated(ratings, oracle, None, float("nan"), population)
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
    return Generated(ratings, oracle, *_rated(population, free, rng), population)


def _rated(population: Population, cells: Index, rng: np.random.Generator) -> tuple[Ratings, float]:
    users, items = (cells // population.num_items).astype(np.int32), (cells % population.num_items).astype(np.int32)
    stars, means = population.rate(users, items, rng)
    oracle = float(np.sqrt(np.mean(np.square(stars - means, dtype=np.float64))))
    return Ratings.from_columns(users + 1, items + 1, stars, scale=_SCALE), oracle


def generate(num_ratings: int, num_users: int, num_items: int, *, seed: int = 0) -> tuple[Ratings, float]:
    """Generates ratings, and the RMSE of the oracle; see `generate_all`."""
    return generate_all(num_ratings, num_users, num_items, seed=seed)[:2]


def is_preset(name: str) -> bool:
    """Whether `preset` knows the data set; a selection after "+" does not matter."""
    return name.partition("+")[0] in PRESETS


def preset(name: str, *, seed: int = 0) -> Generated:
    """Generates a standard data set of `PRESETS`, with `NUM_UNRATED` unrated cells.

    Args:
        name: a name, or "NAME+SHAPE" or "NAME+SHAPE-STRENGTH" with a selection of a known strength, 1 when left out.
        seed: seed of all random numbers.

    Raises:
        ValueError: there is no such name or selection.
    """
    base, plus, chosen = name.partition("+")
    if base not in PRESETS:
        raise ValueError(f"There is no generated data set {name!r}. Names: {', '.join(PRESETS)}.")
    selection = selection_of(chosen) if plus else None
    return generate_all(*PRESETS[base], num_unrated=NUM_UNRATED, seed=seed, selection=selection)


def selection_of(text: str) -> Selection:
    """The selection of a text such as "none", "affinity" or "expected-0.5".

    Raises:
        ValueError: there is no such selection.
    """
    shape, _, strength = text.partition("-")
    try:
        return Selection(shape, float(strength or shape != "none"))  # type: ignore[arg-type]
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"The strength of a selection is a number. Received: {strength!r}, in {text!r}.") from None


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
    parser.add_argument("--selection", choices=SHAPES, help="what users choose by; the standard one when left out")
    parser.add_argument("--strength", type=float, default=1.0, help="stars, of any --selection but none")
    options = parser.parse_args()
    num_unrated = options.num_unrated if options.unrated else 0
    shape: Shape | None = options.selection
    selection = Selection(shape, 0.0 if shape == "none" else options.strength) if shape else None
    size = options.ratings, options.users, options.items
    made = generate_all(*size, num_unrated=num_unrated, seed=options.seed, selection=selection)
    write_csv(made.ratings, options.out)
    print(f"{options.out}: {made.ratings}; oracle RMSE {made.oracle:.4f}")
    if made.unrated is not None:
        write_csv(made.unrated, options.unrated)
        print(f"{options.unrated}: {made.unrated}; oracle RMSE {made.unrated_oracle:.4f}")


if __name__ == "__main__":
    main()
