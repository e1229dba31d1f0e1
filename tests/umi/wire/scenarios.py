"""What providers send, as raw bytes, and what a reply made of it must hold: the data of test_replies.py."""

import json
from dataclasses import dataclass, field

import msgspec

from umi.wire.types import Message, Request, ToolCall, Usage

DONE = "[DONE]"


def sse(*events, end="\n"):
    """OpenAI's events are bare data, Anthropic's are named after their type."""
    lines = []
    for event in events:
        if isinstance(event, dict) and "type" in event:
            lines.append(f"event: {event['type']}{end}")
        text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        lines.append(f"data: {text}{end}{end}")
    return "".join(lines).encode()


def delta(finish=None, top=None, **fields):
    return {
        "id": "c1",
        "model": "m-1",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
        **(top or {}),
    }


def call(index, arguments="", **fields):
    named = {"name": fields.pop("name")} if "name" in fields else {}
    return {"index": index, **fields, "function": {**named, "arguments": arguments}}


def whole(finish="stop", top=None, choice=None, **message):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **(choice or {})}
    return json.dumps({"id": "c1", "model": "m-1", "choices": [choice], **(top or {})}).encode()


def start(**usage):
    message = {"id": "c1", "model": "m-1", "content": [], "stop_reason": None, "usage": usage or {"input_tokens": 3}}
    return {"type": "message_start", "message": message}


def block(index, kind, **fields):
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def grow(index, kind, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def close(index):
    return {"type": "content_block_stop", "index": index}


def stop(reason, **usage):
    usage = {"usage": usage} if usage else {}
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, **usage}, {"type": "message_stop"}]


def message(reason="end_turn", *content, usage=None):
    usage = usage or {"input_tokens": 3, "output_tokens": 2}
    body = {"id": "c1", "type": "message", "model": "m-1", "content": list(content), "stop_reason": reason}
    return json.dumps({**body, "usage": usage}).encode()


@dataclass
class Scenario:
    """`body` is what the server sends, as an event stream or as JSON; `expects` are fields of the Reply."""

    wire: str
    name: str
    body: bytes
    expects: dict
    request: Request = field(default_factory=lambda: Request("m", [Message("user", "hi")]))

    @property
    def streamed(self):
        return not self.body.startswith(b"{")

    def __str__(self):
        return f"{self.wire}-{'streamed' if self.streamed else 'whole'}-{self.name}"


LOOK, FIND = ToolCall("a", "look", '{"q": 1}'), ToolCall("b", "find", '{"r": 2}')
TWO_CALLS = {"tool_calls": [LOOK, FIND], "finish": "tool_calls", "text": None}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "AAAA"}

