"""Generates ratings with a known structure, at any size, for measuring speed and memory (and sanity of accuracy).

    python benchmarks/generate.py OUT.csv --ratings 1000000 --users 6000 --items 3700 [--seed 0]

Activity of users and popularity of items have heavy tails. Who rates what depends on taste (a candidate pair, drawn by
activity and popularity, is kept with a chance that grows with the user's affinity to the item), so *which* items
somebody rated carries signal, as in real data. Stars are mean + biases + affinity + noise, on each user's own stretch,
rounded to half stars. Everything is drawn in O(ratings). Prints the RMSE of an oracle that knows all but the noise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from movie_autoencoder.ratings import Ratings, Scale  # noqa: E402

_TASTES = 12
_NOISE = 0.75  # rating points
_BLOCK = 1 << 22


def generate(num_ratings: int, num_users: int, num_items: int, *, seed: int = 0) -> tuple[Ratings, float]:
    """Ratings, and the RMSE of the oracle (noise and rounding only)."""
    rng = np.random.default_rng(seed)
    spectrum = 0.8 ** np.arange(_TASTES)
    tastes = (rng.normal(size=(num_users, _TASTES)) * spectrum).astype(np.float32)
    traits = (rng.normal(size=(num_items, _TASTES)) * 0.28).astype(np.float32)
    user_bias = rng.normal(0, 0.40, num_users).astype(np.float32)
    popularity = rng.lognormal(0, 1.6, num_items)
    item_bias = (0.10 * np.log(popularity) + rng.normal(0, 0.35, num_items)).astype(np.float32)
    stretch = rng.lognormal(0, 0.2, num_users).astype(np.float32)
    activity = rng.lognormal(0, 1.1, num_users)
    by_activity, by_popularity = np.cumsum(activity / activity.sum()), np.cumsum(popularity / popularity.sum())
    kept = np.empty(0, dtype=np.int64)
    while len(kept) < num_ratings:
        size = min(_BLOCK, 3 * num_ratings)
        users = np.searchsorted(by_activity, rng.random(size)).clip(max=num_users - 1)
        items = np.searchsorted(by_popularity, rng.random(size)).clip(max=num_items - 1)
        affinity = np.einsum("nk,nk->n", tastes[users], traits[items])
        chosen = rng.random(size) < 1 / (1 + np.exp(-1.5 * affinity))
        kept = np.unique(np.concatenate([kept, users[chosen] * num_items + items[chosen]]))
    kept = kept[np.sort(rng.permutation(len(kept))[:num_ratings])]
    users, items = (kept // num_items).astype(np.int32), (kept % num_items).astype(np.int32)
    expected = np.empty(num_ratings, dtype=np.float32)
    for start in range(0, num_ratings, _BLOCK):
        u, i = users[start : start + _BLOCK], items[start : start + _BLOCK]
        affinity = np.einsum("nk,nk->n", tastes[u], traits[i])
        expected[start : start + _BLOCK] = 3.5 + user_bias[u] + stretch[u] * (item_bias[i] + affinity)
    raw = expected + stretch[users] * rng.normal(0, _NOISE, num_ratings).astype(np.float32)
    stars = np.clip(np.round(raw * 2) / 2, 0.5, 5.0).astype(np.float32)
    oracle = float(np.sqrt(np.mean(np.square(stars - np.clip(expected, 0.5, 5.0), dtype=np.float64))))
    return Ratings.from_columns(users + 1, items + 1, stars, scale=Scale(0.5, 5.0, 0.5)), oracle


def write_csv(ratings: Ratings, path: Path) -> None:
    """Writes ratings as MovieLens' ratings.csv."""
    import pyarrow as pa
    import pyarrow.csv as csv

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"userId": ratings.user_ids[ratings.user_index], "movieId": ratings.item_ids[ratings.item_index],
               "rating": ratings.values, "timestamp": np.arange(len(ratings))}  # fmt: skip
    csv.write_csv(pa.table(columns), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=6_000)
    parser.add_argument("--items", type=int, default=3_700)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ratings, oracle = generate(options.ratings, options.users, options.items, seed=options.seed)
    write_csv(ratings, options.out)
    print(f"{options.out}: {ratings}; oracle RMSE {oracle:.4f}")


if __name__ == "__main__":
    main()
