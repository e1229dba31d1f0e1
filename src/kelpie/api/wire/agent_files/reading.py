"""An agent file as a parcel."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from kelpie.actors.recurrence import When, first_due_ms
from kelpie.agents.agent import Agent
from kelpie.agents.scheduling import Mailing
from kelpie.api.wire import tools
from kelpie.api.wire.agent_files import checking, extension, folders, legacy, parts
from kelpie.api.wire.agent_files.extension import Extension, OfAgent
from kelpie.api.wire.agent_files.messages import Lost, told_of
from kelpie.api.wire.agent_files.parts import Notes
from kelpie.api.wire.schedules import CreateSchedule
from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.moving import limits
from kelpie.moving.history import mended
from kelpie.moving.parcel import Filed, Parcel, Told, Traveller
from kelpie.tools.custom import ToolDraft
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.tools.secrets import check as check_secrets
from umi.entity import Block

_COPY_SUFFIX = "_copy"
_NOT_TAKEN = ("mcp_servers", "skills")
_KNOWN = frozenset((*checking.LISTS, "metadata", "created_at", extension.KEY))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for with a file, and what it meets here.

    name         what its agent is to be called; with several agents, the first
    is_copy      "_copy" is added to each name
    model        the handle to use instead of theirs; so `embedding`
    secrets      values for the names of secrets in the file, and more
    builtins     the names of built-in tools
    nameless     what to call an agent without a name
    strict       what is ours in the file is not read
    """

    now_ms: int
    nameless: str
    builtins: Collection[str]
    name: str | None = None
    is_copy: bool = False
    model: str | None = None
    embedding: str | None = None
    secrets: Mapping[str, str] | None = None
    without_messages: bool = False
    strict: bool = False


def read(data: bytes, wishes: Wishes) -> Parcel:
    """Raises InvalidInput, LimitExceeded, InvalidSource, NotServed, CallerError: each says where in the file."""
    file = checking.decoded(data)
    if legacy.is_legacy(file):
        file = legacy.as_current(file)
    elif "agents" not in file:
        raise InvalidInput("this is no agent file: it has neither 'agents' nor, as older ones do, 'core_memory'")
    lists = checking.lists_of(file)
    _check_sizes(lists)
    checking.check_references(lists)
    ours = Extension() if wishes.strict else extension.read(file)
    return _Reader(lists, ours, wishes, _notes(file, lists)).parcel()


def _check_sizes(lists: Mapping[str, Sequence[Any]]) -> None:
    """Before anything is built of them; what is allowed of messages and passages, the parcel says."""
    for name, maximum in (
        ("agents", limits.PARCEL_AGENTS_MAX),
        ("blocks", limits.PARCEL_BLOCKS_MAX),
        ("tools", limits.PARCEL_TOOLS_MAX),
        ("sources", limits.PARCEL_FOLDERS_MAX),
        ("files", limits.PARCEL_FILES_MAX),
    ):
        if len(lists[name]) > maximum:
            raise LimitExceeded(f"the agent file's list of {name}", len(lists[name]), maximum, name)


def _notes(file: Mapping[str, Any], lists: Mapping[str, Sequence[Mapping[str, Any]]]) -> Notes:
    notes = Notes()
    for name in _NOT_TAKEN:
        if lists[name]:
            shown = [str(one.get("name") or one.get("file_name") or one.get("id"))[:64] for one in lists[name][:5]]
            notes.add(f"{len(lists[name])} {name} of the file are not taken: {', '.join(shown)}")
    unknown = sorted(name for name in file if name not in _KNOWN)
    if unknown:
        notes.add(f"fields of the file that are not known here: {', '.join(unknown)[:200]}")
    for agent in lists["agents"]:
        strange = sorted(name for name in agent if name not in AGENT_FIELDS)
        if strange:
            notes.add(f"fields of the agent '{agent['id'][:64]}' that are not known here: {', '.join(strange)[:200]}")
    return notes


