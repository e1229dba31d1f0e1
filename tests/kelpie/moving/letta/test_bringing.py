"""A Letta database comes over whole, twice without doubling, and says of every row that does not why."""

import json

import pytest
from tests.kelpie.moving.letta import database as there
from tests.kelpie.moving.letta.database import ADA, ARCHIVE, BEN, GONE, HUMAN, LOOKUP, ORG, OTHER, TEAM, VOICE, new_id

from kelpie.agents import agent as agents
from kelpie.agents import profile
from kelpie.agents.rules.rules import EndsTurn
from kelpie.errors import InvalidInput, NotFound, SourceUnavailable, StoreError
from kelpie.files import attached, files, folders
from kelpie.files import limits as file_limits
from kelpie.files.folders import Folder
from kelpie.groups import records as groups
from kelpie.identities import records as identities
from kelpie.moving import limits
from kelpie.moving.letta.reading import opened
from kelpie.tools import collections, custom, secrets
from kelpie.tools.blocks import scope_of
from kelpie.trajectories import conversations, messages
from kelpie.trajectories.records import MAIN
from umi import archival, core
from umi.storage import Page


async def test_agents_come_with_all_that_belongs_to_them(letta, store):
    await store.bring(letta.url)
    ada = await profile.read(store.view, "default", ADA)
    assert (ada.agent.name, ada.agent.model, ada.agent.tags) == ("Ada's helper", "openai/gpt-4o-mini", ["weather"])
    assert (ada.agent.timezone, ada.agent.metadata) == ("Europe/Oslo", {"team": 1})
    assert ada.agent.context_window_tokens == 32_000
    assert ada.agent.rules == [EndsTurn(tool="lookup")]
    assert ada.agent.created_at_ms == 1_772_359_200_000
    assert not ada.agent.memory.recall
    assert [block.id for block in ada.blocks] == [HUMAN, TEAM]
    assert (ada.blocks[0].tags, ada.blocks[0].metadata, ada.blocks[0].description) == (["people"], {"a": 1}, "who")
    assert [(tool.name, tool.id) for tool in ada.tools if tool.tool_type == custom.CUSTOM] == [("lookup", LOOKUP)]
    assert {tool.name: tool.settings.needs_approval for tool in ada.tools}["lookup"], "nobody's consent is lost"
    assert "conversation_search" in [tool.name for tool in ada.tools]


async def test_blocks_that_are_shared_stay_shared(letta, store):
    await store.bring(letta.url)
    assert sorted(await core.scopes_of(store.view, "default", TEAM)) == [ADA, BEN]


async def test_messages_come_in_their_order_with_calls_returns_and_reasoning(letta, store):
    await store.bring(letta.url)
    page = Page(limit=50)
    found = await messages.list_messages(store.view, "default", page, agent_id=ADA, conversation_id=MAIN)
    said = [(one.body.role, one.body.text) for one in found]
    assert said[0][0] == "system"
    assert "AGENT_ID" in said[0][1]  # compiled here, not theirs
    assert said[1:7] == [
        ("user", "How warm is it?"),
        ("assistant", "A moment."),
        ("tool", "a!"),
        ("tool", "b!"),
        ("assistant", "Four degrees."),
        ("user", "Again?"),
    ]
    asked, first, second = found[2].body, found[3], found[4]
    assert (asked.reasoning, asked.reasoning_signature) == ("Look it up.", "s")
    assert [call.id for call in asked.tool_calls] == ["a", "b"]
    assert (first.body.tool_call_id, first.body.name, first.body.is_error) == ("a", "lookup", False)
    assert (second.body.tool_call_id, second.body.is_error) == ("b", True)
    assert first.id == new_id("message", 4)  # kept
    assert [one.position for one in found] == list(range(len(found)))
    assert (found[-1].body.role, found[-1].body.tool_call_id) == ("tool", "c")  # the approval nobody gave
    assert "interrupted" in found[-1].body.text


