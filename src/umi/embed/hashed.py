"""HashEmbedder: vectors from the words of a text alone, the same in every process: for tests and simulations.

Texts that share words are near each other, others are about orthogonal. It knows no meaning, and nobody should recall
by it in earnest.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from umi.embed.embedder import check_dimensions

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np

_WORD = re.compile(r"\w+")
_FEATURES = 8  # places of the vector that each word adds to or takes from


class HashEmbedder:
    """An Embedder. Raises InvalidInput for dimensions that are no count of them."""

    def __init__(self, dimensions: int = 64, *, name: str | None = None) -> None:
        self.dimensions = check_dimensions(dimensions)
        self.name = name or f"hash-{dimensions}"

    def __repr__(self) -> str:
        return f"<HashEmbedder {self.name}>"

    async def embed(self, texts: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        import numpy as np

        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for place, text in enumerate(texts):
            for word in _WORD.findall(text.casefold()):
                for feature in _features(word):
                    rows[place, (feature >> 1) % self.dimensions] += 1 if feature & 1 else -1
            if not rows[place].any():  # no word at all, or words that cancel each other out
                rows[place, 0] = 1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def _features(word: str) -> list[int]:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4 * _FEATURES).digest()
    return [int.from_bytes(digest[at : at + 4], "little") for at in range(0, len(digest), 4)]