class _Reader:
    def __init__(
        self, lists: Mapping[str, list[dict[str, Any]]], ours: Extension, wishes: Wishes, notes: Notes
    ) -> None:
        self._lists, self._ours, self._wishes, self._notes = lists, ours, wishes, notes
        self._blocks: dict[str, Block] = {}
        self._tools: dict[str, ToolDraft | str] = {}
        self._files: dict[str, Filed] = {}

    def parcel(self) -> Parcel:
        self._read_blocks()
        self._read_tools()
        found = {one["id"]: folders.folder_of(one, self._notes, self._wishes.now_ms) for one in self._lists["sources"]}
        self._files = folders.files_of(self._lists["files"], self._notes)
        agents = [self._agent(place, one) for place, one in enumerate(self._lists["agents"])]
        groups = parts.groups_of(self._lists["groups"], self._notes)
        return Parcel(
            agents=agents,
            blocks=self._blocks,
            tools=self._tools,
            groups=groups,
            folders=found,
            files=self._files,
            notes=list(self._notes.lines),
        )

    def _read_blocks(self) -> None:
        for one in self._lists["blocks"]:
            block = parts.block_of(f"the block '{one['id'][:64]}'", one, self._wishes.now_ms)
            extra = self._ours.blocks.get(one["id"])
            if extra is not None:
                block = msgspec.structs.replace(block, type=extra.type, importance=extra.importance)
            self._blocks[one["id"]] = block

    def _read_tools(self) -> None:
        names: set[str] = set()
        for one in self._lists["tools"]:
            fields = {**one, tools.FIELD: self._ours.tools.get(one["id"])}
            tool = parts.tool_of(fields, self._wishes.builtins, self._notes, strict=self._wishes.strict)
            if tool is None:
                continue
            name = tool if isinstance(tool, str) else str(one.get("name"))
            if name in names:
                raise InvalidInput(f"two tools of the agent file have the name '{name[:64]}'")
            names.add(name)
            self._tools[one["id"]] = tool

    def _agent(self, place: int, one: dict[str, Any]) -> Traveller:
        wishes, extra = self._wishes, self._ours.agents.get(one["id"], OfAgent())
        agent, secrets = parts.agent_of(one, self._notes, name=wishes.nameless, now_ms=wishes.now_ms)
        agent = self._as_wished(agent, extra, place)
        return Traveller(
            agent=agent,
            ref=one["id"],
            blocks=[*dict.fromkeys(one.get("block_ids") or []), *self._own_blocks(one)],
            tools=[ref for ref in one.get("tool_ids") or [] if ref in self._tools],
            folders=folders.folders_of_agent(one),
            held=folders.held_by(one, self._files),
            told=[] if wishes.without_messages else self._told(one, extra),
            facts=[passage.fact() for passage in _unique(extra.passages)],
            schedules=[made for body in extra.schedules if (made := self._schedule(body)) is not None],
            secrets=_filled(secrets, wishes.secrets),
        )

    def _as_wished(self, agent: Agent, extra: OfAgent, place: int) -> Agent:
        wishes, name = self._wishes, agent.name
        if wishes.name and place == 0:
            name = wishes.name
        elif wishes.is_copy:
            name = f"{name}{_COPY_SUFFIX}"
        if extra.memory.scope is not None:
            self._notes.add(f"the agent '{name[:64]}' shares the memory '{extra.memory.scope[:64]}', as the file says")
        for what, count in extra.left_out.items():
            self._notes.add(f"{count:,} {what[:64]} of the agent '{name[:64]}' are not in the file")
        return msgspec.structs.replace(
            agent,
            name=name,
            model=wishes.model or agent.model,
            embedding=wishes.embedding or agent.embedding,
            memory=extra.memory,
        )

    def _own_blocks(self, one: Mapping[str, Any]) -> list[str]:
        """Blocks that stand inside the agent, as in a request to create one."""
        refs = []
        for number, fields in enumerate(one.get("memory_blocks") or []):
            ref = f"{one['id']}/memory_blocks/{number}"
            self._blocks[ref] = parts.block_of(f"the block '{ref[:128]}'", fields, self._wishes.now_ms)
            refs.append(ref)
        return refs

    def _told(self, one: Mapping[str, Any], extra: OfAgent) -> list[Told]:
        """The history but the system message it begins with, which is compiled anew."""
        lost: Lost = Counter()
        messages = one.get("messages") or []
        if messages and messages[0].get("role") == "system":
            messages = messages[1:]
        records = [*extra.history, *messages]
        if len(records) > limits.PARCEL_MESSAGES_MAX:
            raise LimitExceeded("the agent's list of messages", len(records), limits.PARCEL_MESSAGES_MAX, "messages")
        told, dropped = mended([part for record in records for part in told_of(record, lost, self._wishes.now_ms)])
        for kind, count in lost.items():
            if count:
                self._notes.add(f"messages of the agent '{one['id'][:64]}': {count:,} {kind} are not taken")
        for message in dropped:
            self._notes.add(f"the message '{message.ref[:64]}' is not taken: {message.why}")
        return told

    def _schedule(self, body: dict[str, Any]) -> tuple[When, Mailing] | None:
        asked = parts.validated("a schedule of the agent file", CreateSchedule, body)
        when = asked.schedule.when(self._wishes.now_ms)
        try:
            first_due_ms(when, self._wishes.now_ms)
        except (InvalidInput, LimitExceeded) as error:
            self._notes.add(f"a scheduled message is not taken: {error}")
            return None
        return when, asked.mailing()


def _unique(passages: list[extension.Passage]) -> list[extension.Passage]:
    if len({one.id for one in passages}) < len(passages):
        raise InvalidInput("two passages of one agent in the agent file have the same id")
    return passages


def _filled(named: Secrets, values: Mapping[str, str] | None) -> Secrets:
    """The secrets that a file names, with the values that were given; one without a value stays empty.

    Raises InvalidInput, LimitExceeded.
    """
    if not values:
        return named or NO_SECRETS
    return check_secrets({**named.values, **values})


# What an agent of a file may say: what creating one takes, and a few more.
AGENT_FIELDS = frozenset(
    """id name memory_blocks tools tool_ids source_ids folder_ids block_ids tool_rules tags system agent_type
    initial_message_sequence include_base_tools include_multi_agent_tools include_base_tool_rules include_default_source
    description metadata llm_config embedding_config model embedding model_settings compaction_settings
    context_window_limit embedding_chunk_size max_tokens max_reasoning_tokens enable_reasoner reasoning from_template
    template project tool_exec_environment_variables secrets memory_variables project_id template_id base_template_id
    identity_ids message_buffer_autoclear enable_sleeptime response_format timezone max_files_open
    per_file_view_window_char_limit hidden parallel_tool_calls in_context_message_ids messages files_agents group_ids
    """.split()
)
