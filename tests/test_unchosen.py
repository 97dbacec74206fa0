"""The benchmark at random unrated cells: whose predictions are scored, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "peers")]

import compare  # noqa: E402
import unchosen  # noqa: E402


def test_ours_has_two_rows_and_a_peer_one() -> None:
    values, unrated = np.array([4.0, 5.0]), np.array([2.0, 3.0])
    arrays = {
        "predictions": np.array([4.0, 4.0]),
        "random": np.array([3.0, 3.0]),
        "unrated": np.array([3.0, 4.0]),
        "unrated_random": np.array([2.0, 3.5]),
    }
    rows = unchosen.rows_of("ours", arrays, values, unrated)
    chosen = {"rmse": pytest.approx(0.5**0.5), "bias": -0.5}
    assert rows["ours as chosen"] == {"random": {"rmse": 1.0, "bias": 1.0}, "chosen": chosen}
    assert rows["ours as random"] == {"random": {"rmse": pytest.approx(0.125**0.5), "bias": 0.25}, "chosen": chosen}
    peer = unchosen.rows_of(
        "peer", {"predictions": arrays["predictions"], "unrated": arrays["unrated"]}, values, unrated
    )
    assert list(peer) == ["peer"] and peer["peer"] == rows["ours as chosen"]
    pair = unchosen.rows_of("ours", {"predictions": values + 1, "random": values}, values, None)
    assert pair["ours as chosen"] == {"random": {"rmse": 1.0, "bias": 1.0}}
    assert pair["ours as random"] == {"random": {"rmse": 0.0, "bias": 0.0}}


def test_a_run_shows_what_selection_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours is replaced by the true mean of chosen ratings, and of random ones."""

    def predicts(model: str, part: compare.Part, *_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        assert part.unrated is not None
        size, apart = len(part.values), len(part.unrated)
        means = part.train.values.mean(), part.unrated.values.mean()
        found = {"predictions": np.full(size, means[0]), "unrated": np.full(apart, means[0])}
        return {}, found | {"random": np.full(size, means[1]), "unrated_random": np.full(apart, means[1])}

    monkeypatch.setattr(unchosen, "score", predicts)
    monkeypatch.setattr(unchosen, "HERE", tmp_path)
    (tmp_path / "results").mkdir()
    unchosen.main(["--data", "generated-30k+expected-1", "--models", "dual-best"])
    rows = json.loads((tmp_path / "results" / "unchosen-generated-30k+expected-1.json").read_text())["models"]
    assert rows["dual-best as chosen"]["random"]["bias"] == pytest.approx(1.0, abs=0.05)
    assert rows["dual-best as random"]["random"]["bias"] == pytest.approx(0.0, abs=1e-6)
    assert rows["damped_bias"]["random"]["bias"] > 0.3
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in shown if line.startswith("dual")] == [
        "dual-best as random",
        "dual-best as chosen",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "sample"], "generated data, which have ratings of random cells"),
        (["--models", "svd"], "no model 'svd'"),
    ],
)
def test_refuses(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        unchosen.main(words)
    assert message in capsys.readouterr().err
