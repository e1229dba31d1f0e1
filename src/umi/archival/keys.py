"""Names and texts as keys: what is written differently and means the same is equal here."""

import functools
import hashlib
import re
import unicodedata

_MARKS = re.compile(r"[̀-ͯ]")  # what NFKD leaves of an accent


def name_key(name: str) -> str:
    """ "José  García " and "jose garcia" are one name."""
    folded = name if name.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", name))
    return " ".join(folded.split()).casefold()


@functools.lru_cache(maxsize=128)  # asked for thrice of a text on its way in
def digest(tenant: str, scope: str, text: str) -> bytes:
    """16 bytes that are equal for texts of one scope that differ in case, spaces and final punctuation alone."""
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    normal = " ".join(normal.split()).rstrip(".!…").casefold()
    return hashlib.blake2b(f"{tenant}\x00{scope}\x00{normal}".encode(), digest_size=16).digest()
