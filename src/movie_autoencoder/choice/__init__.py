"""What people choose: a model of choices beside the model of ratings, and lists made of both."""

from .fit import fit_choice
from .model import ChoiceModel

__all__ = ["ChoiceModel", "fit_choice"]
