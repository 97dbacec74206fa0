"""In LensKit's and Cornac's own experiments, on planted tastes: each test is skipped where its library is absent."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generate import write_csv

from movie_autoencoder import RatingAutoencoder, Ratings

FAST: dict[str, Any] = {"epochs": 40, "latent_dim": 8, "budget": 0}


def table(ratings: Ratings) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": ratings.user_ids[ratings.user_index],
            "item_id": ratings.item_ids[ratings.item_index],
            "rating": ratings.values,
        }
    )


@pytest.fixture(autouse=True)
def warnings_of_theirs() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_a_lenskit_pipeline_predicts_ranks_and_beats_the_biases(planted: Ratings) -> None:
    pytest.importorskip("lenskit", reason="LensKit is not installed: pip install lenskit")
    from lenskit.basic import BiasScorer
    from lenskit.batch import predict, recommend
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.metrics import RMSE, RunAnalysis
    from lenskit.pipeline import topn_pipeline
    from lenskit.splitting import SampleFrac, crossfold_users
    from lenskit.training import TrainingOptions

    from movie_autoencoder.adapters.lenskit import RatingAutoencoderConfig, RatingAutoencoderScorer

    data = from_interactions_df(table(planted))
    fold = next(iter(crossfold_users(data, 2, SampleFrac(0.2, rng=1), rng=1)))
    errors, pipelines = {}, {}
    for name, scorer in (("ours", RatingAutoencoderScorer(**FAST)), ("biases", BiasScorer(damping=5.0))):
        pipeline = topn_pipeline(scorer, predicts_ratings="raw")
        pipeline.train(fold.train, TrainingOptions(rng=7))
        analysis = RunAnalysis()
        analysis.add_metric(RMSE())
        predictions = predict(pipeline, fold.test, n_jobs=1)
        errors[name] = analysis.measure(predictions, fold.test).list_metrics()["RMSE"].mean()
        pipelines[name] = pipeline
    assert errors["ours"] < errors["biases"] - 0.01

    ours = pipelines["ours"]
    scorer = ours.node("scorer").component
    user = fold.train.users.ids()[0]
    best = recommend(ours, [user], n=5, n_jobs=1)
    items = next(iter(best.lists()))
    assert len(items) == 5 and np.all(np.diff(items.scores()) <= 0)
    history = fold.train.user_row(user)
    assert not np.isin(items.ids(), history.ids()).any()
    assert np.allclose(items.scores(), _stars(scorer.model_, user, items.ids()))

    # a stranger with the same ratings is folded in; one without any, and an unknown item, get what is said of anyone
    asked = ItemList(item_ids=items.ids())
    known, folded, anyone = (
        scorer(query, asked).scores() for query in (RecQuery(user), RecQuery(history_items=history), RecQuery(-5))
    )
    assert np.allclose(folded, known, atol=0.2) and not np.allclose(anyone, known, atol=0.02)
    assert np.isfinite(scorer(RecQuery(user), ItemList(item_ids=[10**6])).scores()).all()
    again = pickle.loads(pickle.dumps(scorer))
    assert np.array_equal(again(RecQuery(user), asked).scores(), known)

    # the training options' seed is heard, and what is trained is not trained again unasked
    model = scorer.model_
    scorer.train(fold.train, TrainingOptions(retrain=False))
    assert scorer.model_ is model
    scorer.train(fold.train, TrainingOptions(rng=8))
    assert scorer.model_.seed != model.seed
    assert RatingAutoencoderScorer(**FAST).dump_config() == FAST
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        RatingAutoencoderConfig(nothing=1)


def _stars(model: RatingAutoencoder, user: Any, items: Any) -> Any:
    recommender = model.recommender_
    users = np.full(len(items), recommender.locate_users([user])[0])
    return recommender.model.reconstruct(users, recommender.locate_items(items))


def test_a_cornac_experiment_ranks_us_above_the_biases(planted: Ratings, tmp_path: Any) -> None:
    pytest.importorskip("cornac", reason="Cornac is not installed: pip install cornac")
    from cornac.eval_methods import RatioSplit
    from cornac.experiment import Experiment
    from cornac.metrics import NDCG, RMSE
    from cornac.models import BaselineOnly

    from movie_autoencoder.adapters.cornac import RatingAutoencoderRecommender

    triples = list(table(planted).itertuples(index=False, name=None))
    split = RatioSplit(triples, test_size=0.2, rating_threshold=4.0, exclude_unknowns=False, seed=1)
    ours, biases = RatingAutoencoderRecommender(**FAST, seed=3), BaselineOnly(max_iter=50, seed=1)
    experiment = Experiment(split, models=[ours, biases], metrics=[RMSE(), NDCG(k=10)], save_dir=str(tmp_path))
    experiment.run()
    figures = {result.model_name: result.metric_avg_results for result in experiment.result}
    assert figures["RatingAutoencoder"]["RMSE"] < figures["BaselineOnly"]["RMSE"] - 0.01
    assert 0 < figures["RatingAutoencoder"]["NDCG@10"] <= 1

    every = ours.score(0)
    assert every.shape == (split.train_set.num_items,) and ours.score(0, 4) == every[4]
    assert np.isfinite(ours.score(10**6, 10**6))
    assert len(ours.recommend(ours.user_ids[0], k=3, remove_seen=True, train_set=split.train_set)) == 3
    again = ours.clone({"latent_dim": 5})
    assert again.estimator.get_params() == ours.estimator.get_params() | {"latent_dim": 5}


@pytest.mark.parametrize("library", ["lenskit", "cornac"])
def test_the_documentations_example_runs(
    library: str, planted: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(library, reason=f"not installed: pip install {library}")
    page = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if library in block)
    quick = code.replace("seed=1)", "seed=1, budget=0, epochs=5)")
    write_csv(planted, tmp_path / "ratings.csv")
    monkeypatch.chdir(tmp_path)
    exec(compile(quick, "python.md", "exec"), {})  # the page's own code
    assert "RMSE" in capsys.readouterr().out and quick != code
