"""What cannot be answered: the error of this package, and a check that several methods share."""

from __future__ import annotations


class RecommenderError(ValueError):
    """A request that a recommender cannot answer; the message names the value, and what is allowed or known."""


def check_count(name: str, value: int) -> None:
    """Refuses a number of items below 1.

    Raises:
        RecommenderError: the number is below 1; the message names it.
    """
    if value < 1:
        raise RecommenderError(f"{name} must be at least 1. Received: {value}.")
