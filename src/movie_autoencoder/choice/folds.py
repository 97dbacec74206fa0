"""Folds of people on whom the settings of the choice model are chosen.

A model is fitted on everybody else; what the people of a fold chose in training is shown to it, and their validation
ratings are to be found (strong generalization, Liang et al. 2018). The test part never comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.ratings import IntArray, Ratings
from ..models.base import TrainedModel
from ..models.validation import Validation
from .linear import Table

_FOLDS = 5  # of the people, where they are few
_SMALL = 1e10  # users x items x min of both, below which all folds are fitted
_MOST_PEOPLE = 600  # who choose settings
_MIN_PEOPLE = 5
_HIDDEN = 0.1  # fraction of each person's choices that is held out where there is no validation part
_BLOCK = 1 << 22  # scores held at a time


@dataclass(frozen=True, eq=False)
class Fold:
    """People to rank for, and the choices of everybody else.

    Args:
        training: choices that a model is fitted on, CSR of ones, shape ``(num_users, num_items)``.
        shown: what is shown of the people, CSR of ones, shape ``(n, num_items)``.
        targets: what is held out, CSR of ratings, same shape.
        predictions: predicted ratings of all items for a slice of the people; None without a model of ratings.
    """

    training: Any
    shown: Any
    targets: Any
    predictions: Callable[[slice], npt.NDArray[Any]] | None

    def predict(self, rows: slice) -> npt.NDArray[Any]:
        """Predicted ratings of all items for a slice of the people, rating points."""
        if self.predictions is None:
            raise TypeError("These people have no model of ratings.")
        return self.predictions(rows)

    def blocks(self) -> Iterator[slice]:
        """Slices of the people, small enough for scores of all items."""
        step = max(1, _BLOCK // self.shown.shape[1])
        return (slice(start, start + step) for start in range(0, self.shown.shape[0], step))


def make_folds(ratings: Ratings, validation: Validation | None, model: TrainedModel | None, seed: int) -> list[Fold]:
    """Folds of people with something shown and something held out."""
    if validation is None:
        return _split_people(*_hide(ratings, seed), None, seed)
    known = (validation.users >= 0) & (validation.items >= 0)
    shown = (validation.training if validation.fold_in is None else validation.fold_in).to_csr()
    cells = (validation.users[known], validation.items[known])
    targets = csr(validation.targets[known], cells, shown.shape)
    if validation.fold_in is None:
        return _split_people(shown, targets, model, seed)
    people = _with_targets(shown, targets)[:_MOST_PEOPLE]
    encoded = None if model is None else model.fold_in(validation.fold_in)
    fold = _fold(validation.training.to_csr(), shown, targets, people, model, encoded)
    return [fold] if len(people) >= _MIN_PEOPLE else []


def _hide(ratings: Ratings, seed: int) -> tuple[Any, Any]:
    """Choices shown and held out, CSR; everybody keeps at least half of theirs."""
    rng = np.random.default_rng([seed, 5])
    hidden = rng.random(len(ratings)) < _HIDDEN
    hidden &= ratings.user_counts[ratings.user_index] > 1
    cells, shape = (ratings.user_index, ratings.item_index), (ratings.num_users, ratings.num_items)
    shown = csr(np.ones(int((~hidden).sum()), np.float32), tuple(one[~hidden] for one in cells), shape)
    return shown, csr(ratings.values[hidden], tuple(one[hidden] for one in cells), shape)


def _split_people(shown: Any, targets: Any, model: TrainedModel | None, seed: int) -> list[Fold]:
    people = np.random.default_rng([seed, 6]).permutation(_with_targets(shown, targets))
    if len(people) < _MIN_PEOPLE * _FOLDS:
        return []
    few = float(np.prod(shown.shape, dtype=np.float64)) * min(shown.shape) <= _SMALL
    groups = np.array_split(people, _FOLDS) if few else [people[: min(_MOST_PEOPLE, len(people) // _FOLDS)]]
    encoded = None if model is None else model.users
    folds = []
    for group in groups:
        others = np.ones(shown.shape[0], dtype=bool)
        others[group] = False
        folds.append(_fold(shown[np.flatnonzero(others)], shown, targets, np.sort(group), model, encoded))
    return folds


def _fold(training: Any, shown: Any, targets: Any, people: IntArray, model: TrainedModel | None, encoded: Any) -> Fold:
    predictions = None
    if model is not None:
        items, offset = model.items.factors[:-1].T, np.float32(model.mean) + model.items.offset[:-1]

        def predictions(rows: slice) -> npt.NDArray[Any]:
            some = people[rows]
            found: Table = encoded.factors[some] @ items + (encoded.offset[some, None] + offset)
            return found

    return Fold(training, shown[people], targets[people], predictions)


def _with_targets(shown: Any, targets: Any) -> IntArray:
    return np.flatnonzero((np.diff(shown.indptr) > 0) & (np.diff(targets.indptr) > 0))


def csr(values: Any, cells: Any, shape: tuple[int, ...]) -> Any:
    from scipy import sparse

    return sparse.csr_array((values, cells), shape=shape)


def cells_of(matrix: Any) -> tuple[IntArray, IntArray]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
