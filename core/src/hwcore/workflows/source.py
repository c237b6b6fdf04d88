"""Opening what the user named: a transformers model, or an artifact made earlier."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from hwcore.artifacts import Cache, read_artifact
from hwcore.artifacts.store import MANIFEST
from hwcore.contract import Artifact


def named(model: str) -> str:
    """A model as a user finds it again: its id on the hub, or where its folder is."""
    folder = Path(model).expanduser()
    return str(folder.absolute()) if folder.exists() else model


def open_source(
    model: str,
    cache: Cache,
    held: ExitStack,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    verify: bool = False,
) -> Artifact:
    """The artifact that ``model`` is, or a ``transformers`` artifact that refers to it.

    ``model`` is a folder or a hub id. The manifest that refers to a user's folder lies in a
    workspace of the cache until ``held`` is closed. Raises `UserError` and `ArtifactCorrupt`.
    """
    folder = Path(model).expanduser()
    if (folder / MANIFEST).exists():
        return read_artifact(folder, verify=verify)
    from hwcore.transformers import read_source

    work = held.enter_context(cache.workspace())
    return read_source(model, revision=revision, trust_remote_code=trust_remote_code, into=work)