async def test_an_archive_of_several_agents_is_shared_by_them_and_nobody_s_is_kept(letta, store):
    await store.bring(letta.url)
    shared = await collections.get(store.view, "default", ARCHIVE)
    (fact,) = await archival.list_facts(store.view, "default", shared.scope, Page(limit=10))
    assert (fact.text, fact.tags, fact.metadata) == ("The key is under the mat", ["home"], {"a": 1})
    assert fact.id == new_id("passage", 1)
    assert fact.valid_from_ms == 1_772_359_200_000
    assert sorted(await collections.agents_of(store.view, "default", ARCHIVE)) == [ADA, BEN]
    lonely = await collections.get(store.view, "default", there.LONELY)
    (fact,) = await archival.list_facts(store.view, "default", lonely.scope, Page(limit=10))
    assert (lonely.name, fact.text) == ("notes", "Nobody's")
    assert await collections.agents_of(store.view, "default", there.LONELY) == []


async def test_an_archive_of_one_agent_is_its_own_memory(letta, store):
    await store.bring(letta.url)
    (fact,) = await archival.list_facts(store.view, "default", BEN, Page(limit=10))
    assert (fact.text, fact.id) == ("Ben's own", new_id("passage", 5))
    with pytest.raises(NotFound):
        await collections.get(store.view, "default", there.BENS)


async def test_groups_come_with_those_of_their_agents_that_came(letta, store):
    await store.bring(letta.url)
    pair = await groups.get(store.view, "default", new_id("group", 1))
    assert (pair.kind, pair.manager, pair.agents, pair.frequency, pair.turns) == ("sleeptime", ADA, [BEN], 3, 4)
    crew = await groups.get(store.view, "default", new_id("group", 2))
    assert (crew.agents, crew.turns_max, crew.turns, crew.blocks) == ([BEN, ADA], 6, 0, [TEAM])
    assert await groups.count(store.view, "default") == 2


async def test_identities_come_with_what_they_are_attached_to(letta, store):
    await store.bring(letta.url)
    ada = await identities.with_key(store.view, "default", "ada")
    assert (ada.id, ada.name, ada.kind) == (new_id("identity", 1), "Ada", "user")
    assert [(one.key, one.value) for one in ada.properties] == [("home", "Oslo")]
    attached = (await identities.attached(store.view, "default", [ada]))[ada.id]
    assert (attached.agents, attached.blocks) == ([ADA], [HUMAN])
    assert await identities.count(store.view, "default") == 1


async def test_folders_come_with_what_their_files_say_to_be_indexed_here(letta, store):
    await store.bring(letta.url)
    manuals = await folders.get(store.view, "default", there.MANUALS)
    assert (manuals.name, manuals.description, manuals.chunk_tokens) == ("Manuals", "how", 100)
    found = await files.list_files(store.view, "default", manuals.id, Page(limit=10))
    assert [(one.id, one.name, one.original_name, one.media_type, one.bytes) for one in found] == [
        (there.GUIDE, "guide.pdf", "guide.pdf", "application/pdf", 12_345),
        (there.NOTES, "notes.md", "notes.md", "text/markdown", 12_345),
    ]
    assert await files.text_of(store.view, "default", there.NOTES) == "# Notes\nAll is well."
    assert {one.created_at_ms for one in found} == {1_772_359_200_000}
    await store.index()
    guide = await files.find(store.view, "default", there.GUIDE)
    pieces = await archival.list_facts(store.view, "default", manuals.scope, Page(limit=100))
    assert (guide.state, guide.chunks_done) == ("ready", len([one for one in pieces if one.session == guide.id]))
    assert guide.chunks_done > 1
    assert pieces[0].text.startswith("line 1 of the guide")
    assert (await folders.get(store.view, "default", there.PUBLIC)).name == "a-b"


