"""A database as Letta 0.16.7 has it: its tables, with the columns that matter, and rows of every kind."""

import json
import uuid

import psycopg

AT = "2026-03-01T10:00:00+00:00"
ORG, OTHER = (f"org-0000000{number}-0000-4000-8000-000000000000" for number in (0, 1))
_COMMON = "created_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false, organization_id text"
TABLES = {
    "organizations": "id text PRIMARY KEY, name text, created_at timestamptz DEFAULT now(), is_deleted boolean",
    "users": f"id text PRIMARY KEY, name text, {_COMMON}",
    "agents": f"""id text PRIMARY KEY, agent_type text, name text, description text, system text, message_ids json,
        response_format json, metadata_ json, llm_config json, embedding_config json, compaction_settings json,
        tool_rules json, message_buffer_autoclear boolean NOT NULL DEFAULT false, enable_sleeptime boolean,
        timezone text, max_files_open integer, per_file_view_window_char_limit integer, hidden boolean,
        project_id text, template_id text, base_template_id text, {_COMMON}""",
    "agents_tags": "agent_id text NOT NULL REFERENCES agents, tag text NOT NULL, PRIMARY KEY (agent_id, tag)",
    "agent_environment_variables": f"""id text PRIMARY KEY, agent_id text REFERENCES agents, key text, value text,
        value_enc text, description text, {_COMMON}""",
    "block": f"""id text PRIMARY KEY, label text NOT NULL, value text NOT NULL, "limit" integer NOT NULL,
        description text, metadata_ json, read_only boolean NOT NULL DEFAULT false, hidden boolean,
        is_template boolean NOT NULL DEFAULT false, {_COMMON}""",
    "blocks_agents": """agent_id text REFERENCES agents, block_id text REFERENCES block, block_label text,
        PRIMARY KEY (agent_id, block_id, block_label)""",
    "blocks_tags": f"block_id text REFERENCES block, tag text, {_COMMON}, PRIMARY KEY (block_id, tag)",
    "tools": f"""id text PRIMARY KEY, name text NOT NULL, tool_type text NOT NULL, description text,
        tags json NOT NULL DEFAULT '[]', source_type text NOT NULL DEFAULT 'python', source_code text, json_schema json,
        args_json_schema json, return_char_limit integer, pip_requirements json, npm_requirements json,
        default_requires_approval boolean, metadata_ json, {_COMMON}""",
    "tools_agents": "agent_id text REFERENCES agents, tool_id text REFERENCES tools, PRIMARY KEY (agent_id, tool_id)",
    "messages": f"""id text PRIMARY KEY, agent_id text REFERENCES agents, conversation_id text, role text NOT NULL,
        text text, content json, name text, tool_calls json NOT NULL DEFAULT '[]', tool_call_id text,
        tool_returns json, otid text, approve boolean, approval_request_id text, denial_reason text, approvals json,
        sequence_id bigint NOT NULL UNIQUE, {_COMMON}""",
    "archives": f"id text PRIMARY KEY, name text, description text, {_COMMON}",
    "archives_agents": "agent_id text REFERENCES agents, archive_id text, PRIMARY KEY (agent_id, archive_id)",
    "archival_passages": f"""id text PRIMARY KEY, archive_id text REFERENCES archives, text text NOT NULL, tags json,
        metadata_ json, embedding_config json, embedding real[], {_COMMON}""",
    "groups": f"""id text PRIMARY KEY, description text NOT NULL, manager_type text NOT NULL, manager_agent_id text,
        termination_token text, max_turns integer, sleeptime_agent_frequency integer, turns_counter integer,
        last_processed_message_id text, hidden boolean, agent_ids json NOT NULL, project_id text, {_COMMON}""",
    "groups_agents": "group_id text, agent_id text",
    "groups_blocks": "group_id text, block_id text",
    "identities": f"""id text PRIMARY KEY, identifier_key text NOT NULL, name text NOT NULL,
        identity_type text NOT NULL, properties json NOT NULL, project_id text, {_COMMON}""",
    "identities_agents": "identity_id text, agent_id text",
    "identities_blocks": "identity_id text, block_id text",
    "sources": f"""id text PRIMARY KEY, name text NOT NULL, description text, instructions text, embedding_config json,
        metadata_ json, vector_db_provider text, {_COMMON}""",
    "files": f"""id text PRIMARY KEY, source_id text NOT NULL, file_name text, original_file_name text, file_path text,
        file_type text, file_size integer, processing_status text NOT NULL, error_message text, {_COMMON}""",
    "file_contents": """id text PRIMARY KEY, file_id text NOT NULL UNIQUE REFERENCES files, text text NOT NULL,
        created_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false""",
    "source_passages": f"id text PRIMARY KEY, file_id text, source_id text, text text NOT NULL, {_COMMON}",
    "sources_agents": "agent_id text REFERENCES agents, source_id text, PRIMARY KEY (agent_id, source_id)",
    "files_agents": f"""id text PRIMARY KEY, file_id text NOT NULL, agent_id text NOT NULL REFERENCES agents,
        source_id text NOT NULL, file_name text NOT NULL, is_open boolean NOT NULL, visible_content text,
        last_accessed_at timestamptz NOT NULL DEFAULT now(), start_line integer, end_line integer, {_COMMON}""",
    "conversations": f"""id text PRIMARY KEY, agent_id text NOT NULL REFERENCES agents, summary text, model text,
        model_settings json, last_message_at timestamptz, {_COMMON}""",
    "conversation_messages": f"""id text PRIMARY KEY, conversation_id text REFERENCES conversations,
        agent_id text NOT NULL, message_id text NOT NULL, position integer NOT NULL,
        in_context boolean NOT NULL DEFAULT true, {_COMMON}, UNIQUE (conversation_id, message_id)""",
    "blocks_conversations": """conversation_id text REFERENCES conversations, block_id text REFERENCES block,
        block_label text, PRIMARY KEY (conversation_id, block_id, block_label)""",
    "steps": f"id text PRIMARY KEY, {_COMMON}",
    "alembic_version": "version_num text",
    "their_own_table": "id text",
}


