"""A model that says what it is told: for tests, benchmarks and trying things out without a key.

Directives in the LAST user message decide the reply:

    [[say:text]]           the final text; without it "ok"
    [[n:40]]               a final text of that many words
    [[tool:name {json}]]   a tool call; several are made one per step, in their order
    [[par:name {json}]]    all of these in one step, before the others
    [[think:text]]         reasoning before the reply
    [[usage:N]]            report N prompt tokens
    [[finish:length]]      report this finish reason
    [[delay_ms:200]]       wait before answering ([[delay:200]] is the same)
    [[pace_ms:10]]         wait between the pieces of a stream
    [[err:429]]            fail with this HTTP status
    [[window:N]]           fail with a full context if the prompt has more than N tokens (of four characters)
    [[cut:N]]              the stream ends after N events, without a finish
    [[garbage]]            answer with something that is no reply

Which step it is follows from the assistant's tool calls after that user message, so the model itself has no state.
Where no tools are offered no tool is called. A request that forces a tool gets a call of one. A request without tools
whose system prompt begins by speaking of summarising is answered with a summary, whatever directives the text to be
summarised holds; so is one that forbids calls and whose last message speaks of it.
"""

import hashlib
import json
import re
from typing import Literal, cast

import msgspec

from kelpie.errors import ModelError
from kelpie.models import limits
from kelpie.models.model import ModelCard
from umi.dst import Host
from umi.hygiene import RECALL_TAG
from umi.wire.faults import fault_of_status
from umi.wire.types import Delta, Message, OnDelta, Reply, Request, SampledToken, ToolCall, ToolSpec, Usage

Finish = Literal["stop", "length", "tool_calls", "content_filter"]

_BEGIN = re.compile(
    r"\[\[(say|n|tool|par|think|usage|finish|delay_ms|delay|pace_ms|err|window|cut|garbage)(?::|(?=\]\]))"
)
_RECALLED = re.compile(rf"<{RECALL_TAG}>.*?</{RECALL_TAG}>", re.DOTALL)
_END = re.compile(r"\]\](?!\])")
_NAME = re.compile(r"\s*([^\s\]]+)\s*")
_WORD = re.compile(r"\S+\s*")
_FINISHES = ("stop", "length", "tool_calls", "content_filter")
_NAME_IN_ERRORS = "the scripted model"
_SUMMARY_PROMPT_CHARS = 300  # a summariser's prompt says so at once; an agent's may use the word somewhere
_SUMMARY = "SUMMARY: the user and the agent talked."


class Script(msgspec.Struct, frozen=True):
    """What a request asks the scripted model to do. Numbers that are None were not given."""

    text: str | None
    tool_calls: list[ToolCall]
    finish: Finish
    usage: Usage
    reasoning: str | None = None
    delay_ms: int = 0
    pace_ms: int = 0
    error_status: int | None = None
    error_code: str = "scripted_error"
    cut_after_events: int | None = None
    garbage: bool = False
    sampled: list[SampledToken] | None = None  # the text's words as tokens, if the request wants to hear of them
    prompt_token_ids: list[int] | None = None


def script_of(request: Request) -> Script:
    """The same request always gives the same script, ids included."""
    user, step = _last_user(request.messages)
    directives = [] if _wants_summary(request) else _directives(user)
    last = dict(directives)
    calls = _calls_of_step(directives, step) if request.tools else []
    text = _text(last) if not _wants_summary(request) else _SUMMARY
    if request.tools and not calls and request.tool_choice not in ("auto", "none"):
        calls = [_forced(request, text)]
    made = [ToolCall(_call_id(request, index), name, arguments) for index, (name, arguments) in enumerate(calls)]
    usage = _usage(request, last, text if not made else "")
    window = _number(last, "window")
    overflow = window is not None and usage.prompt_tokens > window
    finish = last.get("finish", "")
    if finish not in _FINISHES:
        finish = "tool_calls" if made else "stop"
    return Script(
        text=None if made else text,
        tool_calls=made,
        finish=cast("Finish", finish),
        usage=usage,
        reasoning=last.get("think"),
        delay_ms=min(_number(last, "delay_ms") or _number(last, "delay") or 0, limits.SCRIPT_DELAY_MS_MAX),
        pace_ms=min(_number(last, "pace_ms") or 0, limits.SCRIPT_DELAY_MS_MAX),
        error_status=400 if overflow else _number(last, "err"),
        error_code="context_length_exceeded" if overflow else "scripted_error",
        cut_after_events=_number(last, "cut"),
        garbage="garbage" in last,
        sampled=_sampled(text) if request.logprobs and not made else None,
        prompt_token_ids=list(range(usage.prompt_tokens)) if request.token_ids else None,
    )


