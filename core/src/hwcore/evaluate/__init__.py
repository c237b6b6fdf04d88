"""Accuracy against the reference, paired row by row, judged on the bound of the difference."""

from hwcore.evaluate.answers import Answers, load_answers, save_answers
from hwcore.evaluate.bounds import mean_bound, paired_bound, rows_needed
from hwcore.evaluate.judge import Quality, answers, judge

__all__ = [
    "Answers",
    "Quality",
    "answers",
    "judge",
    "load_answers",
    "mean_bound",
    "paired_bound",
    "rows_needed",
    "save_answers",
]