async def test_an_agent_has_its_folders_and_the_files_it_held_open(letta, store):
    await store.bring(letta.url)
    assert [one.id for one in await attached.folders_of(store.view, "default", ADA)] == [there.MANUALS]
    assert await attached.agents_of(store.view, "default", there.MANUALS) == [ADA]
    held = await attached.list_files(store.view, "default", ADA, Page(limit=10), is_open=True)
    assert [(one.id, one.first_line, one.last_line) for one in held] == [(there.GUIDE, 11, 20), (there.NOTES, 1, 2)]
    assert "11: line 11 of the guide" in held[0].shown


async def test_no_more_files_are_open_than_an_agent_may_hold(letta, store):
    letta.connection.execute("UPDATE agents SET max_files_open = 1")
    brought = await store.bring(letta.url)
    (held,) = await attached.list_files(store.view, "default", ADA, Page(limit=10), is_open=True)
    assert held.id == there.NOTES  # the last it looked at
    assert any("fewer files open" in line.get("remark", "") for line in brought.lines)


async def test_a_folder_whose_name_is_taken_here_gets_another(letta, store):
    other = Folder(tenant="default", id=new_id("source", 9), name="Manuals")
    await store.database.commit(await folders.plan_create(store.view, other))
    await store.bring(letta.url)
    assert (await folders.get(store.view, "default", there.MANUALS)).name == "Manuals_(1)"


async def test_a_file_that_says_more_than_is_read_here_is_named(letta, store, monkeypatch):
    monkeypatch.setattr(file_limits, "FILE_TEXT_CHARS_MAX", 100)
    brought = await store.bring(letta.url)
    (why,) = brought.why("files", there.GUIDE)
    assert "at most 100 are allowed" in why
    assert brought.report.unaccounted() == {}


async def test_conversations_come_with_what_was_said_and_blocks_of_their_own(letta, store):
    brought = await store.bring(letta.url)
    chat = await conversations.get(store.view, "default", there.CHAT, agent_id=ADA)
    assert (chat.summary, chat.model, chat.settings.fields["temperature"]) == ("About Oslo", "openai/gpt-4o", 0.5)
    assert await _said(store, ADA, there.CHAT) == ["Is it warm in Oslo?", "", "4", "No."]
    (mine,) = await core.of_scope(store.view, "default", scope_of(ADA, there.CHAT))
    assert (mine.id, mine.value) == (there.MINE, "Ada, at work")
    assert "Is it warm in Oslo?" not in await _said(store, ADA, MAIN)
    hot = await conversations.get(store.view, "default", new_id("conv", 4))
    assert hot.settings is None
    assert "temperature must be a number" in json.dumps(brought.lines)


async def test_a_fork_shows_what_it_shared_up_to_the_answers_of_its_last_call(letta, store):
    await store.bring(letta.url)
    assert await _said(store, ADA, there.FORK) == ["Is it warm in Oslo?", "", "4", "And Rome?"]
    assert (await conversations.get(store.view, "default", there.FORK)).last_message_at_ms == 1_772_359_200_000
    assert await _said(store, BEN, new_id("conv", 4)) == ["Hello", "Goodbye"]
    # What is deleted of a conversation that was forked stays where the fork shows it.
    chat = await conversations.get(store.view, "default", there.CHAT)
    await store.database.commit(await conversations.plan_delete(store.view, chat))
    assert await _said(store, ADA, there.FORK) == ["Is it warm in Oslo?", "", "4", "And Rome?"]


async def test_secrets_come_in_the_clear_and_sealed_ones_with_the_key(letta, store):
    brought = await store.bring(letta.url)
    assert dict((await secrets.of_agent(store.view, "default", ADA)).values) == {"KEY": "plain-value-1"}
    (why,) = brought.why("agent_environment_variables", new_id("agent-env", 2))
    assert "LETTA_ENCRYPTION_KEY" in why
    assert "PATH" in brought.why("agent_environment_variables", new_id("agent-env", 3))[0]
    assert "sealed-value-2" not in json.dumps(brought.lines)
    await store.bring(letta.url, tenant="second", encryption_key="master-key")
    found = dict((await secrets.of_agent(store.view, "second", ADA)).values)
    assert found == {"KEY": "plain-value-1", "SEALED": "sealed-value-2"}


