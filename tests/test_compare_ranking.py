"""The benchmark of lists: splits that leak nothing, figures and closed forms by their definitions, and whole runs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "peers")]

import compare  # noqa: E402
import compare_ranking  # noqa: E402
from generate import Selection, generate_all  # noqa: E402
from grids import Peer  # noqa: E402
from linear_rankers import item_knn, rdlae, to_liked  # noqa: E402
from ranking_job import Job  # noqa: E402
from ranking_splits import HeldOut, StrongSplit, divide, figures, strong_split, top  # noqa: E402

from movie_autoencoder import Ratings  # noqa: E402


def split_of(ratings: Ratings, seed: int = 0) -> StrongSplit:
    cells = compare_ranking.cells_of(ratings)
    return strong_split(cells.users, cells.items, cells.values, seed=seed)


def cells(matrix: Any, people: np.ndarray, items: np.ndarray) -> dict[tuple[int, int], float]:
    entries = matrix.tocoo()
    return dict(
        zip(zip(people[entries.row].tolist(), items[entries.col].tolist(), strict=True), entries.data, strict=True)
    )


def test_a_split_leaks_nothing_and_loses_nothing(planted: Ratings) -> None:
    split = split_of(planted)
    groups = [split.people, split.validation.people, split.test.people]
    assert sorted(np.concatenate(groups).tolist()) == sorted(planted.user_ids.tolist())
    assert len(groups[1]) == len(groups[2]) == round(0.15 * planted.num_users)
    assert (np.diff(split.train.tocsc().indptr) > 0).all()  # every item has a training rating
    found = cells(split.train, split.people, split.items)
    for part in (split.validation, split.test):
        given, wanted = (cells(matrix, part.people, split.items) for matrix in (part.fold_in, part.targets))
        assert not given.keys() & wanted.keys()
        counts = np.diff(part.fold_in.indptr) + np.diff(part.targets.indptr)
        several = counts >= 2
        assert (np.diff(part.targets.indptr)[several] == np.maximum(1, np.rint(0.2 * counts[several]))).all()
        found |= given | wanted
    all_cells = compare_ranking.cells_of(planted)
    known = np.isin(all_cells.items, split.items)
    pairs = zip(all_cells.users[known].tolist(), all_cells.items[known].tolist(), strict=True)
    assert found == dict(zip(pairs, all_cells.values[known], strict=True))


def test_the_seed_and_not_the_order_of_ratings_decides(planted: Ratings) -> None:
    one = split_of(planted)
    order = np.random.default_rng(1).permutation(len(planted))
    other, third = split_of(planted.take(order)), split_of(planted, seed=1)
    assert np.array_equal(one.test.people, other.test.people) and (one.test.targets != other.test.targets).nnz == 0
    assert not np.array_equal(one.test.people, third.test.people)


def test_a_split_needs_people_for_every_part() -> None:
    with pytest.raises(ValueError, match="0 of 3 people cannot be held out twice"):
        strong_split(np.arange(3), np.arange(3), np.ones(3), seed=0)


def test_a_row_of_one_entry_is_not_divided() -> None:
    first, second = divide(sparse.csr_array(np.array([[0.0, 3, 0], [1, 2, 3]])), 0.2, np.random.default_rng(0))
    assert np.diff(first.indptr).tolist() == [1, 2] and np.diff(second.indptr).tolist() == [0, 1]


def test_lists_have_no_rated_items_and_ties_go_to_the_lower_index() -> None:
    seen = sparse.csr_array(np.array([[0, 1, 0, 0, 0], [1, 1, 1, 0, 1]]))
    scores = np.array([[1.0, 9, 2, 2, np.nan], [0, 0, 0, -5, 0]])
    assert top(scores, seen, 3).tolist() == [[2, 3, 0], [3, -1, -1]]


def naive(lists: np.ndarray, people: HeldOut, kind: str) -> list[dict[str, float]]:
    """The figures by their definitions, one person and one rank at a time."""
    found = []
    for row, items in enumerate(lists.tolist()):
        ratings = {int(j): float(v) for j, v in zip(*part(people.targets, row), strict=True)}
        targets = {item for item, value in ratings.items() if kind == "all" or value >= 4}
        everything = [*ratings.values(), *map(float, part(people.fold_in, row)[1])]
        one = {}
        for k in (20, 50):
            hits = sum(item in targets for item in items[:k])
            one[f"Recall@{k}"] = hits / min(k, len(targets)) if targets else math.nan
        for k in (10, 100):
            gain = sum(1 / math.log2(rank + 2) for rank, item in enumerate(items[:k]) if item in targets)
            ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(targets))))
            one[f"NDCG@{k}"] = gain / ideal if targets else math.nan
        for k in (20, 100):
            hit = [ratings[item] for item in items[:k] if item in ratings]
            above = sum(hit) / len(hit) - sum(everything) / len(everything) if hit and targets else math.nan
            one[f"stars@{k}"] = above
        found.append(one)
    return found


def part(matrix: Any, row: int) -> tuple[np.ndarray, np.ndarray]:
    inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[inside], matrix.data[inside]


@pytest.mark.parametrize("kind", ["all", "liked"])
def test_figures_agree_with_their_definitions(planted: Ratings, kind: Any) -> None:
    people = split_of(planted).test
    targets = people.targets.copy()
    targets.data[targets.indptr[0] : targets.indptr[1]] = 1.0  # a person without a liked target
    people = people._replace(targets=targets)
    scores = np.random.default_rng(0).random(people.targets.shape)
    lists = top(scores, people.fold_in)
    found, wanted = figures(lists, people, kind), naive(lists, people, kind)
    assert found.keys() == wanted[0].keys() == set(compare_ranking.METRICS)
    for name, values in found.items():
        np.testing.assert_allclose(values, [one[name] for one in wanted], atol=1e-6)
    assert np.isnan(found["NDCG@100"][0]) == (kind == "liked")


def test_a_perfect_list_has_the_figure_1(planted: Ratings) -> None:
    people = split_of(planted).test
    found = figures(top(people.targets.toarray() > 0, people.fold_in), people, "all")
    assert all(np.allclose(found[name], 1) for name in ("Recall@20", "Recall@50", "NDCG@10", "NDCG@100"))


@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
@pytest.mark.parametrize(("p", "xi"), [(0.0, 0.0), (0.3, 0.2)])
def test_closed_forms_agree_with_the_inverse(shape: tuple[int, int], p: float, xi: float) -> None:
    rng = np.random.default_rng(0)
    stars = rng.integers(1, 6, shape) * (rng.random(shape) < 0.3)
    ratings = sparse.csr_array(stars.astype(np.float32))
    X, Y = (stars > 0).astype(float), (stars >= 4).astype(float)
    gamma = X.sum(axis=0) * p / (1 - p) + 7
    C = np.linalg.inv(X.T @ X + np.diag(gamma))
    mu = np.where(1 - gamma * np.diag(C) > xi, (1 - xi) / np.diag(C) - gamma, 0)
    W = -C * (gamma + mu)
    np.fill_diagonal(W, 0)
    unseen = X == 0
    np.testing.assert_allclose(rdlae(ratings, l2=7, p=p, xi=xi)(ratings)[unseen], (X @ W)[unseen], atol=1e-9)
    B = C @ X.T @ Y
    to = B - C * (np.diag(B) / np.diag(C))
    assert np.abs(np.diag(to)).max() < 1e-12
    np.testing.assert_allclose(to_liked(ratings, l2=7, p=p)(ratings), X @ to, atol=1e-9)


def test_neighbours_are_the_most_similar_items() -> None:
    stars = np.array([[5, 4, 0], [3, 4, 0], [0, 2, 4], [0, 0, 5]], dtype=np.float32)
    person = sparse.csr_array(np.array([[0, 5, 0]], dtype=np.float32))
    everything = item_knn(sparse.csr_array(stars), k=3, shrinkage=0)(person)[0]
    np.testing.assert_allclose(everything, [2 / math.sqrt(2 * 3), 0, 1 / math.sqrt(3 * 2)])
    nearest = item_knn(sparse.csr_array(stars), k=1, shrinkage=0)(person)[0]
    np.testing.assert_allclose(nearest, [2 / math.sqrt(6), 0, 1 / math.sqrt(6)])  # k holds for each target item


def test_a_peer_that_cannot_fold_in_is_fitted_on_everybody_once() -> None:
    train, fold_in = sparse.csr_array(np.eye(3)), sparse.csr_array(np.array([[0, 1.0, 1], [1, 0, 0]]))
    job = Job(train, fold_in, np.array([-1, 0]), 1)
    assert job.everybody.shape == (4, 3) and job.everybody_rows.tolist() == [3, 0]


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The linear peers with small grids, run by this interpreter, and an empty cache."""
    numpy = ("rank_with_numpy.py", "ranking")
    peers = {
        "popularity": Peer(*numpy, [{"ranker": "popularity", "of": "all"}]),
        "ease": Peer(*numpy, [{"ranker": "rdlae", "l2": l2} for l2 in (0.01, 100.0)]),
    }
    monkeypatch.setattr(compare_ranking, "RANKING_PEERS", peers)
    monkeypatch.setattr(compare_ranking, "complete", lambda name: True)
    monkeypatch.setattr(compare_ranking, "python_of", lambda name: Path(sys.executable))
    monkeypatch.setattr(compare, "CACHE", tmp_path / "cache")
    compare_ranking.version_key.cache_clear()
    return tmp_path


