"""The folder that a training keeps its state in, so that a later call can go on from there."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from core_plugin_torch.recovery.options import RecoverOptions
from hwcore.contract import Artifact, Dataset, Target, UserError

RECORD = "recovery.json"
RESULT = "result.safetensors"
WEIGHTS = "model.safetensors"
STATE = "trainer_state.json"
"""Trainer's names. It writes the state last, so a checkpoint that has one is whole."""
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def identity(
    capability: str,
    options: RecoverOptions,
    *,
    source: Artifact,
    reference: Artifact,
    data: Dataset,
    target: Target,
    seed: int,
) -> str:
    """A digest of all that decides what a training does."""
    parts = {
        "capability": capability,
        "options": options.model_dump(mode="json", exclude={"checkpoints"}),
        "source": source.digest,
        "reference": reference.digest,
        "data": data.digest,
        "target": target.fingerprint,
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Checkpoints:
    """Of one training: another one's folder is refused, not written over."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Raises `UserError` for a folder with anything else in it."""
        self.folder = folder
        self._record = folder / RECORD
        self._identity = identity
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file", hint="Name a folder for checkpoints.")
        if folder.is_dir() and any(folder.iterdir()) and self._read().get("training") != identity:
            raise UserError(
                f"{folder} does not hold checkpoints of this training",
                hint="Name a new folder, or the model, data, options and seed that it was for.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        if not self._record.exists():
            self._write(None)

    def last(self) -> Path | None:
        """The newest whole checkpoint; ``None`` before the first."""
        whole = [path for path in self.folder.glob("checkpoint-*") if _is_whole(path)]
        return max(whole, key=_step, default=None)

    def finished(self) -> dict[str, Any] | None:
        """What `finish` was told; ``None`` while the training is not over."""
        done = self._read().get("finished")
        return done if isinstance(done, dict) and (self.folder / RESULT).is_file() else None

    def load_result(self, model: nn.Module) -> None:
        """The weights that the training has ended with."""
        load_model(model, self.folder / RESULT, strict=False)

    def finish(self, model: nn.Module, outcome: dict[str, Any]) -> None:
        """Write down how the training ended, and with which weights."""
        save_model(model, str(self.folder / RESULT))
        self._write(outcome)

    def kept(self) -> str:
        """What a later call finds, as a sentence."""
        last = self.last()
        if self.finished() is not None:
            return f"The same command takes the result of the training, which is in {self.folder}."
        if last is None:
            return f"The same command begins anew: {self.folder} has no checkpoint yet."
        return f"The same command goes on from step {_step(last)}, which is kept in {self.folder}."

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._record.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, finished: dict[str, Any] | None) -> None:
        record = {"training": self._identity, "finished": finished}
        made = self._record.with_suffix(".part")
        made.write_text(json.dumps(record, indent=1), encoding="utf-8")
        made.replace(self._record)


def load_checkpoint(model: nn.Module, folder: Path, step: int) -> bool:
    """The weights of one step, where they were kept."""
    file = folder / f"checkpoint-{step}" / WEIGHTS
    if not file.is_file():
        return False
    load_model(model, file, strict=False)
    return True


def _is_whole(checkpoint: Path) -> bool:
    if _CHECKPOINT.fullmatch(checkpoint.name) is None or not (checkpoint / WEIGHTS).is_file():
        return False
    try:
        json.loads((checkpoint / STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
