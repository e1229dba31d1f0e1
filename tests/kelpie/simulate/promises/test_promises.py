"""Each check can fail: rows are bent behind the server's back, and the promise that this breaks is named."""

import dataclasses

import msgspec
import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.promises.promises import Promises
from umi import core
from umi.dst import history
from umi.storage import Changes

NOTES = '[[tool:core_memory_append {"label": "notes", "content": "a line"}]]'
TWO_CALLS = (
    '[[par:core_memory_append {"label": "notes", "content": "draft"}]]'
    ' [[par:core_memory_replace {"label": "notes", "old_content": "draft", "new_content": "final"}]]'
)
RING = '[[tool:ring {"what": "op-3.1"}]] [[say:done]]'


def op(number, kind, **args):
    return Event(id=f"op-{number}", at_ms=100.0 * number, kind=kind, lane="client-1", args=args)


PLAN = Plan(
    scenario="bent rows",
    seed=1,
    options=Options(agents=2, guests=1),
    events=(
        op(1, "send", agent=0, text=NOTES),
        op(2, "send", agent=0, mode="stream", text=TWO_CALLS),
        op(3, "send", agent=1, mode="async", text=RING),
        op(4, "insert", agent=1),
        op(5, "write"),
        op(6, "edit", agent=0),
        op(30, "dismiss", agent=2),
    ),
)
LAST_OF_THE_SECOND_RUN_TO_THE_FIRST = (
    "UPDATE message SET run_id = (SELECT id FROM run WHERE seq = 1) WHERE seq ="
    " (SELECT max(seq) FROM message WHERE run_id = (SELECT id FROM run WHERE seq = 2))"
)


@pytest.fixture
def bent(monkeypatch):
    """The verdict on the plan, with `sql` run on the healed store before anybody looks."""

    def verdict(*sql, before=None):
        check = Promises.check

        async def bend(self):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            await self._world.database.commit(changes)
            if before is not None:
                before(self._world, self._clients)
            await check(self)

        monkeypatch.setattr(Promises, "check", bend)
        return play(PLAN)

    return verdict


def test_nothing_is_wrong_with_what_nobody_bent(bent):
    verdict = bent("SELECT 1")
    assert verdict.violations == []
    counted = {name: count for name, count in verdict.outcomes.items() if name.startswith(("send", "insert"))}
    assert counted == {"insert ok": 1, "send ok": 3}
    assert verdict.outcomes["claims"] >= 2
    assert verdict.outcomes["fenced commits"] > verdict.outcomes["claims"]
    assert verdict.steps > 500


@pytest.mark.parametrize(
    ("promise", "sql"),
    [
        ("acknowledged messages stay", "DELETE FROM message WHERE otid = 'op-1'"),
        ("acknowledged messages stay", "UPDATE message SET otid = 'op-1' WHERE otid = 'op-2'"),
        ("histories have no gaps", "DELETE FROM message WHERE position = 2"),
        (
            "messages keep their order",
            "UPDATE message SET otid = iif(otid = 'op-1', 'op-2', 'op-1') WHERE otid IN ('op-1', 'op-2')",
        ),
        ("turns are serial", LAST_OF_THE_SECOND_RUN_TO_THE_FIRST),
        ("runs reach an end", "UPDATE run SET status = 'running' WHERE seq = 1"),
        ("what was told stays true", "UPDATE run SET status = 'failed' WHERE seq = 1"),
        ("no tool runs twice", "UPDATE call SET arguments = '{\"what\": \"nobody\"}' WHERE tool = 'ring'"),
        ("operations are linearizable", "UPDATE block SET value = 'op-99' WHERE label = 'board'"),
        ("block changes stay, once", "UPDATE block SET value = 'a line' WHERE label = 'notes'"),
        ("acknowledged facts stay", "DELETE FROM fact"),
        ("list = get = search", "UPDATE fact SET terms = substr(terms, 1, 4)"),
        ("files are of calls that succeeded", "DELETE FROM workspace_file"),
        ("files are of calls that succeeded", "UPDATE workspace_file SET path = 'rings/op-9.1.txt'"),
        ("files are of calls that succeeded", "UPDATE call SET is_error = 1 WHERE tool = 'ring'"),
        ("no orphans", "UPDATE workspace_file SET agent_id = 'nobody'"),
        ("no orphans", "DELETE FROM tool_audit"),
        ("no orphans", "UPDATE tool_audit SET state = 'begun'"),
        ("no orphans", "UPDATE call SET state = 'intent'"),
        ("no orphans", "DELETE FROM run WHERE seq = 2"),
        ("no orphans", "INSERT INTO placement VALUES ('default', 'agent', 'nobody', 'silo-1', 1, 0)"),
        ("a healed house answers", "UPDATE agent SET body = x'00' WHERE name = 'agent-1'"),
    ],
)
def test_a_bent_row_breaks_its_promise(bent, promise, sql):
    assert promise in bent(sql).promises_broken


