"""How likely each star value is: distributions over the values, and intervals, on top of any model's predictions."""

from .distribution import StarDistribution, star_values, value_index
from .histograms import RatingHistograms
from .model import StarModel, fit_star_model

__all__ = ["RatingHistograms", "StarDistribution", "StarModel", "fit_star_model", "star_values", "value_index"]
