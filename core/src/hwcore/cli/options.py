"""Options that several commands share, and reading ``key=value``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from hwcore.workflows.data import DataRequest

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ModelArgument = Annotated[
    str, typer.Argument(help="A folder with a transformers model, an artifact, or a hub id.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub model.")]


def _trust(wanted: bool) -> bool:
    """Workers inherit the variable: the flag's word must reach the process that loads the model."""
    if wanted:
        os.environ["HWCORE_TRUST_REMOTE_CODE"] = "1"
    return wanted


RemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", callback=_trust, help="Run Python code that comes with the model."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Your data: a CSV or JSONL file, or a folder of images."),
]
TextColumn = Annotated[
    str | None, typer.Option(help="Column with the texts; found by its name when left out.")
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column with the labels; found by its name when left out.")
]
MaxLength = Annotated[int | None, typer.Option(min=2, help="Cut texts to so many tokens.")]
Recover = Annotated[
    bool,
    typer.Option(
        "--recover", help="Train with your data, distilling from the original model: takes long."
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(help="The original model, where MODEL was pruned or changed before."),
]
StepOptions = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the step; repeatable."),
]


def data_request(
    data: Path | None,
    text_column: str | None,
    label_column: str | None,
    max_length: int | None,
) -> DataRequest | None:
    """What was said about the data; ``None`` when there is none."""
    from hwcore.contract import UserError
    from hwcore.workflows.data import DataRequest

    if data is None:
        for name, value in (("--text-column", text_column), ("--label-column", label_column)):
            if value is not None:
                raise UserError(
                    f"{name} says something about data, but there is no --data",
                    hint=f"Name the file with --data, or leave {name} out.",
                )
        return None
    return DataRequest(
        data, text_column=text_column, label_column=label_column, max_length=max_length
    )


def refuse_empty(arguments: Sequence[str]) -> None:
    """Raise `UserError` for an empty argument: as a path, it would be the current folder.

    It is what a shell makes of a variable that is not set. Only a ``--text`` may be empty.
    """
    for before, argument in pairwise(("hwcore", *arguments)):
        if not argument.strip() and before != "--text":
            empty = f"the argument after {before}"
        elif re.fullmatch(r"--[^=]+=\s*", argument) and not argument.startswith("--text="):
            empty = f"the value of {argument.partition('=')[0]}"
        else:
            continue
        from hwcore.contract import UserError

        raise UserError(
            f"{empty} is empty",
            hint="A shell variable may not be set; the current folder is called '.'.",
        )


def parse_options(pairs: list[str] | None) -> dict[str, JsonValue]:
    """``key=value`` pairs; a value that is JSON is taken as JSON, any other as text."""
    from hwcore.contract import UserError

    options: dict[str, JsonValue] = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UserError(f"--option {pair!r} is not KEY=VALUE", hint="As in: -o opset=18")
        try:
            options[key] = json.loads(text)
        except json.JSONDecodeError:
            options[key] = text
    return options
