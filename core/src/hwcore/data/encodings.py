"""Tables that are not UTF-8: what they are in instead, and how to convert them."""

from __future__ import annotations

import codecs
from pathlib import Path

from hwcore.contract import UserError

HEAD_BYTES = 4096
_MARKS = {
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def check_encoding(path: Path) -> None:
    """Raise `UserError` for a file that begins like UTF-16 or UTF-32.

    Without a byte order mark, these decode as UTF-8 with a NUL beside every Latin letter.
    """
    with path.open("rb") as file:
        found = _wide(file.read(HEAD_BYTES))
    if found is not None:
        raise UserError(f"{path} is {found}, expected UTF-8", hint=_convert(found))


def not_utf8(path: Path) -> UserError:
    """The error that names the line; the decoder only knows the place in its buffer."""
    with path.open("rb") as file:
        for line, content in enumerate(file, start=1):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as error:
                return UserError(
                    f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8",
                    hint=_convert("latin1"),
                )
    return UserError(f"{path} is not UTF-8", hint="Save the file as UTF-8.")


def _wide(head: bytes) -> str | None:
    """The name that iconv has for a UTF-16 or UTF-32 encoding; ``None`` if it is neither."""
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    nuls = head.count(0)
    if nuls * 4 <= len(head):
        return None
    # A Latin letter has one byte that is not NUL, of two or of four, and it is the low one.
    order = "BE" if head[::2].count(0) > head[1::2].count(0) else "LE"
    return f"UTF-{32 if nuls * 8 > len(head) * 5 else 16}{order}"


def _convert(encoding: str) -> str:
    return f"Save the file as UTF-8, say with: iconv -f {encoding} -t UTF-8"
