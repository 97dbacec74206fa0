"""Scores, in pure NumPy: of predictions (`errors`) and of distributions over the ratings (`distributions`)."""
