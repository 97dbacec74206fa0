"""The report of an evaluation: pictures, one HTML page that opens offline, and the numbers behind both as JSON.

A report is made from an `Evaluation` and the history of training. It loads no model and computes no figure.
"""

from .history import read_history
from .pictures import Picture, draw_pictures
from .write import write_report

__all__ = ["Picture", "draw_pictures", "read_history", "write_report"]
