"""The benchmark against peers: equal splits, no leak, tuning, blends, significance, and continuing after a stop."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "peers")]

import compare  # noqa: E402
from grids import PEERS, Peer  # noqa: E402
from install import complete  # noqa: E402

from movie_autoencoder import Ratings, Scale  # noqa: E402

FAKE = """
from job import Cells, main

def fit(cells, settings):
    mean = cells.values.mean() + settings["off"]
    return lambda users, items: mean + 0 * users

main(fit, "1.2")
"""


def pairs(part: compare.Part) -> set[tuple[int, int]]:
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


def training_pairs(part: compare.Part) -> set[tuple[int, int]]:
    train = part.train
    return set(zip(train.user_ids[train.user_index].tolist(), train.item_ids[train.item_index].tolist(), strict=True))


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two peers that predict mean + off, run by this interpreter, and an empty cache."""
    script = tmp_path / "with_mean.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'benchmarks' / 'peers')!r})\n{FAKE}")
    grid = [{"off": 0.5}, {"off": 0.1}, {"off": -0.3}]
    peers = {name: Peer(str(script), "lenskit", grid) for name in ("mean", "other-mean")}
    monkeypatch.setattr(compare, "PEERS", peers)
    monkeypatch.setattr(compare, "complete", lambda name: True)
    monkeypatch.setattr(compare, "python_of", lambda name: Path(sys.executable))
    monkeypatch.setattr(compare, "CACHE", tmp_path / "cache")
    compare.version_key.cache_clear()
    return tmp_path


def test_every_model_gets_the_same_test_ratings_and_trains_on_none_of_them(planted: Ratings) -> None:
    data = compare.random_splits("planted", planted, 3)
    parts = [data.part(seed) for seed in (*data.seeds, compare.TUNING_SEED)]
    for part in parts:
        assert len(part.values) == round(len(planted) * 0.1)
        assert len(part.train) + len(part.values) == len(planted)
        assert not pairs(part) & training_pairs(part)
    assert pairs(data.part(0)) == pairs(parts[0])
    assert len({frozenset(pairs(part)) for part in parts}) == 4


def test_a_fraction_takes_other_ratings_in_every_split(planted: Ratings) -> None:
    data = compare.random_splits("planted", planted, 2, share=0.3)
    assert data.name == "planted-30pct"
    used = [pairs(part) | training_pairs(part) for part in (data.part(0), data.part(1))]
    assert [len(one) for one in used] == [round(len(planted) * 0.3)] * 2
    assert len(used[0] & used[1]) < 0.4 * len(used[0])


def test_a_given_pair_is_scored_as_it_is_and_tuned_on_its_training_file_alone(planted: Ratings) -> None:
    split = compare.split_ratings(planted, test_fraction=0.2, validation_fraction=0, seed=9)
    train, test = planted.take(split.train), planted.take(split.test)
    data = compare.given_pair("pair", train, test)
    scored, tuning = data.part(0), data.part(compare.TUNING_SEED)
    assert data.seeds == (0,)
    assert len(scored.train) == len(train) and len(scored.values) == len(test)
    held_out = pairs(scored)
    assert not held_out & (pairs(tuning) | training_pairs(tuning))


def test_the_scale_spans_the_test_file_too() -> None:
    train = Ratings.from_columns([1, 1, 2], [1, 2, 1], [2.0, 3.0, 4.0])
    test = Ratings.from_columns([2], [2], [5.0])
    assert compare.given_pair("pair", train, test).part(0).train.scale == Scale(2.0, 5.0, 1.0)


