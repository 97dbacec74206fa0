"""Lists of our models and of the peers for the same people in one run: `compare.py --task ranking`.

    python benchmarks/compare.py --task ranking --data ml-latest-small --data sample    # 5 splits by people
    python benchmarks/compare.py --task ranking --pair TRAIN TEST                       # weak generalisation
    python benchmarks/compare.py --task ranking --strong TRAIN FOLD_IN TARGETS          # strong generalisation

Every fit runs in its own process, which gets no targets. Each peer is fitted with its whole grid, and what is best for
the validation people, by NDCG@100 of all targets and of liked ones apart, ranks for the test people. The result is
benchmarks/results/ranking-NAME.json. docs/benchmarks.md describes the rest.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import compare
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from compare import HERE, ROOT, Array, Cache, Unavailable, code_digest, machine, run
from generate import Generated, is_preset, preset
from install import complete, python_of
from ranking_grids import RANKING_PEERS
from ranking_splits import KINDS, LIKED, LISTED, HeldOut, Kind, averages, divide, figures, strong_split, top
from scipy import sparse

from movie_autoencoder import Ratings, Recommender, Scale, read_ratings
from movie_autoencoder.data.sources import find_data
from movie_autoencoder.metrics.distributions import holm
from movie_autoencoder.storage import write_text

WAYS = ("balanced", "choice", "rating")
OURS = {f"{speed}-{way}": (f"dual-{speed}", way) for speed in ("best", "fast") for way in WAYS}
ORACLE = "oracle"
FIRST = "NDCG@100"  # what peers are tuned by
METRICS = ("NDCG@100", "Recall@20", "Recall@50", "NDCG@10", "stars@20", "stars@100")
VALIDATION = 0.1  # fraction of each person's training ratings that tune the peers in weak generalisation
RESAMPLES = 10_000


class Round(NamedTuple):
    """One fit and the people whose lists are scored.

    Args:
        train: ratings in training, CSR, shape ``(num_people, num_items)``.
        train_people: ids of its rows.
        items: ids of its columns, ascending.
        people: people to rank for, with their targets.
    """

    train: Any
    train_people: Array
    items: Array
    people: HeldOut

    @property
    def rows(self) -> Array:
        """Row in training of each person to rank for, -1 for a new one."""
        row = {person: row for row, person in enumerate(self.train_people.tolist())}
        return np.array([row.get(person, -1) for person in self.people.people.tolist()], dtype=np.int64)

    @property
    def digest(self) -> str:
        """A checksum of everything, targets included."""
        sha = hashlib.sha256()
        for part in (self.train, self.people.fold_in, self.people.targets):
            for array in (part.indptr, part.indices, part.data):
                sha.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
        for ids in (self.train_people, self.items, self.people.people):
            sha.update("\0".join(map(str, ids.tolist())).encode())
        return sha.hexdigest()


class Split(NamedTuple):
    """The round that peers are tuned on, and the one that is scored."""

    seed: int
    validation: Round
    test: Round


@dataclass(frozen=True)
class Data:
    """A data set and its splits.

    Args:
        name: name of its result file.
        split: the split of a seed.
        seeds: seeds of the splits.
        kinds: kinds of targets; without ratings there are no liked ones.
        made: the generator's result (generated data only).
    """

    name: str
    split: Callable[[int], Split]
    seeds: tuple[int, ...]
    kinds: tuple[Kind, ...] = KINDS
    made: Generated | None = None


class Cells(NamedTuple):
    """User id, item id and rating of each line of a file; ratings are None when it has none."""

    users: Array
    items: Array
    ratings: Array | None

    @property
    def values(self) -> Array:
        return np.ones(len(self.users), dtype=np.float32) if self.ratings is None else self.ratings


def cells_of(ratings: Ratings) -> Cells:
    """The cells of ratings."""
    return Cells(ratings.user_ids[ratings.user_index], ratings.item_ids[ratings.item_index], ratings.values)


def read_cells(path: Path) -> Cells:
    """Reads a file of ratings, or a CSV file with a header line and ``user,item[,rating]``.

    A column of ratings is called rating, score, stars or value. Times do not matter. Of equal pairs the last counts.
    """
    table = csv.read_csv(path)
    names = [name.lower() for name in table.column_names]
    rated = [name for name in names if name in {"rating", "score", "stars", "value"}]
    columns = [table.column(n).to_numpy() for n in (0, 1, *(names.index(name) for name in rated[:1]))]
    pairs = {pair: n for n, pair in enumerate(zip(columns[0].tolist(), columns[1].tolist(), strict=True))}
    last = np.fromiter(pairs.values(), dtype=np.int64)
    users, items, *ratings = (column[last] for column in columns)
    return Cells(users, items, ratings[0].astype(np.float32) if ratings else None)


def strong_splits(name: str, cells: Cells, num_splits: int, made: Generated | None = None) -> Data:
    """People in training, validation and test, divided anew for each seed."""

    def split(seed: int) -> Split:
        found = strong_split(cells.users, cells.items, cells.values, seed=seed)
        training = (found.train, found.people, found.items)
        return Split(seed, Round(*training, found.validation), Round(*training, found.test))

    return Data(name, split, tuple(range(num_splits)), kinds_of(cells), made)


def given_strong(name: str, train: Cells, fold_in: Cells, targets: Cells) -> Data:
    """Three files as they are; peers are tuned on people of the training file."""

    def split(seed: int) -> Split:
        tuning = strong_splits(name, train, 1).split(seed).validation
        whole, people, items = matrix_of(train)
        ids = np.unique(targets.users)
        held_out = HeldOut(ids, within(fold_in, ids, items), within(targets, ids, items))
        return Split(seed, tuning, Round(whole, people, items, held_out))

    return Data(name, split, (0,), kinds_of(targets))


def given_pair(name: str, train: Cells, test: Cells) -> Data:
    """Two files as they are: everybody is in training, and peers are tuned on a part of each person's ratings."""

    def split(seed: int) -> Split:
        whole, people, items = matrix_of(train)
        kept, validation = divide(whole, VALIDATION, np.random.default_rng([seed, 12]))
        used = np.flatnonzero(np.diff(kept.tocsc().indptr) > 0)
        kept, validation = kept[:, used], validation[:, used]
        some = np.isin(people, test.users)
        tuning = Round(kept, people, items[used], HeldOut(people[some], kept[some], validation[some]))
        ids = np.unique(test.users)
        held_out = HeldOut(ids, within(train, ids, items), within(test, ids, items))
        return Split(seed, tuning, Round(whole, people, items, held_out))

    return Data(name, split, (0,), kinds_of(test))


