"""An embedder that fails and lies as `umi.dst.faults.Faults` says. Imported by tests and simulations alone."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from umi.dst.faults import Faults
from umi.embed.embedder import Embedder
from umi.errors import ModelError

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "embedder.fails": "the embedder answers with an error",
        "embedder.wrong_dimensions": "the embedder answers vectors of another size",
    }
)


class FaultyEmbedder:
    """`inner`, until a fault happens; `faults` knows KINDS. Each call is one occasion, under the embedder's name."""

    def __init__(self, inner: Embedder, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.name = inner.name
        self.dimensions = inner.dimensions

    async def embed(self, texts: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        if self._faults.happens("embedder.fails", self.name):
            raise ModelError("server_error", f"the embedder {self.name} failed, as the simulation wanted")
        rows = await self._inner.embed(texts)
        if self._faults.happens("embedder.wrong_dimensions", self.name):
            return rows.repeat(2, axis=1)
        return rows
