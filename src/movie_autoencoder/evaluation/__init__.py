"""Evaluation: scores a trained run on ratings that it has not seen, beside its baselines and its members.

The protocol is in docs/evaluation.md. Evaluation draws nothing; ``report`` does.
"""

from .choice import ChoiceEvaluation, evaluate_choice
from .evaluate import evaluate
from .result import Evaluation
from .targets import EvaluationError

__all__ = ["ChoiceEvaluation", "Evaluation", "EvaluationError", "evaluate", "evaluate_choice"]
