"""The messages wire: Anthropic, and servers that speak like it."""

from umi.dst import Host
from umi.wire.anthropic_reply import AnthropicReader
from umi.wire.anthropic_request import anthropic_segments
from umi.wire.exchange import Endpoint, exchange
from umi.wire.listing import ListedModel, listed_models
from umi.wire.quirks import NO_QUIRKS, Quirks
from umi.wire.transport import DEFAULT_TIMEOUTS, Timeouts, Transport
from umi.wire.types import OnDelta, Reply, Request

_API_VERSION = "2023-06-01"


class AnthropicWire:
    """base_url  with or without the version, `https://api.anthropic.com`
    key          "" for servers that want none
    auth_header  some gateways want "authorization", which sends a bearer token
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        key: str,
        host: Host,
        *,
        auth_header: str = "x-api-key",
        quirks: Quirks = NO_QUIRKS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._quirks = quirks
        self._endpoint = Endpoint(
            transport,
            base_url.rstrip("/").removesuffix("/v1"),
            key,
            host,
            auth_header=auth_header,
            timeouts=timeouts,
            headers={"anthropic-version": _API_VERSION},
        )

    def __repr__(self) -> str:
        return f"<AnthropicWire {self._endpoint.base_url}>"

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        """One reply, streamed to `on_delta` if there is one. Cancelling closes the connection. Raises ModelError."""
        endpoint = self._endpoint

        def make_reader(on_delta: OnDelta | None) -> AnthropicReader:
            return AnthropicReader(endpoint.origin, endpoint.key, endpoint.host, request.model, on_delta)

        segments = self.segments(request, streamed=on_delta is not None)
        return await exchange(endpoint, "/v1/messages", segments, make_reader, on_delta)

    def segments(self, request: Request, *, streamed: bool) -> list[bytes]:
        """The body of the call for `request`, in the parts that `Reply.raw_request` keeps."""
        return anthropic_segments(request, self._quirks, streamed=streamed)

    async def models(self) -> list[ListedModel]:
        """What the provider lists. Raises ModelError."""
        return await listed_models(self._endpoint, "/v1/models?limit=1000")