def new_id(prefix, number):
    return f"{prefix}-{uuid.UUID(int=number, version=4)}"


class LettaDatabase:
    """`url` of a database of its own, empty or a copy of `like`; `add(table, **row)` writes one."""

    def __init__(self, server, name, like="template1"):
        self.name = name
        self._admin = psycopg.connect(server.url(), autocommit=True)
        self._admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY file_copy')
        self.url = server.url(name)
        self.connection = psycopg.connect(self.url, autocommit=True)
        self._sequence = 100

    def make(self):
        self.connection.execute(";".join(f'CREATE TABLE "{table}" ({columns})' for table, columns in TABLES.items()))
        return self

    def close(self):
        self.connection.close()
        self._admin.close()

    def add(self, table, **row):
        columns = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(["%s"] * len(row))
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()]
        self.connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', values)

    def say(self, agent_id, number, role, text=None, **fields):
        self._sequence += 1
        content = [] if text is None else [{"type": "text", "text": text}]
        row = {"content": content, "tool_calls": [], "created_at": f"2026-03-01T10:{number:02d}:00+00:00"} | fields
        row = {"organization_id": ORG, "sequence_id": self._sequence} | row
        self.add("messages", id=new_id("message", number), agent_id=agent_id, role=role, **row)


SOURCE = '''\
def {name}(city: str) -> str:
    """Say how warm it is.

    Args:
        city: Where.
    """
    return city
'''
CONFIG = {
    "model": "gpt-4o-mini",
    "model_endpoint_type": "openai",
    "context_window": 32000,
    "handle": "openai/gpt-4o-mini",
    "temperature": 1.0,
    "reasoning_effort": "high",
}
EMBEDDING = {
    "embedding_endpoint_type": "openai",
    "embedding_model": "text-embedding-3-small",
    "embedding_dim": 1536,
    "embedding_chunk_size": 100,
    "batch_size": 32,
}
ADA, BEN, GONE, VOICE = (new_id("agent", number) for number in (1, 2, 3, 4))
HUMAN, TEAM, LONG, DEAD = (new_id("block", number) for number in (1, 2, 3, 4))
LOOKUP, SEARCH, WEB, BROKEN = (new_id("tool", number) for number in (1, 2, 3, 4))
MANUALS, DRAFTS, PUBLIC = (new_id("source", number) for number in (1, 2, 3))
GUIDE, NOTES, SCAN, LATER = (new_id("file", number) for number in (1, 2, 3, 4))
CHAT, FORK, ENDED = (new_id("conv", number) for number in (1, 2, 3))
MINE = new_id("block", 5)
ARCHIVE, LONELY, BENS, DROPPED = (new_id("archive", number) for number in (1, 2, 3, 4))


