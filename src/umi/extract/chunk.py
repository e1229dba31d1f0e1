"""Cutting a long text where a reader would: between paragraphs, sentences or words, never inside a character."""

import re

from umi.errors import InvalidInput

_CHARACTER_BYTES_MAX = 4  # of UTF-8
# From the best border to the worst. Each is looked for in the second half of what fits, so that no chunk is tiny.
_BORDERS = (
    re.compile(r"\n\s*\n\s*"),
    re.compile(r"\n+"),
    re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？]"),
    re.compile(r"[,;:]\s+|\s[–—]\s"),
    re.compile(r"\s+"),
)


def chunks(text: str, bytes_max: int) -> list[tuple[int, int]]:
    """Character offsets (start, end) of pieces of at most `bytes_max` UTF-8 bytes that together are the whole text.

    Raises InvalidInput for a `bytes_max` below 4, into which not every character fits.
    """
    if bytes_max < _CHARACTER_BYTES_MAX:
        raise InvalidInput(f"a chunk of {bytes_max} bytes can't hold every character; allow {_CHARACTER_BYTES_MAX}")
    pieces = []
    start = 0
    while start < len(text):
        end = start + fitting(text[start : start + bytes_max], bytes_max)
        if end < len(text):
            end = _border(text, start, end)
        pieces.append((start, end))
        start = end
    return pieces


def fitting(text: str, bytes_max: int) -> int:
    """How many characters of `text` fit into `bytes_max` UTF-8 bytes."""
    if text.isascii():
        return min(len(text), bytes_max)
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) <= bytes_max:
        return len(text)
    end = bytes_max
    while encoded[end] & 0xC0 == 0x80:  # a byte that continues a character
        end -= 1
    return len(encoded[:end].decode(errors="surrogatepass"))


def cut(text: str, bytes_max: int) -> str:
    """The beginning of `text` that fits into `bytes_max` UTF-8 bytes."""
    if len(text) * _CHARACTER_BYTES_MAX <= bytes_max:
        return text
    return text[: fitting(text, bytes_max)]


def _border(text: str, start: int, end: int) -> int:
    """The last good border at or before `end`, or `end` where there is none."""
    middle = start + (end - start) // 2
    for pattern in _BORDERS:
        last = 0
        for match in pattern.finditer(text, middle, end):
            last = match.end()
        if last:
            return last
    return end
