"""Training: from a configuration to a run's folder."""

from .errors import Interrupted, TrainingError
from .run_folder import TrainResult
from .train import train

__all__ = ["Interrupted", "TrainResult", "TrainingError", "train"]