def furnish(database, embedding="{0.1}"):
    """Two agents that share a block and an archive, one that was deleted, one of a kind that can't run here."""
    add = database.add
    add("organizations", id=ORG, name="org")
    add("users", id="user-1", name="u", organization_id=ORG)
    add("alembic_version", version_num="abc")
    add("their_own_table", id="x")
    for agent_id, name, fields in (
        (ADA, "Ada's helper", {"tool_rules": [{"type": "exit_loop", "tool_name": "lookup"}], "metadata_": {"team": 1}}),
        (BEN, "Ben/Bot", {}),
        (GONE, "Gone", {"is_deleted": True}),
        (VOICE, "Voice", {"agent_type": "voice_convo_agent"}),
    ):
        row = {"agent_type": "letta_v1_agent", "system": "Help.", "llm_config": CONFIG, "timezone": "Europe/Oslo"}
        row |= {"organization_id": ORG, "created_at": AT}
        add("agents", id=agent_id, name=name, **(row | fields))
    add("agents_tags", agent_id=ADA, tag="weather")
    for key, value, sealed in (("KEY", "", "plain-value-1"), ("SEALED", "<encrypted>", _sealed()), ("PATH", "x", None)):
        number = {"KEY": 1, "SEALED": 2, "PATH": 3}[key]
        row = {"id": new_id("agent-env", number), "agent_id": ADA, "organization_id": ORG}
        add("agent_environment_variables", key=key, value=value, value_enc=sealed, **row)
    _blocks_and_tools(add)
    _archives(add, embedding)
    _messages(database)
    _together(add)
    _folders(database)
    _conversations(database)
    add("steps", id="step-1", organization_id=ORG)
    return database


def _sealed():
    """A secret as Letta encrypts it, by the description of its format."""
    import base64
    import hashlib

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = b"s" * 16, b"n" * 12
    key = hashlib.pbkdf2_hmac("sha256", b"master-key", salt, 100_000, 32)
    return base64.b64encode(salt + nonce + AESGCM(key).encrypt(nonce, b"sealed-value-2", None)).decode()


def _blocks_and_tools(add):
    for block_id, label, value, fields in (
        (HUMAN, "human", "Ada", {"metadata_": {"a": 1}, "description": "who"}),
        (TEAM, "team", "We", {"read_only": True}),
        (LONG, "long", "xxxx", {"limit": 2}),
        (DEAD, "dead", "x", {"is_deleted": True}),
    ):
        row = {"limit": 2000, "organization_id": ORG, "created_at": AT} | fields
        add("block", id=block_id, label=label, value=value, **row)
    add("blocks_tags", block_id=HUMAN, tag="people", organization_id=ORG)
    add("blocks_tags", block_id=LONG, tag="lost", organization_id=ORG)
    for agent_id, block_id, label in (
        (ADA, HUMAN, "human"),
        (ADA, TEAM, "team"),
        (BEN, TEAM, "team"),
        (BEN, LONG, "long"),
    ):
        add("blocks_agents", agent_id=agent_id, block_id=block_id, block_label=label)
    lookup = {"source_code": SOURCE.format(name="lookup"), "tags": ["t"], "return_char_limit": 100}
    lookup["default_requires_approval"] = True
    for tool_id, name, kind, fields in (
        (LOOKUP, "lookup", "custom", lookup),
        (SEARCH, "conversation_search", "letta_core", {}),
        (WEB, "web_of_theirs", "letta_builtin", {}),
        (BROKEN, "broken", "custom", {"source_code": "def ("}),
    ):
        add("tools", id=tool_id, name=name, tool_type=kind, organization_id=ORG, created_at=AT, **fields)
    for agent_id, tool_id in ((ADA, LOOKUP), (ADA, SEARCH), (ADA, WEB), (VOICE, LOOKUP)):
        add("tools_agents", agent_id=agent_id, tool_id=tool_id)