def test_a_whole_comparison_tunes_ranks_and_has_an_oracle(fakes: Path) -> None:
    made = generate_all(12_000, 300, 150, seed=2, selection=Selection("affinity", 0.5))
    data = compare_ranking.strong_splits("made", compare_ranking.cells_of(made.ratings), 2, made)
    store = compare.Cache(fakes / "cache", key=compare_ranking.version_key)
    result = compare_ranking.compare_lists(data, ["popularity", "ease"], store, 1, lambda text: None)
    models = result["models"]
    assert set(models) == {"popularity", "ease", "oracle"} and result["kinds"] == ["all", "liked"]
    for number in range(2):
        figure = {name: one["all"]["NDCG@100"][number] for name, one in models.items()}
        assert figure["oracle"] > figure["ease"] > figure["popularity"] > 0.1
        assert models["ease"]["settings"][number]["all"]["l2"] == 100.0
    split = data.split(1)
    lists = top(rdlae(split.test.train, l2=100.0)(split.test.people.fold_in), split.test.people.fold_in)
    wanted = np.nanmean(figures(lists, split.test.people, "all")["Recall@20"])
    assert models["ease"]["all"]["Recall@20"][1] == pytest.approx(wanted)
    assert any(line.startswith("oracle") for line in compare_ranking.lines_of(result))


