"""Talking to an agent: the whole answer, a stream of it, or a receipt."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from kelpie.agents import agent as agents
from kelpie.agents.kinds import SPEAKING_TOOL
from kelpie.agents.turn.stream import RunStream
from kelpie.api import claims, limits, sse
from kelpie.api.answer import answer
from kelpie.api.failures import of_failed_run
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId, ConversationFilter
from kelpie.api.paging import PageQuery, Window
from kelpie.api.places import DEFAULT, Place, place_of, still_there
from kelpie.api.wire import messages as wire
from kelpie.api.wire import runs as run_wire
from kelpie.api.wire import sampled
from kelpie.api.wire.incoming import MessageType, SendMessages
from kelpie.api.wire.messages import Fashion
from kelpie.errors import InvalidInput
from kelpie.groups import records as groups
from kelpie.trajectories import messages, steps
from kelpie.trajectories.records import MAIN, Call, Run, StoredMessage

router = APIRouter(tags=["messages"])


class MessagesQuery(PageQuery):
    use_assistant_message: bool = True
    assistant_message_tool_name: str = Field(default=SPEAKING_TOOL, max_length=limits.SENDER_CHARS_MAX)
    assistant_message_tool_kwarg: str = Field(default=wire.SPEAKING_ARGUMENT, max_length=limits.SENDER_CHARS_MAX)
    include_return_message_types: list[MessageType] | None = None

    def fashion(self, request: Request | None = None) -> Fashion:
        """How the list is shown; to clients before generation 1 without the types of message that they don't know."""
        types = self.include_return_message_types
        alerts = request is not None and not is_sdk_1(request)
        return Fashion(
            speaking=self.use_assistant_message,
            tool=self.assistant_message_tool_name,
            argument=self.assistant_message_tool_kwarg,
            types=None if types is None else frozenset(types),
            summaries="alerts" if alerts else "whole",
        )


class HistoryQuery(MessagesQuery):
    """Of an agent's messages; `group_id` leaves those that were a group's turn."""

    group_id: str | None = None


async def calls_of(who: Caller, stored: Sequence[StoredMessage]) -> Mapping[str, Call]:
    """The calls that the tool messages among `stored` answer, by message."""
    ids = [message.id for message in stored if message.body.role == "tool"]
    if not ids:
        return {}
    return wire.answering_calls(await steps.calls_of(who.view, who.tenant, message_ids=ids))


async def accept(who: Caller, agent_id: str, body: SendMessages, conversation_id: str = MAIN) -> RunStream:
    """Acknowledge the messages: when this returns they are durable and will be answered. What was accepted before with
    the same key is not run again: the stream is of the run it had."""
    inbox, claim = who.house.inbox, claims.current()
    if claim is not None and claim.resumes is not None:
        return await inbox.resume(who.tenant, claim.resumes)
    incoming, options = body.run_input(who.workshop.host.ids), body.options()
    if options.model is not None:
        # Refused here if nobody serves it: there is no fallback for it.
        who.workshop.models.resolve(options.model, who.tenant)
    run_id = who.workshop.host.ids.new("run")
    if claim is not None:
        claim.run_id = run_id
    async with who.house.quotas.room_for_run(who.tenant, len(incoming)):
        return await inbox.accept(
            who.tenant, agent_id, incoming, options, conversation_id=conversation_id, run_id=run_id
        )


@router.post("/v1/agents/{agent_id}/messages")
async def create_message(request: Request, agent_id: AgentId, body: SendMessages) -> Response:
    """Send messages and wait for the answer; with `streaming` it comes as server-sent events."""
    return await responded(caller(request), body, agent_id)


async def responded(who: Caller, body: SendMessages, agent_id: str, conversation_id: str = MAIN) -> Response:
    if body.streaming:
        return await _streamed(who, body, agent_id, conversation_id)
    if body.stream_tokens or body.background:
        name = "stream_tokens" if body.stream_tokens else "background"
        raise InvalidInput(f"{name} needs streaming: set 'streaming' to true, or use the async route")
    ended, committed = await (await accept(who, agent_id, body, conversation_id)).wait()
    if ended.run.status == "failed":
        return of_failed_run(ended.run, who.house)
    said = [message for step in committed for message in step.messages]
    return answer(
        {
            "messages": wire.shown(said, await calls_of(who, said), body.fashion()),
            "stop_reason": run_wire.stop_reason(ended.run.stop_reason),
            "usage": run_wire.usage_statistics(ended.steps),
            **sampled.told(ended.run.options, ended.steps, said),
        }
    )


@router.post("/v1/agents/{agent_id}/messages/stream")
async def stream_message(request: Request, agent_id: AgentId, body: SendMessages) -> Response:
    """Send messages; the answer comes as server-sent events, by step or (`stream_tokens`) by token."""
    return await _streamed(caller(request), body, agent_id, MAIN)


async def _streamed(who: Caller, body: SendMessages, agent_id: str, conversation_id: str) -> Response:
    stream = await accept(who, agent_id, body, conversation_id)
    return watched(who, stream, pings=body.include_pings)


def watched(who: Caller, stream: RunStream, *, pings: bool, after: int = 0) -> Response:
    """A run's events as the answer, from the one after `after`."""
    events = sse.events(stream, who.house, lambda stored: calls_of(who, stored), pings=pings, after=after)
    return sse.respond(events, stream.run.id)


@router.post("/v1/agents/{agent_id}/messages/async")
async def send_message(request: Request, agent_id: AgentId, body: SendMessages) -> Response:
    """Send messages and get a run at once; ask the run how it ended."""
    stream = await accept(caller(request), agent_id, body.model_copy(update={"background": True}))
    return answer(run_wire.run(stream.run))


@router.post("/v1/agents/{agent_id}/messages/cancel")
async def cancel_messages(request: Request, agent_id: AgentId, body: run_wire.CancelRuns | None = None) -> Response:
    """End runs that are under way: those that are named, or all of the agent. Says of each what became of it."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    ended = await who.house.inbox.cancel_of(who.tenant, agent_id, (body and body.run_ids) or ())
    return cancelled(ended)


def cancelled(ended: Mapping[str, Run]) -> Response:
    """What became of runs that were to end."""
    return answer({run_id: "cancelled" if run.status == "cancelled" else "failed" for run_id, run in ended.items()})


@router.get("/v1/agents/{agent_id}/messages")
async def list_messages(
    request: Request,
    agent_id: AgentId,
    query: Annotated[HistoryQuery, Query()],
    conversation_id: ConversationFilter = DEFAULT,
) -> Response:
    """The messages of the agent's main conversation, or of the one that is asked for, newest first. The page counts
    stored messages: one may show as several."""
    who = caller(request)
    return await listed(who, request, query, await place_of(who, conversation_id, agent_id), query.group_id)


async def listed(
    who: Caller, request: Request, query: MessagesQuery, place: Place, group_id: str | None = None
) -> Response:
    """A page of what a conversation shows, or of what a group's turns left there."""
    window = Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    if group_id is not None:
        await groups.get(who.view, who.tenant, group_id)
    found = await messages.list_messages(
        who.view,
        who.tenant,
        window.page,
        agent_id=place.agent_id,
        conversation_id=place.conversation_id,
        group_id=group_id,
    )
    stored = window.ordered(found)
    shown = wire.shown(stored, await calls_of(who, stored), query.fashion(request))
    # Last: one that is deleted meanwhile has no list, not an empty one.
    await still_there(who, place)
    return answer(shown)
