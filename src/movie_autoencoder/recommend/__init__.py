"""A trained model in use: anyone's ratings in; predictions, recommendations and reasons out."""

from .errors import RecommenderError
from .recommender import Recommender

__all__ = ["Recommender", "RecommenderError"]