def test_no_process_gets_a_rating_of_the_test_part(
    planted: Ratings, fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = compare.random_splits("planted", planted, 1).part(0)
    moved = compare.replace(part, values=planted.scale.minimum + 0 * part.values)
    given: list[dict[str, np.ndarray]] = []

    def look(words: Any, threads: int, log: Path) -> tuple[float, float]:
        folder = Path(words[-1])
        assert sorted(path.name for path in folder.iterdir()) == ["cells.npz", "job.json"]
        with np.load(folder / "cells.npz", allow_pickle=False) as arrays:
            given.append(dict(arrays))
        raise compare.Unavailable("seen")

    monkeypatch.setattr(compare, "run", look)
    for one in (part, moved):
        with pytest.raises(compare.Unavailable, match="seen"):
            compare.run_peer("mean", one, [{"off": 0.0}], 1)
    assert given[0].keys() == given[1].keys()
    assert all(np.array_equal(given[0][name], given[1][name]) for name in given[0])
    assert len(given[0]["values"]) == len(part.train)


def test_our_training_file_holds_the_training_ratings_and_nothing_else(planted: Ratings, tmp_path: Path) -> None:
    part = compare.random_splits("planted", planted, 1).part(0)
    compare.write_ratings(part.train, tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text().splitlines()[0] == '"userId","movieId","rating"'
    assert compare.read_ratings(tmp_path / "train.csv").digest == part.train.digest


def test_peers_are_tuned_on_a_separate_split_and_the_blend_averages_their_predictions(
    planted: Ratings, fakes: Path
) -> None:
    data = compare.random_splits("planted", planted, 2)
    result = compare.compare(data, ["mean", "other-mean"], compare.Cache(compare.CACHE), 1, lambda text: None)
    assert result["tuning"]["mean"]["chosen"] == {"off": 0.1}  # the mean is nearly best: the smallest |off| wins
    assert [one["settings"]["off"] for one in result["tuning"]["mean"]["grid"]] == [0.5, 0.1, -0.3]
    part = data.part(1)
    wanted = part.train.values.astype(np.float64).mean() + 0.1
    assert result["models"]["mean"]["rmse"][1] == pytest.approx(np.sqrt(np.mean((part.values - wanted) ** 2)))
    assert result["models"]["mean"]["mae"][1] == pytest.approx(np.abs(part.values - wanted).mean())
    assert set(result["models"]) == {"mean", "other-mean", compare.BLEND}
    assert result["models"][compare.BLEND]["rmse"] == pytest.approx(result["models"]["mean"]["rmse"])
    one = result["models"]["mean"]
    assert one["process_seconds"] > result["tuning"]["mean"]["seconds"] > 0  # tuning is counted
    assert {
        "rmse",
        "mae",
        "nll",
        "fit_seconds",
        "predict_seconds",
        "process_seconds",
        "peak_mb",
        "version",
        "settings",
    } <= one.keys()
    assert (one["version"], one["nll"], result["splits"]) == ("1.2", None, [0, 1])
    assert result["differences"] == []  # none of ours took part


def test_the_command_writes_the_result_and_continues_after_a_stop(
    fakes: Path, monkeypatch: pytest.MonkeyPatch, planted: Ratings
) -> None:
    compare.write_ratings(planted, fakes / "few.csv")
    real, runs = compare.run, []

    def count(*words: Any) -> tuple[float, float]:
        runs.append(words)
        if len(runs) == 4:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(compare, "run", count)
    words = ["--data", str(fakes / "few.csv"), "--splits", "3", "--models", "mean", "--out", str(fakes / "out.json")]
    with pytest.raises(KeyboardInterrupt):
        compare.main(words)
    assert not (fakes / "out.json").exists()
    compare.main(words)
    assert len(runs) == 4 + 1  # tuning and two splits were kept; the third was made
    result = json.loads((fakes / "out.json").read_text())
    assert (result["data"], len(result["models"]["mean"]["rmse"])) == ("few", 3)
    assert result["command"].startswith("python benchmarks/compare.py --data ")
    compare.main([*words, "--fresh"])
    assert len(runs) == 5 + 4
    assert json.loads((fakes / "out.json").read_text())["models"]["mean"]["rmse"] == result["models"]["mean"]["rmse"]


def test_a_peer_without_its_environment_is_skipped_with_a_message(
    planted: Ratings, fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "complete", lambda name: False)
    said: list[str] = []
    data = compare.random_splits("planted", planted, 1)
    result = compare.compare(data, ["mean"], compare.Cache(compare.CACHE), 1, said.append)
    assert result["models"] == {}
    assert said == ["planted: mean is left out: its environment is missing: python benchmarks/peers/install.py lenskit"]


def test_the_error_of_a_failed_process_is_reported(tmp_path: Path) -> None:
    with pytest.raises(compare.Unavailable, match="status 3: no luck"):
        compare.run([sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"], 1, tmp_path / "log")


@pytest.mark.slow
def test_stopping_the_run_stops_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(pid: int, options: int) -> None:
        monkeypatch.undo()
        assert not (tmp_path / "done").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(compare.os, "wait4", stop)
    late = "import sys, time; time.sleep(2); open(sys.argv[1], 'w')"
    with pytest.raises(KeyboardInterrupt):
        compare.run([sys.executable, "-c", late, tmp_path / "done"], 1, tmp_path / "log")
    time.sleep(3)
    assert not (tmp_path / "done").exists()


def test_every_process_gets_the_same_threads(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['LK_NUM_THREADS'])"]
    seconds, peak = compare.run(words, 3, tmp_path / "log")
    assert (tmp_path / "log").read_text() == "3 3\n"
    assert seconds > 0 and peak > 1  # megabytes


def test_speeds_are_options_where_training_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "options_of_train", lambda: "--model --epochs")
    assert compare.words_of("dual-fast") == ["--model", "dual"]
    with pytest.raises(compare.Unavailable, match="no option --speed"):
        compare.words_of("dual-best")
    monkeypatch.setattr(compare, "options_of_train", lambda: "--model --speed")
    assert compare.words_of("dual-fast")[2:] == ["--speed", "fast"]
    assert compare.words_of("dual-best")[2:] == ["--speed", "best"]


def test_a_cache_key_changes_with_the_code_but_not_with_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    digests = []
    for text in ('"""One."""\nx = 1  # a\n', '"""Two."""\n\nx = 1\n', '"""Two."""\nx = 2\n'):
        path.write_text(text)
        digests.append(compare.code_digest([path]))
    assert digests[0] == digests[1] != digests[2]


def test_nll_is_minus_the_mean_log_probability_of_the_ratings() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    value = compare.nll(probabilities, np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0]))
    assert value == pytest.approx(-(np.log(0.25) + np.log(0.8)) / 2)


def histogram_part() -> compare.Part:
    """User 1 gave 1, 1, 2 and user 2 gave 2; item 1 got 1, 2. The scale is 1, 2; user 3 and item 4 are unknown."""
    train = Ratings.from_columns([1, 1, 1, 2], [1, 2, 3, 1], [1.0, 1.0, 2.0, 2.0])
    return compare.Part(train, np.array([1, 3]), np.array([4, 2]), np.array([1.0, 2.0]), 0)


def test_the_correction_for_rating_histograms_follows_its_formula() -> None:
    part, flat, logs = histogram_part(), np.full((2, 2), 0.5), [float(np.log(2.0)), float(np.log(2.0))]
    # h = (2 + 1, 2 + 1) / 6; h of user 1 = (2 + 2/2, 1 + 2/2) / 5; h of item 2 = (1 + 2/2, 0 + 2/2) / 3
    by_user = compare.with_histograms(flat, part, [1.0, 1.0, 0.0, 0.0, *logs])
    assert by_user == pytest.approx(np.array([[0.6, 0.4], [0.5, 0.5]]))
    assert compare.with_histograms(flat, part, [1.0, 2.0, 0.0, 0.0, *logs])[0] == pytest.approx(
        np.array([0.36, 0.16]) / 0.52
    )
    by_item = compare.with_histograms(flat, part, [1.0, 0.0, 1.0, 0.0, *logs])
    assert by_item == pytest.approx(np.array([[0.5, 0.5], [2 / 3, 1 / 3]]))
    given = np.array([[0.2, 0.8], [0.7, 0.3]])
    assert compare.with_histograms(given, part, [1.0, 0.0, 0.0, 0.0, *logs]) == pytest.approx(given)


def test_rating_histograms_are_fitted_only_where_people_differ() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 40)
    items = np.tile(np.arange(40), 60)
    own = np.where(users < 30, 2, 0) + rng.integers(0, 2, len(users)) + 1.0  # half the users give 3 and 4, half 1 and 2
    none = rng.integers(1, 5, len(users)).astype(np.float64)
    for values, wanted in ((own, np.log(2)), (none, np.log(4))):
        data = compare.random_splits("histograms", Ratings.from_columns(users, items, values), 1)
        part, scored = data.part(compare.TUNING_SEED), data.part(0)
        flat = np.full((len(part.values), 4), 0.25)
        choice = compare.fit_histograms(flat, part)
        losses = [
            compare.nll(compare.with_histograms(flat, one, choice), np.arange(1.0, 5), one.values)
            for one in (part, scored)
        ]
        assert losses[0] <= wanted + 0.02
        assert losses[1] == pytest.approx(wanted, abs=0.06)


