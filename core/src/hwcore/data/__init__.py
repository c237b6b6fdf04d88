"""Datasets: made once from the user's file, read by everybody; and the metrics over them."""

from hwcore.data.batches import Batch, batches
from hwcore.data.build import build_dataset
from hwcore.data.collate import collate
from hwcore.data.dtypes import numpy_dtype
from hwcore.data.examples import example_inputs
from hwcore.data.metrics import METRICS, compute, correct, predictions, score
from hwcore.data.rows import Rows, open_rows
from hwcore.data.shapes import near
from hwcore.data.store import read_dataset, visible

__all__ = [
    "METRICS",
    "Batch",
    "Rows",
    "batches",
    "build_dataset",
    "collate",
    "compute",
    "correct",
    "example_inputs",
    "near",
    "numpy_dtype",
    "open_rows",
    "predictions",
    "read_dataset",
    "score",
    "visible",
]
