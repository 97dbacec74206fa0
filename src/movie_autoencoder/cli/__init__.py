"""The command line: `movie-autoencoder`, and the scripts `train.py` and `evaluate.py`."""

from .main import app, main

__all__ = ["app", "main"]
