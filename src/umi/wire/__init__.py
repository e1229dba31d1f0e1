"""Talking to model providers: two wires over one small seam to the network.

    types.py              Request, Message, Reply, Delta, …: what goes out and comes back, in common words
    transport.py          Transport, the seam; HttpTransport on one shared httpx2 client
    memory.py             MemoryTransport: the same seam answered by a function, for tests and simulation
    sse.py                SseParser: bytes to server-sent events, however they are cut
    faults.py             a provider's failure to ModelError
    encoding.py           JSON, and what can be wrong with it
    draft.py              Draft: a reply while it grows
    exchange.py           Endpoint; one call: send, read, retry
    quirks.py             where a provider differs from its wire
    listing.py            what a provider says about its models
    packages.py           download_wheel: weights that come in a package
    openai.py             OpenAIWire (chat completions); openai_request.py writes, openai_reply.py reads
    anthropic.py          AnthropicWire (messages); anthropic_request.py writes, anthropic_reply.py reads

httpx2 is imported at the first call.
"""

from umi.wire.anthropic import AnthropicWire
from umi.wire.memory import MemoryTransport
from umi.wire.openai import OpenAIWire
from umi.wire.quirks import Quirks
from umi.wire.transport import HttpTransport, Response, Timeouts, Transport

__all__ = [
    "AnthropicWire",
    "HttpTransport",
    "MemoryTransport",
    "OpenAIWire",
    "Quirks",
    "Response",
    "Timeouts",
    "Transport",
]
