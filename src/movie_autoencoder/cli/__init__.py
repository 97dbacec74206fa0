"""The command line: `movie-autoencoder`, `train.py` and `evaluate.py`."""

from .main import app, main

__all__ = ["app", "main"]
