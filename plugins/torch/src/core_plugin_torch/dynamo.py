"""torch's compiler, imported without what its import leaves behind."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def load() -> None:
    """Import ``torch._dynamo``, which exporting, reading programs and compiling all do.

    Its import makes a cache folder in the temporary one, and names that in the environment. Here
    the folder is gone afterwards, and the environment as it was; nothing is cached in it by
    default. A folder that the user has named is theirs, and used.
    """
    if "torch._dynamo" in sys.modules or _FOLDER in os.environ:
        return
    with tempfile.TemporaryDirectory(prefix="hwcore-dynamo-") as folder:
        os.environ[_FOLDER] = folder
        try:
            importlib.import_module("torch._dynamo")
        finally:
            os.environ.pop(_FOLDER, None)
