"""Time of recommendations for one person, and for ten thousand: saved as benchmarks/results/people.json.

    python benchmarks/people.py RUN [--ratings 20] [--people 10000]

Each person rates 20 random items among the most rated ones. One person is answered by ``Recommender.recommend({id:
stars, …}, k=10)``, with intervals and reasons; many people by ``recommend_many``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from movie_autoencoder import Ratings, Recommender  # noqa: E402
from movie_autoencoder.storage import write_json  # noqa: E402

_REPEATS = 1000


def main() -> None:
    """Reads the command line, measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--ratings", type=int, default=20)
    parser.add_argument("--people", type=int, default=10_000)
    options = parser.parse_args()
    started = time.perf_counter()
    recommender = Recommender.load(options.run)
    loading = time.perf_counter() - started
    rng, levels = np.random.default_rng(0), recommender.scale.levels
    known = recommender.item_ids[np.argsort(-recommender.item_counts)[:3000]]

    def somebody() -> dict[int | str, float]:
        items = rng.permutation(known)[: options.ratings]
        return dict(zip(items.tolist(), rng.choice(levels, len(items)).tolist(), strict=True))

    people = [somebody() for _ in range(_REPEATS)]
    titled = [{recommender.items.label(item): stars for item, stars in one.items()} for one in people]
    milliseconds = {}
    for name, some in (("by id", people), ("by title", titled)):
        if recommender.recommend(some[0], 10).person.unmatched:
            sys.exit(f"People cannot be answered {name}: the items of this run have no titles. Give a run with titles.")
        took = []
        for one in some:
            started = time.perf_counter()
            recommender.recommend(one, 10)
            took.append(1000 * (time.perf_counter() - started))
        milliseconds[name] = {"p50": round(float(np.median(took)), 3), "p99": round(float(np.quantile(took, 0.99)), 3)}
    users = np.repeat(np.arange(options.people), options.ratings)
    items = np.concatenate([rng.permutation(known)[: options.ratings] for _ in range(options.people)])
    ratings = Ratings.from_columns(users, items, rng.choice(levels, len(users)), scale=recommender.scale)
    started = time.perf_counter()
    recommender.recommend_many(ratings, 10)
    many = time.perf_counter() - started
    figures = {
        "model": recommender.model.name,
        "items": len(recommender.item_ids),
        "ratings_each": options.ratings,
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "loading_seconds": round(loading, 2),
        "one_person_ms": milliseconds,
        "people": options.people,
        "people_seconds": round(many, 2),
    }
    write_json(ROOT / "benchmarks" / "results" / "people.json", figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
