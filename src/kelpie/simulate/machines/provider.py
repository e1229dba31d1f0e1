"""The model provider of a simulated world: scripted replies as bytes of the real wires, with a provider's faults.

What the model says is in the messages it is sent (see kelpie.models.scripted), so that no event's absence changes what
it answers to another one. It notes what it was shown: a prompt is a reading of memory like any other.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kelpie.models.scripted import Script, script_of, spoken
from kelpie.models.scripted_wire import ScriptedProvider
from umi.dst import Host, http
from umi.dst.faults import Faults
from umi.dst.network import SimNetwork
from umi.errors import ModelError
from umi.wire import Response, Timeouts
from umi.wire.memory import Sent
from umi.wire.transport import DEFAULT_TIMEOUTS
from umi.wire.types import Request, ToolCall

PROVIDER = "model"
_NEVER_MS = 86_400_000
_THINKING_MS_MIN, _THINKING_MS_MAX = 1.0, 400.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as the provider received it."""

    at_ms: float
    text: str  # of the newest message of the user
    request: Request


class SimProvider:
    """An ASGI application: the provider's side of both wires."""

    def __init__(self, host: Host, faults: Faults, on_shown: Callable[[Shown], None]) -> None:
        self._host, self._faults, self._on_shown = host, faults, on_shown
        self._scripted = ScriptedProvider(host, self._script)
        self._asked: Counter[str] = Counter()
        share = host.rng.share("thinking")
        self._thinking_ms = _THINKING_MS_MIN * (_THINKING_MS_MAX / _THINKING_MS_MIN) ** share

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        response = await self._scripted.answer(Sent(scope["method"], scope["path"], {}, body, DEFAULT_TIMEOUTS))
        headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        try:
            async for chunk in response.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except ModelError:
            return  # a scripted cut: the stream ends here
        await send({"type": "http.response.body", "body": b""})

    def _script(self, request: Request) -> Script:
        """What the request's messages say, as the faults let it through."""
        script = script_of(request)
        text = spoken(next((one.text for one in reversed(request.messages) if one.role == "user"), ""))
        self._on_shown(Shown(self._host.clock.monotonic_ms(), text, request))
        step = sum(1 for one in request.messages if one.role == "assistant")
        asked = f"{text[:80]}/{step}"
        self._asked[asked] += 1
        key = f"{asked}/{self._asked[asked]}"
        delay_ms = script.delay_ms + int(self._thinking_ms * 2 * self._faults.share("model.timeout", f"{key}/thinks"))
        return self._bent(msgspec.structs.replace(script, delay_ms=delay_ms), key)

    def _bent(self, script: Script, key: str) -> Script:
        happens, replace = self._faults.happens, msgspec.structs.replace
        if happens("model.timeout", PROVIDER, key):
            return replace(script, delay_ms=_NEVER_MS)
        if happens("model.rate_limit", PROVIDER, key):
            return replace(script, error_status=429)
        if happens("model.server_error", PROVIDER, key):
            return replace(script, error_status=500)
        if happens("model.context_overflow", PROVIDER, key):
            return replace(script, error_status=400, error_code="context_length_exceeded")
        if happens("model.malformed", PROVIDER, key):
            return replace(script, garbage=True)
        if happens("model.cut_stream", PROVIDER, key):
            return replace(script, cut_after_events=int(3 * self._faults.share("model.cut_stream", f"{key}/where")))
        if happens("model.empty_reply", PROVIDER, key):
            return replace(script, text="", tool_calls=[], finish="stop")
        if script.tool_calls and happens("model.unknown_tool", PROVIDER, key):
            return replace(script, tool_calls=[_renamed(script.tool_calls[0]), *script.tool_calls[1:]])
        if script.tool_calls and happens("model.wrong_arguments", PROVIDER, key):
            wrong = ('{"label": 7, "what": [1]}', "not json", "[1]")[
                int(3 * self._faults.share("model.wrong_arguments", f"{key}/which"))
            ]
            first = script.tool_calls[0]
            return replace(script, tool_calls=[ToolCall(first.id, first.name, wrong), *script.tool_calls[1:]])
        return script


def _renamed(call: ToolCall) -> ToolCall:
    return ToolCall(call.id, f"{call.name}_2", call.arguments)


class SimTransport:
    """The wires' way to the provider, from one silo: what HttpTransport is on real sockets."""

    def __init__(self, network: SimNetwork, silo: str, host: Host) -> None:
        self._network, self._silo, self._host = network, silo, host

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts
    ) -> Response:
        path = "/" + url.partition("://")[2].partition("/")[2]
        asked = http.request(
            self._network, self._silo, PROVIDER, method, path, headers=headers, body=body, label=f"model {path}"
        )
        try:
            async with self._host.clock.timeout(timeouts.read_ms):
                answer = await asked
        except TimeoutError:
            raise ModelError("timeout", f"{PROVIDER} was silent for too long") from None
        except OSError as error:
            raise ModelError("connection", f"{PROVIDER} could not be reached: {error}") from None

        async def close() -> None:
            answer.hang_up()

        return Response(answer.status, answer.headers, self._chunks(answer, timeouts), close)

    async def _chunks(self, answer: http.Answer, timeouts: Timeouts) -> AsyncIterator[bytes]:
        chunks = aiter(answer.chunks)
        while True:
            try:
                async with self._host.clock.timeout(timeouts.read_ms):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise ModelError("timeout", f"{PROVIDER} was silent for too long") from None
            except OSError as error:
                raise ModelError("connection", f"{PROVIDER} closed the connection: {error}") from None
            if chunk is None:
                return
            yield chunk

    async def aclose(self) -> None:
        """Nothing to close: connections end with their answers."""
