"""Reading transformers models: the one helper that all plugins use to do so.

It is behind the extra ``hwcore[transformers]``. Importing it is cheap: torch and transformers
are imported by the functions that need them, and reading a local model needs neither.
"""

from hwcore.transformers.images import ImageProcessor, load_image_processor
from hwcore.transformers.module import load_module
from hwcore.transformers.source import read_source
from hwcore.transformers.tensors import read_tensors
from hwcore.transformers.tokenizer import Tokenizer, load_tokenizer

__all__ = [
    "ImageProcessor",
    "Tokenizer",
    "load_image_processor",
    "load_module",
    "load_tokenizer",
    "read_source",
    "read_tensors",
]