SCENARIOS = [
    Scenario(
        "openai",
        "text, cut characters and CRLF",
        b": keep-alive\r\n\r\n"
        + sse(delta(content="h\u00e9\u20ac"), delta(content="\U0001f40e"), delta("stop"), DONE, end="\r\n"),
        {
            "text": "h\u00e9\u20ac\U0001f40e",
            "finish": "stop",
            "model": "m-1",
            "provider_request_id": "r-9",
            "tool_calls": [],
        },
    ),
    Scenario(
        "anthropic",
        "text, cut characters and CRLF",
        b": keep-alive\r\n\r\n"
        + sse(
            start(),
            {"type": "ping"},
            block(0, "text", text=""),
            grow(0, "text_delta", text="h\u00e9\u20ac"),
            {"type": "a_kind_of_tomorrow", "delta": 7},
            grow(0, "text_delta", text="\U0001f40e"),
            close(0),
            *stop("end_turn", output_tokens=2),
            end="\r\n",
        ),
        {
            "text": "h\u00e9\u20ac\U0001f40e",
            "finish": "stop",
            "model": "m-1",
            "provider_request_id": "r-9",
            "tool_calls": [],
        },
    ),
    Scenario("openai", "text", whole(content="h\u00e9"), {"text": "h\u00e9", "finish": "stop", "model": "m-1"}),
    Scenario(
        "anthropic",
        "text",
        message("end_turn", {"type": "text", "text": "h\u00e9"}),
        {"text": "h\u00e9", "finish": "stop", "model": "m-1"},
    ),
    Scenario(
        "openai",
        "reasoning_content",
        sse(delta(reasoning_content="h"), delta(reasoning_content="m"), delta(content="ok"), delta("stop"), DONE),
        {"reasoning": "hm", "text": "ok"},
    ),
    Scenario(
        "openai",
        "reasoning under both its names",
        sse(
            delta(reasoning="h", reasoning_content="h"), delta(reasoning="m"), delta(content="ok"), delta("stop"), DONE
        ),
        {"reasoning": "hm", "text": "ok"},
    ),
    Scenario("openai", "reasoning", whole(content="ok", reasoning="hm"), {"reasoning": "hm", "text": "ok"}),
    Scenario(
        "anthropic",
        "thinking with its signature",
        sse(
            start(),
            block(0, "thinking", thinking="", signature=""),
            grow(0, "thinking_delta", thinking="h"),
            grow(0, "thinking_delta", thinking="m"),
            grow(0, "signature_delta", signature="c2ln"),
            close(0),
            block(1, "text", text=""),
            grow(1, "text_delta", text="ok"),
            close(1),
            *stop("end_turn"),
        ),
        {"reasoning": "hm", "reasoning_signature": "c2ln", "text": "ok"},
    ),
    Scenario(
        "anthropic",
        "thinking with its signature",
        message("end_turn", THINKING, {"type": "text", "text": "ok"}),
        {"reasoning": "hm", "reasoning_signature": "c2ln", "text": "ok"},
    ),
    Scenario(
        "anthropic",
        "several thinking blocks keep their places",
        message(
            "tool_use",
            REDACTED,
            {"type": "text", "text": "ok"},
            THINKING,
            {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}},
        ),
        {
            "reasoning": "hm",
            "reasoning_signature": msgspec.json.encode([REDACTED, "text", THINKING, "tool_use"]).decode(),
            "text": "ok",
        },
    ),
    Scenario(
        "openai",
        "Mistral's content parts",
        sse(
            delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
            delta(content=[{"type": "text", "text": "o"}]),
            delta(content="k"),
            delta("stop"),
            DONE,
        ),
        {"reasoning": "hm", "text": "ok"},
    ),
    Scenario(
        "openai",
        "Mistral's content parts",
        whole(content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ok"}, {"type": "reference"}]),
        {"reasoning": "hm", "text": "ok"},
    ),
    Scenario(
        "openai",
        "one call",
        sse(
            delta(role="assistant", content=None),
            delta(tool_calls=[call(0, id="a", type="function", name="look")]),
            delta(tool_calls=[call(0, '{"q"')]),
            delta(tool_calls=[call(0, ": 1}")]),
            delta("tool_calls"),
            DONE,
        ),
        {"tool_calls": [LOOK], "finish": "tool_calls", "text": None},
    ),
    Scenario(
        "anthropic",
        "one call",
        sse(
            start(),
            block(0, "text", text="ok"),
            close(0),
            block(1, "tool_use", id="a", name="look", input={}),
            grow(1, "input_json_delta", partial_json=""),
            grow(1, "input_json_delta", partial_json='{"q"'),
            grow(1, "input_json_delta", partial_json=": 1}"),
            close(1),
            *stop("tool_use"),
        ),
        {"tool_calls": [LOOK], "finish": "tool_calls", "text": "ok"},
    ),
    Scenario(
        "openai",
        "interleaved arguments",
        sse(
            delta(tool_calls=[call(0, id="a", name="look")]),
            delta(tool_calls=[call(1, id="b", name="find")]),
            delta(tool_calls=[call(0, '{"q"')]),
            delta(tool_calls=[call(1, '{"r"')]),
            delta(tool_calls=[call(0, ": 1}"), call(1, ": 2}")]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "anthropic",
        "interleaved arguments",
        sse(
            start(),
            block(0, "tool_use", id="a", name="look", input={}),
            block(1, "tool_use", id="b", name="find", input={}),
            grow(0, "input_json_delta", partial_json='{"q"'),
            grow(1, "input_json_delta", partial_json='{"r"'),
            grow(0, "input_json_delta", partial_json=": 1}"),
            grow(1, "input_json_delta", partial_json=": 2}"),
            close(0),
            close(1),
            *stop("tool_use"),
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "both calls with index 0 but different ids",
        sse(
            delta(tool_calls=[call(0, '{"q"', id="a", name="look")]),
            delta(tool_calls=[call(0, ": 1}")]),
            delta(tool_calls=[call(0, '{"r": 2}', id="b", name="find")]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "both calls in one chunk",
        sse(
            delta(tool_calls=[call(0, '{"q": 1}', id="a", name="look"), call(1, '{"r": 2}', id="b", name="find")]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "both calls in one chunk with index 0",
        sse(
            delta(tool_calls=[call(0, '{"q": 1}', id="a", name="look"), call(0, '{"r": 2}', id="b", name="find")]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "the id repeated in every piece",
        sse(
            delta(tool_calls=[call(0, '{"q"', id="a", name="look")]),
            delta(tool_calls=[call(0, '{"r"', id="b", name="find")]),
            delta(tool_calls=[call(0, ": 1}", id="a", name="look")]),
            delta(tool_calls=[call(0, ": 2}", id="b", name="find")]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "a new id with every piece but one name",
        sse(
            delta(tool_calls=[call(0, '{"q"', id="a", name="look")]),
            delta(tool_calls=[call(0, ": 1}", id="zzz")]),
            delta("tool_calls"),
            DONE,
        ),
        {"tool_calls": [LOOK]},
    ),
    Scenario(
        "openai",
        "calls without an index",
        sse(
            delta(tool_calls=[{"id": "a", "function": {"name": "look", "arguments": '{"q"'}}]),
            delta(tool_calls=[{"function": {"arguments": ": 1}"}}]),
            delta(tool_calls=[{"id": "b", "function": {"name": "find", "arguments": '{"r"'}}]),
            delta(tool_calls=[{"id": "b", "function": {"arguments": ": 2}"}}]),
            delta("tool_calls"),
            DONE,
        ),
        TWO_CALLS,
    ),
    Scenario(
        "openai",
        "the name after the id and the first arguments",
        sse(
            delta(tool_calls=[call(0, '{"q"', id="a", x=1)]),
            delta(tool_calls=[call(0, ": 1}", name="look")]),
            delta("tool_calls"),
            DONE,
        ),
        {"tool_calls": [ToolCall("a", "look", '{"q": 1}', {"x": 1})]},
    ),
    Scenario(
        "openai",
        "one id for two calls",
        sse(
            delta(tool_calls=[call(0, '{"q"', id="a", name="look")]),
            delta(tool_calls=[call(1, '{"r": 2}', id="a", name="find")]),
            delta(tool_calls=[call(0, ": 1}", id="a")]),
            delta("tool_calls"),
            DONE,
        ),
        {"tool_calls": [LOOK, ToolCall("a-1", "find", '{"r": 2}')]},
    ),
    Scenario(
        "openai",
        "a call without an id, and one with an object",
        whole(
            "stop",
            content=None,
            tool_calls=[
                {"function": {"name": "look", "arguments": ""}},
                {"id": "b", "function": {"name": "find", "arguments": {"r": 2}}},
            ],
        ),
        {"finish": "tool_calls", "tool_calls": [ToolCall("call-1", "look", "{}"), ToolCall("b", "find", '{"r":2}')]},
    ),
    Scenario(
        "openai",
        "two calls",
        whole(
            "tool_calls",
            tool_calls=[
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}},
                {"id": "b", "type": "function", "function": {"name": "find", "arguments": '{"r": 2}'}},
            ],
        ),
        TWO_CALLS,
    ),
    Scenario(
        "anthropic",
        "two calls",
        message(
            "tool_use",
            {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}},
            {"type": "tool_use", "id": "b", "name": "find", "input": {}},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        ),
        {"tool_calls": [LOOK, ToolCall("b", "find", "{}")], "finish": "tool_calls"},
    ),
    Scenario(
        "openai",
        "unknown fields of a call are kept",
        sse(
            delta(
                tool_calls=[call(0, '{"q"', id="a", name="look", extra_content={"google": {"thought_signature": "s"}})]
            ),
            delta(tool_calls=[call(0, ": 1}", later=True)]),
            delta("tool_calls"),
            DONE,
        ),
        {
            "tool_calls": [
                ToolCall(
                    "a", "look", '{"q": 1}', {"extra_content": {"google": {"thought_signature": "s"}}, "later": True}
                )
            ]
        },
    ),
    Scenario(
        "openai",
        "usage",
        sse(
            delta(content="ok"),
            delta("stop"),
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 30,
                    "completion_tokens": 5,
                    "prompt_tokens_details": {"cached_tokens": 20},
                    "completion_tokens_details": {"reasoning_tokens": 4},
                },
            },
            DONE,
        ),
        {"usage": Usage(30, 5, cached_prompt_tokens=20, reasoning_tokens=4)},
    ),
    Scenario(
        "openai",
        "usage, where the details are missing",
        whole(content="ok", top={"usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 1}}),
        {"usage": Usage(3, 2, cached_prompt_tokens=1)},
    ),
    Scenario(
        "anthropic",
        "usage",
        sse(
            start(input_tokens=10, cache_read_input_tokens=15, cache_creation_input_tokens=5, output_tokens=1),
            *stop("end_turn", output_tokens=5),
        ),
        {"usage": Usage(30, 5, cached_prompt_tokens=15, cache_write_tokens=5), "text": None},
    ),
    Scenario("anthropic", "usage, where the details are missing", message(), {"usage": Usage(3, 2)}),
    Scenario("openai", "length", sse(delta(content="o"), delta("length"), DONE), {"finish": "length", "text": "o"}),
    Scenario(
        "openai", "content filter", sse(delta(content="o"), delta("content_filter"), DONE), {"finish": "content_filter"}
    ),
    Scenario("openai", "refusal", whole("stop", refusal="I won't"), {"finish": "content_filter", "text": "I won't"}),
    Scenario("anthropic", "length", message("max_tokens", {"type": "text", "text": "o"}), {"finish": "length"}),
    Scenario("anthropic", "a full window", sse(start(), *stop("model_context_window_exceeded")), {"finish": "length"}),
    Scenario("anthropic", "refusal", sse(start(), *stop("refusal")), {"finish": "content_filter"}),
    Scenario("anthropic", "stop sequence", message("stop_sequence"), {"finish": "stop"}),
    Scenario(
        "openai",
        "vLLM's token ids and logprobs",
        sse(
            delta(top={"prompt_token_ids": [1, 2]}, role="assistant"),
            {
                "choices": [
                    {
                        "delta": {"content": "o"},
                        "token_ids": [7],
                        "logprobs": {"content": [{"token": "o", "logprob": -0.5, "top_logprobs": []}]},
                    }
                ]
            },
            {
                "choices": [
                    {
                        "delta": {"content": "k"},
                        "token_ids": [8],
                        "logprobs": {"content": [{"token": "k", "logprob": -0.25}]},
                        "finish_reason": "stop",
                    }
                ]
            },
            DONE,
        ),
        {"prompt_token_ids": [1, 2], "token_ids": [7, 8], "logprobs": [-0.5, -0.25], "text": "ok"},
    ),
    Scenario(
        "openai",
        "vLLM's token ids and logprobs",
        whole(
            content="ok",
            top={"prompt_token_ids": [1, 2]},
            choice={"token_ids": [7, 8], "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.25}]}},
        ),
        {"prompt_token_ids": [1, 2], "token_ids": [7, 8], "logprobs": [-0.5, -0.25]},
    ),
    Scenario(
        "openai",
        "llama.cpp's token ids",
        whole(
            content="ok", choice={"logprobs": {"content": [{"id": 7, "logprob": -0.5}, {"id": 8, "logprob": -0.25}]}}
        ),
        {"token_ids": [7, 8], "logprobs": [-0.5, -0.25]},
    ),
    Scenario(
        "openai", "a finish without [DONE]", sse(delta(content="ok"), delta("stop")), {"text": "ok", "finish": "stop"}
    ),
    Scenario("openai", "[DONE] without a finish", sse(delta(content="ok"), DONE), {"text": "ok", "finish": "stop"}),
    Scenario(
        "anthropic",
        "a stop_reason without message_stop",
        sse(start(), block(0, "text", text=""), grow(0, "text_delta", text="ok"), stop("end_turn")[0]),
        {"text": "ok", "finish": "stop"},
    ),
    Scenario(
        "openai",
        "only the first of several choices",
        sse(
            {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "ok"}}]},
            delta("stop"),
            DONE,
        ),
        {"text": "ok"},
    ),
]
