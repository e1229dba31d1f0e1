"""The chat completions wire: OpenAI, and everybody who speaks like it (vLLM, Ollama, OpenRouter, Groq, Azure, …)."""

from urllib.parse import quote

from umi.dst import Host
from umi.wire.exchange import Endpoint, exchange
from umi.wire.listing import ListedModel, listed_models
from umi.wire.openai_reply import OpenAIReader
from umi.wire.openai_request import openai_segments
from umi.wire.quirks import NO_QUIRKS, Quirks
from umi.wire.transport import DEFAULT_TIMEOUTS, Timeouts, Transport
from umi.wire.types import OnDelta, Reply, Request


class OpenAIWire:
    """base_url  up to and including the version, `https://api.openai.com/v1`
    key          "" for servers that want none
    auth_header  "authorization" sends a bearer token; Azure wants the bare key in "api-key"
    chat_path    below base_url; "{model}" stands for the model's name, for providers that want it there too
    models_path  the same of the list of models
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        key: str,
        host: Host,
        *,
        auth_header: str = "authorization",
        quirks: Quirks = NO_QUIRKS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        chat_path: str = "/chat/completions",
        models_path: str = "/models",
    ) -> None:
        self._quirks, self._chat_path, self._models_path = quirks, chat_path, models_path
        self._endpoint = Endpoint(
            transport, base_url, key, host, auth_header=auth_header, timeouts=timeouts, headers={}
        )

    def __repr__(self) -> str:
        return f"<OpenAIWire {self._endpoint.base_url}>"

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        """One reply, streamed to `on_delta` if there is one. Cancelling closes the connection. Raises ModelError."""
        endpoint = self._endpoint

        def make_reader(on_delta: OnDelta | None) -> OpenAIReader:
            return OpenAIReader(endpoint.origin, endpoint.key, endpoint.host, request.model, on_delta)

        segments = self.segments(request, streamed=on_delta is not None)
        path = self._chat_path.replace("{model}", quote(request.model, safe=""))
        return await exchange(endpoint, path, segments, make_reader, on_delta)

    def segments(self, request: Request, *, streamed: bool) -> list[bytes]:
        """The body of the call for `request`, in the parts that `Reply.raw_request` keeps."""
        return openai_segments(request, self._quirks, streamed=streamed)

    async def models(self) -> list[ListedModel]:
        """What the provider lists. Raises ModelError."""
        return await listed_models(self._endpoint, self._models_path)
