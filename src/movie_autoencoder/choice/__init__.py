"""What people choose: a model of choices beside the model of ratings, lists made of both, and what choice hides."""

from .fit import fit_choice
from .linear import fit_memory, fit_seconds
from .model import ChoiceModel
from .new_items import with_new_choices
from .ranking import RANK_BY, RankBy, rank_values
from .selection import SELECTIONS, Selection, SelectionModel, fit_selection

__all__ = [
    "RANK_BY",
    "SELECTIONS",
    "ChoiceModel",
    "RankBy",
    "Selection",
    "SelectionModel",
    "fit_choice",
    "fit_memory",
    "fit_seconds",
    "fit_selection",
    "rank_values",
    "with_new_choices",
]
