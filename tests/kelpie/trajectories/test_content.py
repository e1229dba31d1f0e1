"""Bytes under their hash: who holds them, and that nothing stays that nobody holds."""

import sqlite3

import pytest

from kelpie.errors import GuardFailed
from kelpie.trajectories import content, runs, schema
from umi.storage import Changes, SqliteDatabase


async def bodies(shelf, tenant="t"):
    rows = await shelf.view.fetch("SELECT body FROM content WHERE tenant = ? ORDER BY body", tenant)
    return [row[0] for row in rows]


async def forget(shelf, agent, tenant="t"):
    changes = Changes()
    for sql, params in schema.of_agent_deleted(tenant, agent):
        changes.write(sql, *params)
    await shelf.database.commit(changes)


async def stepped(shelf, number, *request, agent="agent-1", tenant="t", response=b"said"):
    run = await shelf.run(number, agent=agent, tenant=tenant)
    return await shelf.step(run, request=request, response=response)


async def test_an_agent_that_goes_takes_what_no_other_holds(shelf):
    await stepped(shelf, 1, b"system", b"of one", response=b"to one")
    await stepped(shelf, 2, b"system", b"of two", agent="agent-2", response=b"to two")
    await stepped(shelf, 3, b"system", b"of one", tenant="other")
    await forget(shelf, "agent-1")
    assert await bodies(shelf) == [b"of two", b"system", b"to two"]
    assert await bodies(shelf, "other") == [b"of one", b"said", b"system"]
    await forget(shelf, "agent-2")
    assert await bodies(shelf) == []
    assert await shelf.view.fetch("SELECT * FROM content_held WHERE tenant = 't'") == []


async def test_a_run_that_goes_takes_what_no_other_step_holds_once_it_is_swept(shelf, monkeypatch):
    monkeypatch.setattr(content, "_STEPS_AT_ONCE", 2)
    for number in range(5):
        step = await stepped(shelf, number, b"system", f"question {number}".encode(), response=b"answer %d" % number)
    gone = await shelf.end(await runs.get(shelf.view, "t", step.run_id))
    await shelf.database.commit(runs.plan_delete("t", gone.id))
    await shelf.database.commit(await content.plan_sweep(shelf.view, "t", "agent-1"))
    kept = sorted([b"system", *(b"%s %d" % (word, n) for word in (b"question", b"answer") for n in range(4))])
    assert await bodies(shelf) == kept
    await shelf.database.commit(await content.plan_sweep(shelf.view, "t", "agent-1"))
    assert await bodies(shelf) == kept


async def test_what_another_agent_holds_stays_after_a_sweep(shelf):
    step = await stepped(shelf, 1, b"system", b"mine")
    await stepped(shelf, 2, b"system", agent="agent-2")
    await shelf.end(await runs.get(shelf.view, "t", step.run_id))
    await shelf.database.commit(runs.plan_delete("t", step.run_id))
    await shelf.database.commit(await content.plan_sweep(shelf.view, "t", "agent-1"))
    assert await bodies(shelf) == [b"said", b"system"]


async def test_a_step_that_is_written_while_a_sweep_looks_keeps_what_it_holds(shelf):
    step = await stepped(shelf, 1, b"once more")
    await shelf.end(await runs.get(shelf.view, "t", step.run_id))
    await shelf.database.commit(runs.plan_delete("t", step.run_id))
    planned = await content.plan_sweep(shelf.view, "t", "agent-1")
    again = await stepped(shelf, 2, b"once more")  # its row has the number of the one that went
    with pytest.raises(GuardFailed, match="steps"):
        await shelf.database.commit(planned)
    assert await content.get(shelf.view, "t", again.request) == b"once more"


async def test_a_store_from_before_knows_who_holds_what(tmp_path, host):
    path = str(tmp_path / "old.db")
    before = [one for one in schema.MIGRATIONS if one is not content.MIGRATION]
    database = await SqliteDatabase.open(path, before, host=host)
    await database.close()
    hashes = {body: content.content_hash(body) for body in (b"system", b"one", b"two", b"said", b"nobody's")}
    with sqlite3.connect(path) as old:
        old.executemany("INSERT INTO content VALUES ('t', ?, ?)", [(digest, body) for body, digest in hashes.items()])
        for number, body in enumerate((b"one", b"two")):
            old.execute(
                "INSERT INTO step (tenant, id, run_id, agent_id, number, state, model, provider, provider_type,"
                " model_name, model_version, context_window_tokens, usage, request, response, started_at_ms,"
                " model_duration_ms) VALUES ('t', ?, 'r', ?, ?, 'done', 'm', 'p', 'p', 'm', '1', 1, x'', ?, ?, 1, 1)",
                (f"s{number}", f"agent-{number}", number, hashes[b"system"] + hashes[body], hashes[b"said"]),
            )
    old.close()
    database = await SqliteDatabase.open(path, schema.MIGRATIONS, host=host)
    held = await database.view().fetch("SELECT agent_id, hash FROM content_held ORDER BY agent_id, hash")
    wanted = {
        (f"agent-{at}", hashes[one]) for at, body in enumerate((b"one", b"two")) for one in (b"system", body, b"said")
    }
    assert set(held) == wanted
    assert (await database.view().one("SELECT count(*) FROM content"))[0] == 4  # nobody's is gone
    await database.close()
