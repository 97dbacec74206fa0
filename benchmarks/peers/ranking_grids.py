"""The configurations that each ranking peer chooses from on validation, for all targets and for liked ones apart.

``of`` is what a peer sees of people: all rated items, or liked ones.
"""

from __future__ import annotations

from grids import Peer, grid

_BOTH = ["all", "liked"]
_NUMPY = ("rank_with_numpy.py", "ranking")
_LAYERS = {"hidden": [200], "latent": [100]}

RANKING_PEERS = {
    "popularity": Peer(*_NUMPY, grid(ranker=["popularity"], of=_BOTH)),
    "item-knn": Peer(
        *_NUMPY, grid(ranker=["item-knn"], of=_BOTH, k=[20, 50, 100, 200], shrinkage=[0, 20], exponent=[0.5])
    ),
    "ease": Peer(*_NUMPY, grid(ranker=["rdlae"], of=_BOTH, l2=[10, 30, 50, 100, 200, 300, 500, 1000, 2000])),
    "edlae": Peer(*_NUMPY, grid(ranker=["rdlae"], of=_BOTH, l2=[10, 50, 100, 200, 500, 1000], p=[0.1, 0.2, 0.33, 0.5])),
    "rdlae": Peer(
        *_NUMPY, grid(ranker=["rdlae"], of=_BOTH, l2=[50, 100, 200, 500], p=[0.1, 0.2, 0.33, 0.5], xi=[0.1, 0.2, 0.3])
    ),
    "to-liked": Peer(
        *_NUMPY, grid(ranker=["to-liked"], l2=[10, 50, 100, 200, 300, 500, 1000, 2000], p=[0.0, 0.1, 0.2, 0.33, 0.5])
    ),
    "slim": Peer(
        "rank_with_irspack.py",
        "ranking",
        grid(recommender=["SLIMRecommender"], of=_BOTH, alpha=[0.03, 0.05, 0.1], l1_ratio=[0.1]),
    ),
    "rp3beta": Peer(
        "rank_with_irspack.py",
        "ranking",
        grid(recommender=["RP3betaRecommender"], of=_BOTH, alpha=[1.0], beta=[0.2, 0.3, 0.4, 0.6], top_k=[200, 5000]),
    ),
    "ials": Peer(
        "rank_with_irspack.py",
        "ranking",
        grid(
            recommender=["IALSRecommender"],
            of=_BOTH,
            n_components=[32, 64, 128],
            alpha0=[0.1, 0.2],
            reg=[0.003, 0.006, 0.01],
            train_epochs=[16],
        ),
    ),
    "implicit-als": Peer(
        "rank_with_implicit.py",
        "ranking",
        grid(model=["als"], of=_BOTH, factors=[32, 64, 128], regularization=[1.0, 3.0, 10.0], alpha=[1.0, 3.0]),
    ),
    "bpr": Peer(
        "rank_with_implicit.py",
        "ranking",
        grid(
            model=["bpr"],
            of=_BOTH,
            factors=[32, 128],
            learning_rate=[0.05],
            regularization=[0.01, 0.05],
            iterations=[150],
        ),
    ),
    "lenskit-implicit-als": Peer(
        "rank_with_lenskit.py",
        "lenskit",
        grid(of=_BOTH, embedding_size=[32, 64], epochs=[10], weight=[2, 4], regularization=[1.0, 10.0]),
    ),
    "mult-vae": Peer(
        "rank_with_torch.py", "lenskit", grid(model=["mult-vae"], of=_BOTH, **_LAYERS, epochs=[40, 100], beta=[0.2])
    ),
    "rec-vae": Peer(
        "rank_with_torch.py", "lenskit", grid(model=["rec-vae"], of=_BOTH, **_LAYERS, epochs=[15, 40], gamma=[0.003])
    ),
}
