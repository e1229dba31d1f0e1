"""A question from outside, put to the agent that answers it. What comes of it: kelpie.analyst.answers.

A session is an agent of one speaker: its questions follow each other, and nobody else's are among them. Its id is
drawn from tenant, semantic model, speaker and session name, so that two first questions at once meet the same agent.
"""

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents.agent import REMEMBERS, Agent, AgentMemory
from kelpie.agents.inbox import Inbox
from kelpie.agents.turn.scene import Workshop
from kelpie.agents.turn.stream import RunStream
from kelpie.analyst import limits
from kelpie.analyst.agent import PLANNER_HANDLE, analyst_agent
from kelpie.analyst.semantic import records
from kelpie.analyst.semantic.records import SemanticModelRecord
from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.models.registry import Models
from kelpie.people import NOBODY, Speaker
from kelpie.people import records as people
from kelpie.trajectories.records import RunInput, RunOptions
from umi.dst import named_uuid
from umi.entity import Block
from umi.limits import BLOCK_VALUE_CHARS_DEFAULT
from umi.storage import View
from umi.wire.types import Message

# Of all that a provider sells, what is good and cheap enough for questions about data.
PREFERRED_MODELS = ("gpt-5-mini", "gpt-4o-mini", "claude-haiku-4-5")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the handle that answers; `semantic_model` an id or a name, None if the tenant has just one; `speaker`
    whom it is for, as the server found out."""

    text: str
    model: str
    semantic_model: str | None = None
    session: str = "default"
    speaker: Speaker = NOBODY


async def default_model(models: Models, tenant: str) -> str:
    """The handle that answers when nobody named one: a configured language model, else the planner."""
    offered = [card for card in await models.list(tenant) if card.provider_type not in ("kelpie", "local")]
    preferred = [card for card in offered if card.name in PREFERRED_MODELS]
    return next((card.handle for card in preferred or offered), PLANNER_HANDLE)


async def put(workshop: Workshop, inbox: Inbox, tenant: str, question: Question) -> RunStream:
    """Acknowledge a question. Raises NotFound, InvalidInput, LimitExceeded, ModelError("unknown_model"), QueueFull."""
    if not question.text.strip():
        raise InvalidInput("the question is empty")
    if len(question.text) > limits.QUESTION_CHARS_MAX:
        raise LimitExceeded("the question", len(question.text), limits.QUESTION_CHARS_MAX, "characters")
    if not 1 <= len(question.session) <= limits.SESSION_CHARS_MAX:
        raise InvalidInput(f"a session's name has 1 to {limits.SESSION_CHARS_MAX} characters")
    workshop.models.resolve(question.model, tenant)
    view = View(workshop.database)
    record = await _semantic_model(view, tenant, question.semantic_model)
    agent_id = await _session_agent(workshop, view, record, question)
    incoming = RunInput(id=workshop.host.ids.new("message"), body=Message(role="user", content=question.text))
    speaker = question.speaker if question.speaker.key else None
    options = RunOptions(model=question.model, speaker=speaker)
    return await inbox.accept(tenant, agent_id, [incoming], options)


async def _semantic_model(view: View, tenant: str, wanted: str | None) -> SemanticModelRecord:
    if wanted is not None:
        found = await records.by_name(view, tenant, wanted)
        return found or await records.get(view, tenant, wanted)
    known = await records.list_all(view, tenant)
    if len(known) == 1:
        return known[0]
    if not known:
        raise NotFound("no semantic model is registered: connect data first (POST /v1/analyst/connections)")
    names = ", ".join(record.name for record in known)
    raise InvalidInput(f"there are several semantic models ({names}); say which one the question is about")


async def _session_agent(workshop: Workshop, view: View, record: SemanticModelRecord, question: Question) -> str:
    agent_id = _session_agent_id(record, question)
    try:
        return (await agents.get(view, record.tenant, agent_id)).id
    except NotFound:
        pass
    made = analyst_agent(record, name="analyst", model=question.model)
    now_ms = workshop.host.clock.now_ms()
    agent = Agent(
        tenant=record.tenant,
        id=agent_id,
        name=made.name,
        model=made.model,
        system=made.system,
        description=made.description,
        metadata=made.metadata | {"session": question.session},
        tags=["analyst"],
        memory=REMEMBERS if workshop.remembers else AgentMemory(),
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    blocks = [
        Block(
            tenant=record.tenant,
            id=workshop.host.ids.new("block"),
            label=block.label,
            value=block.value,
            description=block.description,
            limit_chars=BLOCK_VALUE_CHARS_DEFAULT,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        for block in made.blocks
    ]
    try:
        draft = creation.Draft(agent=agent, blocks=blocks, tool_names=made.tools, speaker=question.speaker)
        agent, changes = await creation.plan(workshop, view, draft)
        await workshop.database.commit(changes.extend(people.is_here(record.tenant, question.speaker)))
    except Conflict:
        await agents.get(view, record.tenant, agent_id)  # another first question was faster
    except GuardFailed:
        raise NotFound(f"'{question.speaker.name}' was removed: nobody asks for them any more") from None
    return agent_id


def _session_agent_id(record: SemanticModelRecord, question: Question) -> str:
    if not question.speaker.key:
        return f"agent-{named_uuid(f'{record.tenant}/{record.id}/{question.session}')}"
    name = msgspec.json.encode([record.tenant, record.id, question.speaker.key, question.session]).decode()
    return f"agent-{named_uuid(name)}"