async def test_a_wrong_key_opens_nothing(letta, store):
    brought = await store.bring(letta.url, encryption_key="another")
    assert brought.why("agent_environment_variables", new_id("agent-env", 2))


async def test_every_row_that_does_not_come_is_named_with_its_reason(letta, store):
    brought = await store.bring(letta.url)
    for table, row, says in (
        ("agents", GONE, "deleted there"),
        ("agents", VOICE, "can't run here"),
        ("tools_agents", f"{VOICE}/{LOOKUP}", "its agent is not taken"),
        ("messages", new_id("message", 12), "its agent is not taken"),
        ("messages", new_id("message", 1), "compiled anew"),
        ("messages", new_id("message", 6), "deleted there"),
        ("messages", new_id("message", 7), "its conversation is not taken"),
        ("messages", new_id("message", 26), "its conversation is not taken"),
        ("conversations", there.ENDED, "deleted there"),
        ("conversations", new_id("conv", 5), "its agent is not taken"),
        ("blocks_conversations", f"{there.CHAT}/{there.LONG}", "its block is not taken"),
        ("blocks_conversations", f"{there.ENDED}/{TEAM}", "its conversation is not taken"),
        ("messages", new_id("message", 8), "answers no call"),
        ("messages", new_id("message", 9), "no role 'wizard'"),
        ("block", there.LONG, "the value of block 'long'"),
        ("block", there.DEAD, "deleted there"),
        ("blocks_agents", f"{BEN}/{there.LONG}", "its block is not taken"),
        ("tools", there.WEB, "not part of this server"),
        ("tools", there.BROKEN, "not Python"),
        ("tools_agents", f"{ADA}/{there.WEB}", "its tool is not taken"),
        ("archival_passages", new_id("passage", 2), "deleted there"),
        ("archival_passages", new_id("passage", 6), "its archive is not taken"),
        ("archival_passages", new_id("passage", 4), "not blank"),
        ("archives", new_id("archive", 4), "deleted there"),
        ("groups", new_id("group", 3), "of the kind 'voice_sleeptime'"),
        ("groups_agents", f"{new_id('group', 3)}/{BEN}", "its group is not taken"),
        ("groups", new_id("group", 4), "manages it is not taken"),
        ("groups", new_id("group", 5), "another sleeptime group"),
        ("groups_agents", f"{new_id('group', 2)}/{VOICE}", "its agent is not taken"),
        ("groups_blocks", f"{new_id('group', 2)}/{there.LONG}", "its block is not taken"),
        ("identities", new_id("identity", 2), "deleted there"),
        ("identities_blocks", f"{new_id('identity', 2)}/{HUMAN}", "its identity is not taken"),
        ("identities", new_id("identity", 3), "of type number"),
        ("identities_agents", f"{new_id('identity', 1)}/{VOICE}", "its agent is not taken"),
        ("sources", there.DRAFTS, "deleted there"),
        ("files", there.LATER, "its folder is not taken"),
        ("file_contents", there.LATER.replace("file-", "file_content-"), "its file is not taken"),
        ("files", there.SCAN, "no text of it is there"),
        ("sources_agents", f"{ADA}/{there.DRAFTS}", "its folder is not taken"),
        ("sources_agents", f"{VOICE}/{there.MANUALS}", "its agent is not taken"),
        ("files_agents", "file_agent-3", "its file is not taken"),
        ("files_agents", "file_agent-4", "not one of the agent's"),
        ("files_agents", "file_agent-5", "not one of the agent's"),
        ("files_agents", "file_agent-6", "its agent is not taken"),
    ):
        (why,) = brought.why(table, row)
        assert says in why, (table, row)
    counted = {(line["table"], line["rows"]) for line in brought.lines if "rows" in line}
    assert ("source_passages", 1) in counted
    assert {("steps", 1), ("their_own_table", 1), ("archival_passages (embedding)", 1)} <= counted
    assert brought.report.unaccounted() == {}
    remarks = json.dumps(brought.lines)
    assert "its name had characters" in remarks
    assert "reasoning_effort" in remarks