def _together(add):
    """A pair, a group that lost a member, and some that can't be here; a person's identity and a deleted one."""
    for number, kind, manager, members, fields in (
        (1, "sleeptime", ADA, [BEN], {"sleeptime_agent_frequency": 3, "turns_counter": 4}),
        (2, "round_robin", None, [BEN, VOICE, ADA], {"max_turns": 6, "turns_counter": -1}),
        (3, "voice_sleeptime", ADA, [BEN], {}),
        (4, "supervisor", VOICE, [BEN], {}),
        (5, "sleeptime", ADA, [BEN], {}),
    ):
        row = {"manager_type": kind, "manager_agent_id": manager, "agent_ids": members, "description": kind} | fields
        add("groups", id=new_id("group", number), organization_id=ORG, created_at=AT, **row)
        for agent_id in members:
            add("groups_agents", group_id=new_id("group", number), agent_id=agent_id)
    add("groups_blocks", group_id=new_id("group", 2), block_id=TEAM)
    add("groups_blocks", group_id=new_id("group", 2), block_id=LONG)
    home = [{"key": "home", "value": "Oslo", "type": "string"}]
    for number, key, properties, fields in (
        (1, "ada", home, {}),
        (2, "gone", [], {"is_deleted": True}),
        (3, "odd", [{"key": "age", "value": "x", "type": "number"}], {}),
    ):
        row = {"identifier_key": key, "name": "Ada", "identity_type": "user", "properties": properties} | fields
        add("identities", id=new_id("identity", number), organization_id=ORG, created_at=AT, **row)
    for agent_id in (ADA, VOICE):
        add("identities_agents", identity_id=new_id("identity", 1), agent_id=agent_id)
    add("identities_blocks", identity_id=new_id("identity", 1), block_id=HUMAN)
    add("identities_blocks", identity_id=new_id("identity", 2), block_id=HUMAN)


def _archives(add, embedding):
    for archive_id in (ARCHIVE, LONELY, BENS, DROPPED):
        add("archives", id=archive_id, name="notes", organization_id=ORG, is_deleted=archive_id == DROPPED)
    for agent_id, archive_id in ((ADA, ARCHIVE), (BEN, ARCHIVE), (BEN, BENS)):
        add("archives_agents", agent_id=agent_id, archive_id=archive_id)
    for number, archive_id, text, fields in (
        (1, ARCHIVE, "The key is under the mat", {"tags": ["home"], "metadata_": {"a": 1}, "embedding": embedding}),
        (2, ARCHIVE, "Deleted", {"is_deleted": True}),
        (3, LONELY, "Nobody's", {}),
        (4, ARCHIVE, " ", {}),
        (5, BENS, "Ben's own", {}),
        (6, DROPPED, "Dropped", {}),
    ):
        row = {"organization_id": ORG, "created_at": AT, "metadata_": {}} | fields
        add("archival_passages", id=new_id("passage", number), archive_id=archive_id, text=text, **row)


def _folders(database):
    """A folder with a file that is open, one without a text and two of one name; one that was deleted."""
    add = database.add
    for folder_id, name, fields in (
        (MANUALS, "Manuals", {"description": "how", "embedding_config": EMBEDDING}),
        (DRAFTS, "Drafts", {"is_deleted": True}),
        (PUBLIC, "a/b", {}),
    ):
        add("sources", **({"id": folder_id, "name": name, "organization_id": ORG, "created_at": AT} | fields))
    lines = "\n".join(f"line {number} of the guide" for number in range(1, 101))
    for file_id, folder_id, name, status, text in (
        (GUIDE, MANUALS, "Manuals/guide.pdf", "completed", lines),
        (NOTES, MANUALS, "Manuals/notes.md", "completed", "# Notes\r\nAll is well."),
        (SCAN, MANUALS, "Manuals/scan.pdf", "error", None),
        (LATER, DRAFTS, "Drafts/later.md", "completed", "Later"),
    ):
        row = {"file_type": "application/pdf" if "pdf" in name else None, "file_size": 12_345, "created_at": AT}
        row |= {"source_id": folder_id, "file_name": name, "original_file_name": name.rpartition("/")[2]}
        add("files", id=file_id, processing_status=status, organization_id=ORG, **row)
        if text is not None:
            add("file_contents", id=file_id.replace("file-", "file_content-"), file_id=file_id, text=text)
    add("source_passages", id=new_id("passage", 90), file_id=GUIDE, source_id=MANUALS, text="x", organization_id=ORG)
    for agent_id, folder_id in ((ADA, MANUALS), (ADA, DRAFTS), (VOICE, MANUALS), (BEN, PUBLIC)):
        add("sources_agents", agent_id=agent_id, source_id=folder_id)
    for number, agent_id, file_id, folder_id, fields in (
        (1, ADA, GUIDE, MANUALS, {"is_open": True, "start_line": 11, "end_line": 20}),
        (2, ADA, NOTES, MANUALS, {"is_open": True, "start_line": 50}),
        (3, ADA, SCAN, MANUALS, {}),
        (4, ADA, LATER, DRAFTS, {}),
        (5, BEN, GUIDE, MANUALS, {}),
        (6, VOICE, GUIDE, MANUALS, {}),
    ):
        row = {"id": f"file_agent-{number}", "agent_id": agent_id, "file_id": file_id, "source_id": folder_id}
        row |= {"file_name": file_id, "organization_id": ORG, "is_open": False} | fields
        add("files_agents", last_accessed_at=f"2026-03-01T10:{number:02d}:00+00:00", **row)