def test_the_blend_finds_the_planted_weight_and_stays_between_both_predictions() -> None:
    rng = np.random.default_rng(1)
    first, second, noise = (rng.normal(size=500) for _ in range(3))
    values = 0.3 * first + 0.7 * second
    assert compare.best_blend({"b": second, "a": first, "c": noise}, values)[:2] == ("a", "b")
    assert compare.best_blend({"b": second, "a": first, "c": noise}, values)[2:] == pytest.approx((0.3, 0.0), abs=1e-9)
    outside = 1.5 * first - 0.5 * second
    assert compare.best_blend({"a": first, "b": second}, outside)[2] == 1.0


def test_holm_multiplies_by_the_remaining_tests_and_never_decreases() -> None:
    assert compare.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert compare.holm([0.6, 0.5]) == [1.0, 1.0]


def test_the_resampled_t_test_follows_its_formula() -> None:
    found = compare.resampled_t([1.0, 2.0, 3.0], 1 / 9)
    assert found is not None
    assert found["t"] == pytest.approx(2 / np.sqrt(1 / 3 + 1 / 9))  # = 3, with 2 degrees of freedom
    assert found["p"] == pytest.approx(0.0954659, abs=1e-6)
    assert compare.resampled_t([1.0], 1 / 9) is None