async def test_brought_twice_it_is_there_once_and_said_so(letta, store):
    first = await store.bring(letta.url)
    before = await _all_rows(store)
    again = await store.bring(letta.url)
    assert await _all_rows(store) == before
    assert sum(again.report.taken.values()) == 0
    assert again.report.unaccounted() == {}
    for table in ("agents", "block", "agents_tags"):
        assert again.report.already[table] == first.report.taken[table]


async def test_what_came_and_was_used_since_is_left_alone(letta, store):
    await store.bring(letta.url)
    await agents.edit(store.view, "default", ADA, 1, {"name": "Renamed"})
    await store.bring(letta.url)
    assert (await agents.get(store.view, "default", ADA)).name == "Renamed"


async def test_a_rehearsal_reports_the_same_and_writes_nothing(letta, store):
    before = await _all_rows(store)
    rehearsed = await store.bring(letta.url, is_rehearsal=True)
    after = await _all_rows(store)
    assert {table: rows for table, rows in after.items() if table != "tool"} == {
        table: rows for table, rows in before.items() if table != "tool"
    }
    real = await store.bring(letta.url)
    assert rehearsed.report.taken == real.report.taken
    assert rehearsed.report.missed == real.report.missed


async def test_a_run_that_is_broken_off_leaves_no_half_agent_and_the_next_completes_it(letta, store, monkeypatch):
    monkeypatch.setattr(limits, "DATABASE_BATCH_ROWS", 2)
    commit, counted = store.database.commit, []

    async def failing(changes):
        counted.append(changes)
        if any("INSERT INTO agent " in write.sql for write in changes.writes):
            raise StoreError("the power went")
        await commit(changes)

    monkeypatch.setattr(store.database, "commit", failing)
    with pytest.raises(StoreError):
        await store.bring(letta.url)
    monkeypatch.setattr(store.database, "commit", commit)
    assert await messages.list_messages(store.view, "default", Page(limit=50), agent_id=ADA)  # it had begun
    assert await agents.count(store.view, "default") == 0
    await store.bring(letta.url)
    assert await _said(store, ADA, there.FORK) == ["Is it warm in Oslo?", "", "4", "And Rome?"]
    assert len(await core.of_scope(store.view, "default", scope_of(ADA, there.CHAT))) == 1
    assert [one.id for one in await attached.folders_of(store.view, "default", ADA)] == [there.MANUALS]
    found = await messages.list_messages(store.view, "default", Page(limit=50), agent_id=ADA)
    assert [one.position for one in found if one.position] == list(range(1, len(found)))
    shared = await collections.get(store.view, "default", ARCHIVE)
    for scope in (BEN, shared.scope):
        assert len(await archival.list_facts(store.view, "default", scope, Page(limit=10))) == 1


async def test_a_run_that_is_broken_off_between_files_goes_on_with_the_next(letta, store, monkeypatch):
    commit, counted = store.database.commit, []

    async def failing(changes):
        counted.extend(write for write in changes.writes if "INSERT INTO file_text" in write.sql)
        if len(counted) == 2:
            raise StoreError("the power went")
        await commit(changes)

    monkeypatch.setattr(store.database, "commit", failing)
    with pytest.raises(StoreError):
        await store.bring(letta.url)
    monkeypatch.setattr(store.database, "commit", commit)
    again = await store.bring(letta.url)
    assert (again.report.already["sources"], again.report.already["files"], again.report.taken["files"]) == (1, 1, 1)
    assert again.report.unaccounted() == {}
    assert len(await files.list_files(store.view, "default", there.MANUALS, Page(limit=10))) == 2


