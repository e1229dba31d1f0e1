"""Documents, by libraries. Runs in a process of its own (child.py): any of them can be made to loop, or fill memory.

A docx becomes HTML and HTML becomes markdown, so that headings, lists and tables stay what they are.
"""

import io
import re
import zipfile

import msgspec

from kelpie.errors import LimitExceeded, UnreadableFile
from kelpie.files import limits
from kelpie.files.kinds import DOCX, HTML, JSON, PDF
from kelpie.files.reading.plain import cleaned

_NO_TEXT = ("script", "style", "template", "svg", "noscript", "img", "picture", "video", "audio")
_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n){2,}")


def read(kind: str, content: bytes) -> str:
    """Raises UnreadableFile, LimitExceeded, and whatever a library raises for what it can't read."""
    if kind == PDF:
        text = _pdf(content)
    elif kind == DOCX:
        text = _markdown(_docx(content))
    elif kind == HTML:
        text = _markdown(content)
    else:
        text = _guessed(content)
        return cleaned(_laid_out(text) if kind == JSON else text)
    if not text.strip():
        raise UnreadableFile("it holds no text; of a scanned page only a picture is there")
    return cleaned(text)


def _pdf(content: bytes) -> str:
    import pypdf

    if b"%PDF-" not in content[:1024]:
        raise UnreadableFile("it is not a PDF: it does not begin like one")
    reader = pypdf.PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableFile("it is encrypted: save it without a password")
    pages = len(reader.pages)
    if pages > limits.FILE_PAGES_MAX:
        raise LimitExceeded("the document", pages, limits.FILE_PAGES_MAX, "pages")
    texts, chars = [], 0
    for page in reader.pages:
        texts.append(page.extract_text())
        chars += len(texts[-1]) + 2
        if chars > limits.FILE_TEXT_CHARS_MAX:
            break  # it is refused as too long, without reading the rest
    return "\n\n".join(texts)


def _docx(content: bytes) -> bytes:
    """As HTML. What a part of the archive says of its size is what is unpacked of it at most."""
    import mammoth

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise UnreadableFile("it is not a docx: it is no zip archive") from None
    if "word/document.xml" not in {part.filename for part in parts}:
        raise UnreadableFile("it is not a docx: the archive has no word/document.xml")
    expanded = sum(part.file_size for part in parts)
    for size, maximum, unit in (
        (len(parts), limits.READING_PARTS_MAX, "parts"),
        (expanded, limits.READING_EXPANDED_BYTES_MAX, "bytes when it is unpacked"),
    ):
        if size > maximum:
            raise LimitExceeded("the document", size, maximum, unit)
    html: str = mammoth.convert_to_html(io.BytesIO(content), convert_image=lambda _image: []).value
    return html.encode()


def _markdown(html: bytes) -> str:
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(html, "html.parser")
    for tag in soup(_NO_TEXT):
        tag.decompose()
    converter = MarkdownConverter(heading_style="ATX", escape_asterisks=False, escape_underscores=False)
    text: str = converter.convert_soup(soup)
    return _BLANK_LINES.sub("\n\n", text).strip()


def _guessed(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        import charset_normalizer

    best = charset_normalizer.from_bytes(content).best()
    if best is None:
        raise UnreadableFile("it is no text in an encoding that can be recognised; save it as UTF-8")
    return str(best)


def _laid_out(text: str) -> str:
    """JSON of one line, in lines: agents look at a file line by line. What is no JSON stays as it is.

    Here and not in the server: of a few megabytes, nested, it makes gigabytes.
    """
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text