def _conversations(database):
    """One with a block of its own, a fork of it, one that was deleted, and the fork of an agent's own history."""
    add, say = database.add, database.say
    add("block", id=MINE, label="human", value="Ada, at work", limit=2000, organization_id=ORG, created_at=AT)
    settings = {"provider_type": "openai", "temperature": 0.5}
    for number, conversation_id, agent_id, fields in (
        (1, CHAT, ADA, {"summary": "About Oslo", "model": "openai/gpt-4o", "model_settings": settings}),
        (2, FORK, ADA, {"last_message_at": AT}),
        (3, ENDED, ADA, {"is_deleted": True}),
        (4, new_id("conv", 4), BEN, {"model_settings": {"temperature": "hot"}}),
        (5, new_id("conv", 5), VOICE, {}),
    ):
        row = {"created_at": f"2026-03-01T11:{number:02d}:00+00:00", "organization_id": ORG} | fields
        add("conversations", id=conversation_id, agent_id=agent_id, **row)
    for block_id, label in ((MINE, "human"), (LONG, "long")):
        add("blocks_conversations", conversation_id=CHAT, block_id=block_id, block_label=label)
    add("blocks_conversations", conversation_id=ENDED, block_id=TEAM, block_label="team")
    say(ADA, 20, "system", "compiled", conversation_id=CHAT)
    say(ADA, 21, "user", "Is it warm in Oslo?", conversation_id=CHAT)
    say(ADA, 22, "assistant", tool_calls=[_call("d")], conversation_id=CHAT)
    say(ADA, 23, "tool", "4", tool_call_id="d", conversation_id=CHAT)
    say(ADA, 24, "assistant", "No.", conversation_id=CHAT)
    say(ADA, 25, "user", "And Rome?", conversation_id=FORK)
    say(ADA, 26, "user", "in a conversation that ended", conversation_id=ENDED)
    say(BEN, 27, "user", "Hello")
    say(BEN, 28, "user", "Goodbye", conversation_id=new_id("conv", 4))
    for conversation_id, agent_id, numbers in (
        (CHAT, ADA, (20, 21, 22, 23, 24)),
        (FORK, ADA, (21, 22, 25)),
        (ENDED, ADA, (26,)),
        (new_id("conv", 4), BEN, (27, 28)),
        (None, ADA, (1, 2)),
    ):
        for place, number in enumerate(numbers):
            row = {"conversation_id": conversation_id, "agent_id": agent_id, "position": place, "organization_id": ORG}
            key = f"conv_msg-{conversation_id}-{number}"
            add("conversation_messages", id=key, message_id=new_id("message", number), **row)


def _call(call_id):
    return {"id": call_id, "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Oslo"}'}}


def _messages(database):
    say = database.say
    say(ADA, 1, "system", "compiled")
    say(ADA, 2, "user", "How warm is it?")
    thought = [
        {"type": "reasoning", "is_native": True, "reasoning": "Look it up.", "signature": "s"},
        {"type": "text", "text": "A moment."},
    ]
    say(ADA, 3, "assistant", content=thought, tool_calls=[_call("a"), _call("b")])
    answered = {"a": "success", "b": "error"}.items()
    returns = [{"tool_call_id": one, "status": status, "func_response": f"{one}!"} for one, status in answered]
    say(ADA, 4, "tool", tool_call_id="a", tool_returns=returns)
    say(ADA, 5, "assistant", "Four degrees.")
    say(ADA, 6, "user", "deleted", is_deleted=True)
    say(ADA, 7, "user", "in a conversation that is nowhere", conversation_id="conv-1")
    say(ADA, 8, "tool", "of nobody", tool_call_id="z")
    say(ADA, 9, "wizard", "unknown role")
    say(ADA, 10, "user", "Again?")
    say(ADA, 11, "approval", tool_calls=[_call("c")])
    say(GONE, 12, "user", "of an agent that is gone")