def test_a_deleted_agent_that_is_still_there_is_noticed(bent):
    verdict = bent(before=lambda _, clients: clients.dismissed.update({0: "ok"}))
    assert "what was deleted stays away" in verdict.promises_broken


def test_a_bell_that_rang_twice_is_noticed(bent):
    verdict = bent(before=lambda world, _: world.bell.rings.update({"op-3.1": 1}))
    assert verdict.promises_broken == ["no tool runs twice"]


def test_a_final_message_that_nobody_lists_is_noticed(bent):
    verdict = bent(before=lambda _, clients: clients.sent[0].final_ids.append("message-nobody-has"))
    assert verdict.promises_broken == ["what was shown as final is listed"]


def test_a_prompt_with_a_value_that_is_written_later_is_noticed(bent):
    def foresee(world, _):
        shown = world.shown[0]
        system, *others = shown.request.messages
        seen = msgspec.structs.replace(
            system, content=system.text.replace("\n\n</value>\n</board>", "\nop-5\n</value>\n</board>")
        )
        request = msgspec.structs.replace(shown.request, messages=[seen, *others])
        world.shown[0] = dataclasses.replace(shown, request=request)

    assert bent(before=foresee).promises_broken == ["prompts show memory as it is"]


def test_usage_that_does_not_add_up_is_noticed(bent, monkeypatch):
    from kelpie.api.wire import runs as wire

    honest = wire.run_usage
    monkeypatch.setattr(wire, "run_usage", lambda steps: honest(steps) | {"total_tokens": 1})
    assert bent().promises_broken == ["usage adds up"]


def test_a_place_that_nobody_gives_back_is_noticed(bent):
    def leak(world, clients):
        silo = world.life("silo-1").silo.server.app.state.house.inbox.silo
        silo.ref("agent", clients.agents[0], "default").reserve()

    assert bent(before=leak).promises_broken == ["nothing is left half done"]


def test_a_request_that_meets_a_bug_is_noticed(monkeypatch):
    get, asked = core.get, []

    async def once(view, tenant, block_id):
        asked.append(block_id)
        if len(asked) == 1:
            raise ZeroDivisionError
        return await get(view, tenant, block_id)

    monkeypatch.setattr(core, "get", once)
    assert "no request meets a bug" in play(PLAN).promises_broken


def test_a_history_that_cannot_be_decided_is_no_pass(bent, monkeypatch):
    monkeypatch.setattr(history, "CONFIGURATIONS_MAX", 0)
    assert bent().promises_broken == ["histories can be decided"]


def test_an_agent_that_may_have_been_deleted_and_is_there_keeps_every_promise(bent):
    verdict = bent(
        "DELETE FROM message WHERE otid = 'op-1'", before=lambda _, clients: clients.dismissed.update({0: "unknown"})
    )
    assert "acknowledged messages stay" in verdict.promises_broken