async def test_a_long_history_is_read_and_written_in_batches(letta, store, monkeypatch):
    row = {"agent_id": BEN, "role": "user", "tool_calls": [], "created_at": there.AT, "organization_id": ORG}
    for number in range(1_000, 1_300):
        content = [{"type": "text", "text": f"m {number}"}]
        letta.add("messages", id=new_id("message", number), content=content, sequence_id=number, **row)
    monkeypatch.setattr(limits, "DATABASE_BATCH_ROWS", 50)
    sizes, commit = [], store.database.commit

    async def watching(changes):
        sizes.append(sum("INSERT INTO message " in write.sql for write in changes.writes))
        await commit(changes)

    monkeypatch.setattr(store.database, "commit", watching)
    await store.bring(letta.url)
    assert max(sizes) <= 52
    found = await messages.latest(store.view, "default", BEN, 1_000, conversation_id=MAIN)
    assert [one.body.text for one in found[2:]] == [f"m {number}" for number in range(1_000, 1_300)]


async def test_several_organisations_are_brought_one_by_one(letta, store):
    letta.add("organizations", id=OTHER, name="other")
    cleo = new_id("agent", 9)
    row = {"agent_type": "letta_v1_agent", "llm_config": there.CONFIG, "organization_id": OTHER}
    letta.add("agents", id=cleo, name="Cleo", **row)
    with pytest.raises(InvalidInput, match="2 organisations"):
        await store.bring(letta.url)
    with pytest.raises(InvalidInput, match="no organisation"):
        await store.bring(letta.url, organization="org-x")
    brought = await store.bring(letta.url, organization=OTHER, tenant="others")
    assert [one.id for one in await agents.list_agents(store.view, "others", Page(limit=9))] == [cleo]
    assert brought.report.unaccounted() == {}
    assert await agents.count(store.view, "default") == 0


async def test_a_tool_whose_name_is_taken_here_is_the_one_agents_get(letta, store):
    draft = custom.ToolDraft(source_code=there.SOURCE.format(name="lookup"))
    ours, changes = await custom.plan_create(store.view, store.host, "default", draft)
    await store.database.commit(changes)
    brought = await store.bring(letta.url)
    ada = await profile.read(store.view, "default", ADA)
    assert ours.id in [tool.id for tool in ada.tools]
    assert any("here already" in line.get("remark", "") for line in brought.lines)


async def test_another_database_is_refused_before_anything_is_read(empty, store):
    with pytest.raises(InvalidInput, match=r"no database of Letta 0\.16.*agent_"):
        await store.bring(empty.url)


async def test_an_older_schema_is_refused_by_the_column_it_lacks(letta, store):
    letta.connection.execute("ALTER TABLE messages DROP COLUMN approvals")
    with pytest.raises(InvalidInput, match=r"messages\.approvals"):
        await store.bring(letta.url)


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://", "x"])
async def test_an_address_of_another_kind_is_refused(store, url):
    with pytest.raises(InvalidInput, match="postgresql://"):
        await store.bring(url)


@pytest.mark.parametrize(
    "address", ["ada:sesame@127.0.0.1:1/letta", "ada:open/sesame@127.0.0.1:1/x", "ada:a@sesame:x@h"]
)
async def test_a_server_that_does_not_answer_is_said_without_the_password(store, address):
    with pytest.raises(SourceUnavailable) as refused:
        await store.bring(f"postgresql+asyncpg://{address}")
    assert "sesame" not in str(refused.value)


async def test_the_database_can_not_be_written_while_it_is_read(letta):
    with pytest.raises(SourceUnavailable, match="read-only"):
        async with opened(letta.url) as source:
            await source._connection.execute("DELETE FROM messages")
    assert letta.connection.execute("SELECT count(*) FROM messages").fetchone() == (21,)


async def _said(store, agent_id, conversation_id):
    page = Page(limit=50)
    found = await messages.list_messages(
        store.view, "default", page, agent_id=agent_id, conversation_id=conversation_id
    )
    return [one.body.text or "" for one in found]


async def _all_rows(store):
    tables = ("folder", "file", "file_text", "agent_folder", "agent_file", "conversation", "stretch", "outbox")
    tables += ("agent", "block", "block_scope", "message", "fact", "agent_tool", "agent_secret", "tool")
    return {table: (await store.view.fetch(f"SELECT count(*) FROM {table}"))[0][0] for table in tables}
