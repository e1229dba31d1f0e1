"""Texts, as they are. Quick whatever they hold, so that a thread of the server does it."""

import codecs
import re

from kelpie.files.kinds import JSON

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NEWLINES = re.compile(r"\r\n?|\u2028|\u2029")


def decoded(content: bytes, kind: str) -> str | None:
    """The text of a text file; None if it takes more work: an encoding that must be guessed, or JSON without lines."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return None
    if kind == JSON and "\n" not in text.strip():
        return None
    return cleaned(text)


def cleaned(text: str) -> str:
    """The text as it can be stored: one kind of line end, no NUL, no half of a surrogate pair."""
    text = _NEWLINES.sub("\n", text.replace("\x00", ""))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
