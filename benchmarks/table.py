"""Writes the README's table of figures from benchmarks/results/*.json, which `figures.py` made.

python benchmarks/table.py           writes it into README.md
python benchmarks/table.py --print   prints it; a test compares that with the README
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- figures: written by python benchmarks/table.py -->\n", "<!-- end of figures -->"
MODELS = {
    "accuracy-dual": "`dual` (the default)",
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
        f"ml-latest-small, random 90/10, {len(dual['runs'])} splits (seeds 0-{len(dual['runs']) - 1}), ids and stars "
        "only; every choice made on validation, the test part scored once. Processor seconds of a whole run; "
        f"{dual['machine']}.\n",
        "| model | test RMSE, mean ± spread | below `damped_bias` | least | processor seconds | peak GB |",
        "|---|---|---|---|---|---|",
    ]
    bias = [run["damped_bias"] for run in dual["runs"]]
    for name, title in MODELS.items():
        one = result(name)
        seconds = statistics.median(run["processor_seconds"] for run in one["runs"])
        peak = max(run["peak_gb"] for run in one["runs"])
        lines.append(
            f"| {title} | {one['rmse_mean']:.4f} ± {one['rmse_spread']:.4f} | {one['below_damped_bias_mean']:.4f} | "
            f"{one['below_damped_bias_least']:.4f} | {seconds:.0f} | {peak:.2f} |"
        )
    spread = f"{statistics.mean(bias):.4f} ± {statistics.stdev(bias):.4f}"
    lines.append(f"| `damped_bias`, the baseline | {spread} | | | | |")
    sparse, steps, wide, light = (result(name) for name in ("accuracy-sparse", "steps", "wide", "light"))
    rows = {
        "a random 30 % of ml-latest-small, `dual`: below `damped_bias`": (
            f"{sparse['below_damped_bias_mean']:.4f} (least {sparse['below_damped_bias_least']:.4f})"
        ),
        "`python train.py` on the sample, to the saved bundle": whole(result("sample")["runs"]),
        "1 million ratings, 6,000 × 3,700, defaults, to the saved bundle": whole(result("million")["runs"]),
        "2 million ratings over 200,000 × 100,000, defaults": whole([wide]),
        "20 million ratings, 138,000 × 27,000: a training step": (
            f"{steps['twenty']['step_seconds']:.2f} s, {steps['twenty']['peak_gb']:.2f} GB; per rating "
            f"{steps['ratio']:.2f} times that at 1 million"
        ),
        "`import movie_autoencoder`; `movie-autoencoder --help`": (
            f"{median(light['import']):.2f} s; {median(light['help']):.2f} s"
        ),
        "scoring 1 million held-out ratings": f"{statistics.median(light['scoring_a_million_seconds']):.2f} s",
    }
    lines += ["", "| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows.items())]
    return "\n".join(lines) + "\n"


def whole(runs: list[dict[str, Any]]) -> str:
    """Seconds and peak memory of whole processes."""
    fit = statistics.median(run["fit_seconds"] for run in runs)
    return f"{median(runs):.0f} s (last fit {fit:.1f} s), {max(run['peak_gb'] for run in runs):.2f} GB"


def median(runs: list[dict[str, Any]]) -> float:
    """Median wall seconds."""
    return float(statistics.median(run["seconds"] for run in runs))


def main() -> None:
    if "--print" in sys.argv[1:]:
        sys.stdout.write(table())
        return
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{START}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
