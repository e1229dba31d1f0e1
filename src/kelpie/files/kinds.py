"""What an uploaded file is: by its name, else by what the client says, else by how it begins.

What calls itself a PDF is taken for one: whether it is shows when it is read, and stands in the file's row then. What
nothing here can read is refused before it is stored.
"""

import importlib.util
import re

from kelpie.errors import MissingExtra, UnknownFileKind

TEXT, JSON, HTML, PDF, DOCX = "text", "json", "html", "pdf", "docx"
_BY_ENDING = {"pdf": PDF, "docx": DOCX, "html": HTML, "htm": HTML, "xhtml": HTML, "json": JSON}
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_BY_MEDIA_TYPE = {
    "application/pdf": PDF,
    _WORD: DOCX,
    "text/html": HTML,
    "application/xhtml+xml": HTML,
    "application/json": JSON,
}
_MEDIA_TYPES = {TEXT: "text/plain", JSON: "application/json", HTML: "text/html", PDF: "application/pdf", DOCX: _WORD}
_OF_TEXTS = {"md": "text/markdown", "markdown": "text/markdown", "csv": "text/csv", "tsv": "text/tab-separated-values"}
_NEEDS = {PDF: "pypdf", DOCX: "mammoth", HTML: "markdownify"}
_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]{0,100}/[\w.+-]{1,100}")
_HEAD_BYTES = 8_000
# Other encodings than these hold no zero bytes.
_MARKS = (b"\xff\xfe", b"\xfe\xff")


def ending(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def kind_of(name: str, media_type: str, content: bytes) -> str:
    """Raises UnknownFileKind for what is no text and no document that is read here, and MissingExtra for one that this
    installation has no library for."""
    kind = _BY_ENDING.get(ending(name)) or _BY_MEDIA_TYPE.get(media_type)
    if kind is None:
        kind = PDF if content.startswith(b"%PDF-") else TEXT
    if kind in (TEXT, JSON) and b"\x00" in content[:_HEAD_BYTES] and not content.startswith(_MARKS):
        raise UnknownFileKind(
            f"'{name[:100]}' can't be read: it is no text. Text of any kind is read (also markdown, csv, json, source"
            " code), and PDF, docx and HTML"
        )
    if kind in _NEEDS and importlib.util.find_spec(_NEEDS[kind]) is None:
        raise MissingExtra(f"reading {kind} files", "files")
    return kind


def media_type_of(name: str, given: str, kind: str) -> str:
    """The media type to show: what the client says, if it says anything, else what the file is."""
    given = given.partition(";")[0].strip().lower()
    if given != "application/octet-stream" and _MEDIA_TYPE.fullmatch(given):
        return given
    return _OF_TEXTS.get(ending(name), _MEDIA_TYPES[kind])
