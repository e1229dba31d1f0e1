"""Embedding behind the write: nothing is lost, nothing is done twice but a batch, and a bad embedder harms nobody."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi import embed, limits
from umi.dst import Host, ManualClock, Rng
from umi.embed import Behind, HashEmbedder
from umi.embed.vectors import text_to_embed
from umi.errors import InvalidInput, ModelError, StoreError
from umi.storage.simulated import SimulatedDatabase

from .conftest import MIGRATIONS, Facts, Recording

BATCH = limits.EMBED_BATCH_TEXTS_MAX


@pytest.fixture
def behind(database, host):
    def make(embedder):
        return Behind(database, embedder, host)

    return make


async def settle(worker):
    """Until the background task has ended."""
    if worker._task is not None:
        await asyncio.shield(worker._task)


async def test_a_woken_worker_embeds_what_is_stored_and_ends(facts, behind, recording):
    ids = await facts.add("one", "two", speaker="Ada")
    embedder = recording()
    worker = behind(embedder)
    worker.wake(facts.tenant, facts.scope)
    await settle(worker)
    assert list(await facts.vectors()) == ids
    assert embedder.asked == [["Ada: one", "Ada: two"]]
    assert worker.state().embedded == 2


async def test_a_worker_that_ended_begins_again(facts, behind, recording):
    worker = behind(recording())
    for n in range(1, 3):
        await facts.add(f"fact {n}")
        worker.wake(facts.tenant, facts.scope)
        await settle(worker)
        assert len(await facts.vectors()) == n


async def test_a_worker_that_begins_finds_what_earlier_ones_left(facts, behind, recording):
    await facts.add("one")
    await facts.of("bob").add("two")
    worker = behind(recording())
    worker.wake()
    await settle(worker)
    assert len(await facts.vectors()) == len(await facts.of("bob").vectors()) == 1


async def test_a_wake_while_it_works_is_not_lost(facts, behind, recording):
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(texts):
        inside.set()
        await go_on.wait()
        return await HashEmbedder(32).embed(texts)

    worker = behind(recording(slow))
    await worker.drain()
    await facts.add("one")
    worker.wake(facts.tenant, facts.scope)
    await inside.wait()
    await facts.add("two")
    worker.wake(facts.tenant, facts.scope)
    go_on.set()
    await settle(worker)
    assert len(await facts.vectors()) == 2


async def test_many_facts_go_in_batches_each_committed_by_itself(facts, behind, recording):
    await facts.add(*(f"fact {n}" for n in range(2 * BATCH + 1)))
    before = await facts.revision()
    embedder = recording()
    await behind(embedder).drain()
    assert [len(asked) for asked in embedder.asked] == [BATCH, BATCH, 1]
    assert await facts.revision() == before + 3
    assert len(await facts.vectors()) == 2 * BATCH + 1


async def test_a_scope_with_much_to_do_delays_no_other(facts, behind, recording):
    await facts.of("a large one").add(*(f"fact {n}" for n in range(3 * BATCH)))
    await facts.of("zoe").add("new")
    embedder = recording()
    await behind(embedder).drain()
    assert embedder.asked[1] == ["new"]
    assert len(embedder.texts) == 3 * BATCH + 1


async def test_draining_again_asks_nothing(facts, behind, recording):
    await facts.add("one")
    embedder = recording()
    await behind(embedder).drain()
    await behind(embedder).drain()
    assert embedder.texts == ["one"]


async def test_facts_stay_findable_while_the_embedder_fails_and_get_their_vectors_when_it_works(
    facts, behind, recording
):
    await facts.add("one")
    embedder = recording(ModelError("overloaded", "come back later"), RuntimeError("its own bug"))
    worker = behind(embedder)
    worker.wake()
    assert await facts.vectors() == {}
    assert (await facts.view.fetch("SELECT text FROM fact WHERE known_to_ms IS NULL")) == [("one",)]
    await settle(worker)
    assert len(await facts.vectors()) == 1
    assert len(embedder.asked) == 3
    state = worker.state()
    assert (state.failures, state.retry_at_ms) == (0, None)
    assert "its own bug" in state.last_error


async def test_the_pauses_grow_and_the_last_error_shows_meanwhile(facts, behind, recording, clock):
    await facts.add("one")
    errors = [ModelError("server_error", f"failure {n}") for n in range(4)]
    worker, slept, seen = behind(recording(*errors)), [], []
    sleep = clock.sleep

    async def noted(duration_ms):
        slept.append(duration_ms)
        seen.append(worker.state())
        await sleep(duration_ms)

    clock.sleep = noted
    worker.wake()
    await settle(worker)
    assert [state.last_error for state in seen] == [f"failure {n}" for n in range(4)]
    assert [state.failures for state in seen] == [1, 2, 3, 4]
    assert all(state.retry_at_ms is not None for state in seen)
    for n, pause in enumerate(slept):
        assert 500 * 2**n <= pause <= 1_000 * 2**n


async def test_scopes_without_work_do_not_shorten_the_pauses(facts, behind, recording, clock):
    ids = await facts.of("a").add("done")
    await behind(recording()).drain()
    await facts.of("a").change(ids[0], importance=0.7)
    await facts.of("b").add("waits")
    worker = behind(recording(*[ModelError("server_error", "no")] * 3))
    failures, sleep = [], clock.sleep

    async def noted(duration_ms):
        failures.append(worker.state().failures)
        await facts.of("a").change(ids[0], importance=0.1 * len(failures))
        worker.wake("t", "a")
        await sleep(duration_ms)

    clock.sleep = noted
    worker.wake()
    await settle(worker)
    assert failures == [1, 2, 3]
    assert worker.state().failures == 0


async def test_the_pauses_have_a_bound(facts, behind, recording, clock):
    await facts.add("one")
    worker, slept = behind(recording(*[ModelError("server_error", "no")] * 60)), []
    sleep = clock.sleep

    async def noted(duration_ms):
        slept.append(duration_ms)
        await sleep(duration_ms)

    clock.sleep = noted
    worker.wake()
    await settle(worker)
    assert max(slept) <= limits.EMBED_RETRY_DELAY_MS_MAX
    assert slept[-1] >= limits.EMBED_RETRY_DELAY_MS_MAX / 2


async def test_an_embedder_that_hangs_is_left_and_asked_again(facts, behind, recording, clock, monkeypatch):
    async def hang(texts):
        await asyncio.Event().wait()

    await facts.add("one")
    timeout = clock.timeout
    monkeypatch.setattr(clock, "timeout", lambda ms: timeout(min(ms, 5) if ms == limits.EMBED_TIMEOUT_MS else ms))
    worker = behind(recording(hang))
    worker.wake()
    await settle(worker)
    assert "gave no answer within 60,000 ms" in worker.state().last_error
    assert len(await facts.vectors()) == 1


async def test_an_embedder_that_lies_stores_nothing(facts, behind, recording):
    async def lie(texts):
        return (await HashEmbedder(33).embed(texts))[:, :33]

    await facts.add("one")
    worker = behind(recording(lie))
    with pytest.raises(ModelError, match="vectors of 33 dimensions instead of 32"):
        await worker.drain()
    assert await facts.vectors() == {}
    assert worker.state().failures == 1
    await worker.drain()
    assert len(await facts.vectors()) == 1


async def test_a_text_the_embedder_cannot_take_delays_no_other(facts, behind, recording):
    class Picky(Recording):
        async def embed(self, texts):
            if any("bad" in text for text in texts):
                raise ModelError("context_overflow", "too long for me")
            return await super().embed(texts)

    ids = await facts.add("one", "bad", "two", "three")
    worker = behind(Picky())
    state = await worker.drain()
    assert set(await facts.vectors()) == {ids[0], ids[2], ids[3]}
    assert (state.embedded, state.refused) == (3, 1)
    await facts.change(ids[1], text="good")
    await worker.drain()
    assert set(await facts.vectors()) == set(ids)


async def test_more_refused_texts_than_a_batch_hold_nobody_up(facts, behind):
    class Picky(Recording):
        async def embed(self, texts):
            self.asked.append(texts)
            if any("bad" in text for text in texts):
                raise InvalidInput("I can't read this")
            return await HashEmbedder(32).embed(texts)

    ids = await facts.add(*(f"bad {n}" for n in range(BATCH + 2)), "good")
    embedder = Picky()
    state = await behind(embedder).drain()
    assert list(await facts.vectors()) == ids[-1:]
    assert (state.embedded, state.refused) == (1, BATCH + 2)
    alone = [asked[0] for asked in embedder.asked if len(asked) == 1 and "bad" in asked[0]]
    assert sorted(alone) == sorted(set(alone)), "a refused text was asked for again"


async def test_an_embedder_that_refuses_everything_is_not_believed(facts, behind, recording):
    class Misconfigured(Recording):
        wrong = True

        async def embed(self, texts):
            if self.wrong:
                raise ModelError("bad_request", "no such model")
            return await super().embed(texts)

    await facts.add("one", "two")
    embedder = Misconfigured()
    worker = behind(embedder)
    with pytest.raises(ModelError, match="no such model"):
        await worker.drain()
    assert worker.state().refused == 0
    embedder.wrong = False
    await worker.drain()
    assert len(await facts.vectors()) == 2


async def test_a_changed_embedder_makes_the_vectors_anew(facts, behind):
    await facts.add("one", "two")
    await behind(HashEmbedder(32)).drain()
    await behind(HashEmbedder(16)).drain()
    assert {(by, len(vector)) for by, vector in (await facts.vectors()).values()} == {("hash-16", 32)}


async def test_closing_stops_it_and_the_next_one_goes_on(facts, behind, recording):
    inside = asyncio.Event()

    async def hang(texts):
        inside.set()
        await asyncio.Event().wait()

    await facts.add(*(f"fact {n}" for n in range(BATCH + 2)))

    async def answer(texts):
        return await HashEmbedder(32).embed(texts)

    worker = behind(recording(answer, hang))
    worker.wake()
    await inside.wait()
    await worker.close()
    assert len(await facts.vectors()) == BATCH
    worker.wake()
    assert worker._task.done(), "it began again although it was closed"
    second = recording()
    await behind(second).drain()
    assert second.texts == [f"fact {n}" for n in range(BATCH, BATCH + 2)]


async def test_a_closed_store_ends_it_quietly(facts, behind, recording):
    await facts.add("one")
    worker = behind(recording())
    await facts.database.close()
    worker.wake()
    await settle(worker)
    assert worker.state().failures == 0


@pytest.mark.parametrize(("name", "dimensions"), [("", 4), ("x" * 129, 4), ("fine", 0), ("fine", 10**6)])
def test_an_embedder_that_cannot_be_is_refused_at_once(host, name, dimensions):
    class Odd:
        pass

    odd = Odd()
    odd.name, odd.dimensions = name, dimensions
    with pytest.raises(InvalidInput):
        Behind(SimulatedDatabase(1, MIGRATIONS, host=host), odd, host)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), st.text("abc ", min_size=1, max_size=5)),
        st.tuples(st.just("change"), st.integers(0, 5), st.text("abc ", min_size=1, max_size=5)),
        st.tuples(st.just("rate"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("forget"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("restore"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("purge"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("drain"), st.just(0), st.sampled_from(["hash-8", "other"])),
        st.tuples(st.just("crash"), st.just(0), st.just("")),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(STEPS)
async def test_after_any_history_each_known_fact_has_the_vector_of_its_text_and_no_other_is_there(steps):
    host = Host(ManualClock(), Rng("steps"))
    database = SimulatedDatabase("steps", MIGRATIONS, host=host)
    scopes = [Facts(database, host, "ada"), Facts(database, host, "bob")]
    owner, texts, known = {}, {}, {}
    for step, at, text in [*steps, ("drain", 0, "hash-8")]:
        host.clock.advance(1)
        ids = list(texts)
        fact = ids[at % len(ids)] if ids else None
        if step == "add":
            (made,) = await scopes[at].add(text if text.strip() else "x")
            owner[made], texts[made], known[made] = scopes[at], text if text.strip() else "x", True
        elif step == "drain":
            await Behind(database, HashEmbedder(8, name=text), host).drain()
        elif step == "crash":
            database.crash()
        elif fact is not None:
            await change(owner[fact], fact, step, text, texts, known)
    for facts in scopes:
        expected = {
            fact: ("hash-8", await packed_of(text))
            for fact, text in texts.items()
            if owner[fact] is facts and known[fact]
        }
        left = await facts.vectors()
        assert {fact: left.get(fact) for fact in expected} == expected
        assert None not in left, "the vector of a fact that is gone"
    await database.close()


async def change(facts, fact, step, text, texts, known):
    if step == "change" and text.strip():
        texts[fact] = text
        await facts.change(fact, text=text)
    elif step == "rate":
        await facts.change(fact, importance=0.9)
    elif step == "forget":
        known[fact] = False
        await facts.forget(fact)
    elif step == "restore":
        known[fact] = True
        await facts.change(fact, known_to_ms=None)
    elif step == "purge":
        del texts[fact], known[fact]
        await facts.forget(fact, hard=True)


async def packed_of(text):
    return embed.vectors.packed(await HashEmbedder(8).embed([text_to_embed(None, text)]))[0]


async def test_a_store_that_fails_is_tried_again_and_nothing_is_lost(host):
    database = SimulatedDatabase("store", MIGRATIONS, host=host)
    facts = Facts(database, host)
    ids = await facts.add(*(f"fact {n}" for n in range(BATCH + 1)))
    database.faults.plan("disk.sync_error", where="-wal", times=1)
    worker = Behind(database, HashEmbedder(8), host)
    with pytest.raises(StoreError):
        await worker.drain()
    assert database.faults.fired["disk.sync_error"] == 1
    worker.wake()
    await settle(worker)
    assert list(await facts.vectors()) == ids
    await database.close()


async def test_power_loss_at_any_write_repeats_at_most_a_batch(host):
    """Every occasion for a power cut while a worker drains, one after another."""
    repeated = []
    for after in range(40):
        database = SimulatedDatabase(f"power {after}", MIGRATIONS, host=host)
        facts = Facts(database, host)
        ids = await facts.add(*(f"fact {n}" for n in range(BATCH + 8)))
        database.faults.plan("disk.power_cut", after=after)
        embedder = Recording()
        try:
            await Behind(database, embedder, host).drain()
        except StoreError:
            database.crash()
        cut = database.faults.fired["disk.power_cut"]
        await Behind(database, embedder, host).drain()
        assert list(await facts.vectors()) == ids
        repeated.append(len(embedder.texts) - len(ids))
        await database.close()
        if not cut:
            break
    assert not cut, "the last round went through without a cut, so that every occasion was tried"
    assert 0 < max(repeated) <= BATCH
