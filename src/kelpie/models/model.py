"""What the turn asks of any model: a provider behind a wire, a model in this process, or the analyst's planner."""

from typing import Protocol

import msgspec

from umi.wire.types import OnDelta, Reply, Request


class Model(Protocol):
    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        """One finished reply. With `on_delta` the provider is asked to stream and each piece is passed on as it
        arrives. Cancelling the call closes the connection. Raises ModelError."""
        ...


class ModelCard(msgspec.Struct, frozen=True):
    """A model by its handle, `provider/name`, as agents name it and the API lists it."""

    handle: str
    provider: str
    name: str  # what the provider calls it
    provider_type: str  # "openai", "anthropic", "kelpie", "local", …
    context_window_tokens: int = 128_000
    output_tokens_max: int = 16_384
    version: str = ""  # the weights' version where known; goes into every step
    description: str = ""  # what a person should know before choosing it
    calls_tools: bool = True
    is_tenants: bool = False  # of a provider that is the tenant's own
    instead_of: str | None = None  # the handle that was asked for, where this is the fallback for one nobody serves
