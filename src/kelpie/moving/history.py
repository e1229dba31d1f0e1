"""A history from elsewhere, made fit to be repeated.

Providers refuse a conversation with a call that nobody answers, an answer to no call, or an empty message, and an agent
that has one would fail at every message to come.
"""

import msgspec

from kelpie.agents.turn.calls import INTERRUPTED_TEXT
from kelpie.agents.turn.replies import plain_name
from kelpie.moving.parcel import Told
from umi.dst.ids import named_uuid
from umi.entity import check_text
from umi.wire.types import ImagePart, Message, ToolCall


class Dropped(msgspec.Struct, frozen=True):
    """A message that is not taken, by its reference, and why."""

    ref: str
    why: str


class Mender:
    """One history, message by message, oldest first. It holds the open calls and nothing else."""

    def __init__(self) -> None:
        self.dropped: list[Dropped] = []
        self._open: dict[str, ToolCall] = {}
        self._caller: Told | None = None

    def feed(self, told: Told) -> list[Told]:
        """What this message adds to the history. Raises InvalidInput for a text that no store takes."""
        body = told.body
        _check(told.ref, body)
        if body.role == "tool":
            return self._answer(told)
        if not (body.content or body.reasoning or body.tool_calls):
            return self._drop(told, "it is empty")
        before = self.close(told.created_at_ms)
        if body.tool_calls:
            self._open = {
                call.id: msgspec.structs.replace(call, name=plain_name(call.name)) for call in body.tool_calls
            }
            body = msgspec.structs.replace(body, tool_calls=list(self._open.values()))
            self._caller = msgspec.structs.replace(told, body=body)
            return [*before, self._caller]
        return [*before, told]

    def close(self, now_ms: int | None = None) -> list[Told]:
        """Answers to the calls that nobody answered: that they were interrupted. Also to be asked for at the end."""
        caller, calls = self._caller, list(self._open.values())
        self._caller, self._open = None, {}
        if caller is None:
            return []
        return [
            Told(
                ref=f"message-{named_uuid(f'{caller.ref}/interrupted/{call.id}')}",
                body=Message(
                    role="tool", content=INTERRUPTED_TEXT, tool_call_id=call.id, name=call.name, is_error=True
                ),
                created_at_ms=caller.created_at_ms if now_ms is None else now_ms,
            )
            for call in calls
        ]

    def _answer(self, told: Told) -> list[Told]:
        call = self._open.pop(told.body.tool_call_id or "", None)
        if call is None:
            return self._drop(told, "it answers no call of the message before it")
        body = msgspec.structs.replace(told.body, name=call.name, content=told.body.content or "")
        return [msgspec.structs.replace(told, body=body)]

    def _drop(self, told: Told, why: str) -> list[Told]:
        self.dropped.append(Dropped(told.ref, why))
        return []


def mended(history: list[Told]) -> tuple[list[Told], list[Dropped]]:
    """A whole history at once. Raises InvalidInput."""
    mender, out = Mender(), []
    for told in history:
        out += mender.feed(told)
    return [*out, *mender.close()], mender.dropped


def _check(ref: str, body: Message) -> None:
    what = f"the message '{ref[:64]}'"
    parts = body.content if isinstance(body.content, list) else []
    images = [text for part in parts if isinstance(part, ImagePart) for text in (part.url, part.data) if text]
    calls = [text for call in body.tool_calls for text in (call.id, call.name, call.arguments)]
    for text in (body.text, body.reasoning or "", body.reasoning_signature or "", body.name or "", *images, *calls):
        check_text(what, text)
