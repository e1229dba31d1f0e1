"""The promises about files can fail: rows are bent behind the server's back, or what was seen, and each is named."""

import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.clients.filing import Filing
from kelpie.simulate.clients.looking import WHOLE
from kelpie.simulate.clients.versions import Removal, Shelves, Version
from kelpie.simulate.promises.consulted import FOUND, SHOWN
from kelpie.simulate.promises.filed import ENDS, GIVEN, GONE
from umi.storage import Changes

GREP = '[[tool:grep_files {"pattern": "^head "}]]'
SEARCH = '[[tool:semantic_search_files {"query": "wop3"}]]'
OPEN = '[[tool:open_files {"file_requests": [{"file_name": "folder-0/a.md"}]}]]'


def op(number, kind, **args):
    return Event(id=f"op-{number}", at_ms=3_000.0 * number, kind=kind, lane="client-1", args=args)


def upload(number, name, taken="replace", folder=0, lines=5):
    return op(number, "upload", folder=folder, name=name, taken=taken, lines=lines)


PLAN = Plan(
    scenario="bent files",
    seed=1,
    options=Options(agents=1, folders=2, embeds=True),
    events=(
        upload(1, "a.md"),
        upload(2, "b.pdf"),
        upload(3, "a.md", lines=9),
        upload(4, "a.md", "skip"),
        upload(5, "a.md", "error"),
        upload(6, "a.md", "suffix"),
        upload(7, "c.html"),
        upload(8, "d.csv"),
        op(9, "discard", folder=0, name="d.csv"),
        op(10, "give", agent=0, folder=1),
        upload(11, "e.txt", folder=1),
        op(12, "browse", folder=0),
        op(13, "consult", agent=0, mode="wait", text=f"{OPEN} {GREP} {SEARCH} [[say:done]]"),
        op(14, "send", agent=0, text="[[say:hello]]"),
        op(15, "clear", folder=1),
    ),
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on the plan, with `sql` run on the healed store before anybody looks, or `before` called."""

    def verdict(*sql, before=None, plan=PLAN):
        check = Filing.check

        async def bend(self, breaks):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            if changes:
                await self._world.database.commit(changes)
            if before is not None:
                before(self)
            await check(self, breaks)

        monkeypatch.setattr(Filing, "check", bend)
        return play(plan)

    return verdict


def test_nothing_is_wrong_with_what_nobody_bent(bent):
    seen = []
    verdict = bent(before=seen.append)
    assert verdict.violations == []
    versions = seen[0].shelves.versions
    assert [one.outcome for one in versions.values()] == ["ok"] * 4 + ["refused"] + ["ok"] * 4
    assert [one.event.id for one in versions.values() if one.skipped] == ["op-4"]
    assert versions["op-6"].as_name == "a_(1).md"
    counts = verdict.outcomes
    assert (counts["upload ok"], counts["upload refused"], counts["deletes ok"]) == (8, 1, 2)
    # One search is the plan's; in the end each file that was uploaded is searched for.
    assert (counts["grep_files calls"], counts["semantic_search_files calls"]) == (2, 10)
    assert counts["open files shown"] >= 5
    assert counts["names in prompts"] > counts["open files shown"]


FILE = "(SELECT id FROM file WHERE original_name = '{}')"
NEWEST, SECOND = FILE.format("op-3.md"), FILE.format("op-6.md")
COLUMNS = (
    "tenant, 'bent', scope, text, tags, importance, metadata, source, valid_from_ms, valid_to_ms, known_from_ms,"
    " known_to_ms, speaker, session, claims, document_time_ms, event_time_ms, created_at_ms, version"
)


@pytest.mark.parametrize(
    ("promise", "sql"),
    [
        (ENDS, f"UPDATE file SET state = 'indexing' WHERE id = {NEWEST}"),
        (ENDS, f"INSERT INTO file_content VALUES ('default', {NEWEST}, x'00')"),
        (WHOLE, f"UPDATE file_text SET text = replace(text, 'wop3 line 3', 'wop1 line 3') WHERE file_id = {NEWEST}"),
        (WHOLE, f"UPDATE file_text SET text = substr(text, 1, 99) WHERE file_id = {NEWEST}"),
        (WHOLE, f"DELETE FROM file_text WHERE file_id = {NEWEST}"),
        (WHOLE, f"DELETE FROM file WHERE id = {NEWEST}"),
        (WHOLE, f"UPDATE file SET state = 'failed', error = 'bent' WHERE id = {NEWEST}"),
        (WHOLE, "UPDATE file SET state = 'ready', error = NULL WHERE state = 'failed'"),
        (WHOLE, "UPDATE file SET error = NULL WHERE state = 'failed'"),
        (WHOLE, f"UPDATE file SET chunks_done = chunks_done - 1 WHERE id = {NEWEST}"),
        (WHOLE, f"UPDATE file SET original_name = 'op-4.md' WHERE id = {NEWEST}"),
        (WHOLE, f"UPDATE file SET original_name = 'op-3.md' WHERE id = {SECOND}"),
        (WHOLE, f"DELETE FROM fact WHERE seq = (SELECT min(seq) FROM fact WHERE session = {NEWEST})"),
        (WHOLE, f"UPDATE fact SET text = replace(text, 'wop3', 'wop1') WHERE session = {NEWEST}"),
        (WHOLE, f"UPDATE fact SET source = json_set(source, '$.start', 1) WHERE session = {NEWEST}"),
        (GONE, "INSERT INTO file_text VALUES ('default', 'file-gone', 'x')"),
        (GONE, f"UPDATE fact SET session = 'file-gone' WHERE session = {NEWEST}"),
        (GONE, "INSERT INTO fact_vector VALUES (99999, 'default', 's', 'e', 1, x'00', x'00')"),
        (GONE, "INSERT INTO agent_folder (tenant, agent_id, folder_id) SELECT tenant, id, 'source-gone' FROM agent"),
        (GIVEN, "DELETE FROM agent_tool WHERE tool_id LIKE '%grep%' OR position > 5"),
        (GIVEN, "DELETE FROM agent_folder"),
        (SHOWN, "UPDATE agent_file SET shown = replace(shown, 'wop3 line 3', 'wop1 line 3')"),
        (SHOWN, "UPDATE agent_file SET shown = replace(shown, 'line 3', 'line 4')"),
        ("operations are linearizable", "DELETE FROM agent_folder"),
    ],
)
def test_a_bent_row_breaks_the_promise(bent, promise, sql):
    assert promise in bent(sql).promises_broken


def test_a_chunk_that_is_there_twice_is_noticed(bent):
    names = COLUMNS.replace("'bent'", "id")
    sql = f"INSERT INTO fact ({names}) SELECT {COLUMNS} FROM fact WHERE session = {NEWEST} LIMIT 1"
    assert WHOLE in bent(sql).promises_broken


def says_otherwise(filing):
    version = filing.shelves.versions["op-3"]
    version.text = version.text.replace("line 3", "line 4")


def was_there(filing):
    event = upload(99, "z.md")
    version = Version(
        event, 0, "z.md", "head wop99 of z.md", 0.0, outcome="ok", ended_ms=1.0, known_ms=1.0, read_ms=1.0
    )
    version.as_name = "z.md"
    filing.shelves.versions["op-99"] = version


def was_deleted(filing):
    filing.shelves.removals.append(Removal(0, filing.shelves.versions["op-3"].id, 0.0, "ok", 1.0))


def was_never_given(filing):
    history = filing._clients.history
    for one in [one for one in history.operations if one.key == "agent-0 has folder-0"]:
        history.refused(one)


@pytest.mark.parametrize("before", [says_otherwise, was_there, was_deleted, was_never_given])
def test_what_tools_find_and_prompts_show_is_held_against_what_was_there(bent, before):
    assert {FOUND, SHOWN} <= set(bent(before=before).promises_broken)


def test_a_folder_that_is_there_after_its_deletion_is_noticed(bent):
    def deleted(filing):
        filing.shelves.removals.append(Removal(0, None, 0.0, "ok", 1.0))

    assert GONE in bent(before=deleted).promises_broken


# ---- what may and what must be there


def version(number, began_ms, ended_ms, outcome="ok", name="a.md", replaces=False):
    event = upload(number, name)
    made = Version(event, 0, name, "x", began_ms, replaces, outcome)
    if outcome == "ok":
        made.ended_ms = made.known_ms = ended_ms
        made.id, made.as_name = f"file-{number}", name
    return made


def shelves(*versions, removals=()):
    return Shelves({one.event.id: one for one in versions}, list(removals))


def test_what_a_later_replacement_took_is_gone_and_what_came_at_once_may_be():
    first, second = version(1, 0, 10), version(2, 20, 30, replaces=True)
    both = shelves(first, second)
    assert not both.is_gone(first, 29)
    assert both.is_gone(first, 30)
    assert both.is_there(second, 31, 99)
    assert not both.is_there(second, 30, 99)
    assert both.is_there(first, 11, 19)
    assert not both.is_there(first, 11, 21)
    at_once = shelves(version(1, 0, 25, replaces=True), version(2, 20, 30, replaces=True))
    one, other = at_once.versions.values()
    assert not at_once.is_gone(one, 99)
    assert not at_once.is_gone(other, 99)
    assert not at_once.is_there(one, 99, 100)
    assert not at_once.is_there(other, 99, 100)
    assert at_once.is_kept(0, "a.md")


@pytest.mark.parametrize("outcome", ["unknown", "refused"])
def test_a_replacement_that_nobody_heard_of_may_take_something_and_a_refused_one_nothing(outcome):
    first = version(1, 0, 10)
    both = shelves(first, version(2, 20, 30, outcome, replaces=True))
    assert not both.is_gone(first, 99)
    assert both.may_be_gone(first) == (outcome == "unknown")


def test_a_removal_takes_one_file_or_all_and_then_nothing_has_to_be_kept():
    first, other = version(1, 0, 10), version(2, 0, 10, name="b.md")
    one = shelves(first, other, removals=[Removal(0, "file-1", 20, "ok", 30)])
    assert [one.is_gone(each, 30) for each in (first, other)] == [True, False]
    assert [one.is_kept(0, name) for name in ("a.md", "b.md")] == [False, True]
    every = shelves(first, other, removals=[Removal(0, None, 20, "ok", 30)])
    assert all(every.is_gone(each, 30) for each in (first, other))
    assert not every.is_kept(0, "b.md")
    elsewhere = shelves(first, other, removals=[Removal(1, None, 20, "ok", 30)])
    assert not any(elsewhere.may_be_gone(each) for each in (first, other))
