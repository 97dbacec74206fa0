"""A trained model in use: anyone's ratings in; predictions, recommendations and reasons out."""

from .recommender import Recommender, RecommenderError

__all__ = ["Recommender", "RecommenderError"]
