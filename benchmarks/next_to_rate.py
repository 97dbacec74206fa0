"""Error after rating the films of `Recommender.next_to_rate`: saved as benchmarks/results/next-to-rate.json.

    python train.py --data ml-latest-small --split user --set split.test_fraction=0.3 --out runs/by-user
    python benchmarks/next_to_rate.py runs/by-user --data ml-latest-small [--stars 5] [--draws 3]

The people are those who are not in the training data and have 30 ratings or more. Half of their ratings are scored,
and five of the other half are shown to the model: those that `next_to_rate` suggests (without the chance that
somebody knows a film, because these people do), the most rated ones, or any five. RMSE of the scored half, users
pooled.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from movie_autoencoder import Recommender, read_ratings  # noqa: E402
from movie_autoencoder.data.sources import find_data  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402

LEAST = 30


def main() -> None:
    """Reads the command line, measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--stars", type=int, default=5)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    recommender, rng = Recommender.load(options.run), np.random.default_rng(0)
    ratings = read_ratings(find_data(options.data, ROOT / "data"), scale=recommender.scale)
    known = recommender.locate_items(ratings.item_ids)
    errors: dict[str, list[tuple[float, int]]] = {"telling": [], "best known": [], "any": [], "none": []}
    people = 0
    for user in np.flatnonzero(recommender.locate_users(ratings.user_ids) < 0).tolist():
        cells = np.arange(ratings.row(user).start, ratings.row(user).stop)
        cells = cells[known[ratings.item_index[cells]] >= 0]
        if len(cells) < LEAST:
            continue
        people += 1
        for _ in range(options.draws):
            order = rng.permutation(cells)
            scored, pool = order[: len(order) // 2], order[len(order) // 2 :]
            counts = recommender.item_counts[known[ratings.item_index[pool]]]
            shown = {
                "telling": suggested(recommender, known[ratings.item_index[pool]], options.stars),
                "best known": np.argsort(-counts, kind="stable")[: options.stars],
                "any": np.arange(options.stars),
                "none": np.arange(0),
            }
            items = recommender.item_ids[known[ratings.item_index]]
            for way, chosen in shown.items():
                some = pool[chosen]
                given = dict(zip(items[some].tolist(), ratings.values[some].astype(float).tolist(), strict=True))
                stars, _ = recommender.predict_person(given, items[scored])
                errors[way].append((float(np.square(stars - ratings.values[scored]).sum()), len(scored)))
    figures = {
        "data": Path(options.data).name,
        "people": people,
        "draws": options.draws,
        "stars": options.stars,
        "model": recommender.model.name,
        "rmse": {
            way: round(float(np.sqrt(np.sum(some, axis=0)[0] / np.sum(some, axis=0)[1])), 4)
            for way, some in errors.items()
        },
    }
    write_json(ROOT / "benchmarks" / "results" / "next-to-rate.json", figures)
    print(json.dumps(figures, indent=1))


def suggested(recommender: Recommender, columns: np.ndarray, count: int) -> np.ndarray:
    """Indices of the columns that `next_to_rate` suggests, in order."""
    ids = recommender.item_ids[columns].tolist()
    found = recommender.next_to_rate({}, count, among=ids, known=True)
    return np.array([ids.index(one.item_id) for one in found], dtype=np.int64)


if __name__ == "__main__":
    main()
