"""What travels. Things in a parcel name one another by references that mean something inside it alone."""

import msgspec

from kelpie.actors.recurrence import When
from kelpie.agents.agent import Agent
from kelpie.agents.scheduling import Mailing
from kelpie.errors import LimitExceeded
from kelpie.files.arriving import Arrival
from kelpie.files.folders import Folder
from kelpie.groups import Group
from kelpie.moving import limits
from kelpie.tools.custom import ToolDraft
from kelpie.tools.secrets import NO_SECRETS, Secrets
from umi.entity import Block, Fact
from umi.wire.types import Message


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a history that is not stored here yet. `ref` tells it from the others."""

    ref: str
    body: Message
    created_at_ms: int
    otid: str | None = None


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a folder, which is a reference."""

    folder: str
    arrival: Arrival


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an agent holds open, by its reference: from line `start` on, counted from 0."""

    file: str
    start: int = 0
    length: int | None = None


class Traveller(msgspec.Struct, frozen=True, kw_only=True):
    """An agent with what is its alone. Tenant, ids and times of its parts are set where it arrives.

    ref            what groups name it by
    blocks, tools  references, in the order they are attached
    folders, held  references to its folders; the files of them it holds open, the one it looked at last as the last
    told           its history, oldest first and mended; the system message it begins with is made anew
    facts          of its own scope; a claim's `ended_by` and `kept` name facts of this list by their ids
    """

    agent: Agent
    ref: str = ""
    blocks: list[str] = []
    tools: list[str] = []
    folders: list[str] = []
    held: list[Holding] = []
    told: list[Told] = []
    facts: list[Fact] = []
    schedules: list[tuple[When, Mailing]] = []
    secrets: Secrets = NO_SECRETS


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """
    groups  with references in the place of ids: their agents, managers and blocks
    folders, files  by reference; the name of a file is its folder's alone
    tools  by reference: the draft of a custom tool, or the name of a built-in one
    notes  what of the source is not in the parcel, and why: for the person who sent it
    """

    agents: list[Traveller]
    blocks: dict[str, Block] = {}
    tools: dict[str, ToolDraft | str] = {}
    groups: list[Group] = []
    folders: dict[str, Folder] = {}
    files: dict[str, Filed] = {}
    notes: list[str] = []


def check(parcel: Parcel) -> None:
    """Raise LimitExceeded for a parcel that is too large for one commit."""
    for what, size, maximum in (
        ("agents", len(parcel.agents), limits.PARCEL_AGENTS_MAX),
        ("blocks", len(parcel.blocks), limits.PARCEL_BLOCKS_MAX),
        ("tools", len(parcel.tools), limits.PARCEL_TOOLS_MAX),
        ("groups", len(parcel.groups), limits.PARCEL_GROUPS_MAX),
        ("folders", len(parcel.folders), limits.PARCEL_FOLDERS_MAX),
        ("files", len(parcel.files), limits.PARCEL_FILES_MAX),
        ("messages", sum(len(one.told) for one in parcel.agents), limits.PARCEL_MESSAGES_MAX),
        ("facts", sum(len(one.facts) for one in parcel.agents), limits.PARCEL_FACTS_MAX),
        ("schedules", max((len(one.schedules) for one in parcel.agents), default=0), limits.PARCEL_SCHEDULES_MAX),
    ):
        if size > maximum:
            raise LimitExceeded(f"the file's list of {what}", size, maximum, what)
