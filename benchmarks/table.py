"""Writes tables from benchmarks/results/*.json, the results of `figures.py`, `compare.py` and `fold_in.py`.

python benchmarks/table.py           writes them into README.md and docs/benchmarks.md
python benchmarks/table.py --print   prints them; tests compare them with those pages
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- figures: written by python benchmarks/table.py -->\n", "<!-- end of figures -->"
COMPARISON, COMPARISON_END = (
    "<!-- comparison: written by python benchmarks/table.py -->\n",
    "<!-- end of comparison -->",
)
RANKING, RANKING_END = "<!-- ranking: written by python benchmarks/table.py -->\n", "<!-- end of ranking -->"
UNCHOSEN = "<!-- unchosen: written by python benchmarks/table.py -->\n"
UNCHOSEN_END = "<!-- end of unchosen -->"
FOLD_IN, FOLD_IN_END = "<!-- fold-in: written by python benchmarks/table.py -->\n", "<!-- end of fold-in -->"
OURS = {"dual-best": "`ensemble` (`--speed best`)", "dual-fast": "`dual` (`--speed fast`)"}  # their names in the tables
FIRST = "ml-latest-small"  # the data set with seconds and intervals
MODELS = {
    "accuracy-dual": "`dual` (`--speed fast`)",
    "accuracy-autorec": "`autorec` (`--model autorec`)",
    "accuracy-autorec-2015": "AutoRec (`--config configs/autorec.toml`)",
    "accuracy-deeprec": "DeepRec (`--config configs/deeprec.toml`)",
}


def result(name: str) -> dict[str, Any]:
    """One saved result."""
    return dict(json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8")))


def table() -> str:
    """Markdown: accuracy on real ratings, then seconds and memory."""
    dual = result("accuracy-dual")
    lines = [
        f"ml-latest-small, random 90/10, {len(dual['runs'])} splits (seeds 0-{len(dual['runs']) - 1}), ids and ratings "
        "only. Every choice is made on validation, and the test part is scored once. Processor seconds of a whole "
        f"run; {dual['machine']}.\n",
        "| model | test RMSE, mean ± deviation | below `damped_bias` | smallest | processor seconds | peak GB |",
        "|---|---|---|---|---|---|",
    ]
    bias = [run["damped_bias"] for run in dual["runs"]]
    for name, title in MODELS.items():
        one = result(name)
        seconds = statistics.median(run["processor_seconds"] for run in one["runs"])
        peak = max(run["peak_gb"] for run in one["runs"])
        lines.append(
            f"| {title} | {one['rmse_mean']:.4f} ± {one['rmse_deviation']:.4f} | {one['below_damped_bias_mean']:.4f} | "
            f"{one['below_damped_bias_least']:.4f} | {seconds:.0f} | {peak:.2f} |"
        )
    figures = f"{statistics.mean(bias):.4f} ± {statistics.stdev(bias):.4f}"
    lines.append(f"| `damped_bias`, the baseline | {figures} | | | | |")
    sparse, steps, wide, light = (result(name) for name in ("accuracy-sparse", "steps", "wide", "light"))
    rows = {
        "a random 30 % of ml-latest-small, `dual`, `--speed fast`: below `damped_bias`": (
            f"{sparse['below_damped_bias_mean']:.4f} (smallest {sparse['below_damped_bias_least']:.4f})"
        ),
        "`python train.py --speed fast` on the sample, to the saved bundle": whole(result("sample")["runs"]),
        "the same with `--speed best`, the default": whole(result("sample-best")["runs"]),
        "1 million ratings, 6,000 × 3,700, `--speed fast`, to the saved bundle": whole(result("million")["runs"]),
        "the same with `--speed best`": whole(result("million-best")["runs"]),
        "2 million ratings over 200,000 × 100,000, `--speed fast`": whole([wide]),
        "20 million ratings, 138,000 × 27,000: a training step": (
            f"{steps['twenty']['step_seconds']:.2f} s, {steps['twenty']['peak_gb']:.2f} GB; per rating "
            f"{steps['ratio']:.2f} times that at 1 million"
        ),
        "`import movie_autoencoder`; `movie-autoencoder --help`": (
            f"{median(light['import']):.2f} s; {median(light['help']):.2f} s"
        ),
        "scoring 1 million held-out ratings": f"{statistics.median(light['scoring_a_million_seconds']):.2f} s",
        **used(),
    }
    lines += ["", "| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows.items())]
    return "\n".join(lines) + "\n"


def used() -> dict[str, str]:
    """Rows about the use of a trained model; results that are missing have no row."""
    people = result("people")
    each = people["one_person_ms"]
    rows = {
        f"ten films for one person from {people['ratings_each']} ratings, with intervals and reasons, of "
        f"{people['items']:,} films, by id (by title)": (
            f"{each['by id']['p50']:.2f} ms ({each['by title']['p50']:.2f} ms)"
        ),
        f"the same for {people['people']:,} people at once": f"{people['people_seconds']:.1f} s",
    }
    if measured("load"):
        load = result("load")
        what = f"requests for films a second, {load['seconds']:.0f} s long, server and client on the same two cores"
        rows[what] = (
            f"{load['answered_per_second']:.0f}, p99 {load['milliseconds']['p99']:.0f} ms, {load['errors']} errors"
        )
    if measured("zip-to-page"):
        served = result("zip-to-page")
        what = f"{served['data']['ratings'] / 1e6:.0f} million ratings, from the zip to the served page, `--speed fast`"
        rows[what] = f"{served['minutes']:.1f} min, {served['training']['peak_gb']:.1f} GB"
    return rows


def measured(name: str) -> bool:
    """Whether the result exists."""
    return (ROOT / "benchmarks" / "results" / f"{name}.json").is_file()


def whole(runs: list[dict[str, Any]]) -> str:
    """Seconds and peak memory of whole processes."""
    fit = statistics.median(run["fit_seconds"] for run in runs)
    return f"{median(runs):.0f} s (last fit {fit:.1f} s), {max(run['peak_gb'] for run in runs):.2f} GB"


def median(runs: list[dict[str, Any]]) -> float:
    """Median wall seconds."""
    return float(statistics.median(run["seconds"] for run in runs))


def comparisons() -> list[dict[str, Any]]:
    """Saved results of `compare.py`, first the data set that is shown in full."""
    paths = sorted((ROOT / "benchmarks" / "results").glob("compare-*.json"))
    found: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda one: one["data"] != FIRST)


def comparison(results: list[dict[str, Any]]) -> str:
    """Markdown: RMSE of every model on every data set, then the first data set in full; empty without results."""
    if not results:
        return ""
    first = results[0]
    names = sorted({name for one in results for name in one["models"]}, key=lambda name: mean_rmse(first, name))
    lines = [
        "Test RMSE, mean over splits (their number in brackets), on the same test ratings for all; lowest in bold.\n",
        "| model | " + " | ".join(f"{one['data']} ({len(one['splits'])})" for one in results) + " |",
        "|---" * (len(results) + 1) + "|",
    ]
    for name in names:
        cells = [rounded(one, name) for one in results]
        lines.append(f"| {shown(name)} | " + " | ".join(cells) + " |")
    if any("oracle" in one for one in results):
        cells = [f"{one['oracle']['rmse']:.4f}" if "oracle" in one else "" for one in results]
        lines.append("| best possible, of generated data | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"{first['data']} in full; {first['machine']}. Process seconds include tuning; fit seconds are those of one "
        "fit.\n",
        "| model | RMSE, mean ± standard deviation | MAE | nats per rating | fit s | process s | peak MB | "
        "ours minus it, 95 % interval | p (Holm) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    against = {line["model"]: line for line in first["differences"]}
    for name in (name for name in names if name in first["models"]):
        one = first["models"][name]
        deviation = statistics.stdev(one["rmse"]) if len(one["rmse"]) > 1 else 0.0
        nats = f"{statistics.mean(one['nll']):.3f}" if one["nll"] else ""
        gap, p = "", ""
        if name in against:
            low, high = against[name]["ci95"]
            gap, p = f"{against[name]['difference']:+.4f} [{low:+.4f}, {high:+.4f}]", f"{against[name]['p_holm']:.2g}"
        lines.append(
            f"| {shown(name)} {one['version']} | {statistics.mean(one['rmse']):.4f} ± {deviation:.4f} | "
            f"{statistics.mean(one['mae']):.4f} | {nats} | {one['fit_seconds']:.1f} | {one['process_seconds']:.0f} | "
            f"{one['peak_mb']:.0f} | {gap} | {p} |"
        )
    return "\n".join(lines) + "\n"


def rankings() -> list[dict[str, Any]]:
    """Saved results of `compare.py --task ranking`, first the data set that is shown in full."""
    paths = sorted((ROOT / "benchmarks" / "results").glob("ranking-*.json"))
    found: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda one: one["data"] != FIRST)


def ranking(results: list[dict[str, Any]]) -> str:
    """Markdown: NDCG@100 of every model on every data set, then all figures of the first; empty without results."""
    if not results:
        return ""
    lines = []
    for kind in ("all", "liked"):
        having = [one for one in results if kind in one["kinds"]]
        if not having:
            continue
        first = having[0]
        names = sorted({name for one in having for name in one["models"]}, key=lambda name: -ndcg(first, name, kind))
        what = "all targets" if kind == "all" else f"targets of {first['liked']:g} stars or more"
        lines += [
            f"NDCG@100 of {what}, mean over splits (their number in brackets), the same people for all; highest of "
            "models in bold.\n",
            "| model | " + " | ".join(f"{one['data']} ({len(one['splits'])})" for one in having) + " |",
            "|---" * (len(having) + 1) + "|",
        ]
        for name in names:
            cells = [highest(one, name, kind) for one in having]
            lines.append(f"| {shown_ranking(name)} | " + " | ".join(cells) + " |")
        metrics = list(first["models"][names[0]][kind])
        lines += [
            "",
            f"{first['data']}, {what}, in full; {first['machine']}.\n",
            "| model | " + " | ".join(metrics) + " | fit s | ours minus it, 95 % interval | p (Holm) |",
            "|---" * (len(metrics) + 4) + "|",
        ]
        against = {line["model"]: line for line in first["differences"][kind]}
        for name in (name for name in names if name in first["models"]):
            one = first["models"][name]
            cells = [f"{statistics.mean(one[kind][metric]):.4f}" for metric in metrics]
            cells.append(f"{one['fit_seconds']:.1f}" if "fit_seconds" in one else "")
            if name in against:
                low, high = against[name]["ci95"]
                cells.append(f"{against[name]['difference']:+.4f} [{low:+.4f}, {high:+.4f}]")
                cells.append(f"{against[name]['p_holm']:.2g}")
            else:
                cells += ["", ""]
            lines.append(f"| {shown_ranking(name)} {one['version']} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def ndcg(result: dict[str, Any], name: str, kind: str) -> float:
    """Mean NDCG@100 of a model over splits; minus infinity without results."""
    one = result["models"].get(name)
    return statistics.mean(one[kind]["NDCG@100"]) if one else float("-inf")


def highest(result: dict[str, Any], name: str, kind: str) -> str:
    """NDCG@100 of a model for the table, bold when no model but the oracle has a higher one."""
    value = ndcg(result, name, kind)
    if value == float("-inf"):
        return ""
    best = max(ndcg(result, other, kind) for other in result["models"] if other != "oracle")
    return f"**{value:.4f}**" if value == best else f"{value:.4f}"


def shown_ranking(name: str) -> str:
    """The name of a model in a table of lists."""
    speed, _, way = name.partition("-")
    if f"dual-{speed}" in OURS:
        return f"{OURS[f'dual-{speed}']}, ranked by {way}"
    return "best possible, of generated data" if name == "oracle" else f"`{name}`"


def fold_in(found: dict[str, Any]) -> str:
    """Markdown: RMSE of new users and items by the number of fold-in ratings, and the fraction of the gap closed."""
    numbers, sides = found["num_given"], found["sides"]
    lines = [f"{found['data']}, mean of {found['seeds']} draws; {found['machine']}.\n"]
    for side, one in sides.items():
        lines += [
            f"| new {side}s: number of fold-in ratings | {' | '.join(map(str, numbers))} |",
            "|---" * (1 + len(numbers)) + "|",
        ]
        for name, errors in one["mean_rmse"].items():
            model, comma, how = name.partition(",")
            cells = ["" if error is None else f"{error:.4f}" for error in errors]
            lines.append(f"| {shown(model)}{comma}{how} | {' | '.join(cells)} |")
        for name, fractions in one["gap_closed"].items():
            cells = [f"{100 * fractions[str(number)]:.0f} %" if str(number) in fractions else "" for number in numbers]
            lines.append(f"| fraction of the gap closed by {shown(name)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def shown(name: str) -> str:
    """The name of a model in a table."""
    return OURS.get(name, f"`{name}`")


def mean_rmse(result: dict[str, Any], name: str) -> float:
    """Mean RMSE of a model over splits; infinite without results."""
    one = result["models"].get(name)
    return statistics.mean(one["rmse"]) if one else float("inf")


def rounded(result: dict[str, Any], name: str) -> str:
    """RMSE of a model for the table, bold when no model has a lower one; empty without results."""
    value = mean_rmse(result, name)
    if value == float("inf"):
        return ""
    best = min(mean_rmse(result, other) for other in result["models"])
    return f"**{value:.4f}**" if value == best else f"{value:.4f}"


def unchosen(results: list[dict[str, Any]]) -> str:
    """Ours and the best other model at random unrated cells, a line for each result."""
    if not results:
        return ""

    def shown(row: dict[str, Any]) -> str:
        return f"{row['random']['rmse']:.4f}, {row['random']['bias']:+.3f}"

    lines = ["| data | `dual-best` as chosen | `dual-best` as random | best other |", "|---|---|---|---|"]
    for one in results:
        rows = one["models"]
        others = [name for name in rows if not name.startswith("dual-")]
        best = min(others, key=lambda name: rows[name]["random"]["rmse"])
        ours = (shown(rows[f"dual-best as {way}"]) for way in ("chosen", "random"))
        lines.append(f"| {one['data']} | {' | '.join(ours)} | `{best}` {shown(rows[best])} |")
    return "\n".join(lines) + "\n"


def unchosen_results() -> list[dict[str, Any]]:
    """The saved results of unchosen.py, by name."""
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "benchmarks" / "results").glob("unchosen-*.json"))
    ]


def replaced(text: str, start: str, end: str, content: str) -> str:
    """The text with the part between two markers replaced."""
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}{content}{end}{after}"


def main() -> None:
    tables = (
        table(),
        comparison(comparisons()),
        fold_in(result("fold-in")),
        ranking(rankings()),
        unchosen(unchosen_results()),
    )
    if "--print" in sys.argv[1:]:
        sys.stdout.write("\n".join(tables))
        return
    readme = ROOT / "README.md"
    text = replaced(readme.read_text(encoding="utf-8"), START, END, tables[0])
    readme.write_text(replaced(text, COMPARISON, COMPARISON_END, tables[1]), encoding="utf-8")
    page = ROOT / "docs" / "benchmarks.md"
    text = replaced(page.read_text(encoding="utf-8"), FOLD_IN, FOLD_IN_END, tables[2])
    text = replaced(text, RANKING, RANKING_END, tables[3])
    page.write_text(replaced(text, UNCHOSEN, UNCHOSEN_END, tables[4]), encoding="utf-8")


if __name__ == "__main__":
    main()
