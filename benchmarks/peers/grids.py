"""The configurations that each peer chooses from on the tuning split: at most eight, as in our own search."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """One peer: its script, its environment and its configurations."""

    script: str
    environment: str
    grid: list[dict[str, Any]]


def grid(**choices: list[Any]) -> list[dict[str, Any]]:
    """Every combination of the choices."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


_SHARED = "surprise-cornac-myfm"
_DRAWS = {"burn_in": [20], "draws": [300], "rank": [8, 16, 32, 64]}
_SMALL_START = 0.01  # standard deviation of the first factors; Surprise's own 0.1 costs it 0.01 of RMSE

PEERS = {
    "surprise-baseline": Peer(
        "with_surprise.py",
        _SHARED,
        [
            {"algorithm": "BaselineOnly", "bsl_options": {"method": "als", "n_epochs": 20, "reg_u": u, "reg_i": i}}
            for u, i in product([5, 15], [1, 2, 5, 10])
        ],
    ),
    "surprise-svd": Peer(
        "with_surprise.py",
        _SHARED,
        [
            {
                "algorithm": "SVD",
                "n_factors": factors,
                "n_epochs": epochs,
                "lr_all": 0.005,
                "reg_all": penalty,
                "init_std_dev": _SMALL_START,
            }
            for (factors, epochs), penalty in product([(20, 20), (20, 50), (100, 30), (100, 100)], [0.05, 0.1])
        ],
    ),
    "surprise-svdpp": Peer(
        "with_surprise.py",
        _SHARED,
        grid(
            algorithm=["SVDpp"],
            n_factors=[20],
            n_epochs=[15, 40],
            lr_all=[0.005],
            reg_all=[0.05, 0.1],
            init_std_dev=[_SMALL_START],
            cache_ratings=[True],
        ),
    ),
    "surprise-knnbaseline": Peer(
        "with_surprise.py",
        _SHARED,
        [
            {
                "algorithm": "KNNBaseline",
                "k": k,
                "min_k": min_k,
                "sim_options": {"name": "pearson_baseline", "user_based": user_based},
                "bsl_options": {"method": "als", "n_epochs": 10, "reg_u": 5, "reg_i": 2},
            }
            for user_based, min_k, k in [*product([False], [1, 3], [20, 40, 80]), (True, 3, 40), (True, 3, 80)]
        ],
    ),
    "cornac-mf": Peer(
        "with_cornac.py",
        _SHARED,
        [
            *grid(k=[16], max_iter=[30], learning_rate=[0.005], lambda_reg=[0.05, 0.1]),
            *grid(k=[256], max_iter=[30, 100], learning_rate=[0.005], lambda_reg=[0.05, 0.1]),
            *grid(k=[256], max_iter=[200], learning_rate=[0.003], lambda_reg=[0.06, 0.12]),
        ],
    ),
    "lenskit-als": Peer(
        "with_lenskit.py", "lenskit", grid(embedding_size=[16, 64], epochs=[20], regularization=[0.07, 0.1, 0.2, 0.4])
    ),
    "myfm-ids": Peer("with_myfm.py", _SHARED, grid(implicit=[False], probit=[False], **_DRAWS)),
    "myfm-implicit": Peer("with_myfm.py", _SHARED, grid(implicit=[True], probit=[False], **_DRAWS)),
    "myfm-probit": Peer("with_myfm.py", _SHARED, grid(implicit=[True], probit=[True], **_DRAWS)),
    "libmf": Peer("with_libmf.py", "libmf", grid(k=[8, 32], nr_iters=[50, 100], eta=[0.05], l2=[0.05, 0.1])),
}
