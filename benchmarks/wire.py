"""CPU time of one model call on our wires, client side only: `python benchmarks/wire.py`.

The request is an agent's: a system prompt, 20 messages and 8 tools, about 13 KB. The provider is the scripted server
in another process, so that only the client is measured. "memory" leaves the socket out: encoding, parsing and
assembling alone. Figures are the best of five rounds, in milliseconds of process time per call.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

from kelpie.models.scripted_wire import ScriptedProvider
from umi.dst import Host
from umi.wire import AnthropicWire, HttpTransport, MemoryTransport, OpenAIWire
from umi.wire.types import Delta, Message, Request, ToolCall, ToolSpec

ROUNDS, CALLS = 5, 100


def agent_request(text: str) -> Request:
    messages = [Message("system", "You are a careful agent. " * 120)]
    for turn in range(5):
        call = ToolCall(f"call_{turn}", "tool_1", '{"query": "the weather in Kigali"}')
        messages += [
            Message("user", f"Question {turn}: " + "what is it? " * 20),
            Message("assistant", tool_calls=[call]),
            Message("tool", "a result " * 30, tool_call_id=call.id, name="tool_1"),
            Message("assistant", "It is so. " * 20),
        ]
    messages[-1] = Message("user", text)
    schema = {"type": "object", "properties": {f"field_{i}": {"type": "string"} for i in range(5)}, "required": []}
    tools = [ToolSpec(f"tool_{index}", "Looks something up. " * 8, schema) for index in range(8)]
    return Request("scripted", messages, tools)


async def measure(call: Callable[[], Awaitable[object]]) -> float:
    await call()
    best_ms = float("inf")
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(CALLS):
            await call()
        best_ms = min(best_ms, (time.process_time() - begin) * 1000 / CALLS)
    return best_ms


async def main(url: str) -> None:
    host, http = Host(), HttpTransport()
    memory = MemoryTransport(ScriptedProvider(host).answer)
    short, long = agent_request("[[say:fine]]"), agent_request("[[n:100]]")

    def ignore(_: Delta) -> None:
        pass

    for name, transport in (("socket", http), ("memory", memory)):
        for wire_of in (OpenAIWire, AnthropicWire):
            wire = wire_of(transport, url, "", host)
            whole_ms = await measure(partial(wire.reply, short))
            stream_ms = await measure(partial(wire.reply, long, ignore))
            body_bytes = len(b"".join((await wire.reply(short)).raw_request))
            print(
                f"{name}  {wire_of.__name__:14} {body_bytes:,} bytes  "
                f"whole {whole_ms:.2f} ms  streamed, 100 words {stream_ms:.2f} ms"
            )
    await http.aclose()


if __name__ == "__main__":
    command = [sys.executable, "-m", "kelpie.models.scripted_server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            asyncio.run(main(server.stdout.readline().strip()))
        finally:
            server.terminate()
