"""Embeddings of a provider that speaks like OpenAI: `POST /embeddings`, over umi.wire's transport and retries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from umi import limits
from umi.dst import Host
from umi.embed.embedder import check_dimensions, check_name, checked
from umi.entity import check_text
from umi.errors import InvalidInput
from umi.wire import Timeouts, Transport
from umi.wire.encoding import UNREADABLE, encode
from umi.wire.exchange import Endpoint, post
from umi.wire.faults import odd_answer

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np

DEFAULT_TIMEOUTS = Timeouts(read_ms=limits.EMBED_TIMEOUT_MS)


class _Entry(msgspec.Struct):
    embedding: list[float]
    index: int = -1


class _Answer(msgspec.Struct):
    data: list[_Entry]


class WireEmbedder:
    """An Embedder over the network.

    base_url         up to and including the version, `https://api.openai.com/v1`
    key              "" for servers that want none
    name             stored with each vector; by default made of the model and its dimensions
    asks_dimensions  send `dimensions` along, for models that can shorten their vectors
    Raises InvalidInput for an address, key, name or number that can't be.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        key: str,
        host: Host,
        *,
        model: str,
        dimensions: int,
        name: str | None = None,
        asks_dimensions: bool = False,
        auth_header: str = "authorization",
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        if not model:
            raise InvalidInput("an embedder over the network needs the provider's name of its model")
        self.dimensions = check_dimensions(dimensions)
        self.name = check_name(name or f"{model}-{dimensions}")
        self._fields: dict[str, Any] = {"model": model, "encoding_format": "float"}
        if asks_dimensions:
            self._fields["dimensions"] = dimensions
        self._endpoint = Endpoint(
            transport, base_url, key, host, auth_header=auth_header, timeouts=timeouts, headers={}
        )

    def __repr__(self) -> str:
        return f"<WireEmbedder {self.name} at {self._endpoint.base_url}>"

    async def embed(self, texts: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """EMBEDDING_BATCH_SIZE_MAX texts a request at most. Raises ModelError, InvalidInput for what is no text."""
        import numpy as np

        for text in texts:
            check_text("the text to embed", text)
        rows = [
            row
            for at in range(0, len(texts), limits.EMBEDDING_BATCH_SIZE_MAX)
            for row in await self._part(texts[at : at + limits.EMBEDDING_BATCH_SIZE_MAX])
        ]
        return checked(self, rows or np.zeros((0, self.dimensions)), len(texts))

    async def _part(self, texts: Sequence[str]) -> list[list[float]]:
        endpoint = self._endpoint
        body = encode({**self._fields, "input": list(texts)})
        raw = await post(endpoint, "/embeddings", body)
        try:
            entries = msgspec.json.decode(raw, type=_Answer).data
        except UNREADABLE as error:
            raise odd_answer(endpoint.origin, f"no embeddings ({error})", raw, key=endpoint.key) from None
        wrong = self._wrong(entries, len(texts))
        if wrong:
            raise odd_answer(endpoint.origin, wrong, raw, key=endpoint.key)
        if entries[0].index >= 0:
            entries.sort(key=lambda entry: entry.index)
        return [entry.embedding for entry in entries]

    def _wrong(self, entries: list[_Entry], count: int) -> str:
        """What can't be right about an answer to `count` texts; "" if nothing."""
        if len(entries) != count:
            return f"{len(entries)} vectors for {count} texts"
        sizes = {len(entry.embedding) for entry in entries} - {self.dimensions}
        if sizes:
            return f"vectors of {min(sizes)} dimensions instead of {self.dimensions}"
        places = sorted(entry.index for entry in entries)
        # Some servers leave the places out; then the order is the texts'.
        if places != list(range(count)) and set(places) != {-1}:
            return "vectors whose places are not those of the texts"
        return ""
