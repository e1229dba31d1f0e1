"""SmolLM2-135M-Instruct in this process, by llama.cpp: chat without a network, a key or a GPU.

It is a very small model. It holds a simple conversation and often gets facts wrong; it calls no tools, so an agent on
it can't edit its memory. It is there to try things out offline, and nothing more should be expected of it.

llama.cpp blocks, so it runs on an executor thread (a listed adapter). It has one slot: calls take turns, and wait for
their turn on the event loop rather than in a thread. llama.cpp's server object opens a port on the loopback
interface, whether one wants it or not; it gets a random key and nothing to show.
"""

import asyncio
import importlib.util
import os
from typing import Any

import msgspec

from kelpie.errors import MissingExtra, ModelError, NotFound
from kelpie.models import limits
from kelpie.models.model import ModelCard
from kelpie.models.weights import SMOLLM2, weights_path
from umi.dst import Host
from umi.wire.openai_reply import OpenAIReader
from umi.wire.openai_request import openai_segments
from umi.wire.quirks import NO_QUIRKS
from umi.wire.sse import SseEvent
from umi.wire.types import Message, OnDelta, Reply, Request

_ORIGIN = "the local model"

LOCAL_CARD = ModelCard(
    handle="local/smollm2",
    provider="local",
    name="smollm2",
    provider_type="local",
    context_window_tokens=limits.LOCAL_CONTEXT_TOKENS,
    output_tokens_max=limits.LOCAL_OUTPUT_TOKENS_MAX,
    version=SMOLLM2.sha256[:12],
    calls_tools=False,
    description="SmolLM2-135M-Instruct: a weak model of 135 million parameters for offline chat. It calls no tools.",
)


class LocalModel:
    """Loads at the first call (a second or two, about 330 MB of memory) and stays loaded until `close`."""

    def __init__(self, host: Host, folder: str, *, threads: int = 1) -> None:
        """`folder` is where `get_weights` put them. Raises MissingExtra or NotFound at once, rather than in a turn.

        More threads than one only help on an idle machine: they wait for each other spinning, and on a busy one two
        threads were ten times slower than one.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtra("a model in this process", "local")
        self._path = weights_path(SMOLLM2, folder)
        if not os.path.exists(self._path):
            raise NotFound(f"there are no weights at {self._path}: run `kelpie models get {SMOLLM2.name}`")
        self._host = host
        self._threads = threads
        self._server: Any = None
        # llama.cpp has one slot: whoever holds the turn has it, until the thread that uses it has ended.
        self._turn = asyncio.Lock()

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        """One reply. Tools are not offered to the model. Cancelling stops it at its next token. Raises ModelError."""
        if request.tools and request.tool_choice not in ("auto", "none"):
            raise ModelError("bad_request", f"{_ORIGIN} calls no tools, and the request insists on one")
        segments = openai_segments(_chat_only(request), NO_QUIRKS, streamed=True)
        reader = OpenAIReader(_ORIGIN, "", self._host, SMOLLM2.name, on_delta)
        loop = asyncio.get_running_loop()
        call = _Call(loop, b"".join(segments).decode())
        await self._turn.acquire()
        thread = loop.run_in_executor(None, self._run, call)
        thread.add_done_callback(self._turn_over)
        chunks: list[bytes] = []
        try:
            while (chunk := await call.chunks.get()) is not None:
                chunks.append(b"data: " + chunk + b"\n\n")
                reader.event(SseEvent("message", chunk))
            await asyncio.shield(thread)
        finally:
            call.stopped = True
        if not reader.complete:
            raise ModelError("connection", f"{_ORIGIN} ended in the middle of its reply")
        reply = reader.reply(segments, b"".join(chunks), None)
        return msgspec.structs.replace(reply, model=SMOLLM2.name)  # llama.cpp names it by the file's path

    async def close(self) -> None:
        """Wait for the call that runs, and free the memory."""
        async with self._turn:
            server, self._server = self._server, None
            del server  # the library frees it here, and takes 20 ms

    def _turn_over(self, thread: asyncio.Future[None]) -> None:
        self._turn.release()
        if not thread.cancelled():
            thread.exception()  # marks it as seen: after a cancelled call nobody else looks

    def _run(self, call: "_Call") -> None:
        """On the executor's thread."""
        try:
            if self._server is None:
                self._server = self._load()
            if not call.stopped:
                self._server.handle_chat_completions(call.body, call.take)
        except RuntimeError as error:
            raise ModelError("server_error", f"{_ORIGIN} could not be run: {error}") from None
        finally:
            call.end()

    def _load(self) -> Any:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = self._path
        params.n_ctx = limits.LOCAL_CONTEXT_TOKENS
        params.n_parallel = 1
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        params.warmup = False
        params.verbosity = 0
        params.offline = True
        # Keeps finished prompts in memory, up to 8 GB of them.
        params.cache_ram_mib = 0
        # The port it opens shall answer nobody.
        params.api_keys = [self._host.ids.uuid()]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        return xllamacpp.Server(params)


class _Call:
    """One call's way between the event loop and the thread. `stopped` is set by the loop and read by the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, body: str) -> None:
        self._loop = loop
        self.body = body
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.stopped = False

    def take(self, chunk: str) -> bool:
        """Called by llama.cpp with each chunk; True tells it to stop."""
        self._loop.call_soon_threadsafe(self.chunks.put_nowait, chunk.encode())
        return self.stopped

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self.chunks.put_nowait, None)


def _chat_only(request: Request) -> Request:
    """What the model's template can hold: who said what. Calls and their results are left out."""
    messages = [
        Message(role=message.role, content=message.text)
        for message in request.messages
        if message.role != "tool" and message.text
    ]
    wanted = request.max_output_tokens or limits.LOCAL_OUTPUT_TOKENS_MAX
    return Request(
        model=SMOLLM2.name,
        messages=messages,
        max_output_tokens=min(wanted, limits.LOCAL_OUTPUT_TOKENS_MAX),
        temperature=request.temperature,
        response_format=request.response_format,
        logprobs=request.logprobs or request.token_ids,  # llama.cpp names tokens beside their logprobs
    )
