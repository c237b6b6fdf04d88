"""What may be in a ``.pt2`` file, looked at before torch reads it.

Reading an exported program, torch unpickles custom objects and example inputs, evaluates sizes as
Python (sympy's ``sympify``), runs guards as Python, and looks operators up by any name below
``torch``. A program that `core_plugin_torch.program` wrote needs none of this.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwcore.contract import ArtifactCorrupt

MAX_TEXT_BYTES = 1 << 28
"""Bound on the text of a graph; that of a hundred layers takes some 10 MB."""

_EXAMPLES = "data/sample_inputs/model.pt"
_TEXTS = (
    "models/model.json",
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)
_ENTRIES = re.compile(
    r"data/weights/weight_\d+|data/constants/tensor_\d+|archive_format|archive_version|byteorder"
    r"|\.data/version|\.data/serialization_id|\.format_version|\.storage_alignment"
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SYMBOL = re.compile(r"(s|u|zf|zuf)\d+", re.ASCII)
_NUMBER = re.compile(r"[-\d.e]+", re.ASCII)
_FUNCTIONS = frozenset(
    {
        *("Add", "Float", "Integer", "Max", "Min", "Mul", "Pow", "Rational", "Symbol"),
        *("CeilDiv", "CleanDiv", "FloatTrueDiv", "FloorDiv", "IntTrueDiv", "Mod", "PythonMod"),
        *("CeilToInt", "FloatPow", "FloorToInt", "LShift", "PowByNatural", "RShift", "ToFloat"),
        *("And", "ModularIndexing", "Not", "Or", "Where", "false", "true"),
        *("Equality", "GreaterThan", "LessThan", "StrictGreaterThan", "StrictLessThan"),
        "Unequality",
    }
)
"""What sizes are written with: sympy's ``srepr`` of them."""
_GRAMMAR = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.keyword, ast.Load),
)
_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|quantized_decomposed|torchao)\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|while_loop|wrap_with_autocast|wrap_with_set_grad_enabled)"
    r"|torch\.(_check|sym_\w+|_sym_\w+)|math\.\w+"
    r"|_operator\.(add|and_|eq|floordiv|ge|getitem|gt|le|lt|mod|mul|ne|neg|not_|or_|pos|pow|sub"
    r"|truediv)",
    re.ASCII,
)
_NAMESPACE = re.compile(r'"torch\.ops\.(\w+)\.', re.ASCII)
_FILES = re.compile(r"torch\.ops\.aten\.from_file\b.*")
"""The one operator among those that opens files."""


def check(file: Path) -> frozenset[str]:
    """The namespaces of the operators in a file, such as ``aten``.

    Raises `ArtifactCorrupt` for a file that is damaged, or would run code when it is read.
    """
    found: set[str] = set()
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(file, archive)
            for name in _TEXTS:
                text = _text(file, archive, entries[name])
                found.update(_NAMESPACE.findall(text))
                _check_text(file, json.loads(text))
    except (zipfile.BadZipFile, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ArtifactCorrupt(
            f"{file} is not a .pt2 file, or only a part of one", hint="Make the artifact again."
        ) from error
    return frozenset(found)


def _entries(file: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in the archive, by its name below the archive's one folder."""
    found = {}
    for info in archive.infolist():
        name = info.filename.partition("/")[2]
        empty = name == _EXAMPLES and info.file_size == 0
        if name in found or not (empty or name in _TEXTS or _ENTRIES.fullmatch(name)):
            raise _refused(file, f"the entry {info.filename!r}")
        found[name] = info
    missing = sorted({*_TEXTS, _EXAMPLES} - found.keys())
    if missing:
        raise ArtifactCorrupt(f"{file} lacks {missing[0]}", hint="Make the artifact again.")
    return found


def _text(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > MAX_TEXT_BYTES:
        raise ArtifactCorrupt(
            f"{file} has a graph of {info.file_size} bytes, expected at most {MAX_TEXT_BYTES}",
            hint="Make the artifact again.",
        )
    return archive.read(info).decode("utf-8")


def _check_text(file: Path, value: Any) -> None:
    """Every value in a JSON text, by the key that it stands under."""
    if isinstance(value, list):
        for item in value:
            _check_text(file, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            wrong = _CHECKS.get(key)
            if wrong is not None and item is not None and wrong(item):
                raise _refused(file, f"{key} {item!r:.80}")
            _check_text(file, item)


def _no_operator(value: Any) -> bool:
    return isinstance(value, str) and bool(
        not _OPERATORS.fullmatch(value) or _FILES.fullmatch(value)
    )


def _no_expression(value: Any) -> bool:
    try:
        tree = ast.parse(value, mode="eval")
    except (SyntaxError, ValueError, TypeError):
        return True
    return not all(_harmless(node) for node in ast.walk(tree))


def _harmless(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _FUNCTIONS or bool(_SYMBOL.fullmatch(name))
        case ast.Constant(value=str(value)):
            return bool(_SYMBOL.fullmatch(value) or _NUMBER.fullmatch(value))
        case ast.Constant(value=value):
            return isinstance(value, bool | int | float)
        case ast.Call(func=function):
            return isinstance(function, ast.Name) and function.id in _FUNCTIONS
    return isinstance(node, _GRAMMAR)


def _no_name(value: Any) -> bool:
    return not isinstance(value, str) or not _NAME.fullmatch(value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "target": _no_operator,
    "as_operator": _no_operator,
    "expr_str": _no_expression,
    "as_name": _no_name,
    "guards_code": bool,
    "use_pickle": bool,
    "as_custom_obj": bool,
}


def _refused(file: Path, what: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{file} holds {what}, which is no part of an exported model: it is not read",
        hint="Make the artifact again, from a model that you trust.",
    )
