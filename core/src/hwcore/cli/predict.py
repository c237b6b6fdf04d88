"""``hwcore run``: a model on one input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwcore.cli import options as o

if TYPE_CHECKING:
    from hwcore.contract import Array
    from hwcore.workflows.load import Model

EXAMPLE = 'Example: hwcore run ./fast --text "a film worth its three hours"'


def run(
    path: Annotated[Path, typer.Argument(help="What optimize, export, quantize … wrote.")],
    text: Annotated[
        list[str] | None, typer.Option(help="A text, through the model's tokenizer; repeatable.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="An .npz file with the inputs by name.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write all outputs to this .npz file.")] = None,
    threads: o.Threads = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file of the artifact first.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Run a model on texts, or on arrays from a file."""
    from hwcore.contract import UserError
    from hwcore.workflows.load import load

    if (text is None) == (inputs is None):
        raise UserError("give either --text or --inputs", hint=EXAMPLE)
    if out is not None:
        _check_place(out)
    with load(path, threads=threads, verify=verify) as model:
        arrays = _texts(model, path, text) if text else _arrays(inputs)
        outputs = model(arrays)
    if out is not None:
        _write(out, outputs)
    rows = _summary(path, outputs)
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=1))
    else:
        for row in rows:
            typer.echo("  ".join(f"{key}: {value}" for key, value in row.items()))


def _texts(model: Model, path: Path, texts: list[str]) -> dict[str, Array]:
    from hwcore.contract import Column
    from hwcore.data import collate
    from hwcore.transformers import load_tokenizer

    tokenizer = load_tokenizer(path, model.signature)
    columns = {
        name: Column(dtype="int64", shape=(None,), pad=tokenizer.pads[name])
        for name in tokenizer.names
    }
    return collate(tokenizer(texts), columns, model.signature)


def _arrays(path: Path | None) -> dict[str, Array]:
    import zipfile
    import zlib

    import numpy as np

    from hwcore.artifacts.files import refuse_endless
    from hwcore.contract import UserError

    assert path is not None  # noqa: S101 - checked by the caller
    refuse_endless(path)
    refused = UserError(
        f"{path} is not an .npz file of arrays", hint="numpy.savez(path, name=array) writes one."
    )
    try:
        # Opened here: numpy leaves a damaged file open when it opens it by itself.
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise refused  # a .npy file: an array without a name
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise refused from error  # RuntimeError: encrypted, or compressed in another way


def _check_place(out: Path) -> None:
    """Refuse early what could not be written after the work."""
    from hwcore.contract import UserError

    if out.is_dir():
        raise UserError(f"{out} is a folder", hint="Name a file with --out.")
    if not out.absolute().parent.is_dir():
        raise UserError(
            f"{out} cannot be written: {out.parent} is no folder",
            hint="Make the folder first, or name another file with --out.",
        )


def _write(out: Path, outputs: dict[str, Array]) -> None:
    import numpy as np

    from hwcore.contract import UserError

    try:
        np.savez(out, allow_pickle=False, **outputs)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror}", hint="Name another file with --out."
        ) from error


def _summary(path: Path, outputs: dict[str, Array]) -> list[dict[str, Any]]:
    """Per row: the label and its probability where there are classes, else what came out."""
    import numpy as np

    logits = outputs.get("logits")
    if logits is None or logits.ndim != 2:
        return [{"output": name, "shape": list(a.shape)} for name, a in outputs.items()]
    names = _class_names(path)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    shares = shifted / shifted.sum(-1, keepdims=True)
    best = logits.argmax(-1)
    return [
        {"label": names.get(int(b), str(int(b))), "score": round(float(row[b]), 4)}
        for b, row in zip(best, shares, strict=True)
    ]


def _class_names(path: Path) -> dict[int, str]:
    from json import loads

    file = path / "config.json"
    try:
        config = loads(file.read_bytes()) if file.is_file() else {}
    except (OSError, ValueError):
        return {}
    return {int(id): str(name) for id, name in config.get("id2label", {}).items()}
