"""Anthropic's models on Amazon Bedrock: the same messages, sent to another address and signed instead of keyed.

The signature is botocore's (extra `bedrock`), imported at the first call. The answer comes in one piece: Bedrock's own
framing of streams is not read, so tokens of such a model arrive together.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from kelpie.errors import MissingExtra, ModelError
from umi.wire import Response, Timeouts, Transport

_VERSION = "bedrock-2023-05-31"
_LIST = "/foundation-models?byProvider=anthropic&byOutputModality=TEXT"
_MODEL_BYTES_MAX = 4_000_000  # of the list


class BedrockTransport:
    """What AnthropicWire sends, as Bedrock takes it. Implements Transport over another.

    base_url  of both services, for tests; "" for Amazon's own in `region`
    """

    def __init__(self, inner: Transport, region: str, access_key: str, secret: str, base_url: str = "") -> None:
        self._inner, self._region, self._access_key, self._secret = inner, region, access_key, secret
        self._runtime = base_url or f"https://bedrock-runtime.{region}.amazonaws.com"
        self._control = base_url or f"https://bedrock.{region}.amazonaws.com"

    def __repr__(self) -> str:
        return f"<BedrockTransport {self._runtime}>"

    async def send(
        self,
        method: str,
        url: str,  # noqa: ARG002 - Anthropic's own, and so are the headers: the model's name is in the path here
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,
        timeouts: Timeouts,
    ) -> Response:
        """Raises ModelError."""
        if method == "GET":
            response = await self._signed("GET", self._control + _LIST, b"", timeouts)
            return await _as_list(response) if response.status == 200 else response
        asked: dict[str, Any] = msgspec.json.decode(body)
        model = asked.pop("model")
        asked.pop("stream", None)
        target = f"{self._runtime}/model/{quote(model, safe='')}/invoke"
        return await self._signed(
            "POST", target, msgspec.json.encode({"anthropic_version": _VERSION, **asked}), timeouts
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _signed(self, method: str, url: str, body: bytes, timeouts: Timeouts) -> Response:
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
        except ImportError:
            # In the words of a provider's failure: it is met where a model is called.
            raise ModelError("bad_request", str(MissingExtra("Amazon Bedrock", "bedrock"))) from None
        headers = {"accept": "application/json"} | ({"content-type": "application/json"} if body else {})
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(Credentials(self._access_key, self._secret), "bedrock", self._region).add_auth(request)
        return await self._inner.send(method, url, dict(request.headers.items()), body, timeouts)


async def _as_list(response: Response) -> Response:
    """Bedrock's list of models as AnthropicWire reads one."""
    raw = bytearray()
    try:
        async for chunk in response.chunks:
            raw += chunk
            if len(raw) > _MODEL_BYTES_MAX:
                raise ModelError("invalid_response", "Bedrock's list of models is too long")
    finally:
        await response.aclose()
    try:
        found = msgspec.json.decode(raw)["modelSummaries"]
        listed = msgspec.json.encode({"data": [{"id": one["modelId"]} for one in found]})
    except (msgspec.DecodeError, KeyError, TypeError):
        raise ModelError("invalid_response", "Bedrock answered with no list of models") from None

    async def once() -> AsyncIterator[bytes]:
        yield listed

    return Response(200, {"content-type": "application/json"}, once())
