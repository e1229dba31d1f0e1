"""What a model is asked besides the context: what its agent's kind and settings add, and what the run's sender set."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from kelpie.agents import kinds
from kelpie.agents.agent import Agent
from kelpie.agents.kinds import HEARTBEAT, SPEAKING_TOOL, THOUGHT, Kind
from kelpie.agents.rules import rules
from kelpie.agents.turn import structured
from kelpie.agents.turn.calls import Prepared
from kelpie.agents.turn.structured import Format
from kelpie.models import thinking
from kelpie.models.model import ModelCard
from kelpie.trajectories.records import RunOptions, Skill, Tokens
from umi.wire.types import Message, Reply, Request, ToolSpec

_THOUGHT = {"type": "string", "description": "Deep inner monologue private to you only."}
_HEARTBEAT = {
    "type": "boolean",
    "description": (
        "Request an immediate heartbeat after this call: true if you want to call another tool or send another message"
        " after it. If false, your turn ends with this call."
    ),
}
_AS_OBJECT = "Answer with one JSON object and nothing else."


def format_of(agent: Agent, options: RunOptions) -> Format | None:
    """What the answer must be: the sender's wish goes before the agent's. None if any text will do."""
    form = options.response_format or agent.response_format
    return None if structured.is_free(form) else form


def specs(agent: Agent, offered: Sequence[ToolSpec], options: RunOptions) -> list[ToolSpec]:
    """The tools as the model is shown them: with the arguments that its agent's kind adds to every call. Those that end
    the turn whatever the call asks for take no heartbeat."""
    kind, form = kinds.of(agent.agent_type), format_of(agent, options)
    if not (kind.heartbeats or kind.thinks or (kind.speaks and form is not None)):
        return list(offered)
    return [_shaped(spec, kind, form, options, is_ending=rules.ends_turn(agent.rules, spec.name)) for spec in offered]


def _shaped(spec: ToolSpec, kind: Kind, form: Format | None, options: RunOptions, *, is_ending: bool) -> ToolSpec:
    given = spec.parameters
    properties, required = dict(given.get("properties") or {}), list(given.get("required") or ())
    if kind.speaks and form is not None and spec.name == SPEAKING_TOOL:
        properties["message"] = structured.schema_of(form)
    if kind.thinks and options.thinks and THOUGHT not in properties:
        properties, required = {THOUGHT: _THOUGHT, **properties}, [THOUGHT, *required]
    if kind.heartbeats and not is_ending and HEARTBEAT not in properties:
        properties[HEARTBEAT] = _HEARTBEAT
        required.append(HEARTBEAT)
    return ToolSpec(spec.name, spec.description, {**given, "properties": properties, "required": required})


def completed(request: Request, agent: Agent, card: ModelCard, options: RunOptions) -> Request:
    """The request with what is asked of the reply: its format, how much to think, what to say of its tokens."""
    kind, form = kinds.of(agent.agent_type), format_of(agent, options)
    if kind.must_call and card.calls_tools and request.tools and request.tool_choice == "auto":
        request = msgspec.structs.replace(request, tool_choice="required")
    if form is not None and not kind.speaks:
        request = _formatted(request, form, card)
    if options.logprobs or options.token_ids:
        extra = dict(request.extra)
        if options.top_logprobs is not None and card.provider_type != "anthropic":
            extra["top_logprobs"] = options.top_logprobs
        request = msgspec.structs.replace(request, logprobs=True, token_ids=options.token_ids, extra=extra)
    return thinking.asked(request, card, agent.thinking, is_on=options.thinks)


def _formatted(request: Request, form: Format, card: ModelCard) -> Request:
    if form["type"] == "json_object" and card.provider_type == "anthropic":
        # That API knows schemas alone. The answer is checked all the same.
        system = request.messages[0]
        told = msgspec.structs.replace(system, content=f"{system.text}\n\n{_AS_OBJECT}")
        return msgspec.structs.replace(request, messages=[told, *request.messages[1:]])
    return msgspec.structs.replace(request, response_format=form)


def skills_told(skills: Sequence[Skill]) -> str:
    """What the model is told of skills that the sender's client has."""
    lines = [f"- {one.name} ({one.location}): {one.description}" for one in skills]
    return "<available_skills>\n" + "\n".join(lines) + "\n</available_skills>"


def rewriting(options: RunOptions) -> Callable[[str], str] | None:
    """What the sender makes of the system message: another one in its place, and skills at its end. None: nothing."""
    if options.system is None and not options.skills:
        return None

    def rewritten(text: str) -> str:
        said = text if options.system is None else options.system
        return f"{said}\n\n{skills_told(options.skills)}" if options.skills else said

    return rewritten


def thinks_in_calls(agent: Agent, options: RunOptions) -> bool:
    return options.thinks and kinds.of(agent.agent_type).thinks


def said(reply: Reply, agent: Agent, options: RunOptions) -> Message:
    """The reply as it is stored, marked if its calls hold what the agent thought."""
    message = reply.as_message()
    marked = bool(reply.tool_calls) and thinks_in_calls(agent, options)
    return msgspec.structs.replace(message, thinks_in_calls=True) if marked else message


def tokens_of(reply: Reply, options: RunOptions) -> Tokens | None:
    """What the step keeps of the reply's tokens, if anything was asked of them."""
    if not (options.logprobs or options.token_ids):
        return None
    return Tokens(prompt_ids=reply.prompt_token_ids, ids=reply.token_ids, sampled=reply.sampled)


def prepared(call: Prepared, agent: Agent, options: RunOptions) -> Prepared:
    """A call without what its agent's kind added to its arguments: whether it asks to go on is noted, and a structured
    answer is what it has to be or refused."""
    kind = kinds.of(agent.agent_type)
    if call.refusal is not None or call.tool is None or not (kind.heartbeats or kind.thinks or kind.speaks):
        return call
    own = call.tool.spec.parameters.get("properties") or {}
    added = {name for name in (THOUGHT, HEARTBEAT) if name not in own}
    asks_on = kind.heartbeats and HEARTBEAT in added and call.arguments.get(HEARTBEAT) in (True, "true", "True")
    arguments = {name: value for name, value in call.arguments.items() if name not in added}
    form = format_of(agent, options) if kind.speaks and call.call.name == SPEAKING_TOOL else None
    if form is None or "message" not in arguments:
        return replace(call, arguments=arguments, asks_on=asks_on)
    why = structured.problem(form, arguments["message"])
    if why is not None:
        return replace(call, refusal=f"the message is not what response_format asks for: {why}")
    arguments["message"] = structured.as_text(arguments["message"])
    return replace(call, arguments=arguments, asks_on=asks_on)
