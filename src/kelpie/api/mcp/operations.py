"""The tools of our own MCP server: what the REST routes do, for a client that is a model.

Each does what a route does, for the same key: one that speaks for a few people alone asks questions and nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request

from kelpie.agents import agent as agents
from kelpie.agents.turn.stream import RunStream
from kelpie.analyst import connections, questions
from kelpie.analyst.questions import Question
from kelpie.analyst.semantic import records as semantic_models
from kelpie.api.house import Caller, caller, caller_for_people
from kelpie.api.mcp import takes
from kelpie.api.routes.analyst import analyst_of
from kelpie.api.routes.questions import answer_of
from kelpie.api.wire import analyst as analyst_wire
from kelpie.api.wire import archival as archival_wire
from kelpie.errors import GuardFailed, NotFound
from kelpie.trajectories import messages, runs
from kelpie.trajectories.records import OPEN_STATUSES, Run, RunInput, RunOptions
from umi import archival, core
from umi.memory import Draft
from umi.serve.operations import read
from umi.serve.parameters import Parameters
from umi.storage import Page
from umi.wire.types import Message

Does = Callable[[Request, Any], Awaitable[Any]]


class Operation(msgspec.Struct, frozen=True):
    """A tool: as umi.mcp.server.Offered, and what it does."""

    name: str
    doc: str
    takes: type[Parameters]
    does: Does
    reads: bool = False
    destroys: bool = False

    def read(self, given: Mapping[str, Any]) -> Parameters:
        """Its parameters. Raises InvalidInput, naming the parameter."""
        return read(self.name, self.takes, given)


async def _list_agents(request: Request, given: takes.ListAgents) -> Any:
    who = caller(request)
    page = Page(limit=given.limit, after=given.after)
    found = await agents.list_agents(who.view, who.tenant, page, text=given.text)
    return [{"id": one.id, "name": one.name, "description": one.description, "model": one.model} for one in found]


async def _send_message(request: Request, given: takes.SendMessage) -> Any:
    who = caller(request)
    said = RunInput(id=who.workshop.host.ids.new("message"), body=Message(role="user", content=given.message))
    async with who.house.quotas.room_for_run(who.tenant):
        stream = await who.house.inbox.accept(who.tenant, given.agent_id, [said], RunOptions())
    await _wait(who, stream, given.wait_s)
    return await _answer(who, stream.run)


async def _get_answer(request: Request, given: takes.OneRun) -> Any:
    who = caller(request)
    run = await runs.get(who.view, who.tenant, given.run_id)
    stream = who.house.inbox.stream_of(run.id) if run.status in OPEN_STATUSES else None
    if stream is not None:
        await _wait(who, stream, given.wait_s)
        run = stream.run
    return await _answer(who, run)


async def _wait(who: Caller, stream: RunStream, seconds: int) -> bool:
    """Whether the run ended in time. One that didn't goes on."""
    try:
        async with who.workshop.host.clock.timeout(seconds * 1000):
            await stream.wait()
    except TimeoutError:
        return False
    return True


async def _answer(who: Caller, run: Run) -> dict[str, Any]:
    """What the agent said so far, and how the run ended, if it did."""
    stored = await messages.of_run(who.view, who.tenant, run.id)
    said = [one.body.text for one in stored if one.body.role == "assistant" and one.body.text]
    shown: dict[str, Any] = {"run_id": run.id, "status": run.status, "answer": "\n".join(said)}
    if run.error is not None:
        shown["error"] = who.house.redact(str(run.error["message"]))
    return shown


async def _recall(request: Request, given: takes.Recall) -> Any:
    who = caller(request)
    agent = await agents.get(who.view, who.tenant, given.agent_id)
    scope = agent.memory.scope_of(agent.id)
    found = await who.workshop.archive.recall(who.view, who.tenant, scope, given.query, limit=given.limit)
    return archival_wire.search_results(found)