def _sampled(text: str) -> list[SampledToken]:
    """A token a word, each as likely as it is short."""
    words = _WORD.findall(text)
    return [SampledToken(token=word, logprob=-len(word) / 8, id=at, top_logprobs=[]) for at, word in enumerate(words)]


def pieces_of(script: Script) -> list[Delta]:
    """The reply as it is streamed: word by word, and arguments in pieces."""
    pieces = [Delta(kind="reasoning", text=word) for word in _WORD.findall(script.reasoning or "")]
    pieces += [Delta(kind="text", text=word) for word in _WORD.findall(script.text or "")]
    for index, call in enumerate(script.tool_calls):
        pieces.append(Delta(kind="tool_call", index=index, tool_call_id=call.id, tool_name=call.name))
        for start in range(0, len(call.arguments), 16):
            part = call.arguments[start : start + 16]
            pieces.append(Delta(kind="tool_call", index=index, arguments=part))
    return pieces


def error_body_of(script: Script) -> bytes:
    """A provider's error object, in the shape of the chat completions API; the messages API only wraps it."""
    error = {"message": "scripted error", "type": script.error_code, "code": script.error_code}
    return msgspec.json.encode({"error": error})


def _ids(script: Script) -> list[int] | None:
    if script.prompt_token_ids is None or script.sampled is None:
        return None
    return [one.id for one in script.sampled if one.id is not None]


class ScriptedModel:
    """The scripted model in this process: it fails with the same ModelErrors a wire would raise."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        script = script_of(request)
        clock = self._host.clock
        if script.delay_ms:
            await clock.sleep(script.delay_ms)
        if script.error_status is not None:
            body, now_ms = error_body_of(script), clock.now_ms()
            raise fault_of_status(_NAME_IN_ERRORS, script.error_status, {}, body, key="", now_ms=now_ms)
        if script.garbage:
            raise ModelError("invalid_response", f"{_NAME_IN_ERRORS} sent garbage, as it was told")
        if on_delta is not None:
            for piece in pieces_of(script)[: script.cut_after_events]:
                on_delta(piece)
                if script.pace_ms:
                    await clock.sleep(script.pace_ms)
        if script.cut_after_events is not None:
            raise ModelError("connection", f"{_NAME_IN_ERRORS} ended the stream in the middle, as it was told")
        return Reply(
            text=script.text,
            tool_calls=script.tool_calls,
            finish=script.finish,
            usage=script.usage,
            model=request.model,
            reasoning=script.reasoning,
            sampled=script.sampled,
            logprobs=None if script.sampled is None else [one.logprob for one in script.sampled],
            token_ids=_ids(script),
            prompt_token_ids=script.prompt_token_ids,
        )


def scripted_card(handle: str = "kelpie/scripted") -> ModelCard:
    """A card to register a ScriptedModel under."""
    provider, _, name = handle.partition("/")
    return ModelCard(handle=handle, provider=provider, name=name, provider_type="kelpie", version="1")


def _last_user(messages: list[Message]) -> tuple[str, int]:
    """The last user message's text, and how many of the assistant's messages with calls came after it."""
    step = 0
    for message in reversed(messages):
        if message.role == "assistant" and message.tool_calls:
            step += 1
        if message.role == "user":
            text = _unwrapped(spoken(message.text))
            if text is not None:
                return text, step
    return "", step


def spoken(text: str) -> str:
    """What a user's message says itself: on some wires it is one with what was recalled for it, where words of earlier
    messages are quoted."""
    return _RECALLED.sub("", text).lstrip("\n") if f"<{RECALL_TAG}>" in text else text


def _unwrapped(text: str) -> str | None:
    """Letta's older agents wrap what a user says into JSON, and send heartbeats (None) as if a user had spoken."""
    if not text.startswith("{"):
        return text
    try:
        envelope = json.loads(text)
    except ValueError:
        return text
    if envelope.get("type") == "heartbeat":
        return None
    said = envelope.get("message")
    return said if isinstance(said, str) else text


