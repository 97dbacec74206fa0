"""What people choose: a model of choices beside the model of ratings, and lists made of both."""

from .fit import fit_choice
from .model import ChoiceModel
from .ranking import RANK_BY, RankBy, rank_values

__all__ = ["RANK_BY", "ChoiceModel", "RankBy", "fit_choice", "rank_values"]