async def _remember(request: Request, given: takes.Remember) -> Any:
    who = caller(request)
    archive = who.workshop.archive
    agent = await agents.get(who.view, who.tenant, given.agent_id)
    scope = agent.memory.scope_of(agent.id)
    drafts = archive.without_secrets([Draft(text=given.text, tags=list(given.tags), source={"kind": "client"})])
    stated = [one.fact for one in archive.stated(who.tenant, scope, drafts)]
    changes = agents.exists(agents.actor_id(who.tenant, agent.id)).extend(archival.plan_add(stated, archive.why("add")))
    try:
        await who.workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no agent has the id '{agent.id}'") from None
    finally:
        archive.wake(who.tenant, scope)
    return [archival_wire.passage(fact) for fact in stated]


async def _list_blocks(request: Request, given: takes.OneAgent) -> Any:
    who = caller(request)
    await agents.get(who.view, who.tenant, given.agent_id)
    found = await core.of_scope(who.view, who.tenant, given.agent_id)
    return [{"label": one.label, "value": one.value, "description": one.description} for one in found]


async def _set_block(request: Request, given: takes.SetBlock) -> Any:
    who = caller(request)
    await agents.get(who.view, who.tenant, given.agent_id)
    block = await core.by_label(who.view, who.tenant, given.agent_id, given.label)
    stored = await core.edit(who.view, who.tenant, block.id, who.now_ms(), {"value": given.value})
    return {"label": stored.label, "value": stored.value}


async def _ask(request: Request, given: takes.Ask) -> Any:
    who = caller_for_people(request)
    analyst_of(who)
    question = Question(
        text=given.question,
        model=given.model or who.house.analyst_model or await questions.default_model(who.workshop.models, who.tenant),
        semantic_model=given.semantic_model,
        session=given.session,
        speaker=await who.speaker(given.speaker),
    )
    async with who.house.quotas.room_for_run(who.tenant):
        stream = await questions.put(who.workshop, who.house.inbox, who.tenant, question)
    await stream.wait()
    return analyst_wire.answered(await answer_of(who, stream.run.id))


async def _list_connections(request: Request, given: takes.Nothing) -> Any:  # noqa: ARG001 - it takes nothing
    who = caller(request)
    found = await connections.list_all(who.view, who.tenant)
    return [{"id": one.id, "name": one.name, "engine": one.engine} for one in found]


async def _list_semantic_models(request: Request, given: takes.Nothing) -> Any:  # noqa: ARG001 - it takes nothing
    who = caller(request)
    found = await semantic_models.list_all(who.view, who.tenant)
    return [{"id": one.id, "name": one.name, "connection_id": one.connection_id} for one in found]


_TABLE = (
    Operation("list_agents", "The agents there are, oldest first.", takes.ListAgents, _list_agents, reads=True),
    Operation(
        "send_message",
        "Send an agent a message and wait for its answer. It remembers the conversation. If it takes longer than"
        " wait_s, the status is not 'completed' yet: fetch the answer with get_answer.",
        takes.SendMessage,
        _send_message,
    ),
    Operation(
        "get_answer", "What an agent answered in a run, and how that ended.", takes.OneRun, _get_answer, reads=True
    ),
    Operation(
        "recall", "Find what an agent's long-term memory holds, best match first.", takes.Recall, _recall, reads=True
    ),
    Operation("remember", "Add a fact to an agent's long-term memory.", takes.Remember, _remember),
    Operation(
        "list_blocks", "An agent's core memory: what it always has in view.", takes.OneAgent, _list_blocks, reads=True
    ),
    Operation(
        "set_block",
        "Replace what a block of an agent's core memory says. Other agents that share the block see the change.",
        takes.SetBlock,
        _set_block,
        destroys=True,
    ),
    Operation(
        "ask",
        "Ask a question about the connected data, in words. Every number answered stands on a query, which is shown.",
        takes.Ask,
        _ask,
    ),
    Operation(
        "list_connections", "The data sources questions can be asked of.", takes.Nothing, _list_connections, reads=True
    ),
    Operation(
        "list_semantic_models",
        "The semantic models: what questions can be about, one name each.",
        takes.Nothing,
        _list_semantic_models,
        reads=True,
    ),
)
OPERATIONS: dict[str, Operation] = {one.name: one for one in _TABLE}
