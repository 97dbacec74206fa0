"""Reproduces a published figure with a peer, to show that this benchmark gives peers no disadvantage.

    python benchmarks/peers/published.py [--data ml-latest-small]

Surprise's SVD with its own defaults, 5-fold cross-validation on ml-latest-small: a public comparison made with Surprise
(github.com/mgesteban/recommender-system-algorithm-comparison) reports RMSE ~0.87 and MAE ~0.67. The script
also prints the error of the settings that this benchmark chose on its tuning split.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare import Part, read_ratings, rmse, run_peer  # noqa: E402

from movie_autoencoder.data.sources import find_data  # noqa: E402

CONFIGURATIONS = {
    "defaults, published ~0.87 / ~0.67": {"algorithm": "SVD"},
    "as chosen on validation": {
        "algorithm": "SVD",
        "n_factors": 100,
        "n_epochs": 100,
        "lr_all": 0.005,
        "reg_all": 0.05,
        "init_std_dev": 0.01,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-latest-small")
    ratings = read_ratings(find_data(parser.parse_args().data))
    fold = np.random.default_rng(0).permutation(len(ratings)) % 5
    errors = []
    for number in range(5):
        test = ratings.take(fold == number)
        users, items = test.user_ids[test.user_index], test.item_ids[test.item_index]
        part = Part(ratings.take(fold != number), users, items, test.values, number)
        _, found = run_peer("surprise-svd", part, list(CONFIGURATIONS.values()), 1)
        predictions = [one["predictions"] for one in found]
        errors.append([(rmse(one, test.values), float(np.abs(one - test.values).mean())) for one in predictions])
    for name, (error, absolute) in zip(CONFIGURATIONS, np.mean(errors, axis=0), strict=True):
        print(f"Surprise SVD, 5 folds, {name}: RMSE {error:.4f}, MAE {absolute:.4f}")


if __name__ == "__main__":
    main()
