"""Agents as files: an agent leaves as one, and agents come from one, whole or not at all."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.answer import JSON, answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import CONVERSATION, AgentId
from kelpie.api.names import random_name
from kelpie.api.places import DEFAULT, place_of
from kelpie.api.wire.agent_files import legacy, reading, writing
from kelpie.api.wire.agents import card_or_handle
from kelpie.errors import InvalidInput
from kelpie.models.model import ModelCard
from kelpie.moving.packing import pack
from kelpie.moving.unpacking import unpack

router = APIRouter(tags=["agents"])
Handle = Annotated[str | None, Form(max_length=limits.HANDLE_CHARS_MAX)]


class ExportAgent(BaseModel):
    """Skills are put into the file as they are given. The history is that of one conversation, the main one unless
    another is named."""

    skills: list[dict[str, Any]] = Field(default=[], max_length=limits.AGENT_FILE_SKILLS_MAX)
    conversation_id: str | None = Field(default=None, pattern=CONVERSATION)
    scrub_messages: bool = False


@router.get("/v1/agents/{agent_id}/export")
async def export_agent(
    request: Request,
    agent_id: AgentId,
    use_legacy_format: Annotated[bool, Query(description="The older format, of one agent without ids.")] = False,
    conversation_id: Annotated[str | None, Query(pattern=CONVERSATION)] = None,
    scrub_messages: bool = False,
) -> Response:
    """The agent as a file; under `kelpie`, passages, older messages and schedules."""
    body = ExportAgent(conversation_id=conversation_id, scrub_messages=scrub_messages)
    return await _export(caller(request), agent_id, body, older=use_legacy_format)


@router.post("/v1/agents/{agent_id}/export")
async def export_agent_with_skills(request: Request, agent_id: AgentId, body: ExportAgent | None = None) -> Response:
    """The same with skills, which are given here and stand in the file."""
    return await _export(caller(request), agent_id, body or ExportAgent(), older=False)


async def _export(who: Caller, agent_id: str, body: ExportAgent, *, older: bool) -> Response:
    _, conversation = await place_of(who, body.conversation_id or DEFAULT, agent_id)

    def card_of(handle: str) -> ModelCard:
        return card_or_handle(handle, lambda wanted: who.workshop.models.resolve(wanted, who.tenant)[0])

    packed = await pack(
        who.view,
        who.tenant,
        agent_id,
        lambda agent: card_of(agent.model),
        conversation_id=conversation,
        without_messages=body.scrub_messages,
    )
    file = writing.write(packed, card_of, who.now_ms(), body.skills, strict=who.house.strict_letta)
    # Indented, as Letta's: people read these files.
    text = msgspec.json.format(msgspec.json.encode(legacy.as_older(file) if older else file), indent=2)
    return Response(text, media_type=JSON)


@router.post("/v1/agents/import")
async def import_agents(
    request: Request,
    file: Annotated[UploadFile, File()],
    x_override_embedding_model: Annotated[str | None, Header(max_length=limits.HANDLE_CHARS_MAX)] = None,
    override_existing_tools: Annotated[bool, Form()] = True,
    strip_messages: Annotated[bool, Form()] = False,
    secrets: Annotated[str | None, Form()] = None,
    name: Annotated[str | None, Form()] = None,
    embedding: Handle = None,
    model: Handle = None,
    append_copy_suffix: Annotated[bool, Form(deprecated=True)] = True,
    override_name: Annotated[str | None, Form(deprecated=True)] = None,
    override_embedding_handle: Handle = None,
    override_model_handle: Handle = None,
    env_vars_json: Annotated[str | None, Form(deprecated=True)] = None,
) -> Response:
    """The agents of a file, with new ids. `kelpie_notes` says what of it was not taken, and why."""
    who = caller(request)
    wanted = model or override_model_handle
    if wanted is not None:
        who.workshop.models.resolve(
            wanted, who.tenant
        )  # what is asked for here is served, or refused; the file's own may wait
    wishes = reading.Wishes(
        now_ms=who.now_ms(),
        nameless=random_name(who.workshop.host.rng),
        builtins=who.workshop.catalog.builtins,
        name=name or override_name,
        is_copy=append_copy_suffix,
        model=wanted,
        embedding=embedding or override_embedding_handle or x_override_embedding_model,
        secrets=_values(secrets or env_vars_json),
        without_messages=strip_messages,
        strict=who.house.strict_letta,
    )
    parcel = reading.read(await file.read(), wishes)
    schedule = who.house.scheduling.plan_add
    async with who.house.quotas.room_for_agents(who.tenant, len(parcel.agents)):
        made = await unpack(who.workshop, schedule, who.tenant, parcel, replace_tools=override_existing_tools)
    body: dict[str, Any] = {"agent_ids": [agent.id for agent in made]}
    return answer(body if who.house.strict_letta else body | {"kelpie_notes": parcel.notes})


def _values(text: str | None) -> dict[str, str] | None:
    """Secrets as a form holds them. Raises InvalidInput, repeating nothing of them."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InvalidInput('secrets are a JSON object of texts: {"NAME": "value"}') from None