def _wants_summary(request: Request) -> bool:
    if request.tools:  # an agent that is to summarise itself may not call them, and is asked last
        return request.tool_choice == "none" and "summar" in request.messages[-1].text[:_SUMMARY_PROMPT_CHARS].lower()
    prompts = (message.text[:_SUMMARY_PROMPT_CHARS] for message in request.messages if message.role == "system")
    return "summar" in next(prompts, "").lower()


def _directives(text: str) -> list[tuple[str, str]]:
    """(name, what follows the colon) in their order."""
    found: list[tuple[str, str]] = []
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        name, at = begin[1], begin.end()
        stop = _end_of_call(text, at) if name in ("tool", "par") else None
        if stop is None:
            end = _END.search(text, at)
            if end is None:
                break
            stop = end.start()
        found.append((name, text[at:stop].strip()))
        at = stop + 2
    return found


def _end_of_call(text: str, at: int) -> int | None:
    """Where `name {json}` ends, if the JSON is well-formed: it may hold `]]` itself."""
    name = _NAME.match(text, at)
    if name is None or not text.startswith("{", name.end()):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text, name.end())
    except (ValueError, RecursionError):
        return None
    closing = re.compile(r"\s*\]\]").match(text, end)
    return closing.end() - 2 if closing else None


def _calls_of_step(directives: list[tuple[str, str]], step: int) -> list[tuple[str, str]]:
    parallel = [what for name, what in directives if name == "par"]
    steps = ([parallel] if parallel else []) + [[what] for name, what in directives if name == "tool"]
    if step >= len(steps):
        return []
    calls = (what.partition(" ") for what in steps[step])
    return [(name, arguments.strip() or "{}") for name, _, arguments in calls]


def _text(last: dict[str, str]) -> str:
    words = _number(last, "n")
    if words is not None:
        return " ".join(f"word{index}" for index in range(min(words, limits.SCRIPT_WORDS_MAX)))
    return last.get("say", "ok")


def _number(last: dict[str, str], name: str) -> int | None:
    value = last.get(name, "")
    return int(value) if value.isdecimal() else None


def _forced(request: Request, text: str) -> tuple[str, str]:
    """A request that insists on a tool: the one it names, or the one that talks, or the first."""
    by_name = {tool.name: tool for tool in request.tools}
    name = request.tool_choice
    if name not in by_name:
        name = "send_message" if "send_message" in by_name else request.tools[0].name
    return name, json.dumps(_arguments_for(by_name[name], text))


def _arguments_for(tool: ToolSpec, text: str) -> dict[str, object]:
    """What Letta's talking tools take; other tools have to do without."""
    known: dict[str, object] = {"thinking": "thinking", "message": text, "request_heartbeat": False}
    properties = tool.parameters.get("properties") or {}
    return {name: value for name, value in known.items() if name in properties}


def _call_id(request: Request, index: int) -> str:
    """Differs from step to step and from conversation to conversation, and never between two runs."""
    recent = msgspec.json.encode([len(request.messages), index, request.messages[-4:]])
    return "call_" + hashlib.blake2b(recent, digest_size=12).hexdigest()


def _usage(request: Request, last: dict[str, str], text: str) -> Usage:
    """Four characters a token, as a rule of thumb."""
    prompt_tokens = _number(last, "usage")
    if prompt_tokens is None:
        prompt_tokens = max(1, sum(len(message.text) for message in request.messages) // 4)
    return Usage(prompt_tokens=prompt_tokens, completion_tokens=len(text.split()) or 10, cached_prompt_tokens=0)
