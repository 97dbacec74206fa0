"""Metrics in pure NumPy: errors of predictions, their comparison, and scores of distributions over the ratings."""
