"""Why training stopped."""

from __future__ import annotations


class TrainingError(ValueError):
    """Training cannot start or continue; the message says why and what to do."""


class Interrupted(KeyboardInterrupt):
    """Training was interrupted and its progress is saved; ``--resume`` continues it."""
