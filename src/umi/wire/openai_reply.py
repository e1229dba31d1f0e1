"""What a chat completions server answers, streamed or whole, as a Reply."""

from typing import Any, NamedTuple

import msgspec

from umi.dst import Host
from umi.errors import ModelError
from umi.wire.draft import Draft, DraftCall, Finish, agreeing
from umi.wire.encoding import UNREADABLE
from umi.wire.faults import fault_of_error, odd_answer
from umi.wire.sse import SseEvent
from umi.wire.types import OnDelta, Reply, SampledToken, Usage


class _Piece(msgspec.Struct):
    """A streamed `delta` and a whole `message` have the same fields. Mistral sends content as a list of parts."""

    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Logprobs(msgspec.Struct):
    content: list[SampledToken] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Piece | None = None
    message: _Piece | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name for it

    def in_our_words(self) -> Usage:
        cached = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None
        reasoning = self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else None
        return Usage(
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self.completion_tokens or 0,
            cached_prompt_tokens=cached if cached is not None else self.prompt_cache_hit_tokens,
            reasoning_tokens=reasoning,
        )


class _Answer(msgspec.Struct):
    """A chunk of a stream or a whole body; both may be an error instead."""

    id: str | None = None
    model: str | None = None
    object: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    prompt_token_ids: list[int] | None = None
    error: Any = None


class _Unnamed(NamedTuple):
    id: str = ""
    arguments: str = ""
    extra: dict[str, Any] = {}  # noqa: RUF012 - never changed, only merged into a new dict


_decode = msgspec.json.Decoder(_Answer).decode
_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_KNOWN_CALL_FIELDS = ("index", "id", "type", "function")