def test_no_process_gets_a_target(planted: Ratings, fakes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = compare_ranking.strong_splits("x", compare_ranking.cells_of(planted), 1).split(0).test
    moved = part._replace(people=part.people._replace(targets=0 * part.people.targets))
    given: list[dict[str, bytes]] = []

    def look(words: Any, threads: int, log: Path) -> tuple[float, float]:
        folder = Path(words[-1])
        given.append(
            {
                "train": sparse.load_npz(folder / "train.npz").toarray().tobytes(),
                "fold_in": sparse.load_npz(folder / "fold_in.npz").toarray().tobytes(),
                "names": " ".join(sorted(path.name for path in folder.iterdir())).encode(),
                "rows": (folder / "rows.npy").read_bytes(),
            }
        )
        raise compare_ranking.Unavailable("seen")

    monkeypatch.setattr(compare_ranking, "run", look)
    for one in (part, moved):
        with pytest.raises(compare_ranking.Unavailable, match="seen"):
            compare_ranking.run_peer("ease", one, [{"ranker": "rdlae"}], 1)
    assert given[0] == given[1] and given[0]["names"] == b"fold_in.npz job.json rows.npy train.npz"


def write(path: Path, ratings: dict[tuple[int, int], float], *, stars: bool = True) -> Path:
    lines = [f"{u},{i},{r:g}" if stars else f"{u},{i}" for (u, i), r in ratings.items()]
    path.write_text("\n".join(["user,item,rating" if stars else "user,item", *lines]) + "\n")
    return path


def test_files_of_both_protocols_run_through_the_command(planted: Ratings, fakes: Path) -> None:
    split = split_of(planted)
    train = cells(split.train, split.people, split.items)
    fold_in, targets = (
        cells(matrix, split.test.people, split.items) for matrix in (split.test.fold_in, split.test.targets)
    )
    unknown = {(int(split.test.people[0]), 10_000): 5.0}  # an item without training ratings is no target
    files = [write(fakes / "a.csv", train), write(fakes / "b.csv", fold_in), write(fakes / "c.csv", targets | unknown)]
    words = ["--task", "ranking", "--models", "popularity,ease", "--fresh", "--out", str(fakes / "out.json")]
    compare.main([*words, "--strong", "files", *map(str, files)])
    result = json.loads((fakes / "out.json").read_text())
    wanted = figures(top(rdlae(split.train, l2=100.0)(split.test.fold_in), split.test.fold_in), split.test, "all")
    assert result["models"]["ease"]["all"]["NDCG@100"] == [pytest.approx(np.nanmean(wanted["NDCG@100"]))]

    whole = write(fakes / "train.csv", train | fold_in, stars=False)
    compare.main([*words, "--pair", str(whole), str(write(fakes / "test.csv", targets, stars=False))])
    result = json.loads((fakes / "out.json").read_text())
    assert result["kinds"] == ["all"] and result["data"] == f"{fakes.name}-train"
    held_out = split.test
    counts = np.diff(split.train.tocsc().indptr) + np.diff(held_out.fold_in.tocsc().indptr)  # everybody is in training
    scores = np.tile(counts, (len(held_out.people), 1))
    wanted = figures(top(scores, held_out.fold_in), held_out, "all")
    assert result["models"]["popularity"]["all"]["NDCG@100"] == [pytest.approx(np.nanmean(wanted["NDCG@100"]))]
    everybody = [result["sizes"][0][position] for position in (0, 3)]
    assert everybody == [len(split.people) + len(split.test.people), len({user for user, _ in targets})]


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["--task", "ranking", "--pair", "a.csv"], "--pair takes 2 files, and a name before them. Received: a.csv"),
        (["--strong", "a", "b", "c"], "--strong is for --task ranking only"),
        (["--task", "ranking", "--data", "x", "--models", "dual-best"], "There is no model 'dual-best'"),
        (["--pair", "a.csv", "b.csv"], "--pair takes NAME TRAIN TEST"),
    ):
        with pytest.raises(SystemExit):
            compare.main(words)
        assert message in capsys.readouterr().err