def kinds_of(cells: Cells) -> tuple[Kind, ...]:
    """The kinds of targets that cells can have."""
    return KINDS if cells.ratings is not None else ("all",)


def matrix_of(cells: Cells) -> tuple[Any, Array, Array]:
    """CSR of cells, and the ids of its rows and columns."""
    people, items = np.unique(cells.users), np.unique(cells.items)
    return within(cells, people, items), people, items


def within(cells: Cells, people: Array, items: Array) -> Any:
    """CSR of the cells of these people and items, shape ``(len(people), len(items))``; ids ascend."""
    rows = np.searchsorted(people, cells.users).clip(max=len(people) - 1)
    columns = np.searchsorted(items, cells.items).clip(max=len(items) - 1)
    known = (people[rows] == cells.users) & (items[columns] == cells.items)
    shape = (len(people), len(items))
    return sparse.csr_array((cells.values[known].astype(np.float32), (rows[known], columns[known])), shape=shape)


def run_peer(
    model: str, part: Round, settings: Sequence[Mapping[str, Any]], threads: int
) -> tuple[dict[str, Any], dict[str, Array]]:
    """One process of a peer that fits configurations one after another, and their lists as ``lists-INDEX``.

    Raises:
        Unavailable: its environment is missing, or it failed.
    """
    peer = RANKING_PEERS[model]
    if not complete(peer.environment):
        raise Unavailable(f"its environment is missing: python benchmarks/peers/install.py {peer.environment}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sparse.save_npz(folder / "train.npz", part.train)
        sparse.save_npz(folder / "fold_in.npz", part.people.fold_in)
        np.save(folder / "rows.npy", part.rows)
        (folder / "job.json").write_text(json.dumps({"settings": list(settings), "threads": threads}))
        script = HERE / "peers" / peer.script
        seconds, peak = run([python_of(peer.environment), script, folder], threads, folder / "log.txt")
        measured = json.loads((folder / "measured.json").read_text())
        found = {f"lists-{n}": np.load(folder / f"lists-{n}.npy", allow_pickle=False) for n in range(len(settings))}
    return measured | {"process_seconds": seconds, "peak_mb": peak}, found


def run_ours(speed: str, part: Round, scale: str, seed: int, threads: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """A whole `train.py` on a file of the training ratings, then lists by every way to rank from what it saved.

    Raises:
        Unavailable: a process failed, or this version cannot rank in these ways.
    """
    words = compare.words_of(speed)
    if "rank_by" not in inspect.signature(Recommender.recommend_many).parameters:
        raise Unavailable("Recommender.recommend_many has no rank_by")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cells(part.train, part.train_people, part.items, folder / "train.csv")
        write_cells(part.people.fold_in, part.people.people, part.items, folder / "fold_in.csv")
        np.save(folder / "people.npy", part.people.people)
        np.save(folder / "items.npy", part.items)
        (folder / "job.json").write_text(json.dumps({"rank_by": WAYS, "k": LISTED}))
        words = ["--test-fraction", "0", "--seed", str(seed), "--threads", str(threads), *words, "--quiet"]
        words += ["--set", f"data.scale={scale}"] if scale else []
        training, peak = run(
            [sys.executable, "train.py", "--data", folder / "train.csv", "--out", folder / "run", *words],
            threads,
            folder / "log.txt",
        )
        script = HERE / "peers" / "rank_with_bundle.py"
        ranking, _ = run([sys.executable, script, folder], threads, folder / "log.txt")
        measured = json.loads((folder / "measured.json").read_text())
        found = {way: np.load(folder / f"lists-{way}.npy", allow_pickle=False) for way in WAYS}
    return measured | {"process_seconds": training + ranking, "peak_mb": peak}, found


def write_cells(ratings: Any, people: Array, items: Array, path: Path) -> None:
    """Writes the entries of a CSR array by id, as a CSV file."""
    rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    columns = {"userId": people[rows], "movieId": items[ratings.indices], "rating": ratings.data}
    csv.write_csv(pa.table(columns), path)


@cache
def version_key(model: str) -> str:
    """A checksum of the code and the library versions that a model's lists depend on."""
    if model in compare.OURS:
        return compare.version_key(model) + code_digest([HERE / "peers" / "rank_with_bundle.py"])
    peer, folder = RANKING_PEERS[model], HERE / "peers"
    used = [folder / f"{name}.py" for name in ("ranking_job", "ranking_splits", "linear_rankers")]
    pins = (folder / f"{peer.environment}.txt").read_text()
    return code_digest([*used, folder / peer.script]) + hashlib.sha256(pins.encode()).hexdigest()


def chosen_settings(model: str, part: Round, kinds: Sequence[Kind], store: Cache, threads: int) -> dict[str, Any]:
    """The settings of a peer that are best for the validation people, for each kind of targets, and the whole grid."""
    grid = RANKING_PEERS[model].grid
    measured, lists = store.get(model, "tuning", [part.digest, grid], lambda: run_peer(model, part, grid, threads))
    found: dict[str, Any] = {"seconds": measured["process_seconds"]}
    for kind in kinds:
        values = [averages(figures(lists[f"lists-{n}"], part.people, kind))[FIRST] for n in range(len(grid))]
        best = int(np.nanargmax(values))
        found[kind] = {"chosen": grid[best], FIRST: values[best], "grid": values}
    return found


def score(model: str, split: Split, data: Data, store: Cache, threads: int) -> tuple[dict[str, Any], dict[Kind, Array]]:
    """Measurements of one model on one split, and its lists for each kind of targets."""
    if model == ORACLE:
        return {}, dict.fromkeys(data.kinds, oracle_lists(data.made, split.test)) if data.made else {}
    if model in OURS:
        speed, way = OURS[model]
        scale = scale_of(split.test.train) if "liked" in data.kinds else ""
        basis = [split.test.digest, compare.words_of(speed), scale]
        measured, found = store.get(
            speed, f"split{split.seed}", basis, lambda: run_ours(speed, split.test, scale, split.seed, threads)
        )
        return measured | measured["runs"][WAYS.index(way)], dict.fromkeys(data.kinds, found[way])
    tuned = chosen_settings(model, split.validation, data.kinds, store, threads)
    settings = [tuned[kind]["chosen"] for kind in data.kinds]
    measured, found = store.get(
        model,
        f"split{split.seed}",
        [split.test.digest, settings],
        lambda: run_peer(model, split.test, settings, threads),
    )
    measured = measured | measured["runs"][0] | {"settings": dict(zip(data.kinds, settings, strict=True))}
    measured["process_seconds"] += tuned["seconds"]
    return measured, {kind: found[f"lists-{n}"] for n, kind in enumerate(data.kinds)}


def scale_of(train: Any) -> str:
    """The scale of ratings as an option of `train.py`."""
    scale = Scale.detect(train.data)
    return f"{scale.minimum:g}:{scale.maximum:g}" + (f":{scale.step:g}" if scale.step else "")


def oracle_lists(made: Generated, part: Round) -> Array:
    """Lists by the chance of choosing that the generator used: the best expected ranking of all targets."""
    lists = []
    for row, person in enumerate(part.people.people.tolist()):
        users = np.full(len(part.items), person - 1)
        scores = made.population.choices(users, part.items - 1)
        lists.append(top(scores[None], part.people.fold_in[row : row + 1]))
    return np.concatenate(lists)


def compare_lists(
    data: Data, models: Sequence[str], store: Cache, threads: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Tunes the peers, runs every model on every split, and returns the result to save."""
    people: dict[str, dict[Kind, list[dict[str, Array]]]] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    usable = [*models, *([ORACLE] if data.made else [])]
    sizes = []
    for seed in data.seeds:
        split = data.split(seed)
        held_out = split.test.people
        sizes.append([*split.test.train.shape, split.test.train.nnz, len(held_out.people), held_out.targets.nnz])
        for model in list(usable):
            try:
                measured, lists = score(model, split, data, store, threads)
            except Unavailable as reason:
                say(f"{data.name}: {model} is left out: {reason}")
                usable.remove(model)
                continue
            runs.setdefault(model, []).append(measured)
            told = []
            for kind in data.kinds:
                found = figures(lists[kind], held_out, kind)
                people.setdefault(model, {}).setdefault(kind, []).append(found)
                told.append(f"{kind} {averages(found)[FIRST]:.4f}")
            say(f"{data.name}: split {seed}: {model}: {FIRST} of {', '.join(told)}")
    people = {model: people[model] for model in usable}
    table: dict[str, Any] = {}
    for model, by_kind in people.items():
        table[model] = {
            kind: {name: [averages(one)[name] for one in found] for name in METRICS} for kind, found in by_kind.items()
        }
        table[model] |= measurements(runs[model])
    return {
        "task": "ranking",
        "data": data.name,
        "machine": machine(threads),
        "splits": list(data.seeds),
        "kinds": list(data.kinds),
        "liked": LIKED,
        "sizes": sizes,
        "models": table,
        "differences": {kind: differences(people, kind) for kind in data.kinds},
    }


def measurements(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians of seconds over splits, largest memory, version and settings of each split."""
    seconds = {
        name: round(float(statistics.median(run[name] for run in runs)), 3)
        for name in ("fit_seconds", "rank_seconds", "process_seconds")
        if name in runs[0]
    }
    known = {"peak_mb": round(max(run["peak_mb"] for run in runs))} if "peak_mb" in runs[0] else {}
    return seconds | known | {"version": runs[0].get("version", ""), "settings": [run.get("settings") for run in runs]}


def differences(people: Mapping[str, Mapping[Kind, Sequence[Mapping[str, Array]]]], kind: Kind) -> list[dict[str, Any]]:
    """NDCG@100 of our first model minus that of every other; people are resampled, each split apart."""
    ours = next((model for model in OURS if model in people), None)
    if ours is None:
        return []
    lines: list[dict[str, Any]] = []
    for model, by_kind in people.items():
        if model in OURS or model == ORACLE:
            continue
        pairs = list(zip(people[ours][kind], by_kind[kind], strict=True))
        gaps = [mine[FIRST] - theirs[FIRST] for mine, theirs in pairs]
        gaps = [gap[np.isfinite(gap)] for gap in gaps]
        rng = np.random.default_rng(0)
        drawn = np.mean([gap[rng.integers(len(gap), size=(RESAMPLES, len(gap)))].mean(axis=1) for gap in gaps], axis=0)
        tail = min(np.count_nonzero(drawn >= 0), np.count_nonzero(drawn <= 0))
        lines.append(
            {
                "ours": ours,
                "model": model,
                "difference": float(np.mean([gap.mean() for gap in gaps])),
                "ci95": [float(one) for one in np.quantile(drawn, [0.025, 0.975])],
                "p": min(1.0, 2 * (tail + 1) / (RESAMPLES + 1)),
                "splits_higher": sum(bool(gap.mean() > 0) for gap in gaps),
            }
        )
    for line, p in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p_holm"] = p
    return lines


def lines_of(result: Mapping[str, Any]) -> list[str]:
    """The printed tables, one for each kind of targets."""
    people = sum(size[3] for size in result["sizes"])
    lines = [f"{result['data']}: {len(result['splits'])} splits, {people:,} people; {result['machine']}"]
    models = result["models"]
    for kind in result["kinds"]:

        def mean(name: str, metric: str = FIRST, kind: str = kind) -> float:
            return float(statistics.mean(models[name][kind][metric]))

        lines += ["", f"{kind + ' targets':<22}" + "".join(f"{metric:>11}" for metric in METRICS) + f"{'fit s':>9}"]
        for name in sorted(models, key=mean, reverse=True):
            shown = "".join(f"{mean(name, metric):>11.4f}" for metric in METRICS)
            seconds = f"{models[name]['fit_seconds']:>9.2f}" if "fit_seconds" in models[name] else ""
            lines.append(f"{name:<22}{shown}{seconds}")
        for line in sorted(result["differences"][kind], key=lambda line: line["difference"]):
            low, high = line["ci95"]
            lines.append(
                f"{line['ours']} minus {line['model']:<22}{line['difference']:+.4f} [{low:+.4f}, {high:+.4f}]  "
                f"p {line['p_holm']:.2g}  higher on {line['splits_higher']}/{len(result['splits'])} splits"
            )
    return lines


def named(words: Sequence[str], num_files: int, option: str) -> tuple[str, list[Path]]:
    """The name of a result, and its files; the name may be left out.

    Raises:
        ValueError: it is another number of words.
    """
    if len(words) not in (num_files, num_files + 1):
        raise ValueError(f"{option} takes {num_files} files, and a name before them. Received: {' '.join(words)}.")
    files = [Path(word) for word in words[-num_files:]]
    return (words[0] if len(words) > num_files else f"{files[0].resolve().parent.name}-{files[0].stem}"), files


def data_sets(options: Any) -> list[Data]:
    """The data sets of the command line."""
    sets = []
    for spec in options.data:
        made = preset(spec) if is_preset(spec) else None
        ratings = made.ratings if made else read_ratings(find_data(spec, ROOT / "data"))
        sets.append(strong_splits(compare.name_of(spec), cells_of(ratings), options.splits or 5, made))
    for option, num_files, make in (("pair", 2, given_pair), ("strong", 3, given_strong)):
        for words in getattr(options, option):
            name, files = named(words, num_files, f"--{option}")
            sets.append(make(name, *(read_cells(path) for path in files)))
    return sets


def main(options: Any, models: Sequence[str], command: str) -> None:
    """Runs every data set of the command line and saves its result."""
    for data in data_sets(options):
        names = [*models, *({speed for speed, _ in OURS.values()} if set(models) & set(OURS) else ())]
        store = Cache(compare.CACHE / f"ranking-{data.name}", names if options.fresh else (), key=version_key)
        result = compare_lists(data, models, store, options.threads, lambda text: print(text, flush=True))
        result["command"] = command
        path = options.out or HERE / "results" / f"ranking-{data.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(result, indent=2) + "\n")
        print("", *lines_of(result), f"Saved to {path}", sep="\n", flush=True)