def test_differences_are_ours_minus_theirs_over_users_and_splits(planted: Ratings) -> None:
    data = compare.random_splits("planted", planted, 3)
    parts = [data.part(seed) for seed in data.seeds]
    rng = np.random.default_rng(2)
    noise = [rng.normal(size=len(part.values)) for part in parts]
    ours = [part.values + 0.5 * one for part, one in zip(parts, noise, strict=True)]
    worse = [part.values + 0.6 * one for part, one in zip(parts, noise, strict=True)]
    lines = compare.differences("ours", {"ours": ours, "worse": worse, "same": list(ours)}, parts)
    by_name = {line["model"]: line for line in lines}
    assert by_name["worse"]["difference"] == pytest.approx(-0.1, abs=0.01)
    low, high = by_name["worse"]["ci95"]
    assert low < by_name["worse"]["difference"] < high < 0
    assert by_name["worse"]["p_holm"] == pytest.approx(2 * 2 / (compare.RESAMPLES + 1))
    assert (by_name["worse"]["splits_lower"], by_name["same"]["splits_lower"]) == (3, 0)
    assert by_name["same"]["difference"] == 0 and by_name["same"]["p"] == 1


@pytest.mark.slow
def test_our_model_is_a_complete_training_run_scored_by_its_bundle(
    planted: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--set", "training.budget=0", "--epochs", "20"]
    monkeypatch.setitem(compare.OURS, "dual-fast", ["--model", "dual", *words])
    part = compare.random_splits("planted", planted, 1).part(0)
    measured, found = compare.run_ours("dual-fast", part, 1)
    assert found["predictions"].shape == part.values.shape
    assert part.train.scale.contains(found["predictions"]).all()
    assert compare.rmse(found["predictions"], part.values) < compare.rmse(
        np.full(1, part.train.values.mean()), part.values
    )
    assert measured["process_seconds"] > measured["runs"][0]["fit_seconds"] > 0
    assert measured["peak_mb"] > 100
    assert found["probabilities"].sum(axis=1) == pytest.approx(np.ones(len(part.values)))
    levels = part.train.scale.levels
    shares = np.bincount(np.rint((planted.values - levels[0]) * 2).astype(int)) / len(planted)
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())  # what everyone's histogram gets
    assert compare.nll(found["probabilities"], levels, part.values) < entropy


@pytest.mark.parametrize("model", PEERS)
def test_every_peer_learns_and_predicts_for_unknown_ids(model: str, planted: Ratings) -> None:
    peer = PEERS[model]
    if not complete(peer.environment):
        pytest.skip(f"python benchmarks/peers/install.py {peer.environment} was not run")
    whole = compare.random_splits("planted", planted, 1).part(0)
    strangers = compare.replace(
        whole,
        users=np.append(whole.users, [-1, whole.users[0], -1]),
        items=np.append(whole.items, [1, -1, -1]),
        values=np.append(whole.values, [3.0, 3.0, 3.0]),
    )
    settings = peer.grid[-1] | ({"draws": 40, "rank": 4} if "draws" in peer.grid[-1] else {})
    measured, (found,) = compare.run_peer(model, strangers, [settings], 1)
    predictions = found["predictions"]
    assert len(predictions) == len(strangers.values) and planted.scale.contains(predictions).all()
    if model != "libmf":  # it has no biases, and 12,000 ratings are too few for it
        mean = np.full(len(whole.values), whole.train.values.mean())
        assert compare.rmse(predictions[:-3], whole.values) < compare.rmse(mean, whole.values) - 0.03
    assert predictions[-1] == pytest.approx(whole.train.values.mean(), abs=0.6)
    assert measured["runs"][0]["fit_seconds"] > 0 and measured["version"]
    if model == "myfm-probit":
        assert found["probabilities"].shape == (len(predictions), len(planted.scale.levels))
        assert found["probabilities"].sum(axis=1) == pytest.approx(1.0)
        assert found["probabilities"] @ planted.scale.levels == pytest.approx(predictions)


def test_grids_are_no_larger_than_our_own_search() -> None:
    assert all(1 <= len(peer.grid) <= 8 for peer in PEERS.values())
