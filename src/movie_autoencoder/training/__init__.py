"""Training: from a configuration to a run's folder."""

from .train import train

__all__ = ["train"]