def test_ours_is_ranked_in_every_way_or_left_out(
    planted: Ratings, fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three lists of one training are scored apart; without `rank_by` our models are left out, and this is said."""
    data = compare_ranking.strong_splits("planted", compare_ranking.cells_of(planted), 1)
    people = data.split(0).test.people
    perfect = top(people.targets.toarray() > 0, people.fold_in)
    lists = {"balanced": perfect, "choice": perfect[:, ::-1], "rating": np.full_like(perfect, -1)}
    measured = {"version": "1", "fit_seconds": 3.0, "process_seconds": 4.0, "peak_mb": 5.0, "settings": {}}
    runs = [{"rank_seconds": 1.0}, {"rank_seconds": 2.0}, {"rank_seconds": 3.0}]
    monkeypatch.setattr(compare_ranking, "version_key", lambda model: model)
    monkeypatch.setattr(compare_ranking, "run_ours", lambda *_: (measured | {"runs": runs}, lists))
    models = ["best-balanced", "best-choice", "best-rating", "popularity"]
    store = compare.Cache(fakes / "ours", key=lambda model: model)
    result = compare_ranking.compare_lists(data, models, store, 1, lambda text: None)
    found = {name: one["all"]["NDCG@100"][0] for name, one in result["models"].items()}
    assert found["best-balanced"] == 1 and 0 < found["best-choice"] < 1 and found["best-rating"] == 0
    assert result["models"]["best-choice"]["rank_seconds"] == 2.0
    (line,) = result["differences"]["all"]
    assert line["difference"] == pytest.approx(1 - found["popularity"]) and line["splits_higher"] == 1

    def missing(*_: Any) -> Any:
        raise compare_ranking.Unavailable("no rank_by")

    monkeypatch.setattr(compare_ranking, "run_ours", missing)
    said: list[str] = []
    store = compare.Cache(fakes / "none", key=lambda model: model)
    result = compare_ranking.compare_lists(data, models, store, 1, said.append)
    assert set(result["models"]) == {"popularity"} and "planted: best-choice is left out: no rank_by" in said