class OpenAIReader:
    def __init__(self, origin: str, key: str, host: Host, model: str, on_delta: OnDelta | None) -> None:
        self.draft = Draft(host, on_delta)
        self.closed = False
        self._origin, self._key, self._model = origin, key, model
        self._calls_at: dict[int, list[DraftCall]] = {}  # by the index the server gave them, which may be shared
        self._unnamed: dict[int, _Unnamed] = {}  # calls whose name has not arrived
        self._had_choice = False
        self._refused = False
        self._finish: str | None = None
        self._usage = Usage()
        self._id: str | None = None
        self._token_ids: list[int] | None = None
        self._prompt_token_ids: list[int] | None = None
        self._sampled: list[SampledToken] | None = None

    @property
    def complete(self) -> bool:
        return self.closed or self._finish is not None

    def event(self, event: SseEvent) -> None:
        if event.data.strip() == b"[DONE]":
            self.closed = True
        else:
            self._take(event.data)

    def whole(self, body: bytes) -> None:
        answer = self._take(body)
        if not self._had_choice:
            raise self._odd("no choices" if not answer.choices else "a choice without a message", body)
        if self._finish is None:
            raise self._odd("a reply without a finish_reason", body)
        self.closed = True

    def reply(self, raw_request: list[bytes], raw_response: bytes, request_id: str | None) -> Reply:
        if not self._had_choice:
            raise self._odd("no choices", raw_response)
        if self._unnamed:
            raise self._odd("a tool call without a name", raw_response)
        calls = self.draft.finished_calls()
        finish: Finish = "content_filter" if self._refused else _FINISH.get(self._finish or "", "stop")
        return Reply(
            text=self.draft.text,
            tool_calls=calls,
            finish=agreeing(finish, calls),
            usage=self._usage,
            model=self._model,
            reasoning=self.draft.reasoning,
            raw_request=raw_request,
            raw_response=raw_response,
            prompt_token_ids=self._prompt_token_ids,
            token_ids=self._token_ids,
            logprobs=None if self._sampled is None else [token.logprob for token in self._sampled],
            sampled=self._sampled,
            provider_request_id=request_id or self._id,
        )

    def _take(self, data: bytes) -> _Answer:
        try:
            answer = _decode(data)
        except UNREADABLE as error:
            raise self._odd(f"no chat completion ({error})", data) from None
        if answer.error or answer.object == "error":
            raise fault_of_error(self._origin, answer.error or msgspec.json.decode(data), data, key=self._key)
        self._id = self._id or answer.id
        self._model = answer.model or self._model
        if answer.usage is not None:
            self._usage = answer.usage.in_our_words()
        if answer.prompt_token_ids is not None:
            self._prompt_token_ids = answer.prompt_token_ids
        for choice in answer.choices or ():
            if choice.index == 0:  # we ask for one; a server that sends more has its first one read
                self._choice(choice, data)
        return answer

    def _choice(self, choice: _Choice, data: bytes) -> None:
        piece = choice.delta if choice.delta is not None else choice.message
        if piece is not None:
            self._had_choice = True
            self._piece(piece, whole=choice.message is not None, data=data)
        if choice.token_ids is not None:
            self._token_ids = (self._token_ids or []) + choice.token_ids
        if choice.logprobs is not None and choice.logprobs.content is not None:
            tokens = choice.logprobs.content
            self._sampled = (self._sampled or []) + tokens
            if choice.token_ids is None and all(token.id is not None for token in tokens):
                self._token_ids = (self._token_ids or []) + [token.id for token in tokens if token.id is not None]
        if choice.finish_reason == "error":
            raise fault_of_error(self._origin, {"message": "it gave up (finish_reason: error)"}, data, key=self._key)
        if choice.finish_reason:
            self._finish = choice.finish_reason

    def _piece(self, piece: _Piece, *, whole: bool, data: bytes) -> None:
        # Where both are sent they are the same text under its old and its new name.
        self.draft.add_reasoning(piece.reasoning_content or piece.reasoning or "")
        if isinstance(piece.content, str):
            self.draft.add_text(piece.content)
        elif piece.content is not None:
            self._parts(piece.content)
        if piece.refusal:
            self._refused = True
            self.draft.add_text(piece.refusal)
        for place, call in enumerate(piece.tool_calls or ()):
            self._call(call, place if whole else None, data)

    def _parts(self, parts: list[dict[str, Any]]) -> None:
        for part in parts:
            if part.get("type") == "thinking":
                thinking = part.get("thinking")
                pieces = thinking if isinstance(thinking, list) else [{"text": thinking}]
                for piece in pieces:
                    self.draft.add_reasoning(str(piece.get("text") or "") if isinstance(piece, dict) else "")
            elif part.get("type") == "text":
                self.draft.add_text(str(part.get("text") or ""))

    def _call(self, piece: dict[str, Any], place: int | None, data: bytes) -> None:
        """A whole call, or a piece of one. Servers tell calls apart by index, by id, or by both; some give every call
        index 0, some repeat the id in each piece, some send a new id with each piece but the name only once."""
        try:
            function = msgspec.convert(piece.get("function") or {}, _Function)
            call_id = msgspec.convert(piece.get("id") or "", str)
        except msgspec.ValidationError as error:
            raise self._odd(f"a malformed tool call ({error})", data) from None
        name, index = function.name or "", piece.get("index")
        arguments = function.arguments or ""
        if isinstance(arguments, dict):  # Ollama's own shape, and a few proxies'
            arguments = msgspec.json.encode(arguments).decode()
        if place is not None:
            index = place
        elif not isinstance(index, int):
            index = self._index_of(call_id)
        call = self._known(index, call_id, name)
        extra = {field: piece[field] for field in piece if field not in _KNOWN_CALL_FIELDS}
        if call is None:
            # The first piece of a call passes on id and name; pieces without a name wait until it comes.
            waiting = self._unnamed.pop(index, _Unnamed())
            call_id, arguments, extra = call_id or waiting.id, waiting.arguments + arguments, waiting.extra | extra
            if not name:
                self._unnamed[index] = _Unnamed(call_id, arguments, extra)
                return
            call = self.draft.start_call(call_id, name)
            self._calls_at.setdefault(index, []).append(call)
        self.draft.add_arguments(call, arguments)
        call.extra.update(extra)

    def _known(self, index: int, call_id: str, name: str) -> DraftCall | None:
        """The call a piece belongs to, or None if it begins a new one."""
        calls = self._calls_at.get(index)
        if not calls:
            return None
        if not call_id:
            return calls[-1]
        by_id = next((call for call in calls if call.sent_id == call_id), None)
        return by_id or (None if name else calls[-1])

    def _index_of(self, call_id: str) -> int:
        """For servers that leave the index out: an id we know is that call, a new id a new one, no id the latest."""
        for index, calls in self._calls_at.items():
            if call_id and any(call.sent_id == call_id for call in calls):
                return index
        return len(self._calls_at) if call_id or not self._calls_at else max(self._calls_at)

    def _odd(self, what: str, raw: bytes) -> ModelError:
        return odd_answer(self._origin, what, raw, key=self._key)
