"""A transformers model becomes the artifact that every plan starts from."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from hwcore.artifacts.digest import file_entries
from hwcore.artifacts.store import write_artifact
from hwcore.contract import Artifact, ArtifactManifest, Component, UserError
from hwcore.transformers import hub
from hwcore.transformers.checkpoint import Checkpoint, read_checkpoint
from hwcore.transformers.config import read_config
from hwcore.transformers.families import Kind, identify
from hwcore.transformers.remote_code import FACT, check_trusted, is_trusted, needs_remote_code
from hwcore.transformers.signatures import read_labels, read_signature

FORMAT = "transformers"


def read_source(
    model: str | Path,
    *,
    into: Path,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Artifact:
    """Describe a model in an ``artifact.json`` below ``into``; its files stay where they are.

    ``model`` is a local folder or, as a string that names no folder, a hub id; ``revision``
    is for the latter. Nothing from the model is run, and neither torch nor transformers is
    imported.

    Inputs of text models are int64 ``[batch, sequence]``: ``input_ids``, ``attention_mask`` and,
    where model and tokenizer use them, ``token_type_ids``. Image models take ``pixel_values``,
    float32 ``[batch, channels, height, width]``. The output is ``last_hidden_state``
    ``[batch, tokens, hidden]`` or ``logits`` ``[batch, labels]``.

    Facts: ``parameters`` and ``weight_bytes`` (floating-point tensors of the checkpoint),
    ``bits_per_weight``, ``architecture``, ``model_type``, ``labels`` (classes by id).

    Raises `UserError` for anything that is not a model hwcore can read safely.
    """
    folder = hub.locate(model, revision=revision, remote_code=is_trusted(trust_remote_code))
    config = read_config(folder)
    remote_code = needs_remote_code(config)
    if remote_code:
        check_trusted(folder, trust_remote_code)
    kind = identify(config, remote_code=remote_code)
    _check_supported(folder, config, kind)
    checkpoint = read_checkpoint(folder)
    manifest = ArtifactManifest(
        format=FORMAT,
        task=kind.task,
        components={"model": Component(signature=read_signature(folder, config, kind))},
        files=file_entries(folder, _files(folder, checkpoint, remote_code)),
        location=str(folder),
        facts=_facts(config, kind, checkpoint, remote_code),
    )
    into.mkdir(parents=True, exist_ok=True)
    return write_artifact(into.absolute(), manifest)


def _check_supported(folder: Path, config: dict[str, Any], kind: Kind) -> None:
    """Refuse what would load, and then be judged by rules that do not hold for it."""
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise UserError(
            f"{folder} is quantized already ({method or 'see quantization_config'})",
            hint="Name the floating-point model that it was made from.",
        )
    if kind.task == "feature-extraction":
        return
    # One output is a number rather than a class, as transformers' own loss has it.
    single = "regression" if len(read_labels(config)) == 1 else "single_label_classification"
    problem = config.get("problem_type") or single
    if problem != "single_label_classification":
        raise UserError(
            f"{folder} is trained for {str(problem).replace('_', ' ')}",
            hint="Supported are classifiers that choose one of two or more labels.",
        )


def _files(folder: Path, checkpoint: Checkpoint, remote_code: bool) -> list[str]:
    """The files that decide what the model computes."""
    patterns = [*hub.TOKENIZER, *hub.PROCESSOR, *(hub.CODE if remote_code else ())]
    beside = [
        path.name
        for path in folder.iterdir()
        if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)
    ]
    return ["config.json", *checkpoint.files, *beside]


def _facts(
    config: dict[str, Any], kind: Kind, checkpoint: Checkpoint, remote_code: bool
) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {
        "architecture": kind.architecture,
        "model_type": kind.family.model_type,
        "parameters": checkpoint.parameters,
        "weight_bytes": checkpoint.weight_bytes,
        "bits_per_weight": 8 * checkpoint.weight_bytes / checkpoint.parameters,
    }
    if kind.task != "feature-extraction":
        facts["labels"] = list(read_labels(config))
    if remote_code:
        facts[FACT] = True
    return facts
